/**
 * `/dev`: nodes that every program expects, made on a filesystem that nothing else can see yet.
 *
 * @module
 */
import { AT, fileMode, or, STATX } from "../../ffi/abi/constants.ts";
import type { Operand } from "../../ffi/program.ts";
import { type Context, named } from "./context.ts";

/** `[name, major, minor]`, from the OCI runtime-spec's default devices; numbers from `Documentation/admin-guide/devices.txt`. */
const NODES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;

const LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["ptmx", "pts/ptmx"],
] as const;

/** How the kernel packs a device's numbers: 12 bits of the major, and 20 of the minor (`linux/kdev_t.h`). */
export function makedev(major: number, minor: number): number {
  return (minor & 0xff | major << 8 | (minor & 0xfff00) << 12) >>> 0;
}

/** Fills a detached tmpfs that will be `/dev`. */
export function populateDevices(context: Context, dev: Operand, field: string): void {
  const { builder: b } = context;
  for (const [name, major, minor] of NODES) {
    const path = `/dev/${name}`;
    b.syscall("mknodat", [
      dev,
      b.string(name),
      fileMode("S_IFCHR", 0o666),
      named(makedev(major, minor), `makedev(${major}, ${minor})`),
    ], {
      label: `make the device ${path}`,
      path,
      field,
      hint: "making device nodes takes CAP_MKNOD in the first user namespace",
    });
    requireDevice(context, dev, name, major, minor, field);
  }
  // While nobody else can reach it: later something else may be mounted on its path (CVE-2025-31133).
  const flags = context.open("O_RDWR", "O_NOFOLLOW", "O_CLOEXEC");
  context.nullDevice = b.call("openat", [dev, b.string("null"), flags, 0], "null", {
    label: "open the null device that was made",
    path: "/dev/null",
    field,
  });
  prepareEmpty(context, dev, field);
  for (const [name, target] of LINKS) {
    b.syscall("symlinkat", [b.string(target), dev, b.string(name)], {
      label: `link /dev/${name} to ${target}`,
      path: `/dev/${name}`,
      field,
    });
  }
}

/** Holds the directory that devpts will hide: empty for ever, and on a filesystem that is still attached after the pivot. */
function prepareEmpty(context: Context, dev: Operand, field: string): void {
  const { builder: b } = context;
  const meaning = { path: "/dev/pts", field };
  b.syscall("mkdirat", [dev, b.string("pts"), named(0o755, "0755")], {
    ...meaning,
    label: "make the directory /dev/pts",
  });
  const flags = context.open("O_PATH", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC");
  context.emptyDirectory = b.call("openat", [dev, b.string("pts"), flags, 0], "empty", {
    ...meaning,
    label: "hold it, empty as it is",
  });
}

/** Fails unless a name is a device of this type, mode and these numbers (CVE-2025-31133, CVE-2025-52565). */
export function requireDevice(
  context: Context,
  directory: Operand,
  name: string,
  major: number,
  minor: number,
  field: string,
  expected = fileMode("S_IFCHR", 0o666),
): void {
  const { builder: b } = context;
  // struct statx, linux/stat.h: stx_mode (u16) at 28, stx_rdev_major and _minor (u32) at 128 and 132.
  const statx = b.buffer(256);
  const meaning = { label: `see that /dev/${name} is the device ${major}:${minor}`, path: `/dev/${name}`, field };
  b.syscall("statx", [
    directory,
    b.string(name),
    or(AT, "AT_EMPTY_PATH", "AT_SYMLINK_NOFOLLOW"),
    or(STATX, "STATX_BASIC_STATS"),
    statx,
  ], meaning);
  const mode = b.slot("mode");
  const device = b.slot("rdev");
  b.copy(b.addressOf(mode), b.at(statx, 28), 2, `read the mode of /dev/${name}`);
  b.copy(b.addressOf(device), b.at(statx, 128), 8, `read the numbers of /dev/${name}`);
  // On a fresh filesystem without a umask: the exact mode can be asked for.
  b.require(mode, "==", expected, meaning);
  b.require(device, "==", named(major + minor * 2 ** 32, `${major}:${minor}`), meaning);
}

/** Points streams at the container's `/dev/null` instead of the host's, which could be reopened by its path. */
export function nullStreams(context: Context): void {
  const { builder: b, launch, nullDevice } = context;
  if (launch.nullStreams.length === 0) return;
  if (nullDevice === undefined) throw new Error("no null device was prepared");
  for (const stream of launch.nullStreams) {
    b.syscall("dup3", [nullDevice, stream, 0], {
      label: `point descriptor ${stream} at the null device`,
      field: "process",
    });
  }
}
