/**
 * Which cgroups the host has: v2, v1, or v2 beside v1.
 *
 * @module
 */
import { type Feature, found, missing } from "./feature.ts";
import { readText } from "./read.ts";

/** Where controllers are. */
export interface Cgroups {
  /** `unified`: only v2; `legacy`: only v1; `hybrid`: v2 beside v1. */
  readonly mode: "unified" | "hybrid" | "legacy" | "none";
  /** Controllers of the v2 hierarchy. */
  readonly v2: readonly string[];
  /** Controllers that are mounted as v1. */
  readonly v1: readonly string[];
}

/** What v1 mounts have in their options beside controllers. */
const NO_CONTROLLER =
  /^(rw|ro|relatime|noatime|xattr|clone_children|noprefix|cpuset_v2_mode|name=.*|release_agent=.*)$/;

/**
 * Reads the mode off the mount table (`man 5 proc_pid_mountinfo`).
 *
 * @param mountinfo The content of `/proc/self/mountinfo`.
 * @param controllers Answers what `cgroup.controllers` below a mount point says.
 */
export function parseCgroups(mountinfo: string, controllers: (mountPoint: string) => string): Cgroups {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [type, , options = ""] = right.split(" ");
    const mountPoint = left.split(" ")[4];
    return mountPoint === undefined || type === undefined ? [] : [{ mountPoint, type, options }];
  });
  const second = mounts.find(({ type }) => type === "cgroup2");
  const v1 = mounts.filter(({ type }) => type === "cgroup").flatMap(({ options }) =>
    options.split(",").filter((option) => option !== "" && !NO_CONTROLLER.test(option))
  );
  const hasFirst = mounts.some(({ type }) => type === "cgroup");
  return {
    mode: second === undefined ? (hasFirst ? "legacy" : "none") : hasFirst ? "hybrid" : "unified",
    v2: second === undefined ? [] : controllers(second.mountPoint).trim().split(/\s+/).filter((name) => name !== ""),
    v1: [...new Set(v1)].sort(),
  };
}

/** What limits need. v1 names block I/O otherwise. */
const CONTROLLERS = ["cpu", "cpuset", "io", "memory", "pids"] as const;

/** Judges what was found. */
export function judgeCgroups({ mode, v1, v2 }: Cgroups): Feature[] {
  const mount = {
    name: "cgroup",
    required: false,
    effect: "containers can't have limits",
    remedy: "mount -t cgroup2 none /sys/fs/cgroup",
  };
  if (mode === "none") return [missing(mount, "none mounted")];
  const has = (name: string): boolean =>
    v2.includes(name) || v1.includes(name) || (name === "io" && v1.includes("blkio"));
  const absent = CONTROLLERS.filter((name) => !has(name));
  const wanted = {
    name: "cgroup controllers",
    required: false,
    effect: `containers can't have limits of ${absent.join(", ")}`,
    remedy: mode === "unified"
      ? `echo ${absent.map((name) => `+${name}`).join(" ")} >/sys/fs/cgroup/cgroup.subtree_control in the parent cgroup`
      : "boot with systemd.unified_cgroup_hierarchy=1, or mount the missing controllers",
  };
  const lists = ([["v2", v2], ["v1", v1]] as const).filter(([, names]) => names.length > 0).map(([version, names]) =>
    `${version}: ${names.join(" ")}`
  );
  const value = lists.join("; ") || "none";
  return [found(mount, mode), absent.length === 0 ? found(wanted, value) : missing(wanted, value)];
}

/** Looks at this host's. */
export function cgroups(): Feature[] {
  const mountinfo = readText("/proc/self/mountinfo") ?? "";
  return judgeCgroups(parseCgroups(mountinfo, (mountPoint) => readText(`${mountPoint}/cgroup.controllers`) ?? ""));
}
