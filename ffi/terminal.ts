/**
 * Terminals: their size, raw mode, and the master that a container sends out.
 *
 * @module
 */
import { IOCTL } from "./abi/constants.ts";
import { checked, Descriptor, NativeMemory, syscall } from "./libc.ts";

/** `asm-generic/termbits.h`: `struct termios` is 36 bytes: four words of flags, the line, 19 control characters. */
const TCGETS = IOCTL.TCGETS;
const TCSETS = 0x5402;
const [VTIME, VMIN] = [5, 6];
const CONTROL_CHARACTERS = 17;
/** IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL, IXON */
const INPUT_PROCESSING = 0o2753;
const OPOST = 1;
/** ISIG, ICANON, ECHO, ECHONL, IEXTEN */
const LOCAL_PROCESSING = 0o100113;
/** CSIZE, PARENB; and CS8 */
const [CHARACTER_SIZE, EIGHT_BITS] = [0o460, 0o60];

/**
 * Puts a terminal into raw mode, so that every key goes to the container; disposing of it brings the old mode back.
 *
 * @param part `output`: leave the keys alone, where they don't go to the container, and only show what it writes as it is.
 */
export function rawMode(descriptor: number, part: "all" | "output" = "all"): Disposable {
  const saved = new Uint8Array(64);
  checked("ioctl", descriptor, TCGETS, saved);
  const raw = saved.slice();
  const view = new DataView(raw.buffer);
  const change = (offset: number, clear: number, set = 0): void =>
    view.setUint32(offset, view.getUint32(offset, true) & ~clear | set, true);
  change(4, OPOST);
  if (part === "all") {
    change(0, INPUT_PROCESSING);
    change(8, CHARACTER_SIZE, EIGHT_BITS);
    change(12, LOCAL_PROCESSING);
    raw[CONTROL_CHARACTERS + VTIME] = 0;
    raw[CONTROL_CHARACTERS + VMIN] = 1;
  }
  checked("ioctl", descriptor, TCSETS, raw);
  return { [Symbol.dispose]: () => void syscall("ioctl", descriptor, TCSETS, saved) };
}

/** A terminal's size in characters; nothing where it isn't one, or doesn't know (0 by 0). */
export function windowSize(descriptor: number): { readonly columns: number; readonly rows: number } | undefined {
  const size = new Uint8Array(8);
  if (syscall("ioctl", descriptor, IOCTL.TIOCGWINSZ, size) < 0) return undefined;
  const view = new DataView(size.buffer);
  const [rows, columns] = [view.getUint16(0, true), view.getUint16(2, true)];
  return rows === 0 || columns === 0 ? undefined : { columns, rows };
}

/** Whether this process is in the background of a terminal of its own: it is stopped when it reads there. */
export function isInBackground(descriptor: number): boolean {
  const group = new Uint8Array(4);
  if (syscall("ioctl", descriptor, IOCTL.TIOCGPGRP, group) < 0) return false;
  return new DataView(group.buffer).getInt32(0, true) !== syscall("getpgid", 0);
}

/** Tells a terminal its size; whoever runs in it gets SIGWINCH. */
export function setWindowSize(
  descriptor: number,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): void {
  const size = new Uint8Array(8);
  const view = new DataView(size.buffer);
  view.setUint16(0, rows, true);
  view.setUint16(2, columns, true);
  syscall("ioctl", descriptor, IOCTL.TIOCSWINSZ, size);
}

/** A new pty pair of the host's, close-on-exec: for tests, and for whoever needs a terminal without having one. */
export function openPty(): { readonly master: Descriptor; readonly slave: Descriptor } {
  const flags = 0o2000402; // O_RDWR, O_NOCTTY, O_CLOEXEC
  const master = new Descriptor(checked("openat", -100, "/dev/ptmx", flags, 0));
  try {
    checked("ioctl", master.number, IOCTL.TIOCSPTLCK, new Uint8Array(4));
    return { master, slave: new Descriptor(checked("ioctl", master.number, IOCTL.TIOCGPTPEER, flags)) };
  } catch (error) {
    master.close();
    throw error;
  }
}

const AF_UNIX = 1;
const SOCK_SEQPACKET_CLOEXEC = 0o2000005;

/** A pair of connected Unix sockets, close-on-exec. */
export function socketPair(): { readonly near: Descriptor; readonly far: Descriptor } {
  const ends = new Uint8Array(8);
  checked("socketpair", AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, ends);
  const view = new DataView(ends.buffer);
  return { near: new Descriptor(view.getInt32(0, true)), far: new Descriptor(view.getInt32(4, true)) };
}

const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const [SOL_SOCKET, SCM_RIGHTS] = [1, 1];

/** Sends a descriptor over a socket; false where nobody is there any more. */
export function sendDescriptor(socket: number, descriptor: number): boolean {
  using memory = new NativeMemory(4096);
  const view = new DataView(memory.bytes.buffer);
  const word = (offset: number, value: number): void => view.setBigUint64(offset, BigInt(value), true);
  const [iov, data, control] = [64, 96, 128];
  // struct msghdr, as below; struct cmsghdr: its length with one descriptor, level, type.
  word(16, memory.address + iov);
  word(24, 1);
  word(32, memory.address + control);
  word(40, 24);
  word(iov, memory.address + data);
  word(iov + 8, 1);
  word(control, 20);
  view.setUint32(control + 8, SOL_SOCKET, true);
  view.setUint32(control + 12, SCM_RIGHTS, true);
  view.setInt32(control + 16, descriptor, true);
  const MSG_NOSIGNAL = 0x4000;
  return syscall("sendmsg", socket, memory.address, MSG_NOSIGNAL) > 0;
}

/** Takes a descriptor that was sent over a socket, without waiting; nothing where none was. */
export function receiveDescriptor(socket: number): Descriptor | undefined {
  using memory = new NativeMemory(4096);
  const view = new DataView(memory.bytes.buffer);
  const word = (offset: number, value: number): void => view.setBigUint64(offset, BigInt(value), true);
  const [iov, data, control] = [64, 96, 128];
  // struct msghdr, linux/socket.h: name, its length, iov, their number, control, its length, flags.
  word(16, memory.address + iov);
  word(24, 1);
  word(32, memory.address + control);
  word(40, 64);
  word(iov, memory.address + data);
  word(iov + 8, 1);
  if (syscall("recvmsg", socket, memory.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return undefined;
  // One descriptor in one message, or it isn't what a launch program sends.
  if (view.getBigUint64(40, true) < 20n || view.getBigUint64(control, true) !== 20n) return undefined;
  if (view.getUint32(control + 8, true) !== SOL_SOCKET || view.getUint32(control + 12, true) !== SCM_RIGHTS) {
    return undefined;
  }
  return new Descriptor(view.getInt32(control + 16, true));
}
