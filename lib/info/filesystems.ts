/**
 * The mount API and every filesystem that `run` mounts, tried in mount namespaces that end with their child.
 *
 * @module
 */
import {
  CLONE,
  FSCONFIG,
  FSMOUNT,
  FSOPEN,
  MOUNT_ATTR,
  MOVE_MOUNT,
  MS,
  O,
  OPEN_TREE,
  or,
} from "../../ffi/abi/constants.ts";
import { AT } from "../../ffi/abi/constants.ts";
import type { ProgramBuilder, Slot } from "../../ffi/program.ts";
import type { Caller } from "./caller.ts";
import { type Feature, found, missing, type Outcome, tried, type Wanted } from "./feature.ts";
import { withUser, works } from "./namespaces.ts";
import { errnoText } from "../errors.ts";
import { findFuse, FUSE_REMEDY } from "../rootfs/fuse.ts";
import { attempt, withUserNamespace } from "./probe.ts";

/** Where the child holds its tmpfs and the user namespace: numbers that paths and arguments can name. */
const SCRATCH = 63;
const USER_NAMESPACE = 62;
const IMAGE = 61;
/** `struct mount_attr`, `linux/mount.h`: four words. */
const MOUNT_ATTR_SIZE = 32;
const MOUNT_ATTR_IDMAP = 0x100000;

/** Nothing that the child mounts may spread to the host. */
function cutOff(b: ProgramBuilder): void {
  b.syscall("mount", [0, b.string("/"), 0, or(MS, "MS_REC", "MS_PRIVATE"), 0], { label: "make all mounts private" });
}

/** A new filesystem, detached. @param flags Parameters without a value. */
export function mounted(
  b: ProgramBuilder,
  type: string,
  parameters: readonly (readonly [string, string])[] = [],
  flags: readonly string[] = [],
): Slot {
  const configuration = b.call("fsopen", [b.string(type), or(FSOPEN, "FSOPEN_CLOEXEC")], "configuration", {
    label: `open ${type} with fsopen`,
  });
  for (const [key, value] of parameters) {
    b.syscall(
      "fsconfig",
      [configuration, or(FSCONFIG, "FSCONFIG_SET_STRING"), b.string(key), b.string(value), 0],
      { label: `set ${key} of ${type} with fsconfig` },
    );
  }
  for (const flag of flags) {
    b.syscall("fsconfig", [configuration, or(FSCONFIG, "FSCONFIG_SET_FLAG"), b.string(flag), 0, 0], {
      label: `set ${flag} of ${type} with fsconfig`,
    });
  }
  b.syscall("fsconfig", [configuration, or(FSCONFIG, "FSCONFIG_CMD_CREATE"), 0, 0, 0], {
    label: `create ${type} with fsconfig`,
  });
  return b.call("fsmount", [configuration, or(FSMOUNT, "FSMOUNT_CLOEXEC"), 0], type, {
    label: `mount ${type} with fsmount`,
  });
}

