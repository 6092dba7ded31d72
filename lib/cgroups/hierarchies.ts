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
export const LEGACY: readonly string[] = [
  ...["blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "pids"],
];

/** v1's name of a controller. */
export function legacyName(controller: Controller): string {
  return controller === "io" ? "blkio" : controller;
}

/** Blanks and their like, which the kernel writes as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
}

/**
 * Reads the mount table (`man 5 proc_pid_mountinfo`).
 *
 * @param mountinfo The content of `/proc/self/mountinfo`.
 */
export function parseHierarchies(mountinfo: string): Hierarchies & { readonly legacy: ReadonlyMap<string, string> } {
  // What is mounted later on a place is on top of what was there.
  const places = new Map<
    string,
    { readonly root: string; readonly type: string; readonly options: readonly string[] }
  >();
  for (const line of mountinfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const [, , , root = "", place] = left.split(" ").map(unescape);
    const [type = "", , options = ""] = right.split(" ");
    if (place !== undefined) places.set(place, { root, type, options: options.split(",") });
  }
  // A hierarchy can be seen at several places, as in a chroot beside: the whole of it, where everybody looks for it, is best.
  const rank = (place: string): number =>
    (places.get(place)?.root === "/" ? 0 : 2) + (/^\/sys\/fs\/cgroup(\/|$)/.test(place) ? 0 : 1);
  const found = [...places].sort(([a], [b]) => rank(a) - rank(b));
  const [unified, own] = found.find(([, { type }]) => type === "cgroup2") ?? [];
  const nsdelegate = own?.options.includes("nsdelegate") ?? false;
  const first = found.filter(([, { type }]) => type === "cgroup");
  const hasLegacy = first.length > 0;
  const legacy = new Map<string, string>();
  for (const [place, { options }] of first) {
    for (const name of options) if (LEGACY.includes(name) && !legacy.has(name)) legacy.set(name, place);
  }
  const mode = unified === undefined ? (hasLegacy ? "legacy" : "none") : hasLegacy ? "hybrid" : "unified";
  return { mode, unified, nsdelegate, legacy };
}
