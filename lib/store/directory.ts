/**
 * The state root: where it is, and how it is written.
 *
 * @module
 */
import { AT, E, O, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall, SyscallError } from "../../ffi/libc.ts";
import { isType, stat, statDescriptor } from "../../ffi/stat.ts";
import { variable } from "../caller.ts";
import { errnoText, PermissionError } from "../errors.ts";

/** The directory that state is kept in: for root, for a user with a session, for a user without one. */
export function defaultRoot(): string {
  const uid = Deno.uid() ?? 0;
  if (uid === 0) return "/run/libflux";
  const runtime = variable("XDG_RUNTIME_DIR");
  return runtime !== undefined && runtime.startsWith("/") ? `${runtime}/libflux` : `/tmp/libflux-${uid}`;
}

/** Makes a directory that nobody else can write to (SECURITY.md, rule 22). */
export function makePrivateDirectory(path: string): void {
  // Raw, since this is done for every container: what goes wrong is told by the slow way below.
  const made = syscall("mkdirat", AT.AT_FDCWD, path, 0o700);
  if (made === 0) return;
  if (made !== -E.EEXIST) makeSlowly(path);
  checkPrivateDirectory(path);
}

/**
 * Throws where somebody else could write what libflux reads as its own state, and acts on. Changes nothing: the directory
 * may be one that the user has for other things too.
 *
 * @returns Whether it is there.
 */
export function checkPrivateDirectory(path: string): boolean {
  const found = stat(path, AT.AT_SYMLINK_NOFOLLOW);
  if (found === -E.ENOENT) return false;
  if (found === -E.EACCES) throw refused(path, "can't be read: permission denied");
  if (found === -E.ENOTDIR) throw refused(path, "is below a file");
  if (typeof found === "number") throw new SyscallError("statx", -found, path);
  if (!isType(found, "S_IFDIR")) throw refused(path, "is no directory");
  // In /tmp somebody else may have been first.
  if (found.uid !== Deno.uid()) throw refused(path, "belongs to somebody else");
  if ((found.mode & 0o022) !== 0) throw refused(path, "can be written to by others");
  return true;
}

function refused(path: string, why: string): PermissionError {
  return new PermissionError(`the state directory ${path} ${why}`, { path, hint: "use another --root" });
}

function makeSlowly(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory
      ? "there is a file in the way"
      : error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable
      ? "permission denied"
      : errnoText(Number(/os error (\d+)/.exec(String(error))?.[1] ?? E.EIO));
    throw refused(path, `can't be made: ${why}`);
  }
}

/** Why a file of the state root can't be made or written, for whoever chose that. */
export function unwritable(path: string, errno: number): PermissionError {
  const why = errno === E.ENOSPC ? "no space, or no room for more files, is left on its filesystem" : errnoText(errno);
  return new PermissionError(`${path} can't be written: ${why}`, {
    path,
    errno,
    hint: "libflux keeps its state there; use another --root",
  });
}

/** Writes a file that only its owner may read. */
function writeText(path: string, text: string, flags: number): void {
  const opened = syscall("openat", AT.AT_FDCWD, path, flags | PRIVATE, 0o600);
  if (opened < 0) throw unwritable(path, -opened);
  using file = new Descriptor(opened);
  for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
    const written = syscall("write", file.number, rest, rest.length);
    if (written < 0) throw unwritable(path, -written);
    rest = rest.subarray(written);
  }
}

/** No file of libflux's own state is longer: a ledger with every port there is has 20 MiB. */
const MAX_STATE = 1 << 26;

/** What Deno says of a file that it can't open or read, as what the kernel has said. */
export function errorOf(error: unknown, path: string): SyscallError {
  return new SyscallError("openat", Number(/os error (\d+)/.exec(String(error))?.[1] ?? E.EIO), path);
}

/** Whether there is only no room for another open file, which says nothing about the file. @param errno Positive. */
export function isNoRoom(errno: number): boolean {
  return errno === E.EMFILE || errno === E.ENFILE || errno === E.ENOMEM;
}

/**
 * Reads a file of the state root as what it is: something that somebody else may have put there. A link, a FIFO, a
 * directory or more than 64 MiB is nothing.
 *
 * @throws {SyscallError} It may be there: no more files can be opened.
 */
export function readState(path: string): string | undefined {
  const opened = syscall("openat", AT.AT_FDCWD, path, STATE_FLAGS, 0);
  if (isNoRoom(-opened)) throw new SyscallError("openat", -opened, path);
  if (opened < 0) return undefined;
  using file = new Descriptor(opened);
  const found = statDescriptor(opened);
  if (typeof found === "number" || !isType(found, "S_IFREG") || found.size > MAX_STATE) return undefined;
  const bytes = new Uint8Array(found.size);
  let length = 0;
  while (length < bytes.length) {
    const count = syscall("read", file.number, bytes.subarray(length), bytes.length - length);
    if (count <= 0) break;
    length += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

const STATE_FLAGS = openFlags(ARCHITECTURE, "O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value;

/** No link that somebody else has put there is followed. */
const PRIVATE = openFlags(ARCHITECTURE, "O_WRONLY", "O_CREAT", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value;

/** Writes a file beside its place. */
export function writePartial(path: string, text: string): void {
  writeText(`${path}.new`, text, O.O_TRUNC);
}

/** Puts a file that was written by {@link writePartial} in its place. */
export function completeFile(path: string): void {
  const renamed = syscall("renameat2", AT.AT_FDCWD, `${path}.new`, AT.AT_FDCWD, path, 0);
  if (renamed < 0) throw unwritable(path, -renamed);
}

/** Writes a file whole or not at all. */
export function writeAtomically(path: string, text: string): void {
  writePartial(path, text);
  completeFile(path);
}

/** Adds to the end of a file, made if need be. */
export function append(path: string, text: string): void {
  writeText(path, text, O.O_APPEND);
}

const decoder = new TextDecoder();
/** For most files one read is enough, and so is one buffer. */
let buffer = new Uint8Array(1 << 14);

/**
 * A file's text; nothing where there is no such file. Raw, since lists of containers read thousands of the kernel's files:
 * Deno's own way takes four times as long.
 *
 * @param isRecord Whether the kernel gives all of it at once, as it does with what is one number, or is about one process:
 * then nobody asks it for more.
 * @throws {SyscallError} It can't be read.
 */
export function readIfThere(path: string, isRecord = false): string | undefined {
  const opened = syscall("openat", AT.AT_FDCWD, path, O.O_RDONLY | O.O_CLOEXEC, 0);
  if (opened === -E.ENOENT || opened === -E.ENOTDIR) return undefined;
  if (opened < 0) throw new SyscallError("openat", -opened, path);
  using _file = new Descriptor(opened);
  for (let length = 0;;) {
    const room = buffer.length - length;
    const count = syscall("read", opened, length === 0 ? buffer : buffer.subarray(length), room);
    if (count < 0) throw new SyscallError("read", -count, path);
    length += count;
    if (count === 0 || isRecord && count < room) return decoder.decode(buffer.subarray(0, length));
    if (length < buffer.length) continue;
    const larger = new Uint8Array(buffer.length * 2);
    larger.set(buffer);
    buffer = larger;
  }
}

let boot: string | undefined;

/** Changes with every boot: state of another boot is stale as a whole. */
export function bootId(): string {
  return boot ??= Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}
