/**
 * What is other in a user namespace of the container's own: who the program is, where the image comes from, and devices
 * that are bound, since nobody there can make any.
 *
 * @module
 */
import { AT, MOVE_MOUNT, OPEN_TREE, or, S, STATX } from "../../ffi/abi/constants.ts";
import type { Operand } from "../../ffi/program.ts";
import { UsageError } from "../errors.ts";
import { CHILD, type Context, CWD, isNew, named } from "./context.ts";
import type { Device } from "../spec/types.ts";
import { NODES } from "./devices.ts";

const FIELD = "linux.uidMappings";

/** Throws a `UsageError` where a new user namespace would have nobody in it. */
export function checkMappings({ spec }: Context): void {
  if (!isNew(spec, "user")) return;
  for (const field of ["uidMappings", "gidMappings"] as const) {
    if ((spec.linux?.[field] ?? []).length === 0) throw new UsageError(`linux.${field}: a user namespace needs them`);
  }
}

/**
 * Becomes root of the user namespace. Until then the program is who runs libflux, and so may open what that user may; it has
 * had its capabilities kept by the stub.
 */
export function becomeRoot({ builder: b, spec, launch }: Context): void {
  if (!isNew(spec, "user") || launch.isRootInside === true) return;
  const hint = "the maps must have an id 0";
  b.syscall("setresgid", [0, 0, 0], { label: "become group 0 of the container", field: "linux.gidMappings", hint });
  b.syscall("setresuid", [0, 0, 0], { label: "become user 0 of the container", field: FIELD, hint });
}

const [SOL_SOCKET, SCM_RIGHTS] = [1, 1];
/** `struct cmsghdr` with one descriptor: its length, and where that is. */
const CONTROL = { size: 24, length: 20, descriptor: 16 } as const;

/**
 * Takes the image that libflux sends: only who is root of the first user namespace can give a mount other owners. Or the
 * root, from who serves it.
 */
export function receiveImage(context: Context): void {
  const { builder: b, spec, launch } = context;
  const isServed = launch.fuse !== undefined;
  if (launch.hasMappedImage !== true && !isServed) return;
  const meaning = { path: spec.root.path, field: "root.path" };
  const control = b.buffer(CONTROL.size);
  const iov = b.words([b.buffer(8), 1]);
  // struct msghdr: no name, one iov, the control message, no flags.
  const message = b.words([0, 0, iov, 1, control, CONTROL.size, 0]);
  b.syscall("recvmsg", [CHILD.image, message, named(0x40000000, "MSG_CMSG_CLOEXEC")], {
    ...meaning,
    label: isServed
      ? "wait for the root, an overlay that fuse-overlayfs serves"
      : "wait for the image, as a mount with the container's users",
  });
  const length = b.slot("length");
  b.copy(b.addressOf(length), control, 8, "look at what has come");
  b.require(length, "==", CONTROL.length, {
    ...meaning,
    label: isServed ? "receive it" : "see that libflux is still there",
  });
  const kind = b.slot("kind");
  b.copy(b.addressOf(kind), b.at(control, 8), 8, "read what it is");
  b.require(kind, "==", SOL_SOCKET + SCM_RIGHTS * 2 ** 32, { ...meaning, label: "see that it is a descriptor" });
  context.image = b.slot("image");
  b.copy(b.addressOf(context.image), b.at(control, CONTROL.descriptor), 4, "take the image");
  b.syscall("close", [CHILD.image], { label: "close the socket" });
}

/** The host's devices, to be bound on the container's own `/dev`: verified, and the standard ones by no link. */
export function prepareDevices(context: Context): void {
  const { spec, launch } = context;
  if (!isNew(spec, "user")) return;
  for (const [name, major, minor] of NODES) {
    const path = `/dev/${name}`;
    bindDevice(context, path, { path, type: "c", major, minor }, "linux.devices", ["AT_SYMLINK_NOFOLLOW"]);
  }
  (spec.linux?.devices ?? []).forEach((device, index) =>
    bindDevice(context, launch.bound?.get(device.path) ?? device.path, device, `linux.devices[${index}]`, [])
  );
}

