/**
 * What limits are in the files of cgroups: of v2 (Documentation/admin-guide/cgroup-v2.rst) and of v1 (cgroup-v1/). Pure.
 *
 * @module
 */
import type { DeviceRate, Resources } from "../spec/types.ts";

/** One file of a cgroup and what to write to it. */
export interface Setting {
  /** As v2 names it, also where v1 has it under another name. */
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
  /** Where it comes from: "linux.resources.memory.limit". */
  readonly field: string;
}

/** Controllers that libflux has limits of, as v2 names them. */
export type Controller = "cpu" | "cpuset" | "hugetlb" | "io" | "memory" | "pids";

const limitOf = (value: number): string => value < 0 ? "max" : String(value);
const DEFAULT_PERIOD = 100_000;
/** Of `blkio.bfq.weight`, where 100 is everybody's, as in v2. */
const MOST_WEIGHT = 1000;

/** The rates of `resources`, with what v2 and v1 call them. */
function rates(
  { blockIO = {} }: Resources,
): readonly {
  readonly key: string;
  readonly legacy: string;
  readonly field: string;
  readonly devices: readonly DeviceRate[];
}[] {
  const of = (key: string, legacy: string, field: keyof typeof blockIO) => ({
    key,
    legacy: `blkio.throttle.${legacy}_device`,
    field: `linux.resources.blockIO.${field}`,
    devices: blockIO[field] ?? [],
  });
  return [
    of("rbps", "read_bps", "throttleReadBpsDevice"),
    of("wbps", "write_bps", "throttleWriteBpsDevice"),
    of("riops", "read_iops", "throttleReadIOPSDevice"),
    of("wiops", "write_iops", "throttleWriteIOPSDevice"),
  ];
}

/** The settings of cgroup v2. Throws a `TypeError` where the resources contradict each other. */
export function unifiedSettings(resources: Resources): Setting[] {
  const { memory = {}, cpu = {}, pids, hugepageLimits = [], unified = {} } = resources;
  const settings: Setting[] = [];
  const set = (controller: Controller, file: string, field: string, value: string | undefined): void => {
    if (value !== undefined) settings.push({ controller, file, value, field: `linux.resources.${field}` });
  };
  const bytes = (value: number | undefined): string | undefined => value === undefined ? undefined : limitOf(value);
  set("memory", "memory.max", "memory.limit", bytes(memory.limit));
  set("memory", "memory.low", "memory.reservation", bytes(memory.reservation));
  set("memory", "memory.swap.max", "memory.swap", bytes(swapAlone(memory)));
  if (cpu.quota !== undefined) {
    set("cpu", "cpu.max", "cpu.quota", `${limitOf(cpu.quota)} ${cpu.period ?? DEFAULT_PERIOD}`);
  }
  set("cpuset", "cpuset.cpus", "cpu.cpus", cpu.cpus);
  set("cpuset", "cpuset.mems", "cpu.mems", cpu.mems);
  set("pids", "pids.max", "pids.limit", bytes(pids?.limit));
  for (const { key, field, devices } of rates(resources)) {
    for (const { major, minor, rate } of devices) {
      settings.push({ controller: "io", file: "io.max", value: `${major}:${minor} ${key}=${rate}`, field });
    }
  }
  for (const { pageSize, limit } of hugepageLimits) {
    set("hugetlb", `hugetlb.${pageSize}.max`, "hugepageLimits", String(limit));
  }
  for (const [file, value] of Object.entries(unified)) {
    set(controllerOf(file), file, `unified["${file}"]`, value);
  }
  return settings;
}

/** What is left for swap alone. */
function swapAlone({ limit, swap }: NonNullable<Resources["memory"]>): number | undefined {
  if (swap === undefined || swap < 0) return swap;
  if (limit === undefined || limit < 0) throw new TypeError("linux.resources.memory.swap needs a memory.limit");
  if (swap < limit) throw new TypeError("linux.resources.memory.swap is less than memory.limit, which it includes");
  return swap - limit;
}

/** The controller that a file of v2 belongs to. Throws a `TypeError` where libflux knows none. */
function controllerOf(file: string): Controller {
  const name = file.slice(0, file.indexOf("."));
  const known: readonly Controller[] = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];
  const found = known.find((one) => one === name);
  if (found === undefined || !/^[a-z0-9.A-Z]+$/.test(file)) {
    throw new TypeError(`linux.resources.unified["${file}"] is no file of a controller of limits`);
  }
  return found;
}

/** A limit that v1 hasn't got. */
export interface Missing {
  /** Its field. */
  readonly missing: string;
  /** Where v1 has it, and not as much of it. */
  readonly above?: number;
}

/**
 * The settings of one controller of v1.
 *
 * @returns For a limit that v1 hasn't got, the field's name.
 */
export function legacySettings(
  resources: Resources,
  controller: Controller,
): (Setting | Missing)[] {
  const { memory = {}, cpu = {}, pids, hugepageLimits = [], unified = {} } = resources;
  const settings: (Setting | Missing)[] = [];
  const set = (file: string, field: string, value: number | string | undefined): void => {
    if (value !== undefined) {
      settings.push({ controller, file, value: String(value), field: `linux.resources.${field}` });
    }
  };
  switch (controller) {
    case "memory":
      set("memory.limit_in_bytes", "memory.limit", memory.limit);
      set("memory.soft_limit_in_bytes", "memory.reservation", memory.reservation);
      set("memory.memsw.limit_in_bytes", "memory.swap", memory.swap);
      break;
    case "cpu":
      if (cpu.quota !== undefined) {
        set("cpu.cfs_period_us", "cpu.period", cpu.period ?? DEFAULT_PERIOD);
        set("cpu.cfs_quota_us", "cpu.quota", cpu.quota);
      }
      break;
    case "cpuset":
      set("cpuset.cpus", "cpu.cpus", cpu.cpus);
      set("cpuset.mems", "cpu.mems", cpu.mems);
      break;
    case "pids":
      set("pids.max", "pids.limit", pids === undefined ? undefined : limitOf(pids.limit));
      break;
    case "hugetlb":
      for (const { pageSize, limit } of hugepageLimits) {
        set(`hugetlb.${pageSize}.limit_in_bytes`, "hugepageLimits", limit);
      }
      break;
    case "io":
      for (const { legacy, field, devices } of rates(resources)) {
        for (const { major, minor, rate } of devices) {
          settings.push({ controller, file: legacy, value: `${major}:${minor} ${rate}`, field });
        }
      }
  }
  for (const [file, value] of Object.entries(unified)) {
    if (controllerOf(file) !== controller) continue;
    const field = `unified["${file}"]`;
    // 1 to 10,000 with 100 in the middle; v1 has 2 to 262,144 with 1024, and 1 to 1000 with 100.
    if (file === "cpu.weight") set("cpu.shares", field, Math.max(2, Math.round(Number(value) * 1024 / 100)));
    else if (file === "io.weight" && Number(value) <= MOST_WEIGHT) set("blkio.bfq.weight", field, value);
    else if (file === "io.weight") settings.push({ missing: `linux.resources.${field}`, above: MOST_WEIGHT });
    else settings.push({ missing: `linux.resources.${field}` });
  }
  return settings;
}
