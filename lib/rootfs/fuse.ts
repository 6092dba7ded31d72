/**
 * Whether this host has what serves an overlay where the kernel mounts none.
 *
 * @module
 */
import { AT, MAGIC } from "../../ffi/abi/constants.ts";
import { filesystemOf, openPath } from "../../ffi/files.ts";
import { syscall } from "../../ffi/libc.ts";
import { findProgram } from "../store/programs.ts";

/** How a host comes by it. */
export const FUSE_REMEDY =
  "install fuse-overlayfs, which does without the kernel's, and let every user open /dev/fuse (mode 0666)";

const [R_OK, W_OK] = [4, 2];

/** Where fuse-overlayfs is, for who may open `/dev/fuse`; nothing where it can't be used. */
export function findFuse(): string | undefined {
  const isOpen = syscall("faccessat", AT.AT_FDCWD, "/dev/fuse", R_OK | W_OK) === 0;
  return isOpen ? findProgram("fuse-overlayfs") : undefined;
}

/**
 * Whether a container's root is served by a program. Whoever isn't in its user namespace is told no more of it than that,
 * be it root: the program could hold up who asks, or answer what it likes.
 *
 * @param root `/proc/PID/root`
 */
export function isServed(root: string): boolean {
  const opened = openPath(root, ["O_PATH", "O_DIRECTORY"]);
  if (typeof opened === "number") return false;
  using directory = opened;
  return filesystemOf(directory.number) === MAGIC.FUSE_SUPER_MAGIC;
}
