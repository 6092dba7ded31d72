/**
 * Locks that end with the process that has them.
 *
 * @module
 */
import { AT, E, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall, SyscallError, syscallInBackground } from "../../ffi/libc.ts";
import { stat, statDescriptor } from "../../ffi/stat.ts";
import { LaunchError } from "../errors.ts";
import { isNoRoom, readState, unwritable } from "./directory.ts";
import { isAlive, startTime } from "./process.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Locks a file, made if need be, if nobody else has; `busy` if somebody has, `gone` where there is no such file. */
export function lockFile(path: string): Descriptor | "busy" | "gone" {
  const flags = openFlags(ARCHITECTURE, "O_RDWR", "O_CREAT", "O_NOFOLLOW", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0o600);
  if (opened === -E.ENOENT || opened === -E.ENOTDIR) return "gone";
  if (opened < 0) throw unwritable(path, -opened);
  return lock(new Descriptor(opened), path);
}

/** Locks a directory itself, whatever it is called meanwhile; `busy` if somebody has, `gone` where there is none. */
export function lockDirectory(path: string): Descriptor | "busy" | "gone" {
  const flags = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0);
  if (isNoRoom(-opened)) throw new SyscallError("openat", -opened, path);
  return opened < 0 ? "gone" : lock(new Descriptor(opened), path);
}

function lock(file: Descriptor, path: string): Descriptor | "busy" {
  const locked = syscall("flock", file.number, LOCK_EX | LOCK_NB);
  if (locked === 0) return file;
  file.close();
  if (locked === -E.EAGAIN) return "busy";
  throw new SyscallError("flock", -locked, path);
}

let signature: Uint8Array<ArrayBuffer> | undefined;

function ownSignature(): Uint8Array<ArrayBuffer> | undefined {
  let started: number | undefined;
  try {
    started = startTime(Deno.pid);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
  return started === undefined
    ? undefined
    : new TextEncoder().encode(`${Deno.pid} ${started} ${ownNumbers()}`.padEnd(60) + "\n");
}

/** Writes into a file that is locked who has it. On a full disk, or without a descriptor to find that out, nobody learns it. */
export function sign({ number }: Descriptor): void {
  // Each is as long as any other: nobody finds half of one before it.
  const text = signature ??= ownSignature();
  if (text === undefined) return;
  syscall("lseek", number, 0, 0);
  syscall("write", number, text, text.length);
}

/** Among which processes a number means one: the inode of this process's pid namespace. */
function ownNumbers(): number {
  const found = stat("/proc/self/ns/pid");
  return typeof found === "number" ? 0 : Number(found.inode);
}

/**
 * Whether who has signed a locked file has ended. Others may have copies of its descriptor for a moment longer: processes that
 * it had just cloned, until they execute something.
 */
export function isOrphaned(path: string): boolean {
  const [, pid, started, numbers] = /^([0-9]+) ([0-9]+) ([0-9]+) *\n$/.exec(readState(path) ?? "") ?? [];
  // Of another namespace's nobody here can tell.
  return Number(numbers) === ownNumbers() && !isAlive({ pid: Number(pid), startTime: Number(started) });
}

/** Whether a locked file still is the one that its path names: its last owner may have removed it in between. */
export function isCurrent(file: Descriptor, path: string): boolean {
  const [named, locked] = [stat(path, AT.AT_SYMLINK_NOFOLLOW), statDescriptor(file.number)];
  return typeof named === "object" && typeof locked === "object" && named.inode === locked.inode;
}

/** Whether an open file has its lock, or can have it, and nobody else. */
export function isOurs({ number }: Descriptor): boolean {
  return syscall("flock", number, LOCK_EX | LOCK_NB) === 0;
}

/** Whether somebody has the lock of a file; not where there is none, which isn't made. */
export function isLocked(path: string): boolean {
  const flags = openFlags(ARCHITECTURE, "O_RDWR", "O_NOFOLLOW", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0);
  if (isNoRoom(-opened)) throw new SyscallError("openat", -opened, path);
  if (opened < 0) return false;
  using file = new Descriptor(opened);
  return !isOurs(file);
}

/** Milliseconds: nobody has a lock for longer, however many wait for it. */
const PATIENCE = 60_000;

/** Who waits in this very process: the last of each file's queue. */
const queues = new Map<string, Promise<unknown>>();

/** Does something while nobody else does anything with the same lock. @param path Its file, whose directory is there. */
export async function exclusively<T>(path: string, body: (lock: Descriptor) => Promise<T> | T): Promise<T> {
  const before = queues.get(path);
  const own = (async () => {
    await before?.catch(() => {});
    using file = await waitFor(path);
    return await body(file);
  })();
  queues.set(path, own);
  try {
    return await own;
  } finally {
    if (queues.get(path) === own) queues.delete(path);
  }
}

/** Whether nobody has a lock, nor waits for it in this process, just now. */
export function isFree(path: string): boolean {
  if (queues.has(path)) return false;
  using file = open(path);
  return syscall("flock", file.number, LOCK_EX | LOCK_NB) !== -E.EAGAIN;
}

function open(path: string): Descriptor {
  const flags = openFlags(ARCHITECTURE, "O_RDWR", "O_CREAT", "O_NOFOLLOW", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0o600);
  if (opened === -E.ENOENT || opened === -E.ENOTDIR) {
    throw new LaunchError(`the lock ${path} can't be had`, { path, hint: "its directory has been removed" });
  }
  if (opened < 0) throw unwritable(path, -opened);
  return new Descriptor(opened);
}

/** Waits on a thread of Deno's pool, in the kernel's own queue: a hundred who look every moment leave nobody time to work. */
async function waitFor(path: string): Promise<Descriptor> {
  const file = open(path);
  const opened = file.number;
  const locked = syscall("flock", opened, LOCK_EX | LOCK_NB);
  if (locked === 0) return file;
  if (locked !== -E.EAGAIN) {
    file.close();
    throw new SyscallError("flock", -locked, path);
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(() => resolve("late"), PATIENCE));
  const turn = lockInBackground(opened);
  const result = await Promise.race([turn, late]);
  clearTimeout(timer);
  if (result === 0) return file;
  // Its turn may still come.
  turn.then(() => file.close(), () => file.close());
  if (result !== "late") throw new SyscallError("flock", -result, path);
  throw new LaunchError(`the lock ${path} can't be had`, {
    path,
    hint: "another libflux has had it for a minute: is it stopped?",
  });
}

async function lockInBackground(descriptor: number): Promise<number> {
  for (;;) {
    const locked = await syscallInBackground("flock", descriptor, LOCK_EX);
    if (locked !== -E.EINTR) return locked;
  }
}
