/**
 * Which cgroups the host has, who manages them, and what of them is this user's.
 *
 * @module
 */
import { loadDeviceProgram } from "../../ffi/bpf.ts";
import { deviceProgram } from "../cgroups/device_rules.ts";
import { wordsIn } from "../cgroups/files.ts";
import { cgroupFacts, managerFacts } from "../cgroups/host.ts";
import { type Hierarchies, LEGACY } from "../cgroups/hierarchies.ts";
import { DELEGATE, type ManagerFacts, userManager, whyNotSystemd } from "../cgroups/manager.ts";
import { DEFAULT_RULES } from "../spec/device_rules.ts";
import type { Caller } from "./caller.ts";
import { type Feature, found, missing, tried } from "./feature.ts";
import { exists } from "./read.ts";

/** What the host has. */
export interface CgroupView extends Pick<Hierarchies, "mode" | "unified" | "nsdelegate"> {
  /** Controllers of the v2 hierarchy. */
  readonly v2: readonly string[];
  /** Controllers that are mounted as v1, by v1's names. */
  readonly v1: readonly string[];
  /** Whether this host's v2 hierarchy has a parent that can't be seen: that of a container around it. */
  readonly nested: boolean;
}

/** What limits need. v1 names block I/O otherwise. */
const CONTROLLERS = ["cpu", "cpuset", "io", "memory", "pids"] as const;

/** Judges the mode and its controllers. */
export function judgeCgroups({ mode, unified, v1, v2, nested, nsdelegate }: CgroupView): Feature[] {
  const mount = {
    name: "cgroup",
    required: false,
    effect: "containers can't have limits",
    remedy: "mount -t cgroup2 none /sys/fs/cgroup",
  };
  if (mode === "none") return [missing(mount, "none mounted")];
  const has = (name: string): boolean => v2.includes(name) || v1.includes(name === "io" ? "blkio" : name);
  const absent = CONTROLLERS.filter((name) => !has(name));
  const wanted = {
    name: "cgroup controllers",
    required: false,
    effect: `containers can't have limits of ${absent.join(", ")}`,
    remedy: remedy(absent, mode, nested),
  };
  const lists = ([["v2", v2], ["v1", v1]] as const).filter(([, names]) => names.length > 0).map(([version, names]) =>
    `${version}: ${names.join(" ")}`
  );
  const value = lists.join("; ") || "none";
  const delegation = {
    name: "cgroup nsdelegate",
    required: false,
    effect: "containers can't be given cgroups of their own to write to: they could lift their limits",
    remedy: unified === undefined ? "mount cgroup v2" : `mount -o remount,nsdelegate ${unified}`,
  };
  return [
    found(mount, mode),
    absent.length === 0 ? found(wanted, value) : missing(wanted, value),
    nsdelegate ? found(delegation, "yes") : missing(delegation, unified === undefined ? "no v2" : "no"),
  ];
}

/** What to write where, for controllers that aren't there. */
function remedy(absent: readonly string[], mode: CgroupView["mode"], nested: boolean): string {
  if (mode === "unified") {
    const all = absent.map((name) => `+${name}`).join(" ");
    return nested
      ? `outside of this container: echo "${all}" >cgroup.subtree_control, in the cgroup above the container's`
      : "boot without cgroup_disable, and with a kernel that has them";
  }
  const first = absent[0] === "io" ? "blkio" : absent[0] ?? "";
  return `boot with cgroup_no_v1=all to have all of them in v2, or mount each: mount -t cgroup -o ${first} none ` +
    `/sys/fs/cgroup/${first}`;
}

/** Who makes cgroups by default. Not to have systemd is no fault of a host's. */
export function judgeManager(facts: ManagerFacts): Feature {
  const why = whyNotSystemd(facts);
  const wanted = { name: "cgroup manager", required: false, effect: "", remedy: "" };
  return found(wanted, why === undefined ? "systemd, by scopes" : `cgroupfs: for systemd, ${why.reason}`);
}

/** What of the cgroups is this user's to hand out. @param handed The controllers of the user's own systemd. */
export function judgeDelegation({ uid }: Pick<Caller, "uid">, facts: ManagerFacts, handed: readonly string[]): Feature {
  const absent = CONTROLLERS.filter((name) => !handed.includes(name));
  const why = whyNotSystemd(facts);
  const wanted = {
    name: "cgroup delegation",
    required: false,
    effect: why === undefined
      ? `containers of this user can't have limits of ${absent.join(", ")}`
      : "containers of this user can't have limits",
    remedy: why === undefined ? DELEGATE : why.hint,
  };
  if (uid === 0) return found(wanted, "all, since root needs none");
  if (why !== undefined) return missing(wanted, `none: for systemd, ${why.reason}`);
  const value = handed.join(" ") || "none";
  return absent.length === 0 ? found(wanted, value) : missing(wanted, value);
}

/**
 * Whether containers can be kept from the host's devices, and by what.
 *
 * @param load Loads a program of such rules; `-errno` where the kernel doesn't take it.
 */
export function judgeDevices(
  { unified, v1 }: Pick<CgroupView, "unified" | "v1">,
  { privileged }: Pick<Caller, "privileged">,
  load: () => number,
): Feature {
  const wanted = {
    name: "device rules",
    required: false,
    effect: "containers can't be given CAP_MKNOD, nor devices for reading only",
    remedy: "mount cgroup v2, with a kernel that has CONFIG_CGROUP_BPF; or v1's controller devices",
  };
  if (!privileged) return missing(wanted, "not for this user", "run libflux with sudo");
  if (v1.includes("devices")) return found(wanted, "by cgroup v1");
  if (unified === undefined) return missing(wanted, "no v2, and no controller devices of v1");
  const outcome = { errno: Math.max(0, -load()), step: "load an eBPF program" };
  return tried(wanted, outcome, "by an eBPF program on cgroup v2");
}

function loadUsualRules(): number {
  const program = loadDeviceProgram(deviceProgram(DEFAULT_RULES), "libflux_probe");
  if (typeof program === "number") return program;
  program.close();
  return 0;
}

/** Looks at this host's. */
export function cgroups(who: Caller): Feature[] {
  const table = cgroupFacts();
  const { unified, legacy } = table;
  const facts = managerFacts(table, who.uid);
  const handed = wordsIn(unified === undefined ? undefined : unified + userManager(who.uid), "cgroup.controllers");
  const view: CgroupView = {
    ...table,
    v2: wordsIn(unified, "cgroup.controllers"),
    v1: LEGACY.filter((name) => legacy.get(name) !== undefined),
    // The kernel's own root has no type.
    nested: unified !== undefined && exists(`${unified}/cgroup.type`),
  };
  return [
    ...judgeCgroups(view),
    judgeDevices(view, who, loadUsualRules),
    judgeManager(facts),
    judgeDelegation(who, facts, handed),
  ];
}
