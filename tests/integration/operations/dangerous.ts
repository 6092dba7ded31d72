/**
 * What a default container must refuse, as data.
 *
 * Each is tried by root inside. None can do harm where it is let through: what it is given fails after the kernel has
 * asked for the permission, or it changes only the namespaces that it is tried in, or a file is opened and left alone.
 *
 * @module
 */

/** An operation, and what it is refused with. */
export interface Dangerous {
  readonly name: string;
  /** An expression of C that is negative, with an `errno`, where it fails. */
  readonly attempt: string;
  /** The errors that mean "refused"; EPERM alone where nothing is said. Everything else counts as let through. */
  readonly refused?: readonly string[];
  /** The capability without which the kernel refuses it outside of containers too. */
  readonly takes?: string;
  /** What a kernel says that hasn't got it, where that is an error that means "refused". */
  readonly without?: string;
}

const READ_ONLY = ["EROFS"];
/** Covered by the null device or an empty directory. */
const EMPTY = ["ENODATA"];
const UNKNOWN = ["ENOSYS"];
const UNSUPPORTED = ["EAFNOSUPPORT"];

const raw = (name: string, ...args: (string | number)[]): string =>
  `syscall(SYS_${name}${args.map((arg) => `, ${arg}`).join("")})`;

const ADMIN = "CAP_SYS_ADMIN";

const MOUNTS: readonly Dangerous[] = [
  { name: "mount a tmpfs", attempt: 'mount("none", "/mnt", "tmpfs", 0, NULL)', takes: ADMIN },
  { name: "mount procfs once more", attempt: 'mount("proc", "/mnt", "proc", 0, NULL)', takes: ADMIN },
  {
    name: "mount cgroup v1 (CVE-2022-0492)",
    attempt: 'mount("x", "/mnt", "cgroup", 0, "pids")',
    takes: ADMIN,
    // Where the host has no such hierarchy, only its own cgroup namespace may make one.
    without: "EPERM",
  },
  { name: "mount cgroup v2", attempt: 'mount("x", "/mnt", "cgroup2", 0, NULL)', takes: ADMIN },
  { name: "bind /proc elsewhere", attempt: 'mount("/proc", "/mnt", NULL, MS_BIND, NULL)', takes: ADMIN },
  { name: "remount /proc", attempt: 'mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND, NULL)', takes: ADMIN },
  { name: "unmount a filesystem", attempt: 'umount2("/dev/mqueue", MNT_DETACH)', takes: ADMIN },
  { name: "fsopen", attempt: raw("fsopen", '"tmpfs"', 0), takes: ADMIN },
  {
    name: "open_tree with a copy",
    attempt: raw("open_tree", "AT_FDCWD", '"/"', "1 /* OPEN_TREE_CLONE */"),
    takes: ADMIN,
  },
  { name: "move_mount", attempt: raw("move_mount", -1, '""', -1, '""', 0), takes: ADMIN },
  { name: "mount_setattr", attempt: raw("mount_setattr", "AT_FDCWD", '"/"', 0, "zeros", 32), takes: ADMIN },
  { name: "pivot_root", attempt: raw("pivot_root", '"/nowhere"', '"/nowhere"'), takes: ADMIN },
  { name: "mount by a 32-bit call", attempt: "mount_as_32_bit()", takes: ADMIN },
];

const NAMESPACES: readonly Dangerous[] = [
  { name: "unshare a user namespace", attempt: "unshare(CLONE_NEWUSER)" },
  { name: "unshare a mount namespace", attempt: "unshare(CLONE_NEWNS)", takes: ADMIN },
  { name: "unshare a network namespace", attempt: "unshare(CLONE_NEWNET)", takes: ADMIN },
  { name: "unshare a pid namespace", attempt: "unshare(CLONE_NEWPID)", takes: ADMIN },
  { name: "unshare a cgroup namespace", attempt: "unshare(0x02000000 /* CLONE_NEWCGROUP */)", takes: ADMIN },
  { name: "clone with a user namespace", attempt: "raw_clone(CLONE_NEWUSER)" },
  { name: "clone3 with a user namespace", attempt: "raw_clone3(CLONE_NEWUSER)", refused: UNKNOWN },
  { name: "setns", attempt: "setns(-1, CLONE_NEWNS)" },
  { name: "set the host name", attempt: 'sethostname("x", 1)', takes: ADMIN },
];

