/**
 * What a file is, without an exception where there is none: making one takes longer than asking.
 *
 * @module
 */
import { AT, S, STATX } from "./abi/constants.ts";
import { syscall } from "./libc.ts";

/** The part of `struct statx` (`linux/stat.h`) that libflux looks at. */
export interface Stat {
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly inode: bigint;
  /** How many names it has; 0 once it is deleted. */
  readonly links: number;
  /** In bytes. */
  readonly size: number;
  /** Major and minor number of a device. */
  readonly device: readonly [number, number];
  /** The number of the filesystem that it is on: "0:45". */
  readonly filesystem: string;
}

const STATX_SIZE = 256;

/**
 * Asks what is at a path, following symbolic links unless told not to.
 *
 * @returns `-errno` where that can't be told.
 */
export function stat(path: string, flags = 0, directory: number = AT.AT_FDCWD): Stat | number {
  const buffer = new Uint8Array(STATX_SIZE);
  const result = syscall("statx", directory, path, flags, STATX.STATX_BASIC_STATS, buffer);
  if (result < 0) return result;
  const view = new DataView(buffer.buffer);
  return {
    mode: view.getUint16(28, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    inode: view.getBigUint64(32, true),
    links: view.getUint32(16, true),
    size: Number(view.getBigUint64(40, true)),
    device: [view.getUint32(128, true), view.getUint32(132, true)],
    filesystem: `${view.getUint32(136, true)}:${view.getUint32(140, true)}`,
  };
}

/** Asks what an open file is. */
export function statDescriptor(descriptor: number): Stat | number {
  return stat("", AT.AT_EMPTY_PATH, descriptor);
}

/** Whether a mode says that something is of a type of `S`. */
export function isType({ mode }: Stat, type: keyof typeof S): boolean {
  return (mode & S.S_IFMT) === S[type];
}
