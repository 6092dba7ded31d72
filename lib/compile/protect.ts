/**
 * Step 7: what the container may see and not touch, or not see at all; its name; its loopback.
 *
 * @module
 */
import { AT, E, IOCTL, MOVE_MOUNT, OPEN_TREE, or, SOCKET, STATX } from "../../ffi/abi/constants.ts";
import { AF, NETLINK } from "../../ffi/abi/netlink.ts";
import { loopbackUp } from "../../ffi/abi/network.ts";
import { loopbackGuard } from "../../ffi/loopback_guard.ts";
import { printable, UsageError } from "../errors.ts";
import { MASKED_DIRECTORIES, MASKED_PATHS } from "../spec/defaults.ts";
import { MOUNT_ATTR_SIZE, READ_ONLY, setAttributes } from "./attributes.ts";
import { type Context, CWD, named } from "./context.ts";
import { joinsNetwork, writeProc } from "./isolate.ts";

/** No link at the end of the path is followed, and those of procfs and sysfs before it are the kernel's. */
const TO_PATH = or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH");
const NO_FOLLOW = or(AT, "AT_SYMLINK_NOFOLLOW");
const CLONE_HELD = or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_EMPTY_PATH");

/**
 * Covers the masked paths: files with the null device, directories with an empty one that can't be written to. Which of
 * them there are is asked inside and nowhere else: what libflux sees below its own `/proc` and `/sys` may be anything.
 * Asked first, because a cover that is taken and not used costs the kernel much more.
 */
