/**
 * Files below open directories, one name at a time: no link is followed, and nothing outside is reached, whatever others
 * do to the tree meanwhile.
 *
 * Names are bytes and needn't be UTF-8: here each is a text of which every character stands for one byte.
 *
 * @module
 */
import { AT, E, type O, openFlags, RESOLVE, S, STATX } from "./abi/constants.ts";
import { ARCHITECTURE, cString, Descriptor, syscall } from "./libc.ts";

/** A name as the kernel has it: every character stands for one byte. */
export type ByteName = string;

/** What `statx` tells of a file (`linux/stat.h`). */
export interface Facts {
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** How many names it has. */
  readonly links: number;
  readonly inode: bigint;
  /** In bytes. */
  readonly size: number;
  /** Its times, each of which is seconds and nanoseconds, as they stand in memory. */
  readonly accessed: readonly [bigint, number];
  readonly modified: readonly [bigint, number];
  /** When it was changed: no process can set that. */
  readonly changed: readonly [bigint, number];
  /** Major and minor number of a device. */
  readonly device: readonly [number, number];
  /** The number of the filesystem that it is on: "0:45". */
  readonly filesystem: string;
  /** The mount that it is on. */
  readonly mount: bigint;
}

const TYPES = {
  [S.S_IFREG]: "file",
  [S.S_IFDIR]: "directory",
  [S.S_IFLNK]: "link",
  [S.S_IFIFO]: "fifo",
  [S.S_IFSOCK]: "socket",
  [S.S_IFCHR]: "device",
  [S.S_IFBLK]: "device",
} as const;

/** What kind of file it is. */
export function typeOf({ mode }: Pick<Facts, "mode">): typeof TYPES[keyof typeof TYPES] | "unknown" {
  return TYPES[(mode & S.S_IFMT) as keyof typeof TYPES] ?? "unknown";
}

/** A name for the kernel. */
export function nameBytes(name: ByteName): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(name.length + 1);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A text as a name. */
export function toName(text: string): ByteName {
  return fromBytes(encoder.encode(text));
}

/** A name as a text: what is no UTF-8 is shown as U+FFFD. */
export function toText(name: ByteName): string {
  return decoder.decode(nameBytes(name).subarray(0, name.length));
}

function fromBytes(bytes: Uint8Array): ByteName {
  let name = "";
  for (let i = 0; i < bytes.length; i++) name += String.fromCharCode(bytes[i] ?? 0);
  return name;
}

const STATX_SIZE = 256;
const memory = new Uint8Array(STATX_SIZE);
const view = new DataView(memory.buffer);
const WANTED = STATX.STATX_BASIC_STATS | STATX.STATX_MNT_ID;

/** Asks what has a name in a directory, itself where it is a link. @returns `-errno` where that can't be told. */
export function look(directory: number, name: ByteName): Facts | number {
  return ask(directory, nameBytes(name), AT.AT_SYMLINK_NOFOLLOW);
}

/** Asks what an open file is. @returns `-errno` where that can't be told. */
export function lookAt(descriptor: number): Facts | number {
  return ask(descriptor, cString(""), AT.AT_EMPTY_PATH);
}

function ask(directory: number, path: Uint8Array<ArrayBuffer>, flags: number): Facts | number {
  const result = syscall("statx", directory, path, flags, WANTED, memory);
  if (result < 0) return result;
  const time = (offset: number): [bigint, number] => [
    view.getBigInt64(offset, true),
    view.getUint32(offset + 8, true),
  ];
  return {
    links: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    inode: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    accessed: time(64),
    changed: time(96),
    modified: time(112),
    device: [view.getUint32(128, true), view.getUint32(132, true)],
    filesystem: `${view.getUint32(136, true)}:${view.getUint32(140, true)}`,
    mount: view.getBigUint64(144, true),
  };
}

/** `struct open_how`, `linux/openat2.h`. */
function how(flags: number, mode: number, resolve: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array([BigInt(flags), BigInt(mode), BigInt(resolve)]).buffer);
}

/** Names of `O_*`. */
export type OpenFlag = keyof typeof O;