const KERNEL: readonly Dangerous[] = [
  { name: "load a kernel module", attempt: raw("init_module", "NULL", 0, '""'), takes: "CAP_SYS_MODULE" },
  { name: "load a kernel module from a file", attempt: raw("finit_module", -1, '""', 0), takes: "CAP_SYS_MODULE" },
  { name: "unload a kernel module", attempt: raw("delete_module", "NULL", 0), takes: "CAP_SYS_MODULE" },
  { name: "kexec_load", attempt: raw("kexec_load", 0, 0, "NULL", "0xfff8"), takes: "CAP_SYS_BOOT" },
  { name: "kexec_file_load", attempt: raw("kexec_file_load", -1, -1, 0, '""', "~7L"), takes: "CAP_SYS_BOOT" },
  { name: "reboot", attempt: raw("reboot", 0, 0, 0, "NULL"), takes: "CAP_SYS_BOOT" },
  { name: "bpf", attempt: raw("bpf", 9999, "zeros", 128) },
  { name: "perf_event_open", attempt: raw("perf_event_open", "zeros", 0, -1, -1, 0) },
  { name: "userfaultfd", attempt: raw("userfaultfd", 0) },
  { name: "io_uring", attempt: raw("io_uring_setup", 0, "NULL"), refused: UNKNOWN, without: "ENOSYS" },
  { name: "read the kernel's log", attempt: raw("syslog", 3, "zeros", 1), takes: ADMIN },
  { name: "set the clock", attempt: raw("settimeofday", "NULL", "NULL"), takes: "CAP_SYS_TIME" },
  {
    name: "set the length of a tick",
    attempt: "adjtimex(&(struct timex){.modes = ADJ_TICK, .tick = 0})",
    takes: "CAP_SYS_TIME",
  },
  { name: "swapon", attempt: 'swapon("/nowhere", 0)', takes: ADMIN },
  { name: "process accounting", attempt: 'acct("/nowhere")', takes: "CAP_SYS_PACCT" },
  { name: "quotactl", attempt: `quotactl(QCMD(Q_SYNC, USRQUOTA), "/nowhere", 0, NULL)`, takes: ADMIN },
  { name: "fanotify", attempt: "fanotify_init(FAN_CLASS_CONTENT, O_RDONLY)", takes: ADMIN },
  { name: "another personality", attempt: "personality(ADDR_NO_RANDOMIZE)", refused: UNKNOWN },
];

const KEYS_AND_PROCESSES: readonly Dangerous[] = [
  { name: "keyctl", attempt: raw("keyctl", 0, -3, 0) },
  { name: "add_key", attempt: raw("add_key", '"user"', '"x"', '"y"', 1, -2) },
  { name: "request_key", attempt: raw("request_key", '"user"', '"nowhere"', "NULL", 0) },
  {
    name: "ptrace another user's process",
    attempt: "ptrace(PTRACE_SEIZE, other(), NULL, NULL)",
    takes: "CAP_SYS_PTRACE",
  },
  {
    name: "read another process's memory",
    attempt: "process_vm_readv(other(), &(struct iovec){zeros, 1}, 1, &(struct iovec){zeros, 1}, 1, 0)",
    takes: "CAP_SYS_PTRACE",
  },
  {
    name: "open another process's memory",
    attempt: 'open(of(other(), "mem"), O_RDWR)',
    refused: ["EACCES"],
    takes: "CAP_SYS_PTRACE",
  },
  {
    name: "take another process's descriptor",
    attempt: raw("pidfd_getfd", raw("pidfd_open", "other()", 0), 0, 0),
    takes: "CAP_SYS_PTRACE",
  },
  {
    name: 'open_by_handle_at ("Shocker")',
    attempt: "open_by_handle()",
    takes: "CAP_DAC_READ_SEARCH",
  },
];

