/**
 * The flags of limits, as docker and podman name them.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { blockDevice } from "../spec/devices.ts";
import { type Limits, parseSize, RLIMITS } from "../spec/limits.ts";
import type { DeviceRate, Rlimit } from "../spec/types.ts";
import type { Flag, Parsed } from "./flags.ts";

/** Those that can be changed while a container runs. */
export const LIMIT_FLAGS: readonly Flag[] = [
  { name: "memory", short: "m", value: "SIZE", help: "above it the kernel kills; 512M, 2G" },
  { name: "memory-reservation", value: "SIZE", help: "memory that is left to it when the host is short" },
  { name: "memory-swap", value: "SIZE", help: "memory and swap together; -1: no limit; twice the memory by default" },
  { name: "memory-high", value: "SIZE", help: "above it the container is slowed down (cgroup v2)" },
  { name: "cpus", value: "N", help: "how many CPUs' worth of time: 1.5" },
  { name: "cpu-weight", value: "1..10000", help: "its share when the CPUs are busy; 100 is everybody's" },
  { name: "cpuset-cpus", value: "LIST", help: "on which CPUs: 0-2,7" },
  { name: "cpuset-mems", value: "LIST", help: "on which memory nodes" },
  { name: "pids-limit", value: "N", help: "processes and threads; 4096 by default, -1: no limit" },
  { name: "io-weight", value: "1..10000", help: "its share when a disk is busy; 100 is everybody's" },
  {
    name: "device-read-bps",
    value: "DEV:RATE",
    repeated: true,
    help: "bytes a second read from a device: /dev/sda:10M",
  },
  { name: "device-write-bps", value: "DEV:RATE", repeated: true, help: "bytes a second written to a device" },
  { name: "device-read-iops", value: "DEV:N", repeated: true, help: "operations a second read from a device" },
  { name: "device-write-iops", value: "DEV:N", repeated: true, help: "operations a second written to a device" },
  { name: "hugetlb", value: "PAGE=SIZE", repeated: true, help: "huge pages of one size: 2MB=1G" },
];

/** Those that only `run` has. */
export const PROCESS_LIMIT_FLAGS: readonly Flag[] = [
  { name: "ulimit", value: "NAME=SOFT[:HARD]", repeated: true, help: "a resource limit: nofile=1024:4096" },
  {
    name: "oom-score-adj",
    value: "-1000..1000",
    help: "how soon the kernel kills it when the host is short of memory",
  },
  { name: "cgroup-parent", value: "PATH|SLICE", help: "the cgroup, or systemd's slice, to be in" },
  {
    name: "seccomp",
    value: "FILE|unconfined",
    help: "let the syscalls of this profile through, a JSON file in docker's format; unconfined: all",
  },
  {
    name: "security-opt",
    value: "OPTION",
    repeated: true,
    help: "writable-cgroups: let it make cgroups below its own (cgroup v2); seccomp=FILE|unconfined: as --seccomp",
  },
  {
    name: "cgroup-manager",
    value: "auto|cgroupfs|systemd",
    help: "who makes cgroups; auto (default): systemd where it is PID 1",
  },
];

function number(flags: Parsed, name: string): number | undefined {
  const text = flags.value(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^[+-]?\d+(\.\d+)?$/.test(text) && Number.isFinite(value)) return value;
  throw new UsageError(`--${name} is a number, not "${printable(text)}"`);
}

function size(flags: Parsed, name: string): number | undefined {
  const text = flags.value(name);
  if (text === undefined) return undefined;
  return name === "memory-swap" && text === "-1" ? -1 : parseSize(text, name);
}

function rates(flags: Parsed, name: string): DeviceRate[] | undefined {
  const given = flags.values(name);
  if (given.length === 0) return undefined;
  return given.map((text) => {
    const at = text.lastIndexOf(":");
    if (at < 1) {
      throw new UsageError(`"${printable(text)}" is no rate of a device`, { hint: `write --${name} /dev/sda:1M` });
    }
    const path = text.slice(0, at);
    const { major, minor } = blockDevice(path, `--${name} ${printable(text)}`);
    return { major, minor, rate: parseSize(text.slice(at + 1), name) };
  });
}

