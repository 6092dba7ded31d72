/**
 * Terminals: their size, raw mode, and the master that a container sends out.
 *
 * @module
 */
import { IOCTL } from "./abi/constants.ts";
import { checked, Descriptor, syscall } from "./libc.ts";

/** `asm-generic/termbits.h`: `struct termios` is 36 bytes: four words of flags, the line, 19 control characters. */
const TCGETS = IOCTL.TCGETS;
const TCSETS = 0x5402;
const [VTIME, VMIN] = [5, 6];
const [VSTART, VSTOP, VEOL, VEOL2] = [8, 9, 11, 16];
const FIRST_PRINTABLE = 32;
const CONTROL_CHARACTERS = 17;
const IXON = 0o2000;
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

/**
 * Has a terminal that edits lines give certain keys to who reads it, whatever else they mean, and the last of them at once,
 * if that is a control character; disposing of it brings the old mode back.
 */
export function passKeys(descriptor: number, keys: Uint8Array): Disposable {
  const saved = new Uint8Array(64);
  checked("ioctl", descriptor, TCGETS, saved);
  const changed = saved.slice();
  const view = new DataView(changed.buffer);
  const last = keys.at(-1) ?? 0;
  for (let index = 0; index <= VEOL2; index++) {
    if (index === VTIME || index === VMIN || !keys.includes(changed[CONTROL_CHARACTERS + index] ?? 0)) continue;
    changed[CONTROL_CHARACTERS + index] = 0;
    // Output that one of both has stopped could never go on.
    if (index === VSTART || index === VSTOP) view.setUint32(0, view.getUint32(0, true) & ~IXON, true);
  }
  if (last < FIRST_PRINTABLE) changed[CONTROL_CHARACTERS + VEOL] = last;
  checked("ioctl", descriptor, TCSETS, changed);
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
