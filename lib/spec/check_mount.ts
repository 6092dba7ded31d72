/**
 * What a mount of the user's can be.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import type { Mount } from "./types.ts";

/** Throws unless a path inside is absolute and has no `..`. */
export function checkPath(path: string, what: string): void {
  if (!path.startsWith("/")) {
    throw new UsageError(`${what} must be an absolute path inside the container, and "${printable(path)}" isn't`, {
      path,
      hint: `write /${printable(path)}`,
    });
  }
  if (path.split("/").includes("..")) {
    throw new UsageError(`${what} must not have ".." in it: "${printable(path)}"`, { path });
  }
}

/** What `lxcfs` and its like may cover below `/proc` (CVE-2019-16884). */
const PROC_TARGETS = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/slabinfo",
  "/proc/net/dev",
  "/proc/sys/kernel/ns_last_pid",
]);

/** What libflux puts into `/dev`: verified when it was made, and so never covered (SECURITY.md, rules 10 and 11). */
const DEVICES = new Set(["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts"]);

function isOfDev(path: string): boolean {
  const [, dev, name = ""] = path.split("/");
  return dev === "dev" && DEVICES.has(name);
}

/** Options that are attributes of one mount, of a bind and of a tmpfs. */
const ATTRIBUTES = ["ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec"]
  .concat(["noatime", "relatime", "strictatime"]);

/**
 * What docker and podman take beside those of the OCI specification: give what is bound the SELinux label of all containers'
 * files, or of this one's alone.
 */
export const RELABEL_OPTIONS: readonly string[] = ["z", "Z"];

/** Options of a bind, as the OCI specification spells them, and those two. */
export const BIND_OPTIONS: ReadonlySet<string> = new Set([
  ...ATTRIBUTES,
  ...RELABEL_OPTIONS,
  ...["nodiratime", "diratime", "private", "rprivate", "slave", "rslave", "shared", "rshared", "bind", "rbind"],
]);

const TMPFS_FLAGS = new Set(ATTRIBUTES);
/** Parameters of a tmpfs, all of which take a value. */
export const TMPFS_VALUES: ReadonlySet<string> = new Set(
  ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge"],
);

/** Whether a tmpfs has such an option. */
export function isTmpfsOption(option: string): boolean {
  const [key = "", value] = option.split("=");
  return value === undefined ? TMPFS_FLAGS.has(key) : TMPFS_VALUES.has(key) && value !== "";
}

/** Whether a mount is a bind: by its type or, as in the OCI specification, by its options. */
export function isBind({ type, options = [] }: Mount): boolean {
  return type === "bind" || options.includes("bind") || options.includes("rbind");
}

/** Throws a {@link UsageError} where a mount can't be. */
export function checkMount(mount: Mount): void {
  const { destination, source, type, options = [] } = mount;
  for (const text of [destination, source ?? "", type ?? "", ...options]) {
    if (text.includes("\0")) throw new UsageError(`a mount has a NUL character in it: "${printable(text)}"`);
  }
  checkPath(destination, "a mount's destination");
  const normal = "/" + destination.split("/").filter((part) => part !== "" && part !== ".").join("/");
  if (normal === "/") {
    throw new UsageError("nothing can be mounted over the container's root", {
      path: destination,
      hint: "use --image to choose another root",
    });
  }
  if ((normal === "/proc" || normal.startsWith("/proc/")) && !PROC_TARGETS.has(normal)) {
    throw new UsageError(`nothing may be mounted over ${normal}`, {
      path: destination,
      hint: "below /proc only the files that lxcfs serves can be covered, such as /proc/meminfo",
    });
  }
  if (isOfDev(normal)) {
    throw new UsageError(`nothing may be mounted over ${normal}`, {
      path: destination,
      hint: "it is libflux's own; below /dev other names are free, such as /dev/shm; --device gives devices",
    });
  }
  const kind = isBind(mount) ? "bind" : type;
  if (kind !== "bind" && kind !== "tmpfs") {
    throw new UsageError(`"${printable(kind ?? "")}" is no type of mount that libflux makes`, {
      path: destination,
      hint: "use bind or tmpfs",
    });
  }
  for (const option of options) {
    if (kind === "bind" ? BIND_OPTIONS.has(option) : isTmpfsOption(option)) continue;
    throw new UsageError(`"${printable(option)}" is no option of a ${kind} that libflux knows`, { path: destination });
  }
  if (RELABEL_OPTIONS.every((option) => options.includes(option))) {
    throw new UsageError(`the bind on ${destination} can't be relabelled both for all containers and for this one`, {
      path: destination,
      hint: "leave out z or Z",
    });
  }
  if (isBind(mount) && (source === undefined || !source.startsWith("/"))) {
    throw new UsageError(
      `the source of the bind on ${destination} must be an absolute path, and "${printable(source ?? "")}" isn't`,
      { path: destination },
    );
  }
}
