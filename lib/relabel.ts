/**
 * What a container is to share, labelled so that SELinux lets it: `--bind SRC:DST:z` for all containers, `:Z` for this one.
 *
 * The labels stay, as docker's and podman's do: it is the caller's wish that these files be containers' from now on.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import { syscall } from "../ffi/libc.ts";
import { type ByteName, lookAt, openName, openPath, readNames, reopen, toText, typeOf } from "../ffi/files.ts";
import { errnoText, PermissionError, printable, UsageError } from "./errors.ts";
import { allows, LABEL_ATTRIBUTE, labelOf, selinuxMode } from "./selinux.ts";
import { isBind } from "./spec/check_mount.ts";
import type { Mount, Spec } from "./spec/types.ts";
import { warn } from "./warnings.ts";

/** What no host works without when its files are containers'. */
const ESSENTIAL: ReadonlySet<string> = new Set(
  ["", "bin", "boot", "dev", "etc", "etc/pki", "etc/ssh", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root"]
    .concat(["run", "sbin", "srv", "sys", "tmp", "usr", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "usr/share"])
    .concat(["var", "var/lib", "var/log", "var/run", "var/tmp"]).map((path) => `/${path}`),
);

/**
 * Gives the sources of those binds that ask for it the label of the container's files, where the container has one; tells of
 * others that it won't be able to use.
 *
 * @throws {UsageError} It is one of the host's own directories.
 * @throws {PermissionError} A file can't be labelled.
 */
export function relabel(mounts: readonly Mount[], { linux, process }: Spec): void {
  const [own, user] = [linux?.mountLabel, process.selinuxLabel];
  if (own === undefined || user === undefined) return;
  for (const mount of mounts.filter(isBind)) {
    const { source = "", options = [] } = mount;
    const path = Deno.realPathSync(source);
    // All containers' have no categories.
    if (options.includes("z")) labelAll(path, own.split(":").slice(0, 4).join(":"));
    else if (options.includes("Z")) labelAll(path, own);
    else warnOf(path, user);
  }
}

function labelAll(path: string, label: string): void {
  if (ESSENTIAL.has(path)) {
    throw new UsageError(`${printable(path)} is the host's: its files can't be labelled as containers'`, {
      path,
      hint: "leave out z or Z, or bind a directory below it",
    });
  }
  using root = must(openPath(path, ["O_PATH", "O_NOFOLLOW"]), path);
  labelTree(root.number, path, new TextEncoder().encode(`${label}\0`));
}

/** Tells of what a container with this label won't be able to use: inside only "permission denied" is seen of it. */
function warnOf(path: string, user: string): void {
  const label = labelOf(path);
  if (label === undefined || selinuxMode() !== "enforcing") return;
  const { isDirectory, isFile } = Deno.statSync(path);
  const isUsable = isDirectory
    ? allows(user, label, "dir", ["read", "search"])
    : !isFile || allows(user, label, "file", ["read"]);
  if (isUsable) return;
  warn(
    `SELinux won't let the container use ${printable(path)}, which is ${printable(label)}: bind it with :z, which ` +
      `labels it for all containers, or :Z, for this one`,
  );
}

function must<T>(result: T | number, path: string): T {
  if (typeof result !== "number") return result;
  throw new PermissionError(`${printable(path)} can't be labelled as the container's: ${errnoText(-result)}`, {
    path,
    errno: -result,
    hint: "leave out z or Z where its files may keep their labels",
  });
}

/** Labels a file that is open as a path only, and all below it; no link is followed, whatever others do meanwhile. */
function labelTree(file: number, path: string, label: Uint8Array<ArrayBuffer>): void {
  const set = syscall("setxattr", `/proc/self/fd/${file}`, LABEL_ATTRIBUTE, label, label.length, 0);
  // Such filesystems have one label for all of their files: theirs to say.
  if (set < 0 && set !== -E.EOPNOTSUPP) must(set, path);
  const facts = lookAt(file);
  if (typeof facts === "number" || typeOf(facts) !== "directory") return;
  using directory = must(reopen(file, ["O_RDONLY", "O_DIRECTORY"]), path);
  for (const name of must(readNames(directory.number), path) as readonly ByteName[]) {
    const entry = openName(directory.number, name, ["O_PATH"]);
    // Somebody has just removed it.
    if (entry === -E.ENOENT) continue;
    const below = `${path}/${toText(name)}`;
    using opened = must(entry, below);
    labelTree(opened.number, below, label);
  }
}
