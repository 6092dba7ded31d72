/**
 * Why a command can't be executed: the kernel says ENOENT for a missing command, a missing loader and a missing
 * interpreter alike. Looks at the files from outside.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { CommandNotFoundError, errnoText, type FluxError, NotExecutableError, printable } from "../errors.ts";
import { isBind } from "../spec/check_mount.ts";
import type { Mount } from "../spec/types.ts";
import { readInRoot } from "../users.ts";

/** What there is to look at. */
export interface Tree {
  readonly image: string;
  readonly mounts: readonly Mount[];
  /** The command's working directory. */
  readonly cwd: string;
  readonly architecture: Architecture;
  /** The SELinux label that it was to have, if any. */
  readonly label?: string;
}

/** More than any `#!` line, and than the headers of any usual ELF file. */
const HEAD = 65536;
const PT_INTERP = 3;
/** `linux/elf-em.h` */
const MACHINES: Readonly<Record<number, string>> = {
  3: "i386",
  8: "mips",
  20: "powerpc",
  21: "ppc64le",
  22: "s390x",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv64",
  258: "loongarch64",
};

/** The first bytes of a file, seen from inside; nothing where there is no such regular file. */
function head({ image, mounts, cwd }: Tree, given: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = (given.startsWith("/") ? given : `${cwd}/${given}`).split("/");
  const path = "/" + parts.filter((part) => part !== "" && part !== ".").join("/");
  const bind =
    mounts.filter((mount) => isBind(mount) && (path === mount.destination || path.startsWith(mount.destination + "/")))
      .sort((a, b) => b.destination.length - a.destination.length)[0];
  if (bind?.source === undefined) return readInRoot(image, path, HEAD);
  const rest = path.slice(bind.destination.length);
  if (rest !== "") return readInRoot(bind.source, rest, HEAD);
  const slash = bind.source.lastIndexOf("/");
  return readInRoot(bind.source.slice(0, slash) || "/", bind.source.slice(slash + 1), HEAD);
}

type Kind =
  | { readonly kind: "elf"; readonly machine: string; readonly loader: string | undefined }
  | { readonly kind: "script"; readonly interpreter: string }
  | { readonly kind: "other" };

/** Tells what a file is from its first bytes. */
export function classify(bytes: Uint8Array<ArrayBuffer>): Kind {
  const latin = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  if (latin(0, 2) === "#!") {
    const line = latin(2, Math.min(bytes.length, 258)).split("\n")[0] ?? "";
    return { kind: "script", interpreter: line.replace(/^[ \t]+/, "").split(/[ \t]/)[0] ?? "" };
  }
  if (latin(0, 4) !== "\x7fELF" || bytes.length < 64) return { kind: "other" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const little = bytes[5] === 1;
  const number = view.getUint16(18, little);
  const machine = MACHINES[number] ?? `machine ${number}`;
  if (bytes[4] !== 2) return { kind: "elf", machine, loader: undefined };
  const start = Number(view.getBigUint64(32, little));
  const size = view.getUint16(54, little);
  for (let i = 0; i < view.getUint16(56, little); i++) {
    const at = start + i * size;
    if (at + 56 > bytes.length) break;
    if (view.getUint32(at, little) !== PT_INTERP) continue;
    const offset = Number(view.getBigUint64(at + 8, little));
    const length = Number(view.getBigUint64(at + 32, little));
    if (offset + length <= bytes.length && length < 4096) {
      return { kind: "elf", machine, loader: latin(offset, offset + length).split("\0")[0] ?? "" };
    }
  }
  return { kind: "elf", machine, loader: undefined };
}

/** The sentence for a file that is there and wasn't executed. */
function explain(tree: Tree, path: string, bytes: Uint8Array<ArrayBuffer>, errno: number): FluxError {
  const options = { path, errno, step: `execute ${path}` };
  const name = printable(path);
  const file = classify(bytes);
  if (file.kind === "elf" && file.machine !== tree.architecture) {
    return new NotExecutableError(`${name} is a program for ${file.machine}, and this host is ${tree.architecture}`, {
      ...options,
      hint: "use an image for this architecture, or install qemu-user-static on the host",
    });
  }
  if (file.kind === "elf" && file.loader !== undefined && errno === E.ENOENT) {
    return new NotExecutableError(`${name} needs the loader ${printable(file.loader)}, and the image doesn't have it`, {
      ...options,
      hint: "add the C library to the image, or use a statically linked program",
    });
  }
  if (file.kind === "script" && (errno === E.ENOENT || errno === E.ENOEXEC)) {
    const carriage = file.interpreter === "" || file.interpreter.includes("\r");
    return new NotExecutableError(
      `${name} asks for the interpreter "${
        printable(file.interpreter)
      }" in its first line, and the image doesn't have it`,
      {
        ...options,
        hint: carriage
          ? "is the script saved with Windows line ends?"
          : "correct the #! line, or add the interpreter to the image",
      },
    );
  }
  if (errno === E.ENOEXEC) {
    return new NotExecutableError(`${name} is neither a program nor a script with a #! line`, {
      ...options,
      hint: "run it with its interpreter, such as sh",
    });
  }
  const policy = tree.label === undefined ? "" : `does SELinux's policy let libflux's own label become ${tree.label}`;
  if (errno === E.EACCES) {
    return new NotExecutableError(`${name} can't be executed: permission denied`, {
      ...options,
      hint: "is it marked executable (chmod +x), for this user, and not on a mount with noexec" +
        `${policy === "" ? "" : `; and ${policy}`}?`,
    });
  }
  // Who can gain no privileges may get another label only where the policy says so.
  if (errno === E.EPERM && policy !== "") {
    return new NotExecutableError(`${name} can't be executed: ${errnoText(errno)}`, { ...options, hint: `${policy}?` });
  }
  return new NotExecutableError(`${name} can't be executed: ${errnoText(errno)}`, options);
}

/** Why `path` couldn't be executed. */
export function diagnose(tree: Tree, path: string, errno: number): FluxError {
  const bytes = head(tree, path);
  if (bytes !== undefined) return explain(tree, path, bytes, errno);
  const options = { path, errno, step: `execute ${path}` };
  if (errno === E.ENOENT || errno === E.ENOTDIR) {
    return new CommandNotFoundError(`there is no ${printable(path)} in the container`, {
      ...options,
      hint: "is the image the right one?",
    });
  }
  if (errno === E.EACCES) {
    return new NotExecutableError(
      `${printable(path)} can't be executed: it is a directory, or permission is denied`,
      options,
    );
  }
  return new NotExecutableError(`${printable(path)} can't be executed: ${errnoText(errno)}`, options);
}

/** Why a command wasn't found in any directory of its PATH: it may be there and lack its loader. */
export function diagnoseSearch(tree: Tree, command: string, path: string): FluxError {
  for (const directory of path.split(":")) {
    const candidate = `${directory === "" ? "." : directory}/${command}`;
    const bytes = head(tree, candidate);
    if (bytes !== undefined) return explain(tree, candidate, bytes, E.ENOENT);
  }
  return new CommandNotFoundError(`there is no command "${printable(command)}" in the container's PATH (${path})`, {
    path: command,
    errno: E.ENOENT,
    hint: "is it in the image, and spelled right?",
  });
}
