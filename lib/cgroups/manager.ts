/**
 * Who manages the cgroups that containers are in: libflux alone, or systemd where it is PID 1. Pure.
 *
 * systemd wants to be the only one that writes above what it has delegated (systemd's CGROUP_DELEGATION.md). So there a
 * container gets a scope: a unit of systemd's with a cgroup of its own that is libflux's to use.
 *
 * @module
 */
import { LimitError, printable, UsageError } from "../errors.ts";

/** `cgroupfs`: libflux makes cgroups itself. `systemd`: below a scope that systemd makes. */
export type CgroupManager = "cgroupfs" | "systemd";

/** What decides. */
export interface ManagerFacts {
  /** The user who runs libflux. */
  readonly uid: number;
  /** Whether systemd is PID 1 (`man 3 sd_booted`). */
  readonly systemd: boolean;
  /** Whether v2 is mounted, and no controller of v1: elsewhere systemd delegates nothing that limits. */
  readonly unifiedOnly: boolean;
  /** Whether `busctl` and the bus of the system's systemd, or of the user's, are there. */
  readonly bus: "reachable" | "no busctl" | "no bus";
}

/** A scope to make. */
export interface Scope {
  /** Its name. */
  readonly unit: string;
  /** The slice that it is in. */
  readonly slice: string;
  /** Whether it is of the user's own systemd. */
  readonly user: boolean;
  /** Its cgroup's directory. */
  readonly directory: string;
}

/** Where podman has its containers too. */
const DEFAULT_SLICE = { system: "machine.slice", user: "user.slice" } as const;

const isSlice = (parent: string | undefined): boolean => parent !== undefined && parent.endsWith(".slice");

/**
 * Who manages.
 *
 * @param asked What the caller asks for; `auto` takes systemd where it can be had.
 * @param parent The cgroup or slice to be in, where the caller names one: the one can only be had without systemd, the
 * other only with it.
 * @throws {LimitError} systemd was asked for and can't be had.
 * @throws {UsageError} The parent is none of the manager's.
 */
export function chooseManager(
  asked: CgroupManager | "auto",
  parent: string | undefined,
  facts: ManagerFacts,
): CgroupManager {
  const why = whyNotSystemd(facts);
  if (asked === "systemd" && why !== undefined) {
    throw new LimitError(`systemd can't manage the container's cgroups: ${why.reason}`, { hint: why.hint });
  }
  const manager = asked === "auto"
    ? why === undefined && (parent === undefined || isSlice(parent)) ? "systemd" : "cgroupfs"
    : asked;
  if (manager === "systemd" && parent !== undefined && !isSlice(parent)) {
    throw new UsageError(`--cgroup-parent ${printable(parent)} is no slice, and systemd has its scopes in slices`, {
      hint: "name one, such as machine.slice, or use --cgroup-manager cgroupfs",
    });
  }
  if (manager === "cgroupfs" && isSlice(parent) && parent?.startsWith("/") === false) {
    throw new UsageError(
      `--cgroup-parent ${printable(parent)} is a slice, and ${why?.reason ?? "slices are systemd's"}`,
      {
        hint: "write a cgroup from the root of the hierarchy, such as /my/group",
      },
    );
  }
  return manager;
}

/** Why systemd can't manage here, and what to do about it; nothing where it can. */
export function whyNotSystemd(
  { uid, systemd, unifiedOnly, bus }: ManagerFacts,
): { readonly reason: string; readonly hint: string } | undefined {
  const cgroupfs = "--cgroup-manager cgroupfs does without it";
  if (!systemd) return { reason: "it isn't PID 1 on this host", hint: cgroupfs };
  if (!unifiedOnly) {
    return {
      reason: "it delegates controllers on cgroup v2 alone",
      hint: "boot with systemd.unified_cgroup_hierarchy=1",
    };
  }
  if (bus === "no busctl") return { reason: "busctl isn't there", hint: "it comes with systemd" };
  if (bus === "no bus") {
    return uid === 0
      ? { reason: "the system's D-Bus isn't there", hint: "install and start dbus" }
      : { reason: "this user has no session bus", hint: "log in as that user, or: loginctl enable-linger" };
  }
  return undefined;
}

/** Where a slice is below the root slice: "a-b.slice" is in "a.slice". Throws a `UsageError` (`man systemd.slice`). */
export function slicePath(slice: string): string {
  if (slice === "-.slice") return "";
  const name = slice.slice(0, -".slice".length);
  if (!isSlice(slice) || !/^[A-Za-z0-9:_.\\]+(-[A-Za-z0-9:_.\\]+)*$/.test(name) || slice.length > 255) {
    throw new UsageError(`"${printable(slice)}" can't be a slice's name`, {
      hint: "write it as systemd does: machine.slice, or machine-web.slice, which is in machine.slice",
    });
  }
  const parts = name.split("-");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}

/**
 * A container's `linux.cgroupsPath`: for systemd "slice:prefix:name", as the tools of the OCI runtime-spec write it.
 *
 * @param parent The cgroup or slice to be in, where the caller names one.
 */
export function cgroupsPath(manager: CgroupManager, parent: string | undefined, id: string, uid: number): string {
  if (manager === "systemd") return `${parent ?? DEFAULT_SLICE[uid === 0 ? "system" : "user"]}:libflux:${id}`;
  // At the root: a directory above would have to be made and removed with every container that is alone.
  return parent === undefined ? `/libflux-${id}` : `${parent}/${id}`;
}

/**
 * The scope that a "slice:prefix:name" stands for.
 *
 * @param mount Where v2 is mounted.
 * @param init The content of `/proc/1/cgroup`: in a container systemd's own root isn't the hierarchy's.
 */
export function planScope(name: string, uid: number, mount: string, init: string): Scope {
  const [slice = "", prefix = "", id = ""] = name.split(":");
  const unit = `${prefix}-${id}.scope`;
  const root = (/^0::(.*)$/m.exec(init)?.[1] ?? "/").replace(/\/init\.scope$/, "").replace(/\/$/, "");
  const manager = uid === 0 ? "" : userManager(uid);
  return { unit, slice, user: uid !== 0, directory: `${mount}${root}${manager}${slicePath(slice)}/${unit}` };
}

/** The cgroup of a user's own systemd. */
export function userManager(uid: number): string {
  return `/user.slice/user-${uid}.slice/user@${uid}.service`;
}

/** The controllers that systemd hands down (`man systemd.resource-control`). */
export const DELEGATED: readonly string[] = ["cpu", "cpuset", "io", "memory", "pids"];

/** How a controller comes to a user's own systemd. */
export const DELEGATE =
  "as root: systemctl edit user@.service, with the lines [Service] and Delegate=cpu cpuset io memory pids; " +
  "then log in again";

/** The cgroup in a scope that a container is in. Beside it is the one of the process that keeps the scope. */
export const CONTAINER_GROUP = "container";
/** The cgroup of the process that keeps the scope. */
export const KEEPER_GROUP = "keeper";
