/**
 * The root of an ordinary user's container where the kernel mounts no overlay for that user: `fuse-overlayfs` serves one.
 *
 * It is outside of the container's pid namespace, so nobody inside sees it, and in a mount namespace of its own, where the
 * container's changes are on a tmpfs. The container has nothing but the mount that it serves. With that it ends: the kernel
 * tells it that nobody is left to ask it anything.
 *
 * @module
 */
import { AT, CLONE, MOVE_MOUNT, O, openFlags, or } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor } from "../ffi/libc.ts";
import type { ProgramBuilder } from "../ffi/program.ts";
import { Service } from "../ffi/service.ts";
import { stat } from "../ffi/stat.ts";
import type { Fuse } from "./compile/context.ts";
import { errnoText, LaunchError, printable } from "./errors.ts";
import { isOverlayRefused, mounted } from "./info/filesystems.ts";
import type { Prepared } from "./prepare.ts";
import { type Adopted, coveredDirectories, mountPoints } from "./rootfs/parts.ts";
import { readIfThere } from "./store/directory.ts";
import type { Ledger } from "./store/ledger.ts";
import { startTime } from "./store/process.ts";

/** Milliseconds that it has to say why it has failed, once nobody needs it any more. */
const PATIENCE = 2_000;
/** Where the preparation has the socket to the launch program. */
const SOCKET = 20;
/** What fuse-overlayfs takes as a directory's content being hidden, on whatever filesystem that is. */
const OPAQUE = ".wh..wh..opq";

/**
 * Has the root made by fuse-overlayfs where the kernel refuses an overlay over this image.
 *
 * @param program Where fuse-overlayfs is.
 */
export async function overlayOr(prepared: Prepared, program: string): Promise<Prepared> {
  const { parts, adopted = [], ...launch } = prepared.launch;
  const image = prepared.spec.root.path;
  const part = parts?.find(({ kind }) => kind === "overlay")?.path ?? "";
  if (!await isOverlayRefused(part === "" ? image : image.replace(/\/$/, "") + part)) return prepared;
  // As below the kernel's: what is mounted in the image isn't seen.
  const covered = coveredDirectories(image, mountPoints(readIfThere("/proc/self/mountinfo") ?? ""));
  const upper = [...covered.filter(({ path }) => !adopted.some((one) => one.path === path)), ...adopted];
  upper.sort((a, b) => a.path < b.path ? -1 : 1);
  return { ...prepared, launch: { ...launch, fuse: { program, upper } } };
}

