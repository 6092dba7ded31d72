/**
 * Processes that are told from others that got the same pid later.
 *
 * @module
 */
import { POLL, SIG } from "../../ffi/abi/constants.ts";
import { Descriptor, syscall, SyscallError } from "../../ffi/libc.ts";
import { ready } from "../../ffi/reactor.ts";
import { isNoRoom, readIfThere } from "./directory.ts";

/** A process that once ran. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of `/proc/PID/stat`. */
  readonly startTime: number;
}

/** When a process started, in clock ticks since boot; nothing where there is none. Throws where that can't be told. */
export function startTime(pid: number): number | undefined {
  let stat: string | undefined;
  try {
    stat = readIfThere(`/proc/${pid}/stat`, true);
  } catch (error) {
    if (error instanceof SyscallError && isNoRoom(error.errno)) throw error;
    // ESRCH: it ended while it was read.
    return undefined;
  }
  if (stat === undefined) return undefined;
  // The name, in parentheses, may have anything in it: the fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const time = Number(fields[19]);
  return fields[0] === "Z" || !Number.isFinite(time) ? undefined : time;
}

/** The process that waits for a container. */
export function monitorOf(
  state: { readonly monitor: number; readonly monitorStartTime: number },
): ProcessId {
  return { pid: state.monitor, startTime: state.monitorStartTime };
}

/** Whether the very process is still there. */
export function isAlive({ pid, startTime: started }: ProcessId): boolean {
  return startTime(pid) === started;
}

/** Opens the very process; nothing when it has ended. Throws where that can't be told. */
export function openProcess(id: ProcessId): Descriptor | undefined {
  const opened = syscall("pidfd_open", id.pid, 0);
  if (isNoRoom(-opened)) throw new SyscallError("pidfd_open", -opened);
  if (opened < 0) return undefined;
  using stack = new DisposableStack();
  const pidfd = stack.use(new Descriptor(opened));
  // Compared after it was opened: from here on the number can't change its meaning.
  if (!isAlive(id)) return undefined;
  stack.move();
  return pidfd;
}

/** How long what is killed may take to go away, in milliseconds: disk writes can hold a process up. */
export const PATIENCE = 10_000;

/** The moment, as `performance.now()` counts, until which something is waited for. */
export function deadlineIn(milliseconds: number): number {
  return performance.now() + milliseconds;
}

/** Kills a process, if it is still there, and waits until it has gone; answers whether it has. */
export async function killProcess(id: ProcessId, deadline: number = deadlineIn(PATIENCE)): Promise<boolean> {
  using pidfd = openProcess(id);
  if (pidfd === undefined) return true;
  syscall("pidfd_send_signal", pidfd.number, SIG.SIGKILL, 0, 0);
  return await ready(pidfd.number, POLL.POLLIN, Math.max(0, deadline - performance.now())) !== 0;
}

/** The inode that identifies a process's mount namespace; nothing where it can't be read. */
export function mountNamespace(pid: number | "self"): number | undefined {
  try {
    return Deno.statSync(`/proc/${pid}/ns/mnt`).ino ?? undefined;
  } catch {
    return undefined;
  }
}

/** Every process in a mount namespace: what is left of a container that shared the host's pid namespace. */
export function processesIn(namespace: number): ProcessId[] {
  const found: ProcessId[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^[0-9]+$/.test(name) || mountNamespace(Number(name)) !== namespace) continue;
    const started = startTime(Number(name));
    if (started !== undefined) found.push({ pid: Number(name), startTime: started });
  }
  return found;
}

/** Kills all of a mount namespace, also what is forked while it is being killed; answers whether nobody is left. */
export async function killNamespace(namespace: number, deadline: number = deadlineIn(PATIENCE)): Promise<boolean> {
  if (namespace === mountNamespace("self")) return true;
  do {
    const processes = processesIn(namespace);
    if (processes.length === 0) return true;
    await Promise.all(processes.map((id) => killProcess(id, deadline)));
  } while (performance.now() < deadline);
  return processesIn(namespace).length === 0;
}
