/**
 * Copying files into a container that runs, and out of it.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import { Descriptor, syscall, SyscallError } from "../ffi/libc.ts";
import { isType, type Stat } from "../ffi/stat.ts";
import { facts, locate, openTree } from "../ffi/tree.ts";
import { callersPath } from "./caller.ts";
import type { ControlOptions } from "./control.ts";
import { copyContents, type CopyRules, copyTree } from "./copy_tree.ts";
import { errnoText, FluxError, NoContainerError, PermissionError, printable, UsageError } from "./errors.ts";
import { hostId } from "./spec/id_maps.ts";
import type { IdMapping } from "./spec/types.ts";
import { readIfThere } from "./store/directory.ts";
import { findRunning, openStore } from "./store/open.ts";
import { openProcess } from "./store/process.ts";
import { warn } from "./warnings.ts";

/**
 * How to copy.
 *
 * @example Keep whose files they are
 * ```ts
 * import { copyFrom, type CopyOptions, run } from "@libflux/cli/mod";
 *
 * const options: CopyOptions = { archive: true };
 * await using container = await run({ command: ["sleep", "60"] });
 * await copyFrom(container.name, "/etc/hostname", "/tmp/libflux-example-hostname", options);
 * Deno.removeSync("/tmp/libflux-example-hostname");
 * ```
 */
export interface CopyOptions extends ControlOptions {
  /** Keep owners, by their numbers inside, and set-id bits; false if left out: they are root's inside, yours outside. */
  readonly archive?: boolean;
  /** Copy what a link leads to, where the source itself is one; false if left out. */
  readonly followLink?: boolean;
}

/** One side of a copy: this host, or a container's root. */
interface Side {
  readonly root: Descriptor | undefined;
  /** For messages. */
  readonly who: string;
}

const HOST: Side = { root: undefined, who: "this host" };

