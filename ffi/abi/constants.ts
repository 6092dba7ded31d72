/**
 * Kernel constants, named and grouped as in the kernel's uapi headers (the header is named beside each group).
 *
 * @module
 */
export { SIG, type Signal } from "./signals.ts";

/** A number that remembers how the kernel's headers spell it, so that listings read like C. */
export interface Named {
  readonly kind: "named";
  readonly value: number;
  readonly text: string;
}

/**
 * Or flags of one table together and keep their names.
 *
 * @param table One of the tables of this file.
 * @param names Keys of that table; none gives `0`.
 */
export function or<T extends Readonly<Record<string, number>>>(table: T, ...names: (keyof T & string)[]): Named {
  const [first] = names;
  if (first !== undefined && names.length === 1) return { kind: "named", value: table[first] ?? 0, text: first };
  // Not `|`: it works on 32 signed bits, and AT_RECURSIVE or CLONE_* need more.
  const value = names.reduce((sum, name) => Number(BigInt(sum) | BigInt(table[name] ?? 0)), 0);
  return { kind: "named", value, text: names.join("|") || "0" };
}

/** `linux/fcntl.h` */
export const AT = {
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_REMOVEDIR: 0x200,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_EMPTY_PATH: 0x1000,
  AT_RECURSIVE: 0x8000,
} as const;

/** `asm-generic/fcntl.h`; the last four differ between architectures: see {@link openFlags}. */
export const O = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_NONBLOCK: 0o4000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  O_APPEND: 0o2000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  /** Without `O_DIRECTORY`, which it is always used with. */
  __O_TMPFILE: 0o20000000,
} as const;

/**
 * Or `open` flags for an architecture: `O_DIRECTORY` and `O_NOFOLLOW` have other values on aarch64
 * (`arch/arm64/include/uapi/asm/fcntl.h`).
 */
export function openFlags(architecture: "x86_64" | "aarch64", ...names: (keyof typeof O)[]): Named {
  const table = architecture === "aarch64" ? { ...O, O_DIRECTORY: 0o40000, O_NOFOLLOW: 0o100000 } : O;
  return or(table, ...names);
}

/** `linux/fcntl.h`: commands of `fcntl`. */
export const F = {
  F_GETFL: 3,
  F_SETFL: 4,
  F_OFD_SETLK: 37,
  F_DUPFD_CLOEXEC: 1030,
  F_SETPIPE_SZ: 1031,
  F_ADD_SEALS: 1033,
  F_GET_SEALS: 1034,
} as const;

/** `linux/fcntl.h`: seals of a memfd. */
export const F_SEAL = {
  F_SEAL_SEAL: 1,
  F_SEAL_SHRINK: 2,
  F_SEAL_GROW: 4,
  F_SEAL_WRITE: 8,
} as const;

/** `linux/memfd.h` */
export const MFD = { MFD_CLOEXEC: 1, MFD_ALLOW_SEALING: 2, MFD_EXEC: 0x10 } as const;

/** `asm-generic/mman-common.h` */
export const MMAP = { PROT_READ: 1, PROT_WRITE: 2, PROT_EXEC: 4, MAP_PRIVATE: 2, MAP_ANONYMOUS: 0x20 } as const;

/** `linux/sched.h` */
export const CLONE = {
  CLONE_VM: 0x100,
  CLONE_VFORK: 0x4000,
  CLONE_PARENT: 0x8000,
  CLONE_PIDFD: 0x1000,
  CLONE_NEWTIME: 0x80,
  CLONE_NEWNS: 0x00020000,
  CLONE_NEWCGROUP: 0x02000000,
  CLONE_NEWUTS: 0x04000000,
  CLONE_NEWIPC: 0x08000000,
  CLONE_NEWUSER: 0x10000000,
  CLONE_NEWPID: 0x20000000,
  CLONE_NEWNET: 0x40000000,
  CLONE_INTO_CGROUP: 0x200000000,
} as const;

