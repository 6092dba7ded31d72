/**
 * Limits as people write them, and what they are in the specification. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import type { DeviceRate, Resources, Rlimit } from "./types.ts";

/**
 * How much a container may use; what isn't named is as much as there is, but for `pids`.
 *
 * @example Half a CPU and 64 MiB
 * ```ts
 * import { run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["true"], limits: { cpus: 0.5, memory: 64 * 2 ** 20 } });
 * console.log((await container.status).code); // 0
 * ```
 */
export interface Limits {
  /** Bytes; above it the kernel kills. */
  readonly memory?: number;
  /** Bytes that are left to it when the host is short of memory. */
  readonly memoryReservation?: number;
  /** Bytes of memory and swap together; -1 is no limit; twice the memory if left out. */
  readonly memorySwap?: number;
  /** Bytes above which it is slowed down. cgroup v2 only. */
  readonly memoryHigh?: number;
  /** How many CPUs' worth of time: 1.5. */
  readonly cpus?: number;
  /** Its share when the CPUs are busy, from 1 to 10000; 100 is everybody's. */
  readonly cpuWeight?: number;
  /** On which CPUs: "0-2,7". */
  readonly cpusetCpus?: string;
  /** On which memory nodes. */
  readonly cpusetMems?: string;
  /** Processes and threads; -1 is no limit, 4096 if left out. */
  readonly pids?: number;
  /** Its share when a disk is busy, from 1 to 10000; 100 is everybody's. */
  readonly ioWeight?: number;
  /** Bytes a second read from a device of the host. */
  readonly deviceReadBps?: readonly DeviceRate[];
  /** Bytes a second written to a device of the host. */
  readonly deviceWriteBps?: readonly DeviceRate[];
  /** Operations a second read from a device of the host. */
  readonly deviceReadIops?: readonly DeviceRate[];
  /** Operations a second written to a device of the host. */
  readonly deviceWriteIops?: readonly DeviceRate[];
  /** Bytes of huge pages, by their size as the kernel writes it: "2MB". */
  readonly hugetlb?: Readonly<Record<string, number>>;
}

/** Processes and threads of a container that wasn't given a limit: as in podman, enough for any service. */
export const DEFAULT_PIDS = 4096;

/** `RLIMIT_*`, `asm-generic/resource.h`. */
export const RLIMITS = [
  "RLIMIT_CPU",
  "RLIMIT_FSIZE",
  "RLIMIT_DATA",
  "RLIMIT_STACK",
  "RLIMIT_CORE",
  "RLIMIT_RSS",
  "RLIMIT_NPROC",
  "RLIMIT_NOFILE",
  "RLIMIT_MEMLOCK",
  "RLIMIT_AS",
  "RLIMIT_LOCKS",
  "RLIMIT_SIGPENDING",
  "RLIMIT_MSGQUEUE",
  "RLIMIT_NICE",
  "RLIMIT_RTPRIO",
  "RLIMIT_RTTIME",
] as const;

const PERIOD = 100_000;
/** The kernel's least quota, in microseconds. */
const LEAST_QUOTA = 1000;
/** docker's least: a container can't start below. */
const LEAST_MEMORY = 512 * 1024;

