/**
 * The cgroups of one container: made, limited, measured, removed.
 *
 * @module
 */
import { AT, E, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall } from "../../ffi/libc.ts";
import { stat } from "../../ffi/stat.ts";
import { errnoText, LimitError } from "../errors.ts";
import { optionOf } from "../spec/limits.ts";
import { write } from "../store/cgroup.ts";
import { readIfThere } from "../store/directory.ts";
import type { CgroupPlan, Write } from "./plan.ts";
import type { KeptScope } from "./scope.ts";

/**
 * What a container has used, where its cgroups tell.
 *
 * @example How much memory did it take?
 * ```ts
 * import { run, type Usage } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["true"], measure: true });
 * const usage: Usage | undefined = (await container.status).usage;
 * console.log(usage?.memoryPeak, usage?.cpuTime);
 * ```
 */
export interface Usage {
  /** The most memory at one time, in bytes. */
  readonly memoryPeak?: number;
  /** The limit of memory, in bytes. */
  readonly memoryLimit?: number;
  /** How many of its processes the kernel has killed because that limit was reached. */
  readonly outOfMemoryKills?: number;
  /** CPU time, in milliseconds. */
  readonly cpuTime?: number;
  /** For how long it was held back by its CPU limit, in milliseconds. */
  readonly throttledTime?: number;
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** Makes a directory and those above it, none of which is a mount point's. */
function makeDirectory(path: string): number {
  const made = syscall("mkdirat", AT.AT_FDCWD, path, 0o755);
  if (made !== -E.ENOENT) return made === -E.EEXIST ? 0 : made;
  const above = makeDirectory(parentOf(path));
  if (above < 0) return above;
  const again = syscall("mkdirat", AT.AT_FDCWD, path, 0o755);
  return again === -E.EEXIST ? 0 : again;
}

/** Directories above one that aren't there, the outermost first. */
export function missingParents(directory: string): string[] {
  const parent = parentOf(directory);
  return parent === "" || typeof stat(parent) === "object" ? [] : [...missingParents(parent), parent];
}

/**
 * Makes the cgroups and their limits. Throws a {@link LimitError} where what was asked for can't be had.
 *
 * @param top The cgroup of v2 from which on down controllers are libflux's to hand down.
 */
export function createCgroups(plan: CgroupPlan, top: string | undefined, scope?: KeptScope): Cgroups {
  const made = new Set<string>();
  for (const directory of plan.directories) {
    const result = makeDirectory(directory);
    if (result === 0) made.add(directory);
    else if (plan.required.has(directory)) {
      throw new LimitError(`the cgroup ${directory} can't be made: ${errnoText(-result)}`, { path: directory });
    }
  }
  const cpuset = plan.legacy.get("cpuset");
  if (cpuset !== undefined && made.has(cpuset)) inheritCpuset(cpuset);
  applyAll(plan.writes.filter(({ directory }) => made.has(directory)), top);
  return new Cgroups(plan, made, scope);
}

/** v1: a new cpuset has no CPU and no memory, and takes no process before it has. */
function inheritCpuset(directory: string): void {
  const parent = parentOf(directory);
  for (const name of ["cpuset.cpus", "cpuset.mems"]) {
    if (readIfThere(`${parent}/${name}`)?.trim() === "") inheritCpuset(parent);
    if (readIfThere(`${directory}/${name}`)?.trim() !== "") continue;
    write(`${directory}/${name}`, readIfThere(`${parent}/${name}`)?.trim() ?? "");
  }
}

/** Writes limits. What depends on another that comes after it is tried again. */
export function applyAll(writes: readonly Write[], top: string | undefined): void {
  const again: Write[] = [];
  for (const one of writes) {
    try {
      apply(one, top);
    } catch {
      again.push(one);
    }
  }
  for (const one of again) apply(one, top);
}

function apply(setting: Write, top: string | undefined): void {
  const path = `${setting.directory}/${setting.file}`;
  let result = write(path, setting.value);
  if (result === -E.ENOENT && top !== undefined && path.startsWith(`${top}/`)) {
    handDown(setting, top);
    result = write(path, setting.value);
  }
  if (result >= 0 || !setting.required) return;
  const why = result === -E.ENOENT ? "this kernel has no such file" : errnoText(-result);
  throw new LimitError(
    `${optionOf(setting.field)} can't be enforced: ${setting.file} doesn't take ${setting.value}: ${why}`,
    {
      path,
      hint: result === -E.EINVAL || result === -E.ERANGE
        ? "is it a value that this host has?"
        : `'libflux info' tells which controllers this host has`,
    },
  );
}

/** v2: gives a controller to every cgroup from the top down to the container's. */
function handDown({ controller, directory, field, required }: Write, top: string): void {
  const parts = directory.slice(top.length + 1).split("/");
  parts.forEach((_, index) => {
    const group = [top, ...parts.slice(0, index)].join("/");
    if ((readIfThere(`${group}/cgroup.subtree_control`) ?? "").split(/\s+/).includes(controller)) return;
    const result = write(`${group}/cgroup.subtree_control`, `+${controller}`);
    if (result >= 0 || !required) return;
    const why = result === -E.EBUSY
      ? "there are processes in it, and a cgroup can't both have processes and hand controllers down"
      : errnoText(-result);
    throw new LimitError(
      `${optionOf(field)} can't be enforced: the cgroup ${group} doesn't hand down "${controller}": ${why}`,
      {
        path: group,
        hint: `echo +${controller} >${group}/cgroup.subtree_control, as who may`,
      },
    );
  });
}

/** The cgroups of one container. */
export class Cgroups {
  /** @param made Those of the plan's directories that are there. */
  constructor(readonly plan: CgroupPlan, readonly made: ReadonlySet<string>, readonly scope?: KeptScope) {}