/** What the program's process does before it executes fuse-overlayfs; its standard input is the socket until then. */
function prepare(b: ProgramBuilder, image: string, upper: readonly Adopted[]): void {
  const open = (path: string, ...flags: (keyof typeof O)[]) =>
    b.call("openat", [AT.AT_FDCWD, b.string(path), openFlags(ARCHITECTURE, "O_CLOEXEC", ...flags), 0], "file", {
      label: `open ${path}`,
    });
  b.syscall("dup3", [0, SOCKET, O.O_CLOEXEC], { label: "keep the socket" });
  b.syscall("fchdir", [open(image, "O_PATH", "O_DIRECTORY", "O_NOFOLLOW")], { label: `go to ${image}` });
  b.syscall("setns", [Service.MORE, or(CLONE, "CLONE_NEWUSER")], { label: "enter the container's user namespace" });
  b.syscall("setresgid", [0, 0, 0], { label: "become group 0" });
  b.syscall("setresuid", [0, 0, 0], { label: "become user 0" });
  b.syscall("unshare", [or(CLONE, "CLONE_NEWNS")], { label: "make a mount namespace" });
  b.syscall("umask", [0], { label: "clear the file mode mask" });
  // In the user namespace that mounts it: the kernel wants that. As its standard input it stays open.
  b.syscall("dup3", [open("/dev/fuse", "O_RDWR"), 0, 0], { label: "give /dev/fuse its number" });
  const found = stat(image);
  const mode = typeof found === "number" ? 0o40755 : found.mode;
  const mount = mounted(
    b,
    "fuse",
    [
      ["source", "fuse-overlayfs"],
      ["subtype", "fuse-overlayfs"],
      ["fd", "0"],
      ["rootmode", mode.toString(8)],
      ["user_id", "0"],
      ["group_id", "0"],
    ],
    // The container's other users may use it too, and the kernel checks what they may.
    ["allow_other", "default_permissions"],
  );
  const scratch = mounted(b, "tmpfs", [["mode", "0755"]]);
  b.syscall("move_mount", [
    scratch,
    b.string(""),
    AT.AT_FDCWD,
    b.string("/dev"),
    or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH"),
  ], {
    label: "attach the tmpfs",
  });
  const directory = (path: string, mode: number): void =>
    b.syscall("mkdirat", [scratch, b.string(path), mode], { label: `make the directory ${path}` });
  directory("work", 0o755);
  directory("upper", mode & 0o7777);
  for (const { path, mode, isEmpty } of upper) {
    directory(`upper${path}`, mode);
    if (isEmpty !== true) continue;
    b.syscall("mknodat", [scratch, b.string(`upper${path}/${OPAQUE}`), 0o100644, 0], {
      label: `show nothing of the image in ${path}`,
    });
  }
  // struct cmsghdr with one descriptor, SOL_SOCKET and SCM_RIGHTS; struct msghdr with it and a byte.
  const control = new Uint8Array(24);
  new Uint32Array(control.buffer).set([20, 0, 1, 1]);
  const message = b.bytes(control);
  b.copy(b.at(message, 16), b.addressOf(mount), 4, "put the mount into a message");
  b.syscall("sendmsg", [SOCKET, b.words([0, 0, b.words([b.string("r"), 1]), 1, message, 24, 0]), 0], {
    label: "hand the root to the container",
  });
}

/**
 * Starts it for a launch program that waits for its root.
 *
 * @param pid A process in the container's user namespace, whose maps are written. @param socket To the launch program.
 * @param outlives Whether it stays when libflux has gone.
 */
export function startFuse(
  { program, upper }: Fuse,
  image: string,
  { pid, socket, outlives, ledger }: {
    readonly pid: number;
    readonly socket: Descriptor;
    readonly outlives: boolean;
    readonly ledger: Ledger;
  },
): Service {
  using users = new Descriptor(checked("openat", AT.AT_FDCWD, `/proc/${pid}/ns/user`, O.O_RDONLY | O.O_CLOEXEC, 0));
  const args = ["-f", "-o", "lowerdir=.,upperdir=/dev/upper,workdir=/dev/work", "/dev/fd/0"];
  const service = new Service(program, args, socket, {
    prepare: (b) => prepare(b, image, upper),
    more: users,
    outlives,
  });
  try {
    ledger.add({ kind: "process", pid: service.pid, startTime: startTime(service.pid) ?? 0 });
  } catch (error) {
    // It hasn't begun, and goes when it is reaped.
    service[Symbol.asyncDispose]().catch(() => {});
    throw error;
  }
  service.release();
  return service;
}

/** Ends it, when the container has come to nothing; tells whether that was its fault, and why. */
export async function failureOf(service: Service): Promise<LaunchError | undefined> {
  await service.says(/(?!)/, PATIENCE);
  await service[Symbol.asyncDispose]();
  const { errno, step, output } = service;
  const hint = "--writable takes no overlay";
  if (errno > 0) {
    const what = step === undefined ? "fuse-overlayfs can't be executed" : `fuse-overlayfs could not ${step}`;
    return new LaunchError(`${what}: ${errnoText(errno)}`, { step: step ?? "execute fuse-overlayfs", errno, hint });
  }
  const says = output.split("\n").find((line) => line !== "" && !line.startsWith("unknown argument ignored"));
  if (says === undefined) return undefined;
  return new LaunchError(`fuse-overlayfs could not serve the root: ${printable(says).slice(0, 300)}`, {
    step: "serve the root by fuse-overlayfs",
    hint,
  });
}
