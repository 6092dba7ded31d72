/**
 * The devices of a container: what callers may say of them, the nodes and the rules that it becomes. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { checkPath } from "./check_mount.ts";
import type { Device, DeviceRule } from "./types.ts";

/**
 * A device of the host's that a container gets.
 *
 * @example A container that may read the host's random numbers under a name of its own
 * ```ts
 * import { type DeviceMapping, run } from "@libflux/cli/mod";
 *
 * const numbers: DeviceMapping = { source: "/dev/urandom", destination: "/dev/mine/numbers", access: "r" };
 * await using container = await run({ command: ["head", "-c", "4", "/dev/mine/numbers"], devices: [numbers] });
 * console.log((await container.status).code); // 0
 * ```
 */
export interface DeviceMapping {
  /** The device on the host, or a directory of devices. */
  readonly source: string;
  /** Its absolute path inside, below `/dev`; the same as on the host if left out. */
  readonly destination?: string;
  /** Of `r` read, `w` write and `m` mknod; all of them if left out. */
  readonly access?: string;
}

/** A device as it was found on the host. */
export interface FoundDevice {
  /** Its path there. */
  readonly source: string;
  readonly node: Device;
  readonly access: string;
}

/** Everything, in the order in which rules are written. */
export const FULL_ACCESS = "rwm";

/** What libflux puts into `/dev` itself, or mounts there. */
const OWN = /^\/dev\/(null|zero|full|random|urandom|tty|console|ptmx|pts|fd|stdin|stdout|stderr|shm|mqueue)(\/|$)/;

/** Whether every container has something of its own at a path. */
export function isOwn(path: string): boolean {
  return OWN.test(path);
}

const usable = (major: number, minor?: number): DeviceRule => ({
  allow: true,
  type: "c",
  major,
  ...(minor === undefined ? {} : { minor }),
  access: FULL_ACCESS,
});

/**
 * SECURITY.md, rule 20: any node may be made, and only these be opened: null, zero, full, random, urandom, tty, ptmx, and
 * the terminals of devpts.
 */
export const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: false, access: FULL_ACCESS },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...[3, 5, 7, 8, 9].map((minor) => usable(1, minor)),
  ...[0, 2].map((minor) => usable(5, minor)),
  usable(136),
];

/** The rules of a container. Of one device there is one rule, with all that is allowed by any of its names. */
export function deviceRules(devices: readonly FoundDevice[]): DeviceRule[] {
  const own = new Map<string, DeviceRule>();
  for (const { node: { type, major, minor }, access } of devices) {
    const key = `${type} ${major}:${minor}`;
    const all = [...FULL_ACCESS].filter((letter) => access.includes(letter) || own.get(key)?.access?.includes(letter));
    own.set(key, { allow: true, type, major, minor, access: all.join("") });
  }
  return [...DEFAULT_RULES, ...own.values()];
}

/** Whether a device may be used for less than its owner could: nobody but a rule sees to that. */
export function isRestricted({ access = FULL_ACCESS }: DeviceMapping): boolean {
  return !access.includes("r") || !access.includes("w");
}

/** Throws a {@link UsageError} unless a device can be asked for like this. */
export function checkDevice({ source, destination, access = FULL_ACCESS }: DeviceMapping): void {
  for (const text of [source, destination ?? "", access]) {
    if (text.includes("\0")) throw new UsageError(`a device has a NUL character in it: "${printable(text)}"`);
  }
  if (!source.startsWith("/")) {
    throw new UsageError(`a device is an absolute path of the host, and "${printable(source)}" isn't`, {
      path: source,
      hint: "write /dev/fuse",
    });
  }
  if (!/^[rwm]{1,3}$/.test(access) || new Set(access).size < access.length) {
    throw new UsageError(`a device can be used for r, w and m, not for "${printable(access)}"`, {
      hint: "r is to read, w to write, m to make nodes of it: rw",
    });
  }
  if (destination !== undefined) checkPath(destination, "the place of a device");
}

/** Throws a {@link UsageError} unless nodes can be made where they are to be. */
export function checkNodes(nodes: readonly Device[]): void {
  const taken = new Set<string>();
  for (const { path } of nodes) {
    const shown = printable(path);
    if (!/^\/dev\/./.test(path)) {
      throw new UsageError(`a device can only be below /dev, and ${shown} isn't`, {
        path,
        hint: "write --device HOST:/dev/NAME",
      });
    }
    if (isOwn(path)) {
      throw new UsageError(`no device can be at ${shown}: every container has its own`, {
        path,
        hint: "write --device HOST:/dev/NAME for another name",
      });
    }
    if (taken.has(path)) throw new UsageError(`two devices go to ${shown}`, { path, hint: "leave one out" });
    taken.add(path);
  }
  for (const path of taken) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const above = path.slice(0, at);
      if (!taken.has(above)) continue;
      throw new UsageError(`no device can be at ${printable(path)}: ${printable(above)} is one and no directory`, {
        path,
      });
    }
  }
}

/** Whether a node can't be where it is because of others: one is there, above or below. */
export function collides({ path }: Device, others: readonly Device[]): boolean {
  return others.some((other) =>
    other.path === path || other.path.startsWith(`${path}/`) || path.startsWith(`${other.path}/`)
  );
}
