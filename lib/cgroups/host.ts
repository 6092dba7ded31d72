/**
 * What this host's cgroups are, and which of them a container gets. Looks, changes nothing.
 *
 * @module
 */
import { stat } from "../../ffi/stat.ts";
import { variable } from "../caller.ts";
import { LimitError } from "../errors.ts";
import { MAKES_NODES } from "../spec/capabilities.ts";
import { isRestricted } from "../spec/device_rules.ts";
import { unaskedFields } from "../spec/limits.ts";
import type { RunOptions } from "../spec/options.ts";
import type { Mount, Spec } from "../spec/types.ts";
import { isCgroup } from "../store/cgroup.ts";
import { readIfThere } from "../store/directory.ts";
import type { DeviceNeeds } from "./device_rules.ts";
import { wordsIn } from "./files.ts";
import { type Hierarchies, parseHierarchies } from "./hierarchies.ts";
import {
  type CgroupManager,
  CONTAINER_GROUP,
  DELEGATE,
  DELEGATED,
  type ManagerFacts,
  planScope,
  userManager,
} from "./manager.ts";
import { type CgroupPlan, planCgroups } from "./plan.ts";

/** What is mounted, and which controllers v2 has at its root. */
export interface CgroupFacts extends Hierarchies {
  readonly controllers: readonly string[];
}

let facts: CgroupFacts | undefined;

/** Looks at the mount table, once. */
export function cgroupFacts(): CgroupFacts {
  if (facts !== undefined) return facts;
  const table = parseHierarchies(readIfThere("/proc/self/mountinfo") ?? "");
  // Something else may be mounted over one by now. Only those that are used are looked at: there can be a dozen.
  const visible = new Map<string, boolean>();
  const check = (mount: string | undefined): string | undefined => {
    if (mount === undefined) return undefined;
    if (!visible.has(mount)) visible.set(mount, isCgroup(mount));
    return visible.get(mount) === true ? mount : undefined;
  };
  const unified = check(table.unified);
  const legacy = { get: (name: string) => check(table.legacy.get(name)), size: table.legacy.size };
  const controllers = wordsIn(unified, "cgroup.controllers");
  return facts = { ...table, unified, legacy, controllers };
}

/** Whether this host has rules about devices. That an eBPF program can't be attached is only seen when it is tried. */
export function hasDeviceRules({ unified, legacy }: Pick<Hierarchies, "unified" | "legacy">): boolean {
  return unified !== undefined || legacy.get("devices") !== undefined;
}

let booted: boolean | undefined;

/** Who could manage cgroups here. */
export function managerFacts({ unified, legacy }: Pick<Hierarchies, "unified" | "legacy">, uid: number): ManagerFacts {
  const systemd = booted ??= isThere("/run/systemd/system");
  return {
    uid,
    systemd,
    unifiedOnly: unified !== undefined && legacy.size === 0,
    bus: !systemd ? "no bus" : !isInPath("busctl") ? "no busctl" : hasBus(uid) ? "reachable" : "no bus",
  };
}

const isThere = (path: string): boolean => typeof stat(path) === "object";

const isInPath = (program: string): boolean =>
  (variable("PATH") ?? "").split(":").some((directory) => directory !== "" && isThere(`${directory}/${program}`));

/** Whether the socket is there at which busctl asks the systemd of this user. */
function hasBus(uid: number): boolean {
  if (uid === 0) return isThere("/run/dbus/system_bus_socket");
  const runtime = variable("XDG_RUNTIME_DIR");
  return variable("DBUS_SESSION_BUS_ADDRESS") !== undefined || runtime !== undefined && isThere(`${runtime}/bus`);
}

/** The cgroup from which on down controllers are libflux's to hand down to a container's: its scope, or the root. */
export function topOf(unified: string): string | undefined {
  const scope = /^(.*\.scope)\/[^/]+$/.exec(unified)?.[1];
  return scope ?? cgroupFacts().unified;
}

/** Who has this mounts cgroups, and writes to the one that it is in. */
const LIFTS_RULES = "CAP_SYS_ADMIN";

