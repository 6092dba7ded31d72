/**
 * Step 9, first part: the container's terminal, made on its own devpts and handed out by descriptor. The caller's
 * terminal never gets in (CVE-2017-5226: TIOCSTI).
 *
 * @module
 */
import { E, fileMode, IOCTL, MAGIC, MOVE_MOUNT, OPEN_TREE, or, RESOLVE } from "../../ffi/abi/constants.ts";
import type { Slot } from "../../ffi/program.ts";
import { UsageError } from "../errors.ts";
import { CHILD, type Context, CWD } from "./context.ts";
import { requireFilesystem } from "./isolate.ts";

const SCM_RIGHTS = 1;
const SOL_SOCKET = 1;

const field = "process.terminal";

/** Opens a pty pair, sends its master to the host and makes its slave `/dev/console` and the three streams. */
export function openTerminal(context: Context): void {
  const { builder: b, launch, devpts } = context;
  if (launch.terminal === undefined) return;
  if (devpts === undefined) throw new UsageError("process.terminal: a terminal needs a devpts mount in the spec");
  const openMode = context.open("O_RDWR", "O_NOCTTY", "O_CLOEXEC");
  const master = b.call("openat", [devpts, b.string("ptmx"), openMode, 0], "master", {
    label: "open a terminal",
    path: "/dev/ptmx",
    field,
  });
  const slave = openSlave(context, master);
  bindConsole(context, slave);
  handOut(context, master, slave);
}

/**
 * Opens a pty pair of a container that runs, and does with it as {@linkcode openTerminal}, but for `/dev/console`: by
 * now somebody inside may have put anything in the place of its devpts (CVE-2025-52565).
 */
export function openAnotherTerminal(context: Context): void {
  const { builder: b, launch } = context;
  if (launch.terminal === undefined) return;
  const path = "/dev/pts";
  const devpts = context.openTarget(path, "directory", {
    label: "open the container's devpts",
    path,
    field,
    hint: "a terminal takes the /dev/pts that containers have",
  });
  requireFilesystem(context, devpts, or(MAGIC, "DEVPTS_SUPER_MAGIC"), "==", {
    label: `see that ${path} is devpts`,
    path,
    field,
  });
  // struct open_how, linux/openat2.h: flags, mode, resolve. Nor is anything that was mounted on it opened in its place.
  const how = b.words([
    context.open("O_RDWR", "O_NOCTTY", "O_CLOEXEC").value,
    0,
    RESOLVE.RESOLVE_NO_XDEV | RESOLVE.RESOLVE_NO_SYMLINKS,
  ]);
  const master = b.call("openat2", [devpts, b.string("ptmx"), how, 24], "master", {
    label: "open a terminal",
    path: `${path}/ptmx`,
    field,
  });
  handOut(context, master, openSlave(context, master));
}

/** Readies a new terminal and opens its other end. */
function openSlave(context: Context, master: Slot): Slot {
  const { builder: b, launch, spec } = context;
  const { rows = 0, columns = 0 } = launch.terminal ?? {};
  const openMode = context.open("O_RDWR", "O_NOCTTY", "O_CLOEXEC");
  b.syscall("ioctl", [master, or(IOCTL, "TIOCSPTLCK"), b.buffer(4)], { label: "unlock it", field });
  // struct winsize: rows first. Set before anything runs: no program ever sees 0x0.
  const size = new Uint8Array(8);
  const view = new DataView(size.buffer);
  view.setUint16(0, rows, true);
  view.setUint16(2, columns, true);
  b.syscall("ioctl", [master, or(IOCTL, "TIOCSWINSZ"), b.bytes(size)], {
    label: `size it ${columns}x${rows}`,
    field,
  });
  // By the master's descriptor and not by a path under /dev/pts (CVE-2025-52565).
  const slave = b.call("ioctl", [master, or(IOCTL, "TIOCGPTPEER"), openMode], "slave", {
    label: "open its other end",
    field,
  });
  const { uid } = spec.process.user;
  b.syscall("fchown", [slave, uid, -1], { label: `give it to user ${uid}`, field });
  return slave;
}

/** Shows it as `/dev/console`. */
function bindConsole(context: Context, slave: Slot): void {
  const { builder: b } = context;
  b.syscall("mknodat", [CWD, b.string("/dev/console"), fileMode("S_IFREG", 0o600), 0], {
    label: "make /dev/console",
    path: "/dev/console",
    field,
    tolerate: E.EEXIST,
  });
  const target = context.openTarget("/dev/console", "file", {
    label: "open /dev/console to mount on",
    path: "/dev/console",
    field,
  });
  const tree = b.call(
    "open_tree",
    [slave, b.string(""), or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_EMPTY_PATH")],
    "console",
    { label: "take the terminal for /dev/console", field },
  );
  b.syscall("move_mount", [
    tree,
    b.string(""),
    target,
    b.string(""),
    or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH", "MOVE_MOUNT_T_EMPTY_PATH"),
  ], {
    label: "bind the terminal on /dev/console",
    path: "/dev/console",
    field,
  });
}

/** Sends the master to libflux, and makes the other end the three streams. */
function handOut({ builder: b }: Context, master: Slot, slave: Slot): void {
  // struct cmsghdr with one descriptor (linux/socket.h): length, level, type, the descriptor.
  const control = new Uint8Array(24);
  const header = new DataView(control.buffer);
  header.setBigUint64(0, 20n, true);
  header.setUint32(8, SOL_SOCKET, true);
  header.setUint32(12, SCM_RIGHTS, true);
  const message = b.bytes(control);
  b.copy(b.at(message, 16), b.addressOf(master), 4, "put the terminal into a message");
  const iov = b.words([b.string("t"), 1]);
  // struct msghdr: no name, one iov, the control message, no flags.
  b.syscall("sendmsg", [CHILD.console, b.words([0, 0, iov, 1, message, 24, 0]), 0], {
    label: "hand the terminal to libflux",
    field,
  });
  for (const stream of [0, 1, 2]) {
    b.syscall("dup3", [slave, stream, 0], { label: `make it descriptor ${stream}`, field });
  }
}

/** In the process that will be the command: a session of its own, and the terminal as its controlling one. */
export function newSession({ builder: b, launch }: Context): void {
  b.syscall("setsid", [], { label: "start a new session", field: "process" });
  if (launch.terminal !== undefined) {
    b.syscall("ioctl", [0, or(IOCTL, "TIOCSCTTY"), 0], {
      label: "make the terminal the controlling one",
      field: "process.terminal",
    });
  }
}