/** Whether a number is whole and within a range. */
export function isWhole(value: number, least: number, most: number = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

/** Throws a {@link UsageError} unless a limit of the command can be. From 2^64 on it is none at all. */
export function checkRlimit({ type, soft, hard }: Rlimit): void {
  if (!(RLIMITS as readonly string[]).includes(type)) {
    throw new UsageError(`there is no resource limit "${printable(type)}"`, {
      hint: `there are ${RLIMITS.join(", ")}`,
    });
  }
  for (const value of [soft, hard]) {
    if (isWhole(value, 0) || value >= 2 ** 64) continue;
    throw new UsageError(`the limit ${type} is a whole number, or Infinity for no limit, not ${value}`);
  }
  if (soft > hard) throw new UsageError(`the soft limit of ${type} is above the hard one: ${soft} and ${hard}`);
}

/** Throws a {@link UsageError} that names the first limit that can't be. */
export function checkLimits(limits: Limits): void {
  const { memory, memorySwap, cpus } = limits;
  const whole = (name: string, value: number | undefined, least: number, most = Number.MAX_SAFE_INTEGER): void => {
    if (value === undefined || isWhole(value, least, most)) return;
    const range = most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `from ${least} to ${most}`;
    throw new UsageError(`the limit ${name} is a whole number ${range}, not ${value}`);
  };
  whole("memory", memory, LEAST_MEMORY);
  whole("memoryReservation", limits.memoryReservation, 1);
  whole("memoryHigh", limits.memoryHigh, 1);
  whole("memorySwap", memorySwap, -1);
  whole("cpuWeight", limits.cpuWeight, 1, 10_000);
  whole("ioWeight", limits.ioWeight, 1, 10_000);
  whole("pids", limits.pids, -1);
  if (memorySwap !== undefined && memorySwap >= 0 && (memory === undefined || memorySwap < memory)) {
    throw new UsageError("the limit memorySwap is of memory and swap together, and so at least that of memory", {
      hint: memory === undefined ? "give --memory too" : "give at least as much, or -1 for no limit",
    });
  }
  if (cpus !== undefined && !(cpus * PERIOD >= LEAST_QUOTA && cpus <= 8192)) {
    throw new UsageError(`the limit cpus is from 0.01 to 8192, not ${cpus}`);
  }
  for (const [name, list] of [["cpusetCpus", limits.cpusetCpus], ["cpusetMems", limits.cpusetMems]] as const) {
    if (list !== undefined && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(list)) {
      throw new UsageError(
        `the limit ${name} is a list of numbers and ranges such as "0-2,7", not "${printable(list)}"`,
      );
    }
  }
  for (const name of ["deviceReadBps", "deviceWriteBps", "deviceReadIops", "deviceWriteIops"] as const) {
    for (const { major, minor, rate } of limits[name] ?? []) {
      whole(`${name} of ${major}:${minor}`, rate, 0);
      // dev_t has 12 and 20 bits for them.
      if (isWhole(major, 0, 0xfff) && isWhole(minor, 0, 0xfffff)) continue;
      throw new UsageError(`the limit ${name} is of a device with two numbers, not of ${major}:${minor}`);
    }
  }
  for (const [size, bytes] of Object.entries(limits.hugetlb ?? {})) {
    whole(`hugetlb of ${printable(size)}`, bytes, 0);
    if (!/^[1-9]\d*(KB|MB|GB)$/.test(size)) {
      throw new UsageError(`"${printable(size)}" is no size of huge pages`, {
        hint: "write it as the kernel: 2MB, 1GB",
      });
    }
  }
}

/** Limits as `linux.resources`. */
export function toResources(limits: Limits): Resources {
  const { memory, memorySwap = memory === undefined ? undefined : 2 * memory } = limits;
  const unified = {
    ...(limits.memoryHigh === undefined ? {} : { "memory.high": String(limits.memoryHigh) }),
    ...(limits.cpuWeight === undefined ? {} : { "cpu.weight": String(limits.cpuWeight) }),
    ...(limits.ioWeight === undefined ? {} : { "io.weight": String(limits.ioWeight) }),
  };
  const parts = {
    memory: defined({ limit: memory, reservation: limits.memoryReservation, swap: memorySwap }),
    cpu: defined({
      quota: limits.cpus === undefined ? undefined : Math.round(limits.cpus * PERIOD),
      period: limits.cpus === undefined ? undefined : PERIOD,
      cpus: limits.cpusetCpus,
      mems: limits.cpusetMems,
    }),
    pids: { limit: limits.pids === undefined ? DEFAULT_PIDS : limits.pids === 0 ? -1 : limits.pids },
    blockIO: defined({
      throttleReadBpsDevice: limits.deviceReadBps,
      throttleWriteBpsDevice: limits.deviceWriteBps,
      throttleReadIOPSDevice: limits.deviceReadIops,
      throttleWriteIOPSDevice: limits.deviceWriteIops,
    }),
    hugepageLimits: limits.hugetlb === undefined
      ? undefined
      : Object.entries(limits.hugetlb).map(([pageSize, limit]) => ({ pageSize, limit })),
    unified: Object.keys(unified).length === 0 ? undefined : unified,
  };
  return defined(parts) ?? {};
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** An object without what is left out; nothing where nothing is left. */
function defined<T extends object>(object: T): Defined<T> | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries) as Defined<T>;
}

/** Fields of `linux.resources` that stand for no wish of the caller's: a host that can't have them runs all the same. */
export function unaskedFields(limits: Limits): Set<string> {
  const fields = new Set<string>();
  if (limits.pids === undefined) fields.add("linux.resources.pids.limit");
  if (limits.memorySwap === undefined) fields.add("linux.resources.memory.swap");
  return fields;
}

const OPTIONS: Readonly<Record<string, string>> = {
  "memory.limit": "memory",
  "memory.reservation": "memory-reservation",
  "memory.swap": "memory-swap",
  "cpu.quota": "cpus",
  "cpu.period": "cpus",
  "cpu.cpus": "cpuset-cpus",
  "cpu.mems": "cpuset-mems",
  "pids.limit": "pids-limit",
  "blockIO.throttleReadBpsDevice": "device-read-bps",
  "blockIO.throttleWriteBpsDevice": "device-write-bps",
  "blockIO.throttleReadIOPSDevice": "device-read-iops",
  "blockIO.throttleWriteIOPSDevice": "device-write-iops",
  hugepageLimits: "hugetlb",
  'unified["memory.high"]': "memory-high",
  'unified["cpu.weight"]': "cpu-weight",
  'unified["io.weight"]': "io-weight",
};

/** What a person calls a field of `linux.resources`: the flag it comes from, where there is one. */
export function optionOf(field: string): string {
  const option = OPTIONS[field.replace(/^linux\.resources\./, "")];
  return option === undefined ? field : `--${option}`;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Reads "512M", "1.5g", "2GiB", "1000": powers of 1024, as docker has them. Throws a {@link UsageError}. */
export function parseSize(text: string, flag: string): number {
  const found = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text);
  const bytes = Math.floor(Number(found?.[1]) * (UNITS[found?.[2]?.toLowerCase() ?? ""] ?? NaN));
  if (found === null || !Number.isSafeInteger(bytes)) {
    throw new UsageError(`--${flag} is an amount of memory, not "${printable(text)}"`, { hint: "write 512M or 2G" });
  }
  return bytes;
}