function attach(b: ProgramBuilder, mount: Slot): void {
  b.syscall(
    "move_mount",
    [mount, b.string(""), AT.AT_FDCWD, b.string("/"), or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH")],
    { label: "attach it with move_mount" },
  );
}

/** With all that is mounted below: in a user namespace nothing less may be cloned, since mounts may cover something. */
function clone(b: ProgramBuilder, path: string): Slot {
  return b.call(
    "open_tree",
    [AT.AT_FDCWD, b.string(path), or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_RECURSIVE")],
    "tree",
    { label: `clone ${path} with open_tree` },
  );
}

function setAttributes(b: ProgramBuilder, mount: Slot, attributes: readonly number[], label: string): void {
  b.syscall("mount_setattr", [
    mount,
    b.string(""),
    or(AT, "AT_EMPTY_PATH"),
    b.words(attributes),
    MOUNT_ATTR_SIZE,
  ], { label });
}

function mountApi(b: ProgramBuilder): void {
  cutOff(b);
  attach(b, mounted(b, "tmpfs", [["mode", "0755"]]));
  setAttributes(b, clone(b, "/"), [0, 0, MS.MS_PRIVATE, 0], "make a mount private with mount_setattr");
  const scratch = mounted(b, "tmpfs");
  setAttributes(b, scratch, [MOUNT_ATTR.MOUNT_ATTR_RDONLY, 0, 0, 0], "make a mount read-only with mount_setattr");
}

/** @param image What it is over; a directory of its own if left out. */
function overlay(b: ProgramBuilder, image?: string): void {
  if (image !== undefined) {
    const opened = b.call("openat", [AT.AT_FDCWD, b.string(image), or(O, "O_PATH"), 0], "image", {
      label: "open the image",
    });
    b.syscall("dup3", [opened, IMAGE, 0], { label: "give the image its number" });
  }
  cutOff(b);
  const scratch = mounted(b, "tmpfs", [["mode", "0755"]]);
  for (const name of ["lower", "upper", "work"]) {
    b.syscall("mkdirat", [scratch, b.string(name), 0o755], { label: `make the directory ${name}` });
  }
  // Kernels before 6.15 let overlayfs clone only from attached mounts.
  attach(b, scratch);
  b.syscall("dup3", [scratch, SCRATCH, 0], { label: "give the tmpfs its number" });
  mounted(b, "overlay", [
    ["source", "overlay"],
    ["lowerdir", image === undefined ? `/proc/self/fd/${SCRATCH}/lower` : `/proc/self/fd/${IMAGE}`],
    ["upperdir", `/proc/self/fd/${SCRATCH}/upper`],
    ["workdir", `/proc/self/fd/${SCRATCH}/work`],
  ]);
}

function pivot(b: ProgramBuilder): void {
  cutOff(b);
  const root = mounted(b, "tmpfs", [["mode", "0755"]]);
  attach(b, root);
  b.syscall("fchdir", [root], { label: "go to a new root" });
  b.syscall("pivot_root", [b.string("."), b.string(".")], { label: "make it the root with pivot_root" });
}

interface Probe extends Wanted {
  readonly flags: number;
  readonly fill: (builder: ProgramBuilder) => void;
}

const filesystem = (type: string, flags: number, effect: string, remedy: string): Probe => ({
  name: type,
  required: true,
  flags,
  effect,
  remedy,
  fill: (b) => {
    cutOff(b);
    mounted(b, type);
  },
});

/** A container inside a container often finds its procfs and sysfs covered, and then may not mount new ones. */
const COVERED = "in a container, start the outer one with nothing masked below /proc and /sys (podman: " +
  "--security-opt unmask=ALL; docker: --security-opt systempaths=unconfined)";

const PROBES: readonly Probe[] = [
  {
    name: "mount API",
    required: true,
    flags: 0,
    effect: "no container can have a root filesystem of its own",
    remedy: "use Linux 5.12 or later; in a container, have its seccomp profile allow fsopen and its relatives",
    fill: mountApi,
  },
  {
    name: "pivot_root",
    required: true,
    flags: 0,
    effect: "no container can leave the host's root filesystem",
    remedy: "boot from a root filesystem and not from an initramfs, and don't run libflux in a chroot",
    fill: pivot,
  },
  {
    name: "overlay",
    required: true,
    flags: 0,
    effect: "changes can't be thrown away: containers need --writable and an image of their own",
    remedy: "modprobe overlay, or use a kernel with CONFIG_OVERLAY_FS (for ordinary users Linux 5.11 or later)",
    fill: (b) => overlay(b),
  },
  filesystem("proc", CLONE.CLONE_NEWPID, "containers can't have a /proc", COVERED),
  filesystem("sysfs", CLONE.CLONE_NEWNET, "containers can't have a /sys", COVERED),
  filesystem("devpts", 0, "containers can't have a /dev/pts", "use a kernel with CONFIG_UNIX98_PTYS"),
  filesystem(
    "mqueue",
    CLONE.CLONE_NEWIPC,
    "containers can't have a /dev/mqueue",
    "use a kernel with CONFIG_POSIX_MQUEUE",
  ),
];

/** Whether the kernel mounts this user no overlay over an image. */
export async function isOverlayRefused(image: string): Promise<boolean> {
  const flags = CLONE.CLONE_NEWUSER | CLONE.CLONE_NEWNS;
  return (await attempt({ flags, fill: (b) => overlay(b, image) })).errno !== 0;
}

/** An overlay that was refused: ordinary users have fuse-overlayfs besides. @param program Where that is. */
export function judgeRefusedOverlay(
  wanted: Wanted,
  outcome: Outcome,
  { uid }: Pick<Caller, "uid">,
  program: string | undefined,
): Feature {
  if (uid === 0) return tried(wanted, outcome, "");
  if (program !== undefined) {
    return found(wanted, `by fuse-overlayfs, since the kernel can't ${outcome.step}: ${errnoText(outcome.errno)}`);
  }
  return tried({ ...wanted, remedy: `${wanted.remedy}; or ${FUSE_REMEDY}` }, outcome, "", FUSE_REMEDY);
}

/** Tries the mount API, `pivot_root` and each filesystem, each in a child of its own. */
export function filesystems(caller: Caller): Promise<Feature[]> {
  const flags = CLONE.CLONE_NEWNS | withUser(caller);
  return Promise.all([
    ...PROBES.map(async (probe) => {
      const outcome = await attempt({ flags: probe.flags | flags, fill: probe.fill });
      return probe.name === "overlay" && outcome.errno !== 0
        ? judgeRefusedOverlay(probe, outcome, caller, findFuse())
        : tried(probe, outcome, works(caller));
    }),
    idMapped(caller),
  ]);
}

/** Id-maps a mount that no path leads to: `prepare` gives it. */
function idMap(prepare: (builder: ProgramBuilder) => Slot): Promise<Outcome> {
  return withUserNamespace((namespace) =>
    attempt({
      flags: CLONE.CLONE_NEWNS,
      descriptors: [[namespace, USER_NAMESPACE]],
      fill: (b) => {
        cutOff(b);
        const attributes = [MOUNT_ATTR_IDMAP, 0, 0, USER_NAMESPACE];
        setAttributes(b, prepare(b), attributes, "id-map a mount with mount_setattr");
      },
    })
  );
}

async function idMapped({ privileged }: Caller): Promise<Feature> {
  const wanted: Wanted = {
    name: "id-mapped mounts",
    required: false,
    effect: "root's containers can't have users of their own (--userns auto)",
    remedy: "use Linux 6.3 or later, and a filesystem that can be id-mapped (ext4, xfs, btrfs, tmpfs)",
  };
  if (!privileged) return missing(wanted, "not probed: the kernel wants root", "run libflux as root");
  const [root, tmpfs] = await Promise.all([idMap((b) => clone(b, "/")), idMap((b) => mounted(b, "tmpfs"))]);
  if (root.errno === 0) return found(wanted, tmpfs.errno === 0 ? "work on / and on tmpfs" : "work on /, not on tmpfs");
  if (tmpfs.errno === 0) return found(wanted, "work on tmpfs, not on the filesystem of /");
  return tried(wanted, root, "");
}
