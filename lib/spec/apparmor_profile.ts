/**
 * The AppArmor profile that containers have where nobody asks for another.
 *
 * It lets a container do what capabilities, seccomp and mounts let it do anyway, and says a second time what must not be:
 * mounting, settings of the whole host, and other processes. It includes nothing, so that the parser needs none of the
 * files that distributions keep their rules in.
 *
 * @module
 */
import { DEFAULT_PROFILE } from "./labels.ts";

/**
 * The directories of processes in `/proc` begin with a digit, and `self` leads to one: of those that begin with a letter
 * only `sys` has something that a container may write to.
 */
export const PROFILE_TEXT = `# Of libflux: what its containers may do.
profile ${DEFAULT_PROFILE} flags=(attach_disconnected, mediate_deleted) {
  file,
  network,
  unix,
  capability,
  umount,

  deny mount,
  deny pivot_root,

  signal (receive) peer=unconfined,
  signal (receive) peer=libflux,
  signal (send, receive) peer=${DEFAULT_PROFILE},
  ptrace (tracedby, readby) peer=unconfined,
  ptrace (tracedby, readby) peer=libflux,
  ptrace (trace, read, tracedby, readby) peer=${DEFAULT_PROFILE},

  # Nothing of the kernel's own but settings of the container's namespaces.
  deny /proc/* w,
  deny /proc/[a-rt-z]*/** w,
  deny /proc/s[^y]*/** w,
  deny /proc/sys/[^fkn]*/** w,
  deny /proc/sys/fs/[^m]** w,
  deny /proc/sys/fs/m[^q]** w,
  deny /proc/sys/kernel/[^dhms]** w,
  deny /proc/sys/kernel/d[^o]** w,
  deny /proc/sys/kernel/h[^o]** w,
  deny /proc/sys/kernel/hotplug w,
  deny /proc/sys/kernel/m[^s]** w,
  deny /proc/sys/kernel/s[^eh]** w,
  deny /proc/sys/kernel/sec** w,
  deny /proc/{kcore,kmem,mem,sysrq-trigger} rwklx,

  # Of /sys only cgroups.
  deny /sys/[^f]** wl,
  deny /sys/f[^s]** wl,
  deny /sys/fs/[^c]** wl,
  deny /sys/fs/c[^g]** wl,
  deny /sys/fs/cg[^r]** wl,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/{debug,security,tracing}/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}
`;
