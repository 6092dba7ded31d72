/**
 * What a container has used, as its cgroups tell.
 *
 * @module
 */
import { limitIn, numberIn, valueIn } from "./files.ts";
import type { CgroupPlan } from "./plan.ts";

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

/** How many processes were killed for want of memory; nothing where no cgroup tells. */
export function outOfMemoryKills({ unified, legacy }: Pick<CgroupPlan, "unified" | "legacy">): number | undefined {
  const memory = legacy.get("memory");
  return memory === undefined
    ? valueIn(unified, "memory.events", "oom_kill")
    : valueIn(memory, "memory.oom_control", "oom_kill");
}

/** Reads what a container's cgroups tell. */
export function readUsage({ unified, legacy }: Pick<CgroupPlan, "unified" | "legacy">): Usage {
  const [memory, cpu, cpuacct] = [legacy.get("memory"), legacy.get("cpu"), legacy.get("cpuacct")];
  const found = {
    memoryPeak: memory === undefined ? numberIn(unified, "memory.peak") : numberIn(memory, "memory.max_usage_in_bytes"),
    memoryLimit: memory === undefined ? limitIn(unified, "memory.max") : limitIn(memory, "memory.limit_in_bytes"),
    outOfMemoryKills: outOfMemoryKills({ unified, legacy }),
    cpuTime: scale(numberIn(cpuacct, "cpuacct.usage"), 1e6) ?? scale(valueIn(unified, "cpu.stat", "usage_usec"), 1e3),
    throttledTime: cpu === undefined
      ? scale(valueIn(unified, "cpu.stat", "throttled_usec"), 1e3)
      : scale(valueIn(cpu, "cpu.stat", "throttled_time"), 1e6),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function scale(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value / by;
}
