/**
 * The limits that cgroups have at this moment, whoever set them.
 *
 * @module
 */
import type { Limits } from "../spec/limits.ts";
import type { State } from "../store/state.ts";
import { limitIn, numberIn, textIn } from "./files.ts";

/** How v2 counts shares for v1's: both have 100 of v2's for everybody's. */
const SHARES = 1024;
const WEIGHT = 100;

/** How many CPUs' worth of time. */
function cpus({ unified, legacy }: State["cgroups"]): number | undefined {
  const [quota, period] = (textIn(unified, "cpu.max") ?? "").split(" ");
  const used = numberIn(legacy.cpu, "cpu.cfs_quota_us") ?? Number(quota);
  const of = numberIn(legacy.cpu, "cpu.cfs_period_us") ?? Number(period);
  return used > 0 && of > 0 ? used / of : undefined;
}

/** Reads the limits of a container's cgroups; what has no limit isn't there. */
export function limitsIn(cgroups: State["cgroups"]): Limits {
  const { unified, legacy } = cgroups;
  const swapAlone = limitIn(unified, "memory.swap.max");
  const memory = limitIn(legacy.memory, "memory.limit_in_bytes") ?? limitIn(unified, "memory.max");
  const reservation = limitIn(legacy.memory, "memory.soft_limit_in_bytes") ?? limitIn(unified, "memory.low");
  const shares = numberIn(legacy.cpu, "cpu.shares");
  const weight = numberIn(legacy.blkio, "blkio.bfq.weight") ??
    Number(/^default (\d+)$/m.exec(textIn(unified, "io.weight") ?? "")?.[1] ?? NaN);
  const found: { readonly [K in keyof Limits]: Limits[K] | undefined } = {
    memory,
    // v2 says 0 where nothing is reserved.
    memoryReservation: reservation === 0 ? undefined : reservation,
    memorySwap: limitIn(legacy.memory, "memory.memsw.limit_in_bytes") ??
      (swapAlone === undefined || memory === undefined ? undefined : swapAlone + memory),
    memoryHigh: limitIn(unified, "memory.high"),
    cpus: cpus(cgroups),
    cpuWeight: shares === undefined ? numberIn(unified, "cpu.weight") : Math.round(shares * WEIGHT / SHARES),
    cpusetCpus: textIn(legacy.cpuset, "cpuset.cpus") ?? textIn(unified, "cpuset.cpus"),
    cpusetMems: textIn(legacy.cpuset, "cpuset.mems") ?? textIn(unified, "cpuset.mems"),
    pids: limitIn(legacy.pids, "pids.max") ?? limitIn(unified, "pids.max"),
    ioWeight: Number.isNaN(weight) ? undefined : weight,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && value !== ""));
}
