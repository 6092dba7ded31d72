/**
 * Copying files into containers and out of them.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import { type Facts, lookAt, type OpenFlag, openInRoot, openPath, toName, typeOf } from "../ffi/files.ts";
import { type Descriptor, syscall } from "../ffi/libc.ts";
import { callersPath } from "./caller.ts";
import { FluxError, printable, UsageError } from "./errors.ts";
import { TreeCopier } from "./files/copy_tree.ts";
import type { Copied, Manner } from "./files/placer.ts";
import { failure, isKernels, type Root, toContainer, toHost } from "./files/root.ts";
import { openRunning } from "./files/running.ts";
import { warn } from "./warnings.ts";

/**
 * How files are copied.
 *
 * @example Keep owners
 * ```ts
 * import { copyTo, type CopyOptions, run } from "@libflux/cli/mod";
 *
 * const options: CopyOptions = { archive: true };
 * await using container = await run({ command: ["sleep", "60"] });
 * await copyTo(container.name, "/etc/hostname", "/tmp/", options);
 * ```
 */
export interface CopyOptions {
  /** The state root; `/run/libflux` for root if left out. */
  readonly root?: string;
  /**
   * Keep each file's owner, as the container numbers it, its set-id bits and its capabilities. An ordinary user gives
   * nothing away: copies are then that user's, or the container's root's, without these bits.
   */
  readonly archive?: boolean;
  /** Where the source is a symbolic link, copy what it leads to. */
  readonly followLink?: boolean;
}

/**
 * What was copied.
 *
 * @example Was anything left out?
 * ```ts
 * import { copyFrom, type CopyResult, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * const result: CopyResult = await copyFrom(container.name, "/etc/passwd", await Deno.makeTempDir());
 * console.log(result.files, result.skipped);
 * ```
 */
export interface CopyResult {
  /** Regular files. */
  readonly files: number;
  /** Directories that were made; those that were there already aren't counted. */
  readonly directories: number;
  /** Symbolic links, and further names of files. */
  readonly links: number;
  /** What can't be copied: sockets, FIFOs, devices, files of the kernel's own. Each is told by a warning. */
  readonly skipped: number;
}

/** One side of a copy: a path of the host's, or one below a container's root. */
export interface Side {
  readonly path: string;
  /** As it is shown. */
  readonly shown: string;
  readonly open: (path: string, flags: readonly OpenFlag[]) => Descriptor | number;
}

const hostSide = (path: string): Side => ({
  path: callersPath(path),
  shown: path,
  open: (path, flags) => openPath(path, flags),
});

export const containerSide = (name: string, { directory }: Root, path: string): Side => ({
  path,
  shown: `${name}:${path}`,
  open: (path, flags) => openInRoot(directory.number, path, flags),
});

export function checkPath(path: string): void {
  if (path === "") throw new UsageError("a path is empty", { hint: "write NAME:/ for the root of a container" });
  if (path.includes("\0")) throw new UsageError("a path has a NUL byte in it");
}

/**
 * Copies a file or a tree out of a running container, as `docker cp` does. Copies belong to the caller.
 *
 * Whatever the container does to its files meanwhile, only its own files are read, and only below the destination is
 * anything written.
 *
 * @param name The container's name.
 * @param source In the container; `/.` at its end copies what is in a directory.
 * @param destination On the host: a directory that is there to copy into, or a new name.
 *
 * @example Fetch a file
 * ```ts
 * import { copyFrom, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * const directory = await Deno.makeTempDir();
 * await copyFrom(container.name, "/etc/passwd", directory);
 * console.log(await Deno.readTextFile(`${directory}/passwd`));
 * ```
 */
export async function copyFrom(
  name: string,
  source: string,
  destination: string,
  options: CopyOptions = {},
): Promise<CopyResult> {
  checkPath(source);
  checkPath(destination);
  const { root } = await openRunning(name, options);
  using _directory = root.directory;
  const isRoot = Deno.uid() === 0;
  return copy(containerSide(name, root, source), hostSide(destination), options, {
    // Without root's privileges nobody gives files away.
    owner: ({ uid, gid }) =>
      options.archive === true && isRoot
        ? [toContainer(root.uids, uid) ?? uid, toContainer(root.gids, gid) ?? gid]
        : undefined,
    // Nor makes programs that run as themselves of what a container has.
    keepsPrivileges: () => options.archive === true && isRoot,
    as: (_directory, call) => call(),
  });
}

/**
 * Copies a file or a tree into a running container, as `docker cp` does. Copies belong to the container's root.
 *
 * @param name The container's name.
 * @param source On the host; `/.` at its end copies what is in a directory.
 * @param destination In the container: a directory that is there to copy into, or a new name.
 *
 * @example Put a file
 * ```ts
 * import { copyTo, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * await copyTo(container.name, "/etc/hostname", "/tmp/name-of-the-host");
 * ```
 */
export async function copyTo(
  name: string,
  source: string,
  destination: string,
  options: CopyOptions = {},
): Promise<CopyResult> {
  checkPath(source);
  checkPath(destination);
  const { root } = await openRunning(name, options);
  using _directory = root.directory;
  return copy(hostSide(source), containerSide(name, root, destination), options, mannerTo(name, root, options));
}

