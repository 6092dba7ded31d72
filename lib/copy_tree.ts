/**
 * Copying files and trees between two places that somebody else may change meanwhile: all of it by descriptors, below one
 * directory on each side, and through no link.
 *
 * @module
 */
import { AT, E, openFlags } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall, SyscallError } from "../ffi/libc.ts";
import { isType, type Stat } from "../ffi/stat.ts";
import { child, facts, linkTarget, namesIn, reopen } from "../ffi/tree.ts";

/** How to copy. */
export interface CopyRules {
  /** Whose it is to be: the ids for the kernel; left as they come where nothing is said. */
  readonly owner: (found: Stat) => { readonly uid: number; readonly gid: number } | undefined;
  /** Keep set-id bits. */
  readonly keepsSetId: boolean;
  /** Told of what can't be copied: its path below what is copied, and why. */
  readonly skip: (path: string, why: string) => void;
}

const CREATE = openFlags(ARCHITECTURE, "O_WRONLY", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC").value;
const OVERWRITE = openFlags(ARCHITECTURE, "O_WRONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value;
const DIRECTORY = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;
const PERMISSIONS = 0o1777;
const ALL_BITS = 0o7777;
const CHUNK = 1 << 20;
/** Directories below one another: nobody has more, and a descriptor is open for each. */
const DEEPEST = 256;

function checked(result: number, call: string, path: string): number {
  if (result < 0) throw new SyscallError(call, -result, path);
  return result;
}

/** Copies what is at a place to a name in a directory. @param path For messages. */
export function copyTree(
  source: Descriptor,
  target: Descriptor,
  name: string,
  rules: CopyRules,
  path: string = name,
  depth = 0,
): void {
  const found = facts(source);
  if (isType(found, "S_IFREG")) return copyFile(source, found, target, name, rules, path);
  if (isType(found, "S_IFLNK")) return copyLink(source, found, target, name, rules, path);
  if (!isType(found, "S_IFDIR")) return rules.skip(path, "it is a device, a socket or a FIFO");
  const made = syscall("mkdirat", target.number, name, 0o700);
  if (made < 0 && made !== -E.EEXIST) checked(made, "mkdirat", path);
  using directory = new Descriptor(checked(syscall("openat", target.number, name, DIRECTORY, 0), "openat", path));
  copyContents(source, directory, rules, path, depth);
  if (made === 0) finish(directory, found, rules, path);
}

/** Copies what is in a directory into another one. */
export function copyContents(
  source: Descriptor,
  target: Descriptor,
  rules: CopyRules,
  path: string,
  depth = 0,
): void {
  if (depth === DEEPEST) return rules.skip(path, `it is more than ${DEEPEST} directories deep`);
  using list = reopen(source);
  for (const name of namesIn(list)) {
    const one = child(list, name);
    // Removed meanwhile.
    if (typeof one === "number") continue;
    using entry = one;
    copyTree(entry, target, name, rules, `${path}/${name}`, depth + 1);
  }
}

/** Mode, owner and time of what was made; the owner first, since a change of it takes set-id bits away. */
function finish({ number }: Descriptor, found: Stat, rules: CopyRules, path: string): void {
  const owner = rules.owner(found);
  if (owner !== undefined) checked(syscall("fchown", number, owner.uid, owner.gid), "fchown", path);
  checked(syscall("fchmod", number, found.mode & (rules.keepsSetId ? ALL_BITS : PERMISSIONS)), "fchmod", path);
  setTime(number, found);
}

function setTime(number: number, { modified: [seconds, nanoseconds] }: Stat): void {
  const times = new BigInt64Array([seconds, BigInt(nanoseconds), seconds, BigInt(nanoseconds)]);
  syscall("utimensat", number, 0, new Uint8Array(times.buffer), 0);
}

let count = 0;

/** A name that nobody has: what is there is replaced by a whole file, or not at all. */
const temporaryName = (): string => `.libflux-${Deno.pid}-${count++}`;

function copyFile(
  source: Descriptor,
  found: Stat,
  target: Descriptor,
  name: string,
  rules: CopyRules,
  path: string,
): void {
  using from = reopen(source);
  const temporary = temporaryName();
  using to = new Descriptor(checked(syscall("openat", target.number, temporary, CREATE, 0o600), "openat", path));
  try {
    copyBytes(from, to, path);
    finish(to, found, rules, path);
    const renamed = syscall("renameat2", target.number, temporary, target.number, name, 0);
    // A file that something is mounted on can't be replaced, only written to.
    if (renamed === -E.EBUSY) return overwrite(from, target, name, temporary, path);
    checked(renamed, "renameat2", path);
  } catch (error) {
    syscall("unlinkat", target.number, temporary, 0);
    throw error;
  }
}

function overwrite(from: Descriptor, target: Descriptor, name: string, temporary: string, path: string): void {
  syscall("unlinkat", target.number, temporary, 0);
  using to = new Descriptor(checked(syscall("openat", target.number, name, OVERWRITE, 0), "openat", path));
  if (!isType(facts(to), "S_IFREG")) throw new SyscallError("openat", E.EEXIST, path);
  checked(syscall("lseek", from.number, 0, 0), "lseek", path);
  checked(syscall("ftruncate", to.number, 0), "ftruncate", path);
  copyBytes(from, to, path);
}

/** As many as there are when its end is reached; a file that goes on growing has one all the same. */
function copyBytes(from: Descriptor, to: Descriptor, path: string): void {
  let rest = facts(from).size;
  while (rest > 0) {
    const copied = syscall("copy_file_range", from.number, 0, to.number, 0, Math.min(rest, CHUNK), 0);
    if (copied === -E.EXDEV || copied === -E.EINVAL || copied === -E.EOPNOTSUPP) break;
    if (checked(copied, "copy_file_range", path) === 0) return;
    rest -= copied;
  }
  const buffer = new Uint8Array(CHUNK);
  while (rest > 0) {
    const size = checked(syscall("read", from.number, buffer, Math.min(rest, buffer.length)), "read", path);
    if (size === 0) return;
    for (let part = buffer.subarray(0, size); part.length > 0;) {
      part = part.subarray(checked(syscall("write", to.number, part, part.length), "write", path));
    }
    rest -= size;
  }
}

function copyLink(
  source: Descriptor,
  found: Stat,
  target: Descriptor,
  name: string,
  rules: CopyRules,
  path: string,
): void {
  const temporary = temporaryName();
  checked(syscall("symlinkat", linkTarget(source), target.number, temporary), "symlinkat", path);
  try {
    const owner = rules.owner(found);
    if (owner !== undefined) {
      const flags = AT.AT_SYMLINK_NOFOLLOW;
      checked(syscall("fchownat", target.number, temporary, owner.uid, owner.gid, flags), "fchownat", path);
    }
    checked(syscall("renameat2", target.number, temporary, target.number, name, 0), "renameat2", path);
  } catch (error) {
    syscall("unlinkat", target.number, temporary, 0);
    throw error;
  }
}
