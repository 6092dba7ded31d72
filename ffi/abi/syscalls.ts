/**
 * Syscall numbers, from the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.
 *
 * @module
 */

/** The two architectures libflux runs on, named as `Deno.build.arch` names them. */
export type Architecture = "x86_64" | "aarch64";

/** `[x86_64, aarch64]` for each syscall libflux uses. */
const NUMBERS = {
  bind: [49, 200],
  bpf: [321, 280],
  capset: [126, 91],
  chdir: [80, 49],
  clone: [56, 220],
  clone3: [435, 435],
  close: [3, 57],
  close_range: [436, 436],
  dup3: [292, 24],
  epoll_create1: [291, 20],
  epoll_ctl: [233, 21],
  epoll_pwait: [281, 22],
  eventfd2: [290, 19],
  execve: [59, 221],
  execveat: [322, 281],
  exit: [60, 93],
  exit_group: [231, 94],
  /** No syscall: what a failed check of a launch program calls, so that it fails like any other instruction. */
  fail: [0xffff, 0xffff],
  faccessat: [269, 48],
  faccessat2: [439, 439],
  fchdir: [81, 50],
  fchown: [93, 55],
  fchownat: [260, 54],
  fcntl: [72, 25],
  flock: [73, 32],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fstatfs: [138, 44],
  ftruncate: [77, 46],
  getcwd: [79, 17],
  geteuid: [107, 175],
  getpgid: [121, 155],
  getsockname: [51, 204],
  getxattr: [191, 8],
  getpid: [39, 172],
  getrandom: [318, 278],
  ioctl: [16, 29],
  keyctl: [250, 219],
  kill: [62, 129],
  memfd_create: [319, 279],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  mmap: [9, 222],
  mount: [165, 40],
  lseek: [8, 62],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  mprotect: [10, 226],
  munmap: [11, 215],
  open_tree: [428, 428],
  openat: [257, 56],
  openat2: [437, 437],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  pipe2: [293, 59],
  pivot_root: [155, 41],
  ppoll: [271, 73],
  prctl: [157, 167],
  prlimit64: [302, 261],
  read: [0, 63],
  renameat2: [316, 276],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  seccomp: [317, 277],
  recvmsg: [47, 212],
  sendmsg: [46, 211],
  socketpair: [53, 199],
  setgroups: [116, 159],
  sethostname: [170, 161],
  setns: [308, 268],
  setresgid: [119, 149],
  setresuid: [117, 147],
  setsockopt: [54, 208],
  setsid: [112, 157],
  setuid: [105, 146],
  setxattr: [188, 5],
  signalfd4: [289, 74],
  socket: [41, 198],
  statx: [332, 291],
  symlinkat: [266, 36],
  umask: [95, 166],
  umount2: [166, 39],
  unlinkat: [263, 35],
  unshare: [272, 97],
  wait4: [61, 260],
  waitid: [247, 95],
  write: [1, 64],
} as const;

/** A syscall's name, as in the kernel's tables. */
export type SyscallName = keyof typeof NUMBERS;

/** The number of a syscall on an architecture. */
export function syscallNumber(name: SyscallName, architecture: Architecture): number {
  return NUMBERS[name][architecture === "x86_64" ? 0 : 1];
}
