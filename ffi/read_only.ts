/**
 * A file that is open for reading, so that nobody can open it for anything else from there.
 *
 * @module
 */
import { AT, F, MOUNT_ATTR, O, OPEN_TREE } from "./abi/constants.ts";
import { Descriptor, syscall } from "./libc.ts";
import { isType, statDescriptor } from "./stat.ts";

const ACCESS_MODE = 3;
const SEEK_SET = 0;
const SEEK_CUR = 1;
/** `struct mount_attr`, `linux/mount.h`: what to set, clear, propagate, and a user namespace. */
const READ_ONLY = new Uint8Array(new BigUint64Array([BigInt(MOUNT_ATTR.MOUNT_ATTR_RDONLY), 0n, 0n, 0n]).buffer);

/**
 * Opens the file behind a descriptor once more, at the same place, by a mount of its own that is read-only: by
 * `/proc/self/fd/N` who gets it could otherwise write to a file that was given for reading.
 *
 * @returns Nothing where it is no regular file, open for writing too, or where the kernel can't do it.
 */
export function openReadOnly(descriptor: number): Descriptor | undefined {
  const found = statDescriptor(descriptor);
  if (typeof found === "number" || !isType(found, "S_IFREG")) return undefined;
  if ((syscall("fcntl", descriptor, F.F_GETFL) & ACCESS_MODE) !== O.O_RDONLY) return undefined;
  const flags = OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC | OPEN_TREE.AT_EMPTY_PATH;
  const cloned = syscall("open_tree", descriptor, "", flags);
  if (cloned < 0) return undefined;
  using tree = new Descriptor(cloned);
  if (syscall("mount_setattr", cloned, "", AT.AT_EMPTY_PATH, READ_ONLY, READ_ONLY.length) < 0) return undefined;
  const opened = syscall("openat", AT.AT_FDCWD, `/proc/self/fd/${tree.number}`, O.O_RDONLY | O.O_CLOEXEC, 0);
  if (opened < 0) return undefined;
  const place = syscall("lseek", descriptor, 0, SEEK_CUR);
  if (place > 0) syscall("lseek", opened, place, SEEK_SET);
  return new Descriptor(opened);
}