export function maskPaths(context: Context): void {
  const { builder: b, spec, nullDevice, emptyDirectory } = context;
  if (nullDevice === undefined || emptyDirectory === undefined) throw new Error("no covers were prepared");
  const statx = b.buffer(256);
  const coverBy = (path: string, isDirectory: boolean): void => {
    const meaning = { path, field: "linux.maskedPaths" };
    // By descriptor and not by a path, on which somebody may have mounted something else (CVE-2025-31133).
    const cover = b.call("open_tree", [isDirectory ? emptyDirectory : nullDevice, b.string(""), CLONE_HELD], "cover", {
      ...meaning,
      label: `take ${isDirectory ? "the empty directory" : "the null device"} to cover it`,
    });
    if (isDirectory) {
      setAttributes(context, cover, { set: READ_ONLY, recursive: false }, { ...meaning, label: "make it read-only" });
    }
    b.syscall("move_mount", [cover, b.string(""), CWD, b.string(path), TO_PATH], {
      ...meaning,
      label: `cover ${path}`,
    });
  };
  for (const path of spec.linux?.maskedPaths ?? []) {
    const meaning = { path, field: "linux.maskedPaths" };
    const done = b.target();
    const found = b.call("statx", [CWD, b.string(path), NO_FOLLOW, or(STATX, "STATX_TYPE"), statx], "found", {
      ...meaning,
      label: `look for ${path}`,
      tolerate: E.ENOENT,
    });
    b.branch(found, "<", 0, done, `if there is no ${path}, go on`);
    if (MASKED_PATHS.includes(path)) coverBy(path, MASKED_DIRECTORIES.has(path));
    else {
      // What one of the caller's is, only the container can tell.
      const flags = context.open("O_PATH", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC");
      const directory = b.call("openat", [CWD, b.string(path), flags, 0], "directory", {
        ...meaning,
        label: `see whether ${path} is a directory`,
        tolerate: E.ENOTDIR,
      });
      const isFile = b.target();
      b.branch(directory, "<", 0, isFile, "if it is none, go on");
      b.syscall("close", [directory], { label: "close it" });
      coverBy(path, true);
      b.goto(done, "that is it");
      b.place(isFile);
      coverBy(path, false);
    }
    b.place(done);
  }
}

/** Makes paths of the container read-only, with all that is mounted below them. */
export function readonlyPaths(context: Context): void {
  const { builder: b, spec } = context;
  for (const path of spec.linux?.readonlyPaths ?? []) {
    const meaning = { path, field: "linux.readonlyPaths" };
    const done = b.target();
    const tree = b.call(
      "open_tree",
      [
        CWD,
        b.string(path),
        or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_RECURSIVE", "AT_SYMLINK_NOFOLLOW"),
      ],
      "tree",
      {
        ...meaning,
        label: `open ${path} to make it read-only`,
        tolerate: E.ENOENT,
      },
    );
    b.branch(tree, "<", 0, done, `if there is no ${path}, go on`);
    setAttributes(context, tree, { set: READ_ONLY, recursive: true }, { ...meaning, label: `make ${path} read-only` });
    b.syscall("move_mount", [tree, b.string(""), CWD, b.string(path), TO_PATH], {
      ...meaning,
      label: `put the read-only ${path} in place`,
    });
    b.place(done);
  }
}

/** Makes the root itself read-only; mounts below keep their own options. */
export function readonlyRoot({ builder: b, spec }: Context): void {
  if (spec.root.readonly !== true) return;
  b.syscall("mount_setattr", [CWD, b.string("/"), 0, b.words([READ_ONLY.value, 0, 0, 0]), MOUNT_ATTR_SIZE], {
    label: "make the root read-only",
    path: "/",
    field: "root.readonly",
  });
}

/** Sets namespaced sysctls through the private procfs. */
export function sysctls(context: Context): void {
  for (const [key, value] of Object.entries(context.spec.linux?.sysctl ?? {})) {
    // As in sysctl(8): a slash stands for a dot in the name of a link.
    const path = key.replaceAll(/[./]/g, (one) => one === "." ? "/" : ".");
    if (path.split("/").some((part) => /^\.{0,2}$/.test(part))) {
      throw new UsageError(`linux.sysctl: "${printable(key)}" is no name of a sysctl`);
    }
    writeProc(context, `sys/${path}`, String(value), {
      label: `set the sysctl ${key}`,
      field: `linux.sysctl.${key}`,
      hint: "only sysctls of the container's own namespaces can be set",
    });
  }
}

/** Names the container. */
export function hostname({ builder: b, spec }: Context): void {
  const name = spec.hostname;
  if (name === undefined || name === "") return;
  const length = new TextEncoder().encode(name).length;
  b.syscall("sethostname", [b.string(name), length], { label: `set the hostname to ${name}`, field: "hostname" });
}

/** Brings up `lo`: a network namespace is born with it down. */
export function loopback(context: Context): void {
  // The one that libflux makes has it up already.
  if (!context.has("network") || joinsNetwork(context.spec)) return;
  const { builder: b } = context;
  const field = "linux.namespaces";
  const socket = b.call("socket", [or(SOCKET, "AF_INET"), or(SOCKET, "SOCK_DGRAM", "SOCK_CLOEXEC"), 0], "socket", {
    label: "open a socket to set up lo",
    field,
  });
  b.syscall("ioctl", [socket, or(IOCTL, "SIOCSIFFLAGS"), b.bytes(loopbackUp())], { label: "bring lo up", field });
  b.syscall("close", [socket], { label: "close the socket" });
}

/**
 * Lets nothing for a loopback address leave the container by another link than `lo`: at the other end of it is a program
 * that might take that for the host's.
 */
export function guardLoopback({ builder: b, launch }: Context): void {
  if (launch.guardLoopback !== true) return;
  const meaning = { field: "linux.namespaces", hint: "does this kernel have nf_tables?" };
  const type = or(SOCKET, "SOCK_RAW", "SOCK_CLOEXEC");
  const family = named(AF.AF_NETLINK, "AF_NETLINK");
  const protocol = named(NETLINK.NETLINK_NETFILTER, "NETLINK_NETFILTER");
  const socket = b.call("socket", [family, type, protocol], "netfilter", {
    ...meaning,
    label: "open a socket to nf_tables",
  });
  const rules = loopbackGuard();
  b.syscall("write", [socket, b.bytes(rules), rules.length], {
    ...meaning,
    label: "ask that packets for loopback addresses leave by no link",
  });
  // struct nlmsghdr, 16 bytes, then struct nlmsgerr: a negative errno, or 0.
  const answer = b.buffer(512);
  b.syscall("read", [socket, answer, 512], { ...meaning, label: "read the answer" });
  const errno = b.slot("refused");
  b.copy(b.addressOf(errno), b.at(answer, 16), 4, "look at it");
  b.require(errno, "==", 0, { ...meaning, label: "keep packets for loopback addresses in the container" });
  b.syscall("close", [socket], { label: "close the socket" });
}
