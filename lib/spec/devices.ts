/**
 * Devices that a caller names by their paths: how they are written, and what they are on this host.
 *
 * @module
 */
import { resolve } from "@std/path";
import { AT, S } from "../../ffi/abi/constants.ts";
import { isType, type Stat, stat } from "../../ffi/stat.ts";
import { callersPath } from "../caller.ts";
import { errnoText, printable, UsageError } from "../errors.ts";
import { type DeviceMapping, type FoundDevice, FULL_ACCESS, isOwn } from "./device_rules.ts";

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

/** `HOST[:CONTAINER][:rwm]`, as docker and podman have it. Throws a {@link UsageError}. */
export function parseDevice(text: string): DeviceMapping {
  const [source = "", ...rest] = text.split(":");
  const [first, second] = rest;
  // With two parts the second may be either.
  const [destination, access] = rest.length === 1 && first?.startsWith("/") === false
    ? [undefined, first]
    : [first, second];
  if (source === "" || destination === "" || access === "" || rest.length > 2) {
    throw new UsageError(`"${printable(text)}" is no device`, {
      hint: "write --device HOST[:CONTAINER[:rwm]] such as /dev/fuse or /dev/kvm:/dev/kvm:rw",
    });
  }
  return {
    source: resolve(callersPath(source)),
    ...(destination === undefined ? {} : { destination }),
    ...(access === undefined ? {} : { access }),
  };
}

/** Without what stands for nothing: "//" and "/./". */
const normal = (path: string): string => "/" + path.split("/").filter((part) => part !== "" && part !== ".").join("/");

function nodeOf(path: string, { mode, uid, gid, device: [major, minor] }: Stat): FoundDevice["node"] | undefined {
  const type = (mode & S.S_IFMT) === S.S_IFBLK ? "b" : (mode & S.S_IFMT) === S.S_IFCHR ? "c" : undefined;
  return type === undefined ? undefined : { path, type, major, minor, fileMode: mode & 0o777, uid, gid };
}

/** The devices in a directory and below, but for those that are no host's: terminals, shared memory, queues. */
function devicesBelow(source: string, destination: string): FoundDevice["node"][] {
  const PASSED = ["pts", "shm", "fd", "mqueue", "console"];
  const names = Array.from(Deno.readDirSync(source), ({ name }) => name).filter((name) => !PASSED.includes(name));
  return names.sort().flatMap((name) => {
    const [from, to] = [`${source}/${name}`, `${destination}/${name}`];
    const found = stat(from, AT.AT_SYMLINK_NOFOLLOW);
    // It may have gone meanwhile.
    if (typeof found === "number") return [];
    if (isType(found, "S_IFDIR")) return devicesBelow(from, to);
    return nodeOf(to, found) ?? [];
  });
}

/**
 * Every device of the host's, but for those that a container has of its own, and virtual consoles, which belong to who sits
 * at the host.
 */
export function hostDevices(): FoundDevice[] {
  return below("/dev", "/dev").filter(({ path }) => !isOwn(path) && !/^\/dev\/tty\d+$/.test(path))
    .map((node) => ({ node, access: FULL_ACCESS }));
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
    const nodes = node !== undefined ? [node] : isType(found, "S_IFDIR") ? below(source, normal(destination)) : [];
    if (nodes.length === 0) {
      const why = isType(found, "S_IFDIR") ? "it is a directory without one" : "it is a file of another kind";
      throw new UsageError(`${shown} is no device: ${why}`, {
        path: source,
        hint: "bind what is none: --bind SRC:DST",
      });
    }
    return nodes.map((node) => ({ node, access }));
  });
}

function below(source: string, destination: string): FoundDevice["node"][] {
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