  /** The directory of v2, where it could be made. */
  get unified(): string | undefined {
    const { unified } = this.plan;
    return unified !== undefined && this.made.has(unified) ? unified : undefined;
  }

  /** Those of v1 that could be made, by their controllers' names. */
  get legacy(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.plan.legacy].filter(([, directory]) => this.made.has(directory)));
  }

  /** The directory of v2 to be born in. */
  open(): Descriptor | undefined {
    const { unified } = this;
    if (unified === undefined) return undefined;
    const flags = openFlags(ARCHITECTURE, "O_PATH", "O_DIRECTORY", "O_CLOEXEC").value;
    const opened = syscall("openat", AT.AT_FDCWD, unified, flags, 0);
    return opened < 0 ? undefined : new Descriptor(opened);
  }

  /** What was used; to be asked before the cgroups are let go. */
  usage(): Usage {
    return readUsage(this.plan);
  }

  /** Lets systemd have its scope back, where there is one. Can be done again. */
  async release(): Promise<void> {
    await this.scope?.release();
  }
}

const numberIn = (path: string): number | undefined => {
  const text = readIfThere(path)?.trim();
  return text === undefined || !/^[0-9]+$/.test(text) ? undefined : Number(text);
};

/** A value of a file of lines "key value". */
const valueIn = (path: string, key: string): number | undefined => {
  const found = new RegExp(`^${key} ([0-9]+)$`, "m").exec(readIfThere(path) ?? "");
  return found === null ? undefined : Number(found[1]);
};

/** v1's way to say that there is no limit: the largest multiple of a page. */
const NO_LIMIT = 2 ** 62;

/** Reads what a container's cgroups tell. */
export function readUsage({ unified, legacy }: Pick<CgroupPlan, "unified" | "legacy">): Usage {
  const [memory, cpu, cpuacct] = [legacy.get("memory"), legacy.get("cpu"), legacy.get("cpuacct")];
  const limit = memory === undefined ? numberIn(`${unified}/memory.max`) : numberIn(`${memory}/memory.limit_in_bytes`);
  const nanoseconds = cpuacct === undefined ? undefined : numberIn(`${cpuacct}/cpuacct.usage`);
  const microseconds = valueIn(`${unified}/cpu.stat`, "usage_usec");
  const throttled = cpu === undefined
    ? scale(valueIn(`${unified}/cpu.stat`, "throttled_usec"), 1e3)
    : scale(valueIn(`${cpu}/cpu.stat`, "throttled_time"), 1e6);
  const found = {
    memoryPeak: memory === undefined
      ? numberIn(`${unified}/memory.peak`)
      : numberIn(`${memory}/memory.max_usage_in_bytes`),
    memoryLimit: limit !== undefined && limit < NO_LIMIT ? limit : undefined,
    outOfMemoryKills: memory === undefined
      ? valueIn(`${unified}/memory.events`, "oom_kill")
      : valueIn(`${memory}/memory.oom_control`, "oom_kill"),
    cpuTime: scale(nanoseconds, 1e6) ?? scale(microseconds, 1e3),
    throttledTime: throttled,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function scale(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value / by;
}
