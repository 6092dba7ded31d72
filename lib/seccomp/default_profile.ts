/**
 * What a container may ask of the kernel that brings no profile of its own: SECURITY.md, rule 19.
 *
 * A call is let through only where it can do nothing to the host that the container's namespaces and capabilities don't
 * keep it from. What isn't known here doesn't exist (ENOSYS), so that libcs fall back to what does; what is known and
 * refused is forbidden (EPERM), so that programs say so. Sources: the kernel's manual pages, `capabilities(7)`, and the
 * profiles of docker and podman for what programs get along without.
 *
 * @module
 */
import type { Profile, ProfileRule } from "./profile.ts";
import type { SeccompArgument } from "./types.ts";

const EPERM = 1;
const EINVAL = 22;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Everyday calls, by what they are about. */
const FILES = `
  access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
  fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
  flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat
  getcwd getdents getdents64 getxattr getxattrat lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr
  lremovexattr lseek _llseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat
  openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readdir readlink readlinkat readv removexattr
  removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs
  statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime
  utimensat utimensat_time64 utimes write writev cachestat file_getattr file_setattr
  fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch`;
const WAITING = `
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
  _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4 pause
  io_cancel io_destroy io_getevents io_setup io_submit`;
const MEMORY = `
  brk madvise map_shadow_stack memfd_create mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock
  munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages`;
const PROCESSES = `
  execve execveat exit exit_group fork vfork getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid
  gettid get_robust_list get_thread_area ioprio_get ioprio_set kill pidfd_open pidfd_send_signal pipe pipe2 prctl
  prlimit64 process_mrelease restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
  rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam
  sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
  sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield setpgid setpriority setrlimit setsid
  set_robust_list set_thread_area set_tid_address sigaction signal sigaltstack sigpending sigprocmask sigreturn sigsuspend
  tgkill tkill ugetrlimit wait4 waitid waitpid
  futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake`;
const IDENTITY = `
  capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid
  getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid
  setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32
  landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp`;
const TIME = `
  adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
  timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
  timerfd_gettime64 timerfd_settime timerfd_settime64 times`;
const MESSAGES = `
  accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
  send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
  ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
  msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`;
const SYSTEM = `getrandom sysinfo uname`;

/** What takes a capability, which then guards it, and is forbidden without one of them. */
const PRIVILEGED: readonly (readonly [capabilities: readonly string[], calls: string])[] = [
  [["CAP_DAC_READ_SEARCH"], "open_by_handle_at"],
  [
    ["CAP_SYS_ADMIN"],
    `fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree open_tree_attr
     pivot_root quotactl quotactl_fd setdomainname sethostname setns umount umount2 unshare`,
  ],
  [["CAP_SYS_ADMIN", "CAP_BPF"], "bpf"],
  [["CAP_SYS_ADMIN", "CAP_PERFMON"], "perf_event_open"],
  [["CAP_SYS_ADMIN", "CAP_SYSLOG"], "syslog"],
  [["CAP_SYS_BOOT"], "reboot"],
  [["CAP_SYS_CHROOT"], "chroot"],
  [["CAP_SYS_MODULE"], "delete_module finit_module init_module"],
  [["CAP_SYS_NICE"], "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"],
  [["CAP_SYS_PACCT"], "acct"],
  [["CAP_SYS_PTRACE"], "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"],
  [["CAP_SYS_RAWIO"], "ioperm iopl"],
  [["CAP_SYS_TIME"], "clock_settime clock_settime64 settimeofday stime"],
  [["CAP_SYS_TTY_CONFIG"], "vhangup"],
];

/** The capabilities that some rule asks for. */
export const DECISIVE_CAPABILITIES: readonly string[] = [
  ...new Set([...PRIVILEGED.flatMap(([capabilities]) => capabilities), "CAP_AUDIT_WRITE"]),
].sort();

/** What nobody gets: the host's own affairs, keyrings that no namespace divides, and what is old enough to be forgotten. */
const FORBIDDEN = `
  add_key keyctl request_key
  kexec_file_load kexec_load swapoff swapon nfsservctl vm86 vm86old
  migrate_pages move_pages userfaultfd vmsplice membarrier io_pgetevents
  bdflush create_module get_kernel_syms query_module nice sgetmask ssetmask sysfs _sysctl uselib ustat
  oldfstat oldlstat oldolduname oldstat olduname`;

/** `CLONE_NEW*` but for `CLONE_NEWTIME`, whose bit is a signal's for `clone`: `linux/sched.h`. */
const NEW_NAMESPACES = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000];
const ALL_NEW_NAMESPACES = 0x7e020000;

const argument = (
  index: number,
  op: SeccompArgument["op"],
  value: number | bigint,
  valueTwo: number | bigint = 0,
): SeccompArgument => ({ index, value, valueTwo, op });