/** Opens what has a name in a directory, never a link's target. @returns `-errno` where it can't be opened. */
export function openName(
  directory: number,
  name: ByteName,
  flags: readonly OpenFlag[],
  mode = 0,
): Descriptor | number {
  const value = openFlags(ARCHITECTURE, ...flags, "O_NOFOLLOW", "O_CLOEXEC").value;
  // O_PATH gives the link itself, where it is one: RESOLVE_NO_SYMLINKS would refuse it.
  const block = how(value, mode, RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_MAGICLINKS);
  return opened(again(() => syscall("openat2", directory, nameBytes(name), block, block.length)));
}

/** Opens a path of several names below a directory, without any link. @returns `-errno` where it can't be opened. */
export function openBeneath(directory: number, path: ByteName, flags: readonly OpenFlag[]): Descriptor | number {
  const value = openFlags(ARCHITECTURE, ...flags, "O_NOFOLLOW", "O_CLOEXEC").value;
  const block = how(value, 0, RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_SYMLINKS);
  return opened(again(() => syscall("openat2", directory, nameBytes(path), block, block.length)));
}

/**
 * Opens a path as whoever has this directory as its root: links lead to what they lead to there, and no magic one of
 * `/proc` leads anywhere.
 *
 * @returns `-errno` where it can't be opened.
 */
export function openInRoot(root: number, path: string, flags: readonly OpenFlag[]): Descriptor | number {
  const value = openFlags(ARCHITECTURE, ...flags, "O_CLOEXEC").value;
  const block = how(value, 0, RESOLVE.RESOLVE_IN_ROOT | RESOLVE.RESOLVE_NO_MAGICLINKS);
  return opened(again(() => syscall("openat2", root, path, block, block.length)));
}

/** Opens a path of this process's own. @returns `-errno` where it can't be opened. */
export function openPath(path: string, flags: readonly OpenFlag[]): Descriptor | number {
  return opened(syscall("openat", AT.AT_FDCWD, path, openFlags(ARCHITECTURE, ...flags, "O_CLOEXEC").value, 0));
}

/** Opens a file that is open as a path only once more: that very file, which was seen to be no device and no FIFO. */
export function reopen(descriptor: number, flags: readonly OpenFlag[]): Descriptor | number {
  return openPath(`/proc/self/fd/${descriptor}`, [...flags, "O_NONBLOCK", "O_NOCTTY"]);
}

const MOST_TRIES = 64;

/** The kernel answers EAGAIN where somebody renamed something on the way: it is asked again, not forever. */
function again(call: () => number): number {
  let result = call();
  for (let i = 0; result === -E.EAGAIN && i < MOST_TRIES; i++) result = call();
  return result;
}

const opened = (result: number): Descriptor | number => result < 0 ? result : new Descriptor(result);

const BUFFER = 32768;

/** The names in an open directory, without "." and "..", in no order. @returns `-errno` where it can't be read. */
export function readNames(directory: number): ByteName[] | number {
  const buffer = new Uint8Array(BUFFER);
  const records = new DataView(buffer.buffer);
  const names: ByteName[] = [];
  for (;;) {
    const length = syscall("getdents64", directory, buffer, BUFFER);
    if (length < 0) return length;
    if (length === 0) return names;
    // struct linux_dirent64, linux/dirent.h: d_ino, d_off, d_reclen (at 16), d_type, d_name (at 19).
    for (let at = 0; at < length; at += records.getUint16(at + 16, true)) {
      const start = at + 19;
      const name = fromBytes(buffer.subarray(start, buffer.indexOf(0, start)));
      if (name !== "." && name !== "..") names.push(name);
    }
  }
}

const MOST_LINK = 4096;

/** Where a link leads, of which the directory or the link itself (with an empty name) is open. @returns `-errno`. */
export function readLink(directory: number, name: ByteName): ByteName | number {
  const buffer = new Uint8Array(MOST_LINK);
  const length = syscall("readlinkat", directory, nameBytes(name), buffer, MOST_LINK);
  return length < 0 ? length : fromBytes(buffer.subarray(0, length));
}

