/**
 * The virtual machine with SELinux, enforcing a small policy: the host may do everything, containers what they need.
 *
 * It says nothing about what distributions let containers do. It shows that labels come where they belong, and hold there.
 *
 * @module
 */
import { CACHE, makeOnce, must } from "./kernel.ts";
import type { MachineOptions } from "./machine.ts";
import { USER } from "./systemd.ts";

/** Of one version, which the policy is compiled for and the machine's kernel takes: security/selinux/include/security.h. */
const VERSION = "33";

/** The identifiers that the kernel has before there is a policy: security/selinux/include/initial_sid_to_string.h. */
const INITIAL =
  `kernel security unlabeled fs file file_labels init any_socket port netif netmsg node igmp_packet icmp_socket tcp_socket
  sysctl_modprobe sysctl sysctl_fs sysctl_kernel sysctl_net sysctl_net_unix sysctl_vm sysctl_dev kmod policy scmp_packet
  devnull`.split(/\s+/);

/** What can be done with any kind of file: security/selinux/include/classmap.h. */
const ANY_FILE =
  `ioctl read write create getattr setattr lock relabelfrom relabelto append map unlink link rename execute quotaon mounton
  audit_access open execmod watch watch_mount watch_sb watch_with_perm watch_reads`;

/** What the policy knows of, from the same place; all else is allowed. */
const CLASSES: Readonly<Record<string, string>> = {
  process:
    `fork transition sigchld sigkill sigstop signull signal ptrace getsched setsched getsession getpgid setpgid getcap setcap
    share getattr setexec setfscreate noatsecure siginh setrlimit rlimitinh dyntransition setcurrent execmem execstack
    execheap setkeycreate setsockcreate getrlimit`,
  process2: "nnp_transition nosuid_transition",
  fd: "use",
  key: "view read write search link setattr create",
  filesystem: "mount remount unmount getattr relabelfrom relabelto associate quotamod quotaget watch",
  file: `${ANY_FILE} execute_no_trans entrypoint`,
  dir: `${ANY_FILE} add_name remove_name reparent search rmdir`,
  lnk_file: ANY_FILE,
  chr_file: ANY_FILE,
  blk_file: ANY_FILE,
  fifo_file: ANY_FILE,
  sock_file: ANY_FILE,
};

/** Types of files, and the filesystems whose files have them. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  host_file_t: ["tmpfs", "devpts", "mqueue", "hugetlbfs", "ext4", "overlay", "rootfs", "ramfs", "debugfs", "tracefs"],
  proc_t: ["proc", "sysfs", "cgroup2", "selinuxfs", "securityfs"],
  device_t: ["devtmpfs"],
  // What the host has, images too.
  image_file_t: ["9p"],
  container_file_t: [],
};
/** Types of processes. What a container's may do, beside all with files and processes of their own. */
const PROCESSES: Readonly<Record<string, readonly string[]>> = {
  host_t: [],
  // These may do what the host may, but not all that it takes to run containers.
  lonely_t: [],
  plain_t: [],
  container_t: [
    "host_t (fd (use))",
    "host_t (fifo_file (read write append getattr ioctl))",
    "host_t (process (sigchld))",
    "proc_t (dir (read open search getattr))",
    "proc_t (file (read open getattr))",
    "proc_t (lnk_file (read getattr))",
    "proc_t (filesystem (getattr))",
    // An overlay asks what lies below it when a mapping gets other rights, as the linker's do; opened it is through itself.
    "image_file_t (file (read execute map getattr))",
    "device_t (chr_file (read write open getattr ioctl append))",
  ],
};