/** `linux/mount.h`: flags of `mount` and `umount2` (`MNT_*` is in `linux/fs.h`). */
export const MS = {
  MS_REC: 16384,
  MS_UNBINDABLE: 1 << 17,
  MS_PRIVATE: 1 << 18,
  MS_SLAVE: 1 << 19,
  MS_SHARED: 1 << 20,
} as const;

/** `linux/close_range.h` */
export const CLOSE_RANGE = { CLOSE_RANGE_CLOEXEC: 4 } as const;

/** `linux/socket.h`, `linux/net.h` */
export const SOCKET = { AF_INET: 2, SOCK_STREAM: 1, SOCK_DGRAM: 2, SOCK_RAW: 3, SOCK_CLOEXEC: 0o2000000 } as const;

/** `linux/fs.h` */
export const UMOUNT = { MNT_DETACH: 2 } as const;

/** `linux/mount.h`: the mount API of Linux 5.2 and later. */
export const OPEN_TREE = {
  OPEN_TREE_CLONE: 1,
  OPEN_TREE_CLOEXEC: 0o2000000,
  AT_EMPTY_PATH: 0x1000,
  AT_RECURSIVE: 0x8000,
  AT_SYMLINK_NOFOLLOW: 0x100,
} as const;

/** `linux/mount.h` */
export const MOVE_MOUNT = { MOVE_MOUNT_F_EMPTY_PATH: 4, MOVE_MOUNT_T_EMPTY_PATH: 0x40 } as const;

/** `linux/mount.h` */
export const FSOPEN = { FSOPEN_CLOEXEC: 1 } as const;

/** `linux/mount.h` */
export const FSMOUNT = { FSMOUNT_CLOEXEC: 1 } as const;

/** `linux/mount.h`: commands of `fsconfig`. */
export const FSCONFIG = { FSCONFIG_SET_FLAG: 0, FSCONFIG_SET_STRING: 1, FSCONFIG_CMD_CREATE: 6 } as const;

/** `linux/mount.h`: attributes of one mount. `MOUNT_ATTR__ATIME` is the mask of the three access-time modes. */
export const MOUNT_ATTR = {
  MOUNT_ATTR_RDONLY: 0x1,
  MOUNT_ATTR_NOSUID: 0x2,
  MOUNT_ATTR_NODEV: 0x4,
  MOUNT_ATTR_NOEXEC: 0x8,
  MOUNT_ATTR__ATIME: 0x70,
  MOUNT_ATTR_NOATIME: 0x10,
  MOUNT_ATTR_STRICTATIME: 0x20,
  MOUNT_ATTR_NODIRATIME: 0x80,
  MOUNT_ATTR_IDMAP: 0x100000,
} as const;

/** `linux/openat2.h` */
export const RESOLVE = {
  RESOLVE_NO_XDEV: 1,
  RESOLVE_NO_MAGICLINKS: 2,
  RESOLVE_NO_SYMLINKS: 4,
  RESOLVE_BENEATH: 8,
  RESOLVE_IN_ROOT: 0x10,
} as const;

/** `linux/stat.h` */
export const S = {
  S_IFMT: 0o170000,
  S_IFCHR: 0o020000,
  S_IFBLK: 0o060000,
  S_IFDIR: 0o040000,
  S_IFLNK: 0o120000,
  S_IFREG: 0o100000,
  S_IFIFO: 0o010000,
  S_IFSOCK: 0o140000,
} as const;

/** A file's type and its permissions, as `mknod` takes them. */
export function fileMode(type: "S_IFBLK" | "S_IFCHR" | "S_IFREG", permissions: number): Named {
  return { kind: "named", value: S[type] | permissions, text: `${type}|0${permissions.toString(8)}` };
}

/** `linux/stat.h`: masks of `statx`. */
export const STATX = { STATX_TYPE: 1, STATX_NLINK: 4, STATX_BASIC_STATS: 0x7ff, STATX_MNT_ID: 0x1000 } as const;

