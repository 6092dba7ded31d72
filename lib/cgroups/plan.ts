/**
 * Which cgroups a container gets and what is written there, decided before anything is made. Pure.
 *
 * @module
 */
import { LimitError } from "../errors.ts";
import { optionOf } from "../spec/limits.ts";
import type { Resources } from "../spec/types.ts";
import { type DevicePlan, planDevices } from "./device_rules.ts";
import { type Hierarchies, legacyName } from "./hierarchies.ts";
import type { Scope } from "./manager.ts";
import { type Controller, legacySettings, type Setting, unifiedSettings } from "./settings.ts";

/** A file to write. */
export interface Write extends Setting {
  /** The cgroup's directory. */
  readonly directory: string;
  /** Whether it was asked for: what wasn't never fails a run. */
  readonly required: boolean;
}

/** What a container gets. */
export interface CgroupPlan {
  /** The container's directory in the v2 hierarchy; nothing where there is none. */
  readonly unified: string | undefined;
  /** Its directories in v1's hierarchies, by v1's names of the controllers. */
  readonly legacy: ReadonlyMap<string, string>;
  /** Every directory once. */
  readonly directories: readonly string[];
  /** Directories that can't be done without. */
  readonly required: ReadonlySet<string>;
  readonly writes: readonly Write[];
  /** What keeps the container from devices that aren't its own, where this host can. */
  readonly devices?: DevicePlan;
  /** The scope of systemd's to make first, where systemd manages. */
  readonly scope?: Scope;
  /** Controllers to hand down to the container's directory of v2 besides: it may hand them further down itself. */
  readonly handDown?: readonly string[];
}

/** What tells on v1 what was used. Not for every container: each group costs its start and its end 0.1 ms. */
const MEASURING = ["memory", "cpu", "cpuacct"] as const;

const UNLIMITED_MEMORY: Setting = {
  controller: "memory",
  file: "memory.max",
  value: "max",
  field: "linux.resources.memory.limit",
};

/** Throws a `LimitError` for a limit that this host can't enforce. @param path `linux.cgroupsPath`. */
export function planCgroups(
  { unified, legacy }: Pick<Hierarchies, "unified" | "legacy">,
  path: string,
  resources: Resources,
  options: {
    /** Of v2. */
    readonly controllers: readonly string[];
    readonly unasked?: ReadonlySet<string>;
    /** Whether somebody will ask what it has used. */
    readonly measure?: boolean;
    /** Whether the container may not run without its rules about devices. */
    readonly needsDeviceRules?: boolean;
    /** What to do about a controller that v2 hasn't got here. */
    readonly remedy?: (controller: string) => string | undefined;
  },
): CgroupPlan {
  const { controllers, unasked = new Set<string>(), measure = false, remedy } = options;
  const own = unified === undefined ? undefined : unified + path;
  const groups = new Map<string, string>();
  const required = new Set<string>();
  const writes: Write[] = [];
  const settings = unifiedSettings(resources);
  for (const setting of settings) {
    const asked = !unasked.has(setting.field);
    const name = legacyName(setting.controller);
    const mount = legacy.get(name);
    if (mount !== undefined) {
      if (asked) required.add(mount + path);
      groups.set(name, mount + path);
    } else if (own !== undefined && controllers.includes(setting.controller)) {
      if (asked) required.add(own);
      writes.push({ ...setting, directory: own, required: asked });
    } else if (asked) throw noController(setting, own !== undefined, legacy.size > 0, remedy?.(setting.controller));
  }
  if (measure && own !== undefined && legacy.get("memory") === undefined && controllers.includes("memory")) {
    // Changes nothing, but only a cgroup that was handed the controller tells what was the most memory.
    const hasMemory = writes.some(({ controller }) => controller === "memory");
    if (!hasMemory) writes.push({ ...UNLIMITED_MEMORY, directory: own, required: false });
  }
  for (const controller of new Set(settings.map((setting) => setting.controller))) {
    const directory = groups.get(legacyName(controller));
    if (directory !== undefined) writes.push(...legacyWrites(resources, controller, directory, unasked));
  }
  for (const name of [...measure ? MEASURING : [], ...unified === undefined ? ["freezer"] : []]) {
    const mount = legacy.get(name);
    if (mount !== undefined) groups.set(name, mount + path);
  }
  const mounts = { unified: own, legacy: legacy.get("devices") };
  const devices = planDevices(mounts, path, resources.devices, options.needsDeviceRules ?? false);
  if (devices?.kind === "lines") groups.set("devices", devices.directory);
  if (devices?.required === true) required.add(devices.directory);
  const directories = new Set([...own === undefined ? [] : [own], ...groups.values()]);
  return {
    ...{ unified: own, legacy: groups, directories: [...directories], required, writes },
    ...(devices === undefined ? {} : { devices }),
  };
}

function legacyWrites(
  resources: Resources,
  controller: Controller,
  directory: string,
  unasked: ReadonlySet<string>,
): Write[] {
  return legacySettings(resources, controller).map((setting) => {
    if ("missing" in setting) {
      const what = `${optionOf(setting.missing)}${setting.above === undefined ? "" : ` above ${setting.above}`}`;
      throw new LimitError(`this host has cgroup v1 for ${controller}, which has no ${what}`, {
        hint: "leave it out, or boot with cgroup_no_v1=all",
      });
    }
    return { ...setting, directory, required: !unasked.has(setting.field) };
  });
}

/** A controller that a limit needs isn't there. */
export class NoControllerError extends LimitError {
  /** @param controller As this host's cgroups name it. @param field The limit, as the specification names it. */
  constructor(readonly controller: string, readonly field: string, hint: string) {
    super(`${optionOf(field)} can't be enforced: this host has no cgroup controller "${controller}"`, { hint });
  }
}

function noController(
  { controller, field }: Setting,
  hasUnified: boolean,
  hasLegacy: boolean,
  remedy?: string,
): NoControllerError {
  const name = legacyName(controller);
  if (remedy !== undefined) return new NoControllerError(controller, field, remedy);
  if (hasUnified) {
    return new NoControllerError(
      hasLegacy ? name : controller,
      field,
      "the kernel may lack it, or the cgroup above doesn't hand it down: see cgroup.controllers",
    );
  }
  const hint = hasLegacy
    ? `mount it: mount -t cgroup -o ${name} none /sys/fs/cgroup/${name}`
    : "mount it: mount -t cgroup2 none /sys/fs/cgroup";
  return new NoControllerError(hasLegacy ? name : controller, field, hint);
}