/** The kind of filesystem that an open file is on: `MAGIC`. @returns `-errno` where that can't be told. */
export function filesystemOf(descriptor: number): number {
  // struct statfs: f_type comes first.
  const buffer = new Uint8Array(120);
  const result = syscall("fstatfs", descriptor, buffer);
  return result < 0 ? result : new DataView(buffer.buffer).getUint32(0, true);
}

/** Two times, as `utimensat` takes them. */
function timesOf({ accessed, modified }: Pick<Facts, "accessed" | "modified">): Uint8Array<ArrayBuffer> {
  const times = new BigInt64Array([accessed[0], BigInt(accessed[1]), modified[0], BigInt(modified[1])]);
  return new Uint8Array(times.buffer);
}

/** Sets when an open file was read and changed. @returns `-errno` on failure. */
export function setTimes(file: number, facts: Pick<Facts, "accessed" | "modified">): number {
  return syscall("utimensat", file, 0, timesOf(facts), 0);
}

/** The same for a link, which can only be open as a path. @returns `-EINVAL` before Linux 5.8. */
export function setLinkTimes(link: number, facts: Pick<Facts, "accessed" | "modified">): number {
  return syscall("utimensat", link, cString(""), timesOf(facts), AT.AT_EMPTY_PATH);
}

const [SEEK_SET, SEEK_DATA, SEEK_HOLE] = [0, 3, 4];
/** In one call: a signal or a full disk is noticed after so many bytes. */
const CHUNK = 16 * 2 ** 20;

/**
 * Copies the first bytes of a file, and leaves out where it has holes. Memory is the kernel's own: nothing comes here.
 *
 * @param size What there was when the copy began: a file that grows meanwhile would never end.
 * @returns `-errno` on failure.
 */
export function copyContents(source: number, destination: number, size: number): number {
  let at = 0;
  while (at < size) {
    const data = syscall("lseek", source, at, SEEK_DATA);
    if (data === -E.ENXIO) break;
    // A filesystem that knows no holes has none.
    const start = data < 0 ? at : data;
    if (start >= size) break;
    const hole = data < 0 ? size : syscall("lseek", source, start, SEEK_HOLE);
    const end = Math.min(size, hole < 0 ? size : hole);
    for (const file of [source, destination]) {
      const moved = syscall("lseek", file, start, SEEK_SET);
      if (moved < 0) return moved;
    }
    for (at = start; at < end;) {
      const copied = copyChunk(source, destination, Math.min(CHUNK, end - at));
      if (copied < 0) return copied;
      // It has become shorter.
      if (copied === 0) return syscall("ftruncate", destination, at);
      at += copied;
    }
  }
  return syscall("ftruncate", destination, size);
}

function copyChunk(source: number, destination: number, length: number): number {
  const copied = syscall("copy_file_range", source, 0, destination, 0, length, 0);
  const isRefused = [E.EXDEV, E.EINVAL, E.EOPNOTSUPP, E.ENOSYS, E.EPERM].some((errno) => copied === -errno);
  return isRefused ? syscall("sendfile", destination, source, 0, length) : copied;
}

/** `linux/limits.h`: as long as a list of attributes, or a value, can be. */
const MOST_ATTRIBUTES = 65536;
let attributes: Uint8Array<ArrayBuffer> | undefined;

/** A file's extended attributes. @returns Nothing where it can have none. */
export function attributesOf(descriptor: number): [name: ByteName, value: Uint8Array<ArrayBuffer>][] {
  // Made once: a tree has many files, and few of them have any.
  const memory = attributes ??= new Uint8Array(MOST_ATTRIBUTES);
  const length = syscall("flistxattr", descriptor, memory, memory.length);
  if (length <= 0) return [];
  return fromBytes(memory.subarray(0, length)).split("\0").filter((name) => name !== "").flatMap((name) => {
    const size = syscall("fgetxattr", descriptor, nameBytes(name), memory, memory.length);
    return size < 0 ? [] : [[name, memory.slice(0, size)] as [ByteName, Uint8Array<ArrayBuffer>]];
  });
}

/** Sets an extended attribute. @returns `-errno` on failure. */
export function setAttribute(descriptor: number, name: ByteName, value: Uint8Array<ArrayBuffer>): number {
  return syscall("fsetxattr", descriptor, nameBytes(name), value, value.length, 0);
}