/** `linux/magic.h`: what `fstatfs` says of a filesystem. */
export const MAGIC = {
  PROC_SUPER_MAGIC: 0x9fa0,
  SYSFS_MAGIC: 0x62656572,
  CGROUP_SUPER_MAGIC: 0x27e0eb,
  CGROUP2_SUPER_MAGIC: 0x63677270,
  DEVPTS_SUPER_MAGIC: 0x1cd1,
  DEBUGFS_MAGIC: 0x64626720,
  TRACEFS_MAGIC: 0x74726163,
  SECURITYFS_MAGIC: 0x73636673,
  BPF_FS_MAGIC: 0xcafe4a11,
  OVERLAYFS_SUPER_MAGIC: 0x794c7630,
  FUSE_SUPER_MAGIC: 0x65735546,
} as const;

/** `linux/prctl.h` */
export const PR = {
  PR_SET_PDEATHSIG: 1,
  PR_SET_DUMPABLE: 4,
  PR_SET_KEEPCAPS: 8,
  PR_SET_NAME: 15,
  PR_CAPBSET_READ: 23,
  PR_CAPBSET_DROP: 24,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_CAP_AMBIENT: 47,
  PR_CAP_AMBIENT_RAISE: 2,
  PR_CAP_AMBIENT_CLEAR_ALL: 4,
} as const;

/** `linux/bpf.h`: commands of `bpf`, a type of programs, where it is attached, and how. */
export const BPF = {
  BPF_PROG_LOAD: 5,
  BPF_PROG_ATTACH: 8,
  BPF_PROG_TYPE_CGROUP_DEVICE: 15,
  BPF_CGROUP_DEVICE: 6,
  BPF_F_ALLOW_MULTI: 2,
} as const;

/** `linux/keyctl.h` */
export const KEYCTL = { KEYCTL_JOIN_SESSION_KEYRING: 1 } as const;

/** `asm-generic/ioctls.h`, `linux/sockios.h` */
export const IOCTL = {
  TCGETS: 0x5401,
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCSPTLCK: 0x40045431,
  TIOCGPTPEER: 0x5441,
  SIOCADDRT: 0x890b,
  SIOCSIFFLAGS: 0x8914,
  SIOCSIFADDR: 0x8916,
  SIOCSIFNETMASK: 0x891c,
  SIOCGSKNS: 0x894c,
  NS_GET_NSTYPE: 0xb703,
} as const;

/** `asm-generic/poll.h` and `linux/eventpoll.h` */
export const POLL = { POLLIN: 1, POLLOUT: 4, POLLERR: 8, POLLHUP: 16 } as const;

/** `linux/eventpoll.h` */
export const EPOLL = {
  EPOLL_CLOEXEC: 0o2000000,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLLONESHOT: 0x40000000,
} as const;

/** `linux/inotify.h` */
export const IN = {
  IN_MODIFY: 2,
  IN_MOVED_TO: 0x80,
  IN_CREATE: 0x100,
  IN_DELETE: 0x200,
  IN_Q_OVERFLOW: 0x4000,
  IN_ONLYDIR: 0x01000000,
  IN_NONBLOCK: 0o4000,
  IN_CLOEXEC: 0o2000000,
} as const;

/** `linux/wait.h` */
export const WAIT = { WNOHANG: 1, WEXITED: 4, P_PIDFD: 3, WNOWAIT: 0x1000000, WALL: 0x40000000 } as const;

/** `asm-generic/errno.h`: those that libflux tells apart. */
export const E = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EPIPE: 32,
  ERANGE: 34,
  ENOSYS: 38,
  EFBIG: 27,
  ENOTEMPTY: 39,
  EOVERFLOW: 75,
  ENODATA: 61,
  EROFS: 30,
  ENXIO: 6,
  EXDEV: 18,
  ELOOP: 40,
  EBADFD: 77,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNREFUSED: 111,
} as const;
