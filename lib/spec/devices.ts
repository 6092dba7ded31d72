/**
 * Devices that a caller names by their paths: what they are on this host.
 *
 * @module
 */
import { AT, S } from "../../ffi/abi/constants.ts";
import { isType, type Stat, stat } from "../../ffi/stat.ts";
import { errnoText, printable, UsageError } from "../errors.ts";
import { isBind } from "./check_mount.ts";
import { type DeviceMapping, type FoundDevice, FULL_ACCESS, isOwn } from "./device_rules.ts";
import type { Device, DeviceRule, Mount } from "./types.ts";

/** The numbers of a block device. Throws a `UsageError` where there is none. @param flag For what it was named. */
export function blockDevice(path: string, flag: string): { readonly major: number; readonly minor: number } {
  const found = stat(path);
  if (typeof found === "number" || !isType(found, "S_IFBLK")) {
    const why = typeof found === "number" ? "there is no such file" : "it is no block device";
    throw new UsageError(`${flag}: ${why}`, { path, hint: "lsblk lists those of this host" });
  }
  const [major, minor] = found.device;
  return { major, minor };
}

/** Without what stands for nothing: "//" and "/./". */
const normal = (path: string): string => "/" + path.split("/").filter((part) => part !== "" && part !== ".").join("/");

function nodeOf(path: string, { mode, uid, gid, device: [major, minor] }: Stat): FoundDevice["node"] | undefined {
  const type = (mode & S.S_IFMT) === S.S_IFBLK ? "b" : (mode & S.S_IFMT) === S.S_IFCHR ? "c" : undefined;
  return type === undefined ? undefined : { path, type, major, minor, fileMode: mode & 0o777, uid, gid };
}

/** The devices in a directory and below, but for those that are no host's: terminals, shared memory, queues. */
function devicesBelow(source: string, destination: string): Omit<FoundDevice, "access">[] {
  const PASSED = ["pts", "shm", "fd", "mqueue", "console"];
  const names = Array.from(Deno.readDirSync(source), ({ name }) => name).filter((name) => !PASSED.includes(name));
  return names.sort().flatMap((name) => {
    const [from, to] = [`${source}/${name}`, `${destination}/${name}`];
    const found = stat(from, AT.AT_SYMLINK_NOFOLLOW);
    // It may have gone meanwhile.
    if (typeof found === "number") return [];
    if (isType(found, "S_IFDIR")) return devicesBelow(from, to);
    const node = nodeOf(to, found);
    return node === undefined ? [] : [{ source: from, node }];
  });
}

/**
 * Every device of the host's, but for those that a container has of its own, and virtual consoles, which belong to who sits
 * at the host.
 */
export function hostDevices(): FoundDevice[] {
  return below("/dev", "/dev").filter(({ node: { path } }) => !isOwn(path) && !/^\/dev\/tty\d+$/.test(path))
    .map((one) => ({ ...one, access: FULL_ACCESS }));
}

/** Looks at the host's devices. Throws a {@link UsageError} for what is none. */
export function findDevices(devices: readonly DeviceMapping[]): FoundDevice[] {
  return devices.flatMap(({ source, destination = source, access = FULL_ACCESS }) => {
    const shown = printable(source);
    const found = stat(source);
    if (typeof found === "number") {
      throw new UsageError(`there is no device ${shown}: ${errnoText(-found)}`, {
        path: source,
        hint: "--device takes a device of this host: HOST[:CONTAINER[:rwm]]",
      });
    }
    const node = nodeOf(normal(destination), found);
    const nodes = node !== undefined
      ? [{ source, node }]
      : isType(found, "S_IFDIR")
      ? below(source, normal(destination))
      : [];
    if (nodes.length === 0) {
      const why = isType(found, "S_IFDIR") ? "it is a directory without one" : "it is a file of another kind";
      throw new UsageError(`${shown} is no device: ${why}`, {
        path: source,
        hint: "bind what is none: --bind SRC:DST",
      });
    }
    return nodes.map((one) => ({ ...one, access }));
  });
}

function below(source: string, destination: string): Omit<FoundDevice, "access">[] {
  try {
    return devicesBelow(source, destination);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    throw new UsageError(`the devices in ${printable(source)} can't be seen: permission denied`, {
      path: source,
      cause: error,
    });
  }
}

/** Whether a rule lets a device be read or written. */
const isUsable = ({ type, major, minor }: Device, rules: readonly DeviceRule[]): boolean =>
  rules.some((rule) =>
    rule.allow && rule.access !== "m" && rule.type === type && rule.major === major &&
    (rule.minor === undefined || rule.minor === minor)
  );

/**
 * Throws a {@link UsageError} for a device that is bound and that rules keep the container from: inside, nobody would
 * understand why root may not open it.
 */
export function checkBoundDevices(mounts: readonly Mount[], rules: readonly DeviceRule[]): void {
  for (const mount of mounts) {
    const { source = "", destination } = mount;
    if (!isBind(mount)) continue;
    const found = stat(source);
    const node = typeof found === "number" ? undefined : nodeOf(destination, found);
    if (node === undefined || isUsable(node, rules)) continue;
    const shown = printable(source);
    throw new UsageError(`${shown} is a device, and a container can't open one that is only bound`, {
      path: source,
      hint: destination.startsWith("/dev/")
        ? `write --device ${shown}:${printable(destination)}`
        : `let it have the device too: --device ${shown}`,
    });
  }
}
