/**
 * Which cgroups the host has, who manages them, and what of them is this user's.
 *
 * @module
 */
import { wordsIn } from "../cgroups/files.ts";
import { cgroupFacts, managerFacts } from "../cgroups/host.ts";
import { type Hierarchies, LEGACY } from "../cgroups/hierarchies.ts";
import { DELEGATE, type ManagerFacts, userManager, whyNotSystemd } from "../cgroups/manager.ts";
import type { Caller } from "./caller.ts";
import { type Feature, found, missing } from "./feature.ts";
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

/** Looks at this host's. */
export function cgroups(who: Caller): Feature[] {
  const table = cgroupFacts();
  const { unified, legacy } = table;
  const facts = managerFacts(table, who.uid);
  const handed = wordsIn(unified === undefined ? undefined : unified + userManager(who.uid), "cgroup.controllers");
  return [
    ...judgeCgroups({
      ...table,
      v2: wordsIn(unified, "cgroup.controllers"),
      v1: LEGACY.filter((name) => legacy.get(name) !== undefined),
      // The kernel's own root has no type.
      nested: unified !== undefined && exists(`${unified}/cgroup.type`),
    }),
    judgeManager(facts),
    judgeDelegation(who, facts, handed),
  ];
}