const NETWORK: readonly Dangerous[] = [
  { name: "a raw socket", attempt: "socket(AF_INET, SOCK_RAW, 1)", takes: "CAP_NET_RAW" },
  { name: "a packet socket (CVE-2020-14386)", attempt: "socket(AF_PACKET, SOCK_RAW, 0x300)", takes: "CAP_NET_RAW" },
  { name: "set a link up", attempt: "interface(0x8914 /* SIOCSIFFLAGS */)", takes: "CAP_NET_ADMIN" },
  {
    name: "a socket of the kernel's ciphers",
    attempt: "socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0)",
    refused: UNSUPPORTED,
    without: "EAFNOSUPPORT",
  },
  {
    name: "a socket to the hypervisor",
    attempt: "socket(AF_VSOCK, SOCK_STREAM, 0)",
    refused: UNSUPPORTED,
    without: "EAFNOSUPPORT",
  },
];

const FILES: readonly Dangerous[] = [
  { name: "make the device of the memory", attempt: 'mknod("/tmp/mem", S_IFCHR, 0x101)', takes: "CAP_MKNOD" },
  { name: "make the device of a disk", attempt: 'mknod("/tmp/disk", S_IFBLK, 0x800)', takes: "CAP_MKNOD" },
  {
    name: "write to /proc/sys/kernel/core_pattern",
    attempt: 'open_to_write("/proc/sys/kernel/core_pattern")',
    refused: READ_ONLY,
  },
  { name: "write to /proc/sys/vm", attempt: 'open_to_write("/proc/sys/vm/panic_on_oom")', refused: READ_ONLY },
  { name: "write to /proc/sys/net", attempt: 'open_to_write("/proc/sys/net/ipv4/ip_forward")', refused: READ_ONLY },
  { name: "write to /proc/irq", attempt: 'open_to_write("/proc/irq/default_smp_affinity")', refused: READ_ONLY },
  { name: "write to /sys/kernel", attempt: 'open_to_write("/sys/kernel/mm/ksm/run")', refused: READ_ONLY },
  { name: "write to /sys/class/net", attempt: 'open_to_write("/sys/class/net/lo/mtu")', refused: READ_ONLY },
  { name: "write to a cgroup", attempt: "open_cgroup()", refused: READ_ONLY },
  { name: "read /proc/timer_list", attempt: 'read_something("/proc/timer_list")', refused: EMPTY },
  { name: "read /proc/interrupts", attempt: 'read_something("/proc/interrupts")', refused: EMPTY },
  { name: "read /proc/keys", attempt: 'read_something("/proc/keys")', refused: EMPTY },
  { name: "list /sys/firmware", attempt: 'read_something("/sys/firmware")', refused: EMPTY },
  { name: "set an attribute trusted.*", attempt: 'setxattr("/tmp", "trusted.x", "x", 1, 0)', takes: ADMIN },
];

const PRIVILEGES: readonly Dangerous[] = [
  { name: "take back a capability", attempt: "take_capability(CAP_SYS_ADMIN)", takes: ADMIN },
  { name: "become root by a set-id program", attempt: "run_set_id()" },
  { name: "type into a terminal (CVE-2017-5226)", attempt: "type_into_terminal(TIOCSTI)" },
  { name: "the same with more bits (CVE-2019-10063)", attempt: "type_into_terminal(0x100000000 | TIOCSTI)" },
  { name: "paste into a console", attempt: "type_into_terminal(0x541c /* TIOCLINUX */)" },
  { name: "hang up the terminal", attempt: "vhangup()", takes: "CAP_SYS_TTY_CONFIG" },
  { name: "take precedence", attempt: "setpriority(PRIO_PROCESS, 0, -10)", refused: ["EACCES"], takes: "CAP_SYS_NICE" },
  { name: "move another process's pages", attempt: raw("move_pages", "other()", 0, "NULL", "NULL", "NULL", 0) },
];

/** All of them. */
export const DANGEROUS: readonly Dangerous[] = [
  ...[MOUNTS, NAMESPACES, KERNEL, KEYS_AND_PROCESSES, NETWORK, FILES, PRIVILEGES].flat(),
];
