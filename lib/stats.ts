/**
 * What running containers use, and which processes are in them.
 *
 * @module
 */
import { stat } from "../ffi/stat.ts";
import { limitIn, numberIn, textIn, valueIn } from "./cgroups/files.ts";
import { readIfThere } from "./store/directory.ts";
import { findRunning, openStore } from "./store/open.ts";
import { isAlive, mountNamespace } from "./store/process.ts";
import type { State } from "./store/state.ts";

/**
 * What one container uses at a moment. What its cgroups don't tell is added up from its processes.
 *
 * @example The container that has used the most CPU time
 * ```ts
 * import { type ContainerStats, stats } from "@libflux/cli/mod";
 *
 * const all: ContainerStats[] = await stats([], { root: "/tmp/libflux-example" });
 * console.log(all.sort((a, b) => b.cpuTime - a.cpuTime)[0]?.name);
 * ```
 */
export interface ContainerStats {
  /** Its name. */
  readonly name: string;
  /** CPU time since it started, in milliseconds. */
  readonly cpuTime: number;
  /** Bytes of memory. */
  readonly memory: number;
  /** The limit of memory, in bytes; none where there is none. */
  readonly memoryLimit?: number;
  /** Processes and threads, or processes alone where no cgroup counts them. */
  readonly pids: number;
  /** Bytes read from disks. */
  readonly read: number;
  /** Bytes written to disks. */
  readonly written: number;
  /** For how much of the last ten seconds somebody in it waited, in percent (PSI); none where the kernel doesn't tell. */
  readonly pressure?: { readonly cpu: number; readonly memory: number; readonly io: number };
}

/**
 * A process of a container.
 *
 * @example
 * ```ts
 * import { type ContainerProcess, run, top } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * const processes: ContainerProcess[] = await top(container.name);
 * console.log(processes.map(({ command }) => command));
 * ```
 */
export interface ContainerProcess {
  /** Its number inside. */
  readonly pid: number;
  /** Its number on the host. */
  readonly hostPid: number;
  /** The user id that it runs as, inside. */
  readonly uid: number;
  /** CPU time, in milliseconds. */
  readonly cpuTime: number;
  /** Bytes of memory. */
  readonly memory: number;
  /** The command and its arguments, separated by blanks. */
  readonly command: string;
}

/** The sum of all values of a key: "8:0 rbytes=1 wbytes=2". */
function sum(text: string | undefined, pattern: RegExp): number | undefined {
  if (text === undefined) return undefined;
  return [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
}

/** The processes of a cgroup and, a container may have made some, of those below it. */
function processesIn(group: string): number[] | undefined {
  const text = textIn(group, "cgroup.procs");
  if (text === undefined) return undefined;
  const own = text.split("\n").filter((line) => line !== "").map(Number);
  const found = stat(group);
  // Its own name, its dot, and the dots of those below it.
  if (typeof found === "object" && found.links === 2) return own;
  let below: string[] = [];
  try {
    below = Array.from(Deno.readDirSync(group)).filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return [...own, ...below.flatMap((name) => processesIn(`${group}/${name}`) ?? [])];
}

/** Finds the processes of a mount namespace. Looks through all of the host's, but only once. */
function byNamespace(): (namespace: number) => readonly number[] {
  let found: Map<number | undefined, number[]> | undefined;
  return (namespace) => {
    found ??= Map.groupBy(
      Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name)).filter(Number.isInteger).sort((a, b) => a - b),
      mountNamespace,
    );
    return found.get(namespace) ?? [];
  };
}

/** The host's numbers of a container's processes. @param others Where it has no cgroup: from {@link byNamespace}. */
function processes({ cgroups, pid }: State, others: ReturnType<typeof byNamespace> = byNamespace()): readonly number[] {
  const group = cgroups.unified ?? Object.values(cgroups.legacy)[0];
  const known = group === undefined ? undefined : processesIn(group);
  if (known !== undefined) return known;
  // One of an ordinary user's, who may make no cgroups.
  const namespace = mountNamespace(pid);
  return namespace === undefined ? [pid] : others(namespace);
}

/** Its arguments, or the map of its users, may be longer than what the kernel gives at once. */
const RECORDS: readonly string[] = ["io", "stat", "status"];

/** A process's file; nothing where it has ended meanwhile. */
function processFile(pid: number, name: string): string | undefined {
  try {
    return readIfThere(`/proc/${pid}/${name}`, RECORDS.includes(name));
  } catch {
    return undefined;
  }
}

/** `USER_HZ`: the same on every architecture that libflux knows. */
const TICKS_PER_SECOND = 100;

/** CPU time in milliseconds, of a process and of its children that it has waited for. */
function cpuTimeOf(pid: number, fields: readonly number[]): number {
  const stat = processFile(pid, "stat") ?? "";
  // The name, in parentheses, may have anything in it: the fields are counted from its end.
  const values = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.reduce((total, field) => total + Number(values[field - 3] ?? 0), 0) * 1000 / TICKS_PER_SECOND;
}

/** What an id of the host's is inside. @param map `/proc/PID/uid_map`: where it begins inside, outside, and its size. */
function insideId(map: string, id: number): number {
  for (const line of map.trim().split("\n")) {
    const [inside = 0, outside = 0, size = 0] = line.trim().split(/\s+/).map(Number);
    if (outside <= id && id < outside + size) return inside + id - outside;
  }
  return id;
}

const memoryOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(processFile(pid, "status") ?? "")?.[1] ?? 0) * 1024;