const allow = (text: string, ...args: SeccompArgument[]): ProfileRule => ({
  names: words(text),
  action: "SCMP_ACT_ALLOW",
  ...(args.length === 0 ? {} : { args }),
});

const refuse = (text: string, errnoRet: number, ...args: SeccompArgument[]): ProfileRule => ({
  names: words(text),
  action: "SCMP_ACT_ERRNO",
  errnoRet,
  ...(args.length === 0 ? {} : { args }),
});

/** Namespaces: what makes some, or goes into others', takes CAP_SYS_ADMIN. */
function namespaceRules(): ProfileRule[] {
  const admin = { caps: ["CAP_SYS_ADMIN"] };
  return [
    { ...allow("clone clone3"), includes: admin },
    // A filter can't see the flags, which are in memory; libcs use clone where there is no clone3.
    { ...refuse("clone3", ENOSYS), excludes: admin },
    { ...allow("clone", argument(0, "SCMP_CMP_MASKED_EQ", ALL_NEW_NAMESPACES)), excludes: admin },
    ...NEW_NAMESPACES.map((flag) => ({
      ...refuse("clone", EPERM, argument(0, "SCMP_CMP_MASKED_EQ", flag, flag)),
      excludes: admin,
    })),
  ];
}

/** What kind of program the kernel takes this one for: `linux/personality.h`; the last only asks. */
const PERSONALITIES = [0, 0x0008, 0x20000, 0x20008, 0xffffffff];

/** Sockets, by family: `linux/socket.h`. */
function socketRules(): ProfileRule[] {
  const AF_NETLINK = 16;
  const AF_ALG = 38;
  const NETLINK_AUDIT = 9;
  const audit = { caps: ["CAP_AUDIT_WRITE"] };
  const known = argument(0, "SCMP_CMP_LT", AF_ALG);
  return [
    // From AF_ALG on: the kernel's own ciphers, the hypervisor, express data paths. None is divided by namespaces.
    refuse("socket", EAFNOSUPPORT, argument(0, "SCMP_CMP_GE", AF_ALG)),
    { ...allow("socket", known), includes: audit },
    // Programs that log in take EINVAL for a kernel without audit, and go on; EPERM they take for a failure.
    {
      ...refuse("socket", EINVAL, argument(0, "SCMP_CMP_EQ", AF_NETLINK), argument(2, "SCMP_CMP_EQ", NETLINK_AUDIT)),
      excludes: audit,
    },
    { ...allow("socket", argument(0, "SCMP_CMP_LT", AF_NETLINK)), excludes: audit },
    { ...allow("socket", known, argument(2, "SCMP_CMP_NE", NETLINK_AUDIT)), excludes: audit },
  ];
}

/** Typing into a terminal as if at its keyboard. The kernel looks at 32 bits, and so does the filter: CVE-2019-10063 */
function terminalRules(): ProfileRule[] {
  const TIOCSTI = 0x5412;
  const TIOCLINUX = 0x541c;
  return [
    refuse("ioctl", EPERM, argument(1, "SCMP_CMP_MASKED_EQ", 0xffffffff, TIOCSTI)),
    refuse("ioctl", EPERM, argument(1, "SCMP_CMP_MASKED_EQ", 0xffffffff, TIOCLINUX)),
    // All others. Without a condition the rule would be about those two as well.
    allow("ioctl", argument(1, "SCMP_CMP_GE", 0)),
  ];
}

/** What takes capabilities. Any one of several will do, and the kernel then asks for the right one. */
function privilegedRules(): ProfileRule[] {
  return PRIVILEGED.flatMap(([capabilities, calls]) => [
    ...capabilities.map((name) => ({ ...allow(calls), includes: { caps: [name] } })),
    { ...refuse(calls, EPERM), excludes: { caps: capabilities } },
  ]);
}

/** What becomes of calls that aren't known. */
export const DEFAULT_OUTCOME = { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: ENOSYS } as const;

/** The profile. Made when it is asked for: not every command runs containers. */
export function defaultProfile(): Profile {
  return {
    ...DEFAULT_OUTCOME,
    archMap: [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    ],
    syscalls: [
      allow([FILES, WAITING, MEMORY, PROCESSES, IDENTITY, TIME, MESSAGES, SYSTEM].join(" ")),
      { ...allow("arch_prctl modify_ldt"), includes: { arches: ["amd64"] } },
      {
        ...allow("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
        includes: { arches: ["arm64"] },
      },
      ...namespaceRules(),
      ...PERSONALITIES.map((value) => allow("personality", argument(0, "SCMP_CMP_EQ", value))),
      ...socketRules(),
      ...terminalRules(),
      ...privilegedRules(),
      refuse(FORBIDDEN, EPERM),
    ],
  };
}
