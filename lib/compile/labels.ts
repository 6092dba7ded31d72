/**
 * Step 9, first part: what the kernel's security modules are told of the command.
 *
 * All of it is for the next `execve` and not at once: what libflux itself still has to do is none of the profile's affairs.
 * Before no_new_privs, as in runc: with that set AppArmor lets nobody change profiles who has one already, and SELinux
 * asks the policy.
 *
 * @module
 */
import { CHILD, type Context } from "./context.ts";
import { openProc, writeProc } from "./isolate.ts";

/** Where a process of AppArmor's writes, in the private procfs. */
const attributesOf = ({ launch }: Context): string => launch.appArmorAttributes ?? "self/attr/apparmor";

/** Names the profile and the label of the command's, by the private procfs (CVE-2025-52881). */
export function securityLabels(context: Context): void {
  const { apparmorProfile, selinuxLabel } = context.spec.process;
  if (apparmorProfile !== undefined) {
    writeProc(context, `${attributesOf(context)}/exec`, `exec ${apparmorProfile}`, {
      label: `have AppArmor confine the command by the profile ${apparmorProfile}`,
      field: "process.apparmorProfile",
      hint: "is it loaded? /sys/kernel/security/apparmor/profiles lists those there are",
    });
  }
  if (selinuxLabel !== undefined) {
    writeProc(context, "self/attr/exec", selinuxLabel, {
      label: `have SELinux label the command ${selinuxLabel}`,
      field: "process.selinuxLabel",
      hint: "does the policy know this label, and let libflux's own become it?",
    });
  }
}

/**
 * Keeps the file by which a PID 1 of libflux's will enter the profile: `execve`, which would do that, it never calls. Its
 * number is the one of the pipe to the host, which is closed by now.
 */
export function keepProfile(context: Context): void {
  const { builder: b } = context;
  if (context.spec.process.apparmorProfile === undefined) return;
  const field = "process.apparmorProfile";
  const file = openProc(context, `${attributesOf(context)}/current`, { label: "open PID 1's own profile", field });
  const done = b.target();
  b.branch(file, "==", CHILD.sync, done, "if it has the number that is kept, go on");
  b.syscall("dup3", [file, CHILD.sync, context.open("O_CLOEXEC")], { label: "give it that number", field });
  b.place(done);
}

/** Whether {@linkcode keepProfile} keeps a descriptor. */
export function keepsProfile({ spec }: Context): boolean {
  return spec.process.apparmorProfile !== undefined;
}

/** Confines PID 1, once the command runs, as all others in the container: else they couldn't send it a signal. */
export function enterProfile(context: Context): void {
  const { builder: b, spec } = context;
  if (!keepsProfile(context)) return;
  const field = "process.apparmorProfile";
  const text = new TextEncoder().encode(`changeprofile ${spec.process.apparmorProfile}`);
  b.syscall("write", [CHILD.sync, b.bytes(text), text.length], { label: "confine PID 1 by the same profile", field });
  b.syscall("close", [CHILD.sync], { label: "close it", field });
}