function pressure(unified: string | undefined): Pick<ContainerStats, "pressure"> {
  const of = (kind: string): number | undefined => {
    const found = /^some avg10=([\d.]+)/m.exec(textIn(unified, `${kind}.pressure`, true) ?? "")?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const [cpu, memory, io] = [of("cpu"), of("memory"), of("io")];
  return cpu === undefined || memory === undefined || io === undefined ? {} : { pressure: { cpu, memory, io } };
}

const total = (pids: readonly number[], of: (pid: number) => number): number =>
  pids.reduce((all, pid) => all + of(pid), 0);

/** What a container has used of CPUs, in milliseconds. @param pids Its processes, which are asked where no cgroup tells. */
function cpuTime({ cgroups: { unified, legacy } }: State, pids: () => readonly number[]): number {
  const nanoseconds = numberIn(legacy.cpuacct, "cpuacct.usage");
  if (nanoseconds !== undefined) return nanoseconds / 1e6;
  const microseconds = valueIn(unified, "cpu.stat", "usage_usec");
  if (microseconds !== undefined) return microseconds / 1e3;
  const [UTIME, STIME, CUTIME, CSTIME] = [14, 15, 16, 17];
  return total(pids(), (pid) => cpuTimeOf(pid, [UTIME, STIME, CUTIME, CSTIME]));
}

/** What a container uses. @param spent What is known of its CPU time. @param others As in {@link processes}. */
function statsOf(state: State, others: ReturnType<typeof byNamespace>, spent?: number): ContainerStats {
  const { unified, legacy } = state.cgroups;
  const pids = processes(state, others);
  const limit = limitIn(legacy.memory, "memory.limit_in_bytes") ?? limitIn(unified, "memory.max");
  const io = textIn(unified, "io.stat", true);
  const files = io === undefined ? pids.map((pid) => processFile(pid, "io")) : [];
  const transferred = (field: RegExp): number => files.reduce((all, file) => all + (sum(file, field) ?? 0), 0);
  return {
    name: state.name,
    cpuTime: spent ?? cpuTime(state, () => pids),
    memory: numberIn(legacy.memory, "memory.usage_in_bytes") ?? numberIn(unified, "memory.current") ??
      total(pids, memoryOf),
    ...(limit === undefined ? {} : { memoryLimit: limit }),
    pids: numberIn(legacy.pids, "pids.current") ?? numberIn(unified, "pids.current") ?? pids.length,
    read: sum(io, /\brbytes=(\d+)/g) ?? transferred(/^read_bytes: (\d+)/gm),
    written: sum(io, /\bwbytes=(\d+)/g) ?? transferred(/^write_bytes: (\d+)/gm),
    ...pressure(unified),
  };
}

/**
 * What containers use.
 *
 * @param names All that run, where there is none.
 * @throws {NoContainerError} There is none of a name.
 *
 * @example
 * ```ts
 * import { run, stats } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * const [usage] = await stats([container.name]);
 * console.log(usage?.memory, usage?.cpuTime);
 * ```
 */
export async function stats(
  names: readonly string[] = [],
  options: { readonly root?: string } = {},
): Promise<ContainerStats[]> {
  return usageOf(await running(names, options));
}

/** {@linkcode stats} of those that are known to run. @param spent Their CPU time, where that is known already. */
export function usageOf(states: readonly State[], spent?: ReadonlyMap<string, number>): ContainerStats[] {
  const others = byNamespace();
  return states.map((state) => statsOf(state, others, spent?.get(state.name)));
}

/** What is known of those that run, all of them where none is named. */
export async function running(names: readonly string[], options: { readonly root?: string }): Promise<State[]> {
  const store = await openStore(options.root);
  if (names.length > 0) return names.map((name) => findRunning(store, name));
  return store.names().flatMap((name) => {
    const state = store.state(name);
    return state !== undefined && state.restarting !== true && isAlive(state) ? [state] : [];
  });
}

/** What containers have used of CPUs, in milliseconds, by their names: for whoever asks for it again a moment later. */
export function cpuTimes(states: readonly State[]): Map<string, number> {
  const others = byNamespace();
  return new Map(states.map((state) => [state.name, cpuTime(state, () => processes(state, others))]));
}

/**
 * The processes of a container, by their numbers inside.
 *
 * @throws {NoContainerError} There is none of this name.
 *
 * @example What runs in it?
 * ```ts
 * import { run, top } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * for (const { pid, command } of await top(container.name)) console.log(pid, command);
 * ```
 */
export async function top(name: string, options: { readonly root?: string } = {}): Promise<ContainerProcess[]> {
  return processes(findRunning(await openStore(options.root), name)).flatMap((hostPid): ContainerProcess[] => {
    const status = processFile(hostPid, "status");
    if (status === undefined) return [];
    const field = (key: string): string => new RegExp(`^${key}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "";
    const command = (processFile(hostPid, "cmdline") ?? "").split("\0").join(" ").trim();
    return [{
      pid: Number(field("NSpid").split(/\s+/).at(-1)),
      hostPid,
      uid: insideId(processFile(hostPid, "uid_map") ?? "", Number(field("Uid").split(/\s+/)[1])),
      cpuTime: cpuTimeOf(hostPid, [14, 15]),
      memory: memoryOf(hostPid),
      command: command === "" ? `[${field("Name")}]` : command,
    }];
  }).sort((a, b) => a.pid - b.pid);
}