/** A container, opened. */
interface Inside extends Side {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

function mapping(pid: number, file: "uid_map" | "gid_map"): IdMapping[] {
  return (readIfThere(`/proc/${pid}/${file}`) ?? "").trim().split("\n").map((line) => {
    const [containerID = 0, hostID = 0, size = 0] = line.trim().split(/\s+/).map(Number);
    return { containerID, hostID, size };
  });
}

const insideId = (lines: readonly IdMapping[], id: number): number => {
  const line = lines.find(({ hostID, size }) => hostID <= id && id < hostID + size);
  return line === undefined ? id : id - line.hostID + line.containerID;
};

/** Opens a container's root as it is for its PID 1. */
async function open(name: string, { root }: ControlOptions, opened: DisposableStack): Promise<Inside> {
  const state = findRunning(await openStore(root), name);
  const process = openProcess(state);
  if (process === undefined) throw new NoContainerError(`the container ${name} has ended`);
  opened.use(process);
  const tree = openTree(`/proc/${state.pid}/root`);
  const maps = { uids: mapping(state.pid, "uid_map"), gids: mapping(state.pid, "gid_map") };
  if (typeof tree === "number") throw refused(name, "/", -tree);
  opened.use(tree);
  // By now its number could be another's.
  if (syscall("pidfd_send_signal", process.number, 0, 0, 0) < 0) {
    throw new NoContainerError(`the container ${name} has ended`);
  }
  return { root: tree, who: `the container ${name}`, ...maps };
}

function refused(who: string, path: string, errno: number): FluxError {
  const shown = printable(path);
  if (errno === E.ENOENT) return new UsageError(`there is no ${shown} in ${who}`, { path });
  if (errno === E.ENOTDIR) return new UsageError(`${shown} in ${who} is below a file`, { path });
  const text = `${shown} in ${who} can't be opened: ${errnoText(errno)}`;
  return errno === E.EACCES || errno === E.EPERM
    ? new PermissionError(text, { path, errno })
    : new FluxError(text, { path, errno });
}

/** "/a/b/" → "/a", "b"; nothing for the name where it names a directory by itself. */
function split(path: string): readonly [parent: string, name: string | undefined] {
  const whole = path.replace(/\/+$/, "");
  const at = whole.lastIndexOf("/");
  const name = whole.slice(at + 1);
  if (name === "" || name === "." || name === "..") return [whole === "" ? "/" : whole, undefined];
  return [at < 0 ? "." : at === 0 ? "/" : whole.slice(0, at), name];
}

/** Copies from one side to the other, as docker does. */
function copy(from: Side, source: string, to: Side, target: string, rules: CopyRules, followLink: boolean): void {
  using opened = new DisposableStack();
  const isContents = /(^|\/)\.$/.test(source);
  const found = locate(from.root, source, { follow: followLink || isContents || source.endsWith("/") });
  if (typeof found === "number") throw refused(from.who, source, -found);
  const place = opened.use(found);
  const what = facts(place);
  const existing = locate(to.root, target, { directory: true, follow: true });
  const isDirectory = isType(what, "S_IFDIR");
  if (typeof existing === "object") {
    const directory = opened.use(existing);
    const [, name] = split(source);
    if (isDirectory && (isContents || name === undefined)) return copyContents(place, directory, rules, source);
    if (name !== undefined) return copyTree(place, directory, name, rules);
    throw new UsageError(`${printable(source)} has no name to copy it by`, { path: source });
  }
  const [parent, name] = split(target);
  if (existing === -E.ENOTDIR && (isDirectory || target.endsWith("/"))) {
    throw new UsageError(`${printable(target)} in ${to.who} is a file, and no directory`, { path: target });
  }
  if (name === undefined || !isDirectory && target.endsWith("/")) {
    throw new UsageError(`there is no directory ${printable(target)} in ${to.who}`, { path: target });
  }
  const above = locate(to.root, parent, { directory: true, follow: true });
  if (typeof above === "number") throw refused(to.who, parent, -above);
  copyTree(place, opened.use(above), name, rules);
}

/** A failed call of a copy, for people. */
function told(error: unknown, from: Side, to: Side): unknown {
  if (!(error instanceof SyscallError)) return error;
  const path = error.path ?? "";
  const options = { path, errno: error.errno, step: error.syscall, cause: error };
  if (error.errno === E.EROFS) {
    return new PermissionError(`${printable(path)} can't be written: the root of ${to.who} is read-only`, {
      ...options,
      hint: "copy to a mount of its that can be written to, such as a --tmpfs",
    });
  }
  if (error.errno === E.EOVERFLOW) {
    return new PermissionError(
      `${printable(path)} can't be made in ${to.who}, whose users are others than this host's`,
      {
        ...options,
        hint: "its directory must belong to the container's root",
      },
    );
  }
  return new FluxError(
    `${printable(path)} can't be copied from ${from.who} to ${to.who}: ${errnoText(error.errno)}`,
    options,
  );
}

const skip = (path: string, why: string): void => warn(`${printable(path)} isn't copied: ${why}`);

/**
 * Copies a file, or a directory with all in it, out of a container that runs.
 *
 * Whatever the container does to its files meanwhile, nothing but its own is read, and nothing but the target is written.
 * A directory goes into one that is there, and becomes one that isn't; its contents alone where its path ends in "/.".
 * Devices, sockets and FIFOs are left out, with a warning.
 *
 * @param path In the container.
 * @param target On this host.
 * @throws {NoContainerError} There is none of this name.
 * @throws {UsageError} There is no such file, or a directory would have to become a file.
 *
 * @example
 * ```ts
 * import { copyFrom, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * await copyFrom(container.name, "/etc/hostname", "/tmp/libflux-example-file");
 * Deno.removeSync("/tmp/libflux-example-file");
 * ```
 */
export async function copyFrom(name: string, path: string, target: string, options: CopyOptions = {}): Promise<void> {
  using opened = new DisposableStack();
  const inside = await open(name, options, opened);
  const archive = options.archive === true;
  const owner = ({ uid, gid }: Stat) => ({ uid: insideId(inside.uids, uid), gid: insideId(inside.gids, gid) });
  const rules = { owner: archive ? owner : () => undefined, keepsSetId: archive, skip };
  try {
    copy(inside, absolute(path), HOST, callersPath(target), rules, options.followLink === true);
  } catch (error) {
    throw told(error, inside, HOST);
  }
}

/**
 * Copies a file, or a directory with all in it, into a container that runs; as {@linkcode copyFrom} does.
 *
 * @param source On this host.
 * @param path In the container.
 * @throws As {@linkcode copyFrom} does.
 *
 * @example
 * ```ts
 * import { copyTo, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * await copyTo(container.name, "/etc/hostname", "/tmp/hosts-name");
 * ```
 */
export async function copyTo(name: string, source: string, path: string, options: CopyOptions = {}): Promise<void> {
  using opened = new DisposableStack();
  const inside = await open(name, options, opened);
  const archive = options.archive === true;
  const id = (lines: readonly IdMapping[], number: number): number => hostId(lines, number) ?? hostId(lines, 0) ?? 0;
  const root = { uid: id(inside.uids, 0), gid: id(inside.gids, 0) };
  const owner = ({ uid, gid }: Stat) => archive ? { uid: id(inside.uids, uid), gid: id(inside.gids, gid) } : root;
  try {
    using _ = actingAs(root.uid, root.gid);
    copy(
      HOST,
      callersPath(source),
      inside,
      absolute(path),
      { owner, keepsSetId: archive, skip },
      options.followLink === true,
    );
  } catch (error) {
    throw told(error, HOST, inside);
  }
}

const absolute = (path: string): string => path.startsWith("/") ? path : `/${path}`;

/**
 * Has this thread make files as somebody else, where the container's root is nobody of this host's: a filesystem of its
 * can hold no other owners.
 */
function actingAs(uid: number, gid: number): Disposable {
  if (Deno.uid() !== 0 || uid === 0) return { [Symbol.dispose]: () => {} };
  syscall("setfsgid", gid);
  syscall("setfsuid", uid);
  return {
    [Symbol.dispose]() {
      syscall("setfsuid", 0);
      syscall("setfsgid", 0);
    },
  };
}