function bindDevice(
  context: Context,
  source: string,
  device: Device,
  field: string,
  more: readonly (keyof typeof OPEN_TREE)[],
): void {
  const flags = or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", ...more);
  const descriptor = context.builder.call("open_tree", [CWD, context.text(source), flags], "device", {
    label: `take the host's ${source}`,
    path: source,
    field,
    hint: "in a user namespace no device can be made: the host must have it",
  });
  requireDeviceOf(context, descriptor, device, field);
  context.devices.push({ descriptor, destination: device.path, kind: "file", field, what: source, type: "bind" });
}

/** Opens the null device that was bound, for those streams and paths that are to be nothing. */
export function openNullDevice(context: Context): void {
  if (isNew(context.spec, "user")) openNull(context, "open the null device that was bound");
}

/** Opens the null device that is there, and sees that it is one. */
export function openNull(context: Context, label: string): void {
  const { builder: b } = context;
  const field = "linux.devices";
  const path = "/dev/null";
  const flags = context.open("O_RDWR", "O_NOFOLLOW", "O_CLOEXEC");
  context.nullDevice = b.call("openat", [CWD, b.string(path), flags, 0], "null", {
    label,
    path,
    field,
  });
  // Again: what it is that is held counts, and not what its path was (CVE-2025-31133).
  requireDeviceOf(context, context.nullDevice, { path, type: "c", major: 1, minor: 3 }, field);
}

/** Fails unless a descriptor is of this device. */
function requireDeviceOf(
  { builder: b }: Context,
  descriptor: Operand,
  { path, type, major, minor, fileMode = 0o666 }: Device,
  field: string,
): void {
  // struct statx, linux/stat.h: stx_mode (u16) at 28, stx_rdev_major and _minor (u32) at 128 and 132.
  const statx = b.buffer(256);
  const meaning = { label: `see that ${path} is the device ${major}:${minor}`, path, field };
  const empty = or(AT, "AT_EMPTY_PATH", "AT_SYMLINK_NOFOLLOW");
  b.syscall("statx", [descriptor, b.string(""), empty, or(STATX, "STATX_BASIC_STATS"), statx], meaning);
  const [upper, numbers] = [b.slot("type"), b.slot("rdev")];
  b.copy(b.addressOf(upper), b.at(statx, 29), 1, `read the type of ${path}`);
  b.copy(b.addressOf(numbers), b.at(statx, 128), 8, `read the numbers of ${path}`);
  // The upper byte of the mode: the type, and whether its owner may read it. Who has the host's devices has set the rest.
  const kind = type === "b" ? "S_IFBLK" : "S_IFCHR";
  const mode = S[kind] | fileMode & 0o400;
  b.require(upper, "==", named(mode >> 8, `(${kind}|0${(fileMode & 0o400).toString(8)})>>8`), meaning);
  b.require(numbers, "==", named(major + minor * 2 ** 32, `${major}:${minor}`), meaning);
}

/** Where a received image is while the overlay is made: below the scratch filesystem. */
export const MAPPED_IMAGE = "image";

/** Attaches a received image, since kernels before 6.15 put no detached mount below an overlay. */
export function attachImage({ builder: b, image, scratch, spec }: Context): void {
  if (image === undefined || scratch === undefined) throw new Error("no image was received");
  const meaning = { path: spec.root.path, field: "root.path" };
  b.syscall("mkdirat", [scratch, b.string(MAPPED_IMAGE), named(0o755, "0755")], {
    ...meaning,
    label: "make a directory for the image",
  });
  const flags = or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH");
  b.syscall("move_mount", [image, b.string(""), scratch, b.string(MAPPED_IMAGE), flags], {
    ...meaning,
    label: "attach the image there",
  });
}