/** How files are copied into a container. */
export function mannerTo(name: string, { uids, gids }: Root, options: CopyOptions): Manner {
  const base = [toHost(uids, 0) ?? 0, toHost(gids, 0) ?? 0] as const;
  let isTold = false;
  return {
    owner: ({ uid, gid }) => {
      if (options.archive !== true) return base;
      const own = [toHost(uids, uid), toHost(gids, gid)] as const;
      if (own[0] !== undefined && own[1] !== undefined) return [own[0], own[1]];
      if (!isTold) warn(`${name} has no user ${uid} or no group ${gid}: what is theirs was given to its root`);
      isTold = true;
      return [own[0] ?? base[0], own[1] ?? base[1]];
    },
    // What ran as somebody else must not run as the container's root.
    keepsPrivileges: ({ uid, gid }) =>
      options.archive === true && toHost(uids, uid) !== undefined && toHost(gids, gid) !== undefined,
    // In a filesystem of a user namespace only its own users make files; nobody but root may act as one of them.
    as: Deno.uid() === 0 && base[0] !== 0 ? asOwner : (_directory, call) => call(),
  };
}

/** Calls the kernel as who owns a directory, on this thread, for as long as the call takes. */
function asOwner(directory: number, call: () => number): number {
  const facts = lookAt(directory);
  if (typeof facts === "number") return facts;
  try {
    syscall("setfsgid", facts.gid);
    syscall("setfsuid", facts.uid);
    return call();
  } finally {
    syscall("setfsuid", 0);
    syscall("setfsgid", Deno.gid() ?? 0);
  }
}

/** Opens what is copied, as a path only. */
export function openSource(from: Side, { followLink }: CopyOptions): readonly [Descriptor, Facts] {
  const source = from.open(from.path, followLink === true ? ["O_PATH"] : ["O_PATH", "O_NOFOLLOW"]);
  if (typeof source === "number") throw failure(`${printable(from.shown)} can't be opened`, -source, from.path);
  const facts = lookAt(source.number);
  const isOwn = isKernels(source.number);
  if (typeof facts !== "number" && !isOwn) return [source, facts];
  source.close();
  if (typeof facts === "number") throw failure(`${printable(from.shown)} can't be looked at`, -facts, from.path);
  throw new FluxError(`${printable(from.shown)} is the kernel's own, and can't be copied`, {
    path: from.path,
    hint: "read it by 'libflux exec NAME -- cat PATH'",
  });
}

function copy(from: Side, to: Side, options: CopyOptions, manner: Manner): CopyResult {
  const [opened, facts] = openSource(from, options);
  using source = opened;
  const isDirectory = typeOf(facts) === "directory";
  const base = baseName(from.path);
  const found = to.open(to.path, ["O_PATH", "O_DIRECTORY"]);
  if (typeof found !== "number") {
    using top = found;
    checkWritten(top, to);
    const copier = new TreeCopier(top, manner);
    return told(copier.copied, () => {
      if (base !== undefined && !(isDirectory && isContents(from.path))) {
        copier.copy(source, facts, toName(base), from.shown);
      } else copier.copyInside(source);
    });
  }
  if (found !== -E.ENOENT && found !== -E.ENOTDIR) {
    throw failure(`${printable(to.shown)} can't be opened`, -found, to.path);
  }
  const path = withoutEnd(to.path);
  const name = baseName(path);
  if (name === undefined || !isDirectory && path !== to.path) {
    throw new FluxError(`the directory ${printable(to.shown)} isn't there`, {
      path: to.path,
      hint: "make it first, or leave out the slash at the end to copy to that name",
    });
  }
  const parent = path.slice(0, path.lastIndexOf("/") + 1);
  const above = to.open(parent === "" ? "." : parent, ["O_PATH", "O_DIRECTORY"]);
  if (typeof above === "number") {
    throw failure(`the directory that ${printable(to.shown)} belongs in can't be opened`, -above, to.path);
  }
  using top = above;
  checkWritten(top, to);
  const copier = new TreeCopier(top, manner);
  return told(copier.copied, () => copier.copy(source, facts, toName(name), from.shown));
}

export function checkWritten(top: Descriptor, { path, shown }: Side): void {
  if (!isKernels(top.number)) return;
  throw new FluxError(`nothing can be copied to ${printable(shown)}: the files there are the kernel's own`, { path });
}

/** What was copied; on failure the error says how far it came. */
export function told(copied: Copied, work: () => void): CopyResult {
  try {
    work();
    return copied;
  } catch (error) {
    const { files, links, directories } = copied;
    if (!(error instanceof FluxError) || files + links + directories === 0) throw error;
    const before = files + links === 1 ? "1 file had" : `${files + links} files had`;
    const constructor = error.constructor as typeof FluxError;
    throw new constructor(`${error.message}; ${before} been copied before, and stay`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.errno === undefined ? {} : { errno: error.errno }),
      ...(error.path === undefined ? {} : { path: error.path }),
    });
  }
}

/** Whether what is in a directory is meant. */
export const isContents = (path: string): boolean => path === "." || path.endsWith("/.");

/** A path without slashes, and dots behind slashes, at its end. Not by a pattern: one of many slashes would take for ever. */
function withoutEnd(path: string): string {
  for (let end = path.length;;) {
    const before = end;
    if (path[end - 1] === "." && path[end - 2] === "/") end--;
    while (path[end - 1] === "/") end--;
    if (end === before) return path.slice(0, end);
  }
}

/** The last name of a path; nothing where that is no name. */
export function baseName(path: string): string | undefined {
  const stripped = withoutEnd(path);
  const name = stripped.slice(stripped.lastIndexOf("/") + 1);
  return name === "" || name === "." || name === ".." ? undefined : name;
}
