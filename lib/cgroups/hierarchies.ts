/**
 * Where this host mounts its cgroups: v2, v1, or v2 beside v1.
 *
 * @module
 */
import type { Controller } from "./settings.ts";

/** `unified`: only v2; `legacy`: only v1; `hybrid`: v2 beside v1. */
export type CgroupMode = "unified" | "hybrid" | "legacy" | "none";

/** What is mounted where. */
export interface Hierarchies {
  readonly mode: CgroupMode;
  /** The mount point of v2; nothing where there is none. */
  readonly unified: string | undefined;
  /**
   * Whether v2 is mounted with `nsdelegate`: what is written in a cgroup namespace then can't change the limits of its
   * root.
   */
  readonly nsdelegate: boolean;
  /** Mount points of v1's controllers, by v1's names. */
  readonly legacy: Pick<ReadonlyMap<string, string>, "get" | "size">;
}

/** v1's controllers; its named hierarchies, such as systemd's, limit nothing. */
const LEGACY = new Set(["blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "pids"]);

/** v1's name of a controller. */
export function legacyName(controller: Controller): string {
  return controller === "io" ? "blkio" : controller;
}

/**
 * Reads the mount table (`man 5 proc_pid_mountinfo`).
 *
 * @param mountinfo The content of `/proc/self/mountinfo`.
 */
export function parseHierarchies(mountinfo: string): Hierarchies & { readonly legacy: ReadonlyMap<string, string> } {
  let unified: string | undefined;
  let nsdelegate = false;
  let hasLegacy = false;
  const legacy = new Map<string, string>();
  for (const line of mountinfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const [type, , options = ""] = right.split(" ");
    const mountPoint = left.split(" ")[4]?.replace(
      /\\([0-7]{3})/g,
      (_, code) => String.fromCharCode(parseInt(code, 8)),
    );
    if (mountPoint === undefined) continue;
    // What is mounted later is on top.
    if (type === "cgroup2") {
      unified = mountPoint;
      nsdelegate = options.split(",").includes("nsdelegate");
    }
    if (type !== "cgroup") continue;
    hasLegacy = true;
    for (const name of options.split(",")) if (LEGACY.has(name)) legacy.set(name, mountPoint);
  }
  const mode = unified === undefined ? (hasLegacy ? "legacy" : "none") : hasLegacy ? "hybrid" : "unified";
  return { mode, unified, nsdelegate, legacy };
}