function hugePages(flags: Parsed): Record<string, number> | undefined {
  const given = flags.values("hugetlb");
  if (given.length === 0) return undefined;
  return Object.fromEntries(given.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw new UsageError(`"${printable(text)}" limits no huge pages`, { hint: "write --hugetlb 2MB=1G" });
    return [text.slice(0, at), parseSize(text.slice(at + 1), "hugetlb")];
  }));
}

/** Reads the flags of limits; nothing where none was given. Throws a `UsageError`. */
export function readLimits(flags: Parsed): Limits | undefined {
  const given: { readonly [K in keyof Limits]: Limits[K] | undefined } = {
    memory: size(flags, "memory"),
    memoryReservation: size(flags, "memory-reservation"),
    memorySwap: size(flags, "memory-swap"),
    memoryHigh: size(flags, "memory-high"),
    cpus: number(flags, "cpus"),
    cpuWeight: number(flags, "cpu-weight"),
    cpusetCpus: flags.value("cpuset-cpus"),
    cpusetMems: flags.value("cpuset-mems"),
    pids: number(flags, "pids-limit"),
    ioWeight: number(flags, "io-weight"),
    deviceReadBps: rates(flags, "device-read-bps"),
    deviceWriteBps: rates(flags, "device-write-bps"),
    deviceReadIops: rates(flags, "device-read-iops"),
    deviceWriteIops: rates(flags, "device-write-iops"),
    hugetlb: hugePages(flags),
  };
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Reads `--ulimit`. Throws a `UsageError`. */
export function readUlimits(flags: Parsed): Rlimit[] | undefined {
  const given = flags.values("ulimit");
  if (given.length === 0) return undefined;
  return given.map((text) => {
    const found = /^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/i.exec(text);
    const type = `RLIMIT_${found?.[1]?.toUpperCase() ?? ""}`;
    if (found === null || !RLIMITS.some((known) => known === type)) {
      const names = RLIMITS.map((name) => name.slice("RLIMIT_".length).toLowerCase()).join(", ");
      throw new UsageError(`"${printable(text)}" is no resource limit`, {
        hint: `write --ulimit nofile=1024:4096; there are ${names}`,
      });
    }
    const value = (part: string): number => /^\d/.test(part) ? Number(part) : 2 ** 64;
    const soft = value(found[2] ?? "");
    const hard = value(found[3] ?? found[2] ?? "");
    if (soft > hard) {
      throw new UsageError(`--ulimit ${printable(text)}: the soft limit is above the hard one`);
    }
    return { type, soft, hard };
  });
}

/** Reads `--security-opt`, as far as it is about cgroups. Throws a `UsageError` for what libflux doesn't know. */
export function readWritableCgroups(flags: Parsed): boolean | undefined {
  let writable: boolean | undefined;
  for (const text of flags.values("security-opt")) {
    if (seccompOption(text) !== undefined) continue;
    const found = /^writable-cgroups(?:[=:](true|false))?$/.exec(text);
    if (found === null) {
      throw new UsageError(`libflux has no security option "${printable(text)}"`, {
        hint: "write --security-opt writable-cgroups or --security-opt seccomp=FILE",
      });
    }
    writable = found[1] !== "false";
  }
  return writable;
}

/** What docker's spelling of `--seccomp` says; nothing where an option is about something else. */
function seccompOption(text: string): string | undefined {
  return /^seccomp[=:]([^]*)$/.exec(text)?.[1];
}

/** Reads `--seccomp`, in libflux's spelling and in docker's. Throws a `UsageError`. */
export function readSeccomp(flags: Parsed): string | undefined {
  const own = flags.value("seccomp");
  const given = [
    ...(own === undefined ? [] : [own]),
    ...flags.values("security-opt").flatMap((text) => seccompOption(text) ?? []),
  ];
  const [first, second] = given;
  if (second !== undefined) throw new UsageError("there are two seccomp profiles", { hint: "leave one out" });
  if (first === "") {
    throw new UsageError("the seccomp profile has no name", { hint: "write --seccomp FILE or --seccomp unconfined" });
  }
  return first;
}

/** Reads `--oom-score-adj`. Throws a `UsageError`. */
export function readScore(flags: Parsed): number | undefined {
  const text = flags.value("oom-score-adj");
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^[+-]?\d{1,4}$/.test(text) && Math.abs(value) <= 1000) return value;
  throw new UsageError(`--oom-score-adj is a whole number from -1000 to 1000, not "${printable(text)}"`);
}
