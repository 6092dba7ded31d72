/**
 * Trees of files by descriptors: whatever somebody else does to them meanwhile, nothing outside is read or written.
 *
 * @module
 */
import { AT, E, O, openFlags, RESOLVE } from "./abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall, SyscallError } from "./libc.ts";
import { type Stat, statDescriptor } from "./stat.ts";

const PATH_FLAGS = openFlags(ARCHITECTURE, "O_PATH", "O_CLOEXEC").value;
const DIRECTORY = openFlags(ARCHITECTURE, "O_PATH", "O_DIRECTORY", "O_CLOEXEC").value;
const NOFOLLOW = openFlags(ARCHITECTURE, "O_NOFOLLOW").value;
/** A rename anywhere on the host makes the kernel unsure of a "..", so that it asks to try again. */
const TRIES = 100;

/** Opens a directory by its path on the host, to look things up in it. */
export function openTree(path: string): Descriptor | number {
  const opened = syscall("openat", AT.AT_FDCWD, path, DIRECTORY, 0);
  return opened < 0 ? opened : new Descriptor(opened);
}

/** What to open, and how. */
export interface Lookup {
  /** Whether it must be a directory. */
  readonly directory?: boolean;
  /** Whether a link in the last place is followed; false if left out. */
  readonly follow?: boolean;
}

/**
 * Opens a path as a place, not its content. `-errno` where there is none.
 *
 * @param root A directory that is the root for it, out of which no link leads; nothing for the host's own.
 */
export function locate(root: Descriptor | undefined, path: string, how: Lookup = {}): Descriptor | number {
  const flags = (how.directory === true ? DIRECTORY : PATH_FLAGS) | (how.follow === true ? 0 : NOFOLLOW);
  if (root === undefined) {
    const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0);
    return opened < 0 ? opened : new Descriptor(opened);
  }
  // struct open_how: flags, mode, resolve.
  const open = new BigUint64Array([
    BigInt(flags),
    0n,
    BigInt(RESOLVE.RESOLVE_IN_ROOT | RESOLVE.RESOLVE_NO_MAGICLINKS),
  ]);
  for (let tries = 0;; tries++) {
    const opened = syscall("openat2", root.number, path, new Uint8Array(open.buffer), 24);
    if (opened >= 0) return new Descriptor(opened);
    if (opened !== -E.EAGAIN || tries === TRIES) return opened;
  }
}

/** Opens what has a name in a directory, without following it; `-errno` where there is none. */
export function child(directory: Descriptor, name: string): Descriptor | number {
  const opened = syscall("openat", directory.number, name, PATH_FLAGS | NOFOLLOW, 0);
  return opened < 0 ? opened : new Descriptor(opened);
}

/** Opens the content of a place that was looked at: a file to read, or a directory to list. Waits for no writer. */
export function reopen({ number }: Descriptor): Descriptor {
  const opened = syscall("openat", AT.AT_FDCWD, `/proc/self/fd/${number}`, O.O_RDONLY | O.O_NONBLOCK | O.O_CLOEXEC, 0);
  if (opened < 0) throw new SyscallError("openat", -opened);
  return new Descriptor(opened);
}

/** What a place is. Throws a `SyscallError`. */
export function facts({ number }: Descriptor): Stat {
  const found = statDescriptor(number);
  if (typeof found === "number") throw new SyscallError("statx", -found);
  return found;
}

/** The names in a directory, sorted. */
export function namesIn({ number }: Descriptor): string[] {
  return Array.from(Deno.readDirSync(`/proc/self/fd/${number}/.`), ({ name }) => name).sort();
}

/** Where a symbolic link leads. */
export function linkTarget({ number }: Descriptor): string {
  const MOST = 4096;
  const bytes = new Uint8Array(MOST);
  const size = syscall("readlinkat", number, "", bytes, MOST);
  if (size < 0) throw new SyscallError("readlinkat", -size);
  return new TextDecoder().decode(bytes.subarray(0, size));
}