function deviceNeeds(
  { devices = [], privileged, writable }: RunOptions,
  { process: { capabilities: { bounding = [] } = {} }, linux: { namespaces = [] } = {} }: Spec,
  uid: number,
): DeviceNeeds {
  // In a user namespace nobody can make a node that opens anything.
  const hasUsers = namespaces.some(({ type }) => type === "user");
  if (privileged === true && !hasUsers) return { required: false, above: false };
  const isStrong = bounding.includes(LIFTS_RULES);
  // But an image may have one, and who mounts it anew could open that.
  const opens = hasUsers ? uid === 0 && isStrong && writable === true : bounding.includes(MAKES_NODES);
  return { required: opens || devices.some(isRestricted), above: isStrong };
}

/** The cgroups to make for a container: below a scope of systemd's, or where libflux says. */
export function planContainer(
  options: RunOptions,
  spec: Spec,
  manager: CgroupManager,
  host: CgroupFacts,
  uid: number,
): CgroupPlan {
  const { linux, mounts = [] } = spec;
  const { cgroupsPath: path = "", resources = {} } = linux ?? {};
  // Who has all privileges could mount what it likes: then nothing is promised of its limits, unless that is asked for.
  const writable = mounts.some(isWritableCgroup) && (options.privileged !== true || options.writableCgroups === true);
  if (writable && !host.nsdelegate) throw notDelegated(host);
  // Without its own cgroup a container would be given libflux's to write to, or not be where it was to be.
  const sure = (made: CgroupPlan): CgroupPlan =>
    writable || options.cgroupParent !== undefined ? { ...made, required: new Set(made.directories) } : made;
  const handing = (made: CgroupPlan, handDown: readonly string[]): CgroupPlan =>
    writable ? { ...sure(made), handDown } : sure(made);
  const asked = {
    unasked: unaskedFields(options.limits ?? {}),
    measure: options.measure ?? false,
    devices: deviceNeeds(options, spec, uid),
  };
  if (manager === "cgroupfs" || host.unified === undefined) {
    return handing(planCgroups(host, path, resources, { ...asked, controllers: host.controllers }), host.controllers);
  }
  const scope = planScope(path, uid, host.unified, readIfThere("/proc/1/cgroup") ?? "");
  const below = { unified: scope.directory, legacy: new Map<string, string>() };
  // A user's systemd has what it was handed itself.
  const above = scope.user
    ? scope.directory.slice(0, scope.directory.indexOf(userManager(uid))) + userManager(uid)
    : "";
  const all = scope.user ? wordsIn(above, "cgroup.controllers") : host.controllers;
  // systemd knows no others, and so delegates none.
  const controllers = all.filter((name) => DELEGATED.includes(name));
  const remedy = (name: string): string | undefined =>
    !DELEGATED.includes(name)
      ? `systemd hands it down to nobody; use --cgroup-manager cgroupfs`
      : scope.user
      ? DELEGATE
      : undefined;
  // The scope itself is above the container's cgroup.
  const devices = { ...asked.devices, above: false };
  const plan = planCgroups(below, `/${CONTAINER_GROUP}`, resources, { ...asked, devices, controllers, remedy });
  const rules = plan.devices === undefined ? {} : { devices: { ...plan.devices, directory: scope.directory } };
  return { ...handing({ ...plan, ...rules }, controllers), scope };
}

/** Whether a mount lets the container write to its cgroups. */
function isWritableCgroup({ type, options = [] }: Mount): boolean {
  return (type === "cgroup" || type === "cgroup2") && !options.includes("ro");
}

/** Without it, what is written inside could lift the container's own limits. */
function notDelegated({ unified }: CgroupFacts): LimitError {
  const asked = "the container can't be given cgroups to write to";
  return unified === undefined
    ? new LimitError(`${asked}: this host has no cgroup v2, and those of v1 are never writable inside`)
    : new LimitError(`${asked}: cgroup v2 is mounted without nsdelegate, and so it could lift its own limits`, {
      path: unified,
      hint: `mount -o remount,nsdelegate ${unified}`,
    });
}