/** The policy, in the Common Intermediate Language. */
function policy(): string {
  const categories = Array.from({ length: 1024 }, (_, index) => `c${index}`);
  const types = [...Object.keys(PROCESSES), ...Object.keys(FILES)];
  const classes = Object.keys(CLASSES);
  const allow = (who: string, what: string): string => `(allow ${who} ${what})`;
  const labels = (filesystem: string): string => {
    const type = Object.keys(FILES).find((name) => FILES[name]?.includes(filesystem)) ?? "";
    if (["tmpfs", "devpts", "mqueue", "hugetlbfs", "devtmpfs"].includes(filesystem)) {
      return `(fsuse trans ${filesystem} ${type})`;
    }
    return ["ext4", "overlay"].includes(filesystem)
      ? `(fsuse xattr ${filesystem} ${type})`
      : `(genfscon ${filesystem} / ${type})`;
  };
  return [
    "(handleunknown allow) (mls true) (policycap nnp_nosuid_transition) (policycap cgroup_seclabel) (policycap open_perms)",
    ...classes.map((name) => `(class ${name} (${CLASSES[name]}))`),
    `(classorder (${classes.join(" ")}))`,
    ...INITIAL.map((name) => `(sid ${name})`),
    `(sidorder (${INITIAL.join(" ")}))`,
    "(sensitivity s0) (sensitivityorder (s0))",
    ...categories.map((name) => `(category ${name})`),
    `(categoryorder (${categories.join(" ")}))`,
    "(sensitivitycategory s0 (range c0 c1023)) (level low (s0)) (level high (s0 (range c0 c1023)))",
    "(levelrange all (low high)) (levelrange none (low low))",
    "(user system_u) (userlevel system_u low) (userrange system_u all)",
    ...["system_r", "object_r"].map((role) => `(role ${role}) (userrole system_u ${role})`),
    ...types.map((type) => `(type ${type}) (roletype object_r ${type})`),
    ...Object.keys(PROCESSES).map((type) => `(roletype system_r ${type})`),
    "(context host (system_u system_r host_t all))",
    ...Object.keys(FILES).map((type) => `(context ${type} (system_u object_r ${type} none))`),
    ...INITIAL.map((name) => `(sidcontext ${name} ${["kernel", "init"].includes(name) ? "host" : "host_file_t"})`),
    "(fsuse task pipefs host_file_t) (fsuse task sockfs host_file_t)",
    ...Object.values(FILES).flat().map(labels),
    ...types.flatMap((type) => classes.map((name) => allow("host_t", `${type} (${name} (all))`))),
    ...[["lonely_t", "process"], ["plain_t", "process2"]].flatMap(([who = "", without]) =>
      types.flatMap((type) =>
        classes.filter((name) => type !== "container_t" || name !== without).map((name) =>
          allow(who, `${type} (${name} (all))`)
        )
      )
    ),
    // What root's program with no way to gain privileges starts, but not where the mount gives nobody any.
    allow("plain_t", "container_t (process2 (nnp_transition))"),
    // A file of any type may lie on any filesystem.
    ...types.flatMap((type) => types.map((other) => allow(type, `${other} (filesystem (associate))`))),
    ...["container_file_t", "self"].flatMap((type) =>
      classes.map((name) => allow("container_t", `${type} (${name} (all))`))
    ),
    ...PROCESSES.container_t?.map((what) => allow("container_t", what)) ?? [],
    // Of two containers neither has what the other's files have.
    ...["file (read write open execute)", "dir (read write search open)"].map((what) =>
      `(mlsconstrain (${what}) (or (dom h1 h2) (neq t1 container_t)))`
    ),
  ].join("\n");
}

/** Says what Fedora's and Debian's policies say. */
const CONTEXTS = `process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:host_file_t:s0"
file = "system_u:object_r:container_file_t:s0"
`;

/** The policy where hosts have theirs. @returns The layer's name. */
async function layer(): Promise<string> {
  const text = policy();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
  const name = `selinux-${digest.slice(0, 12)}`;
  await makeOnce(`${CACHE}/${name}`, async (partial) => {
    const directory = `${partial}/etc/selinux/small`;
    await Deno.mkdir(`${directory}/contexts`, { recursive: true });
    await Deno.mkdir(`${directory}/policy`);
    await Deno.writeTextFile(`${partial}/etc/selinux/config`, "SELINUX=enforcing\nSELINUXTYPE=small\n");
    await Deno.writeTextFile(`${directory}/contexts/lxc_contexts`, CONTEXTS);
    const source = `${directory}/policy.cil`;
    await Deno.writeTextFile(source, `${text}\n`);
    const compiled = `${directory}/policy/policy.${VERSION}`;
    await must("secilc", ["-M", "true", "-c", VERSION, "-o", compiled, "-f", "/dev/null", source]);
  });
  return name;
}

/** The kernel takes a policy in one write only. */
const PREPARE = `#!/bin/sh
mount -t selinuxfs selinuxfs /sys/fs/selinux &&
  dd if=/etc/selinux/small/policy/policy.${VERSION} of=/sys/fs/selinux/load bs=16M status=none &&
  echo 1 >/sys/fs/selinux/enforce
while read -r path; do
  while [ "$path" != / ]; do chmod o+rx "$path"; path=$(dirname "$path"); done
done </run/vm/needs
mkdir -p /home/selinux /run/user/selinux && chown ${USER.id}:${USER.id} /home/selinux /run/user/selinux
`;

/** What to give to `runInMachine()` beside a command. */
export async function selinux(): Promise<Pick<MachineOptions, "kernelLine" | "layers" | "prepare">> {
  return {
    kernelLine: ["selinux=1", "lsm=landlock,lockdown,yama,integrity,selinux,bpf"],
    layers: [await layer()],
    prepare: PREPARE,
  };
}
