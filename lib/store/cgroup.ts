/**
 * Removing cgroups, with whoever is still in them.
 *
 * @module
 */
import { AT, E, O, openFlags, SIG } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall } from "../../ffi/libc.ts";
import { sleep } from "../../ffi/reactor.ts";
import { readIfThere } from "./directory.ts";

/** Milliseconds between two tries: a killed process takes a moment to go. */
const PAUSE = 20;

/** Writes to a cgroup's file, which is there already; `-errno` where that fails. */
export function write(path: string, value: string): number {
  const opened = syscall("openat", AT.AT_FDCWD, path, O.O_WRONLY | O.O_CLOEXEC, 0);
  if (opened < 0) return opened;
  using file = new Descriptor(opened);
  const bytes = new TextEncoder().encode(value);
  return syscall("write", file.number, bytes, bytes.length);
}

/** Lets the processes of a cgroup of v1's freezer run again, wherever that is mounted; no other has the file. */
export function thaw(directory: string): void {
  write(`${directory}/freezer.state`, "THAWED");
}

/** Who is in a cgroup; nobody where that can't be told: not of one that has threads only, which a container may make. */
function members(directory: string): string[] {
  try {
    return (readIfThere(`${directory}/cgroup.procs`) ?? "").split("\n");
  } catch {
    return [];
  }
}

/** Kills all processes in a cgroup. */
function killAll(directory: string): void {
  thaw(directory);
  write(`${directory}/cgroup.kill`, "1");
  for (const pid of members(directory)) {
    if (!/^[1-9][0-9]*$/.test(pid) || Number(pid) === Deno.pid || pid === "1") continue;
    const opened = syscall("pidfd_open", Number(pid), 0);
    if (opened < 0) continue;
    using pidfd = new Descriptor(opened);
    // Read again: by now the number could be another's, who isn't in here.
    if (!members(directory).includes(pid)) continue;
    syscall("pidfd_send_signal", pidfd.number, SIG.SIGKILL, 0, 0);
  }
}

/** The directories in a directory; none where it has just gone. */
function below(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory)).filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch {
    return [];
  }
}

/**
 * Removes a directory with those that were made inside the container. By descriptors: the paths may be longer than any that
 * the kernel takes.
 *
 * @param parent The directory that `name` is in, or `AT_FDCWD` for a path.
 */
function removeTree(name: string, parent: number = AT.AT_FDCWD): number {
  const removed = syscall("unlinkat", parent, name, AT.AT_REMOVEDIR);
  // Also what has children is "busy".
  if (removed !== -E.EBUSY) return removed;
  const flags = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;
  const opened = syscall("openat", parent, name, flags, 0);
  if (opened < 0) return opened;
  using directory = new Descriptor(opened);
  const path = `/proc/self/fd/${directory.number}`;
  killAll(path);
  for (const child of below(path)) removeTree(child, directory.number);
  return syscall("unlinkat", parent, name, AT.AT_REMOVEDIR);
}

/** `linux/magic.h`: CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC. */
const MAGIC = [0x27e0eb, 0x63677270];

/** Whether a path is a directory of cgroups: elsewhere nothing is made, and nothing removed, whatever a ledger says. */
export function isCgroup(path: string): boolean {
  const flags = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0);
  if (opened < 0) return false;
  using directory = new Descriptor(opened);
  const statfs = new Uint8Array(120);
  return syscall("fstatfs", directory.number, statfs) === 0 &&
    MAGIC.includes(new DataView(statfs.buffer).getUint32(0, true));
}

/** Removes a cgroup that nobody is in, nor any other cgroup. */
export function removeEmptyCgroup(directory: string): void {
  if (isCgroup(directory)) syscall("unlinkat", AT.AT_FDCWD, directory, AT.AT_REMOVEDIR);
}

/** Milliseconds for systemd to notice that a scope of its own has become empty, and to remove it. */
const SCOPE_PATIENCE = 2_000;
const SCOPE_PAUSE = 2;

/** Ends whoever is in a scope of systemd's and waits until systemd has removed it; where it doesn't, libflux does. */
export async function removeScope(directory: string, deadline: number): Promise<boolean> {
  write(`${directory}/cgroup.kill`, "1");
  const patience = Math.min(deadline, performance.now() + SCOPE_PATIENCE);
  while (performance.now() < patience) {
    if (!isCgroup(directory)) return true;
    await sleep(SCOPE_PAUSE);
  }
  return await removeCgroup(directory, deadline);
}

/**
 * Removes a container's cgroup, killing what is in it.
 *
 * @returns Whether it is gone. A process that the kernel can't end just now, in the middle of a disk write, can hold it.
 */
export async function removeCgroup(directory: string, deadline: number): Promise<boolean> {
  for (;;) {
    if (!isCgroup(directory) || removeTree(directory) === 0) return true;
    if (performance.now() > deadline) return false;
    await sleep(PAUSE);
  }
}
