/**
 * Step 9, first part: what the kernel's security modules are told of the command.
 *
 * All of it is for the next `execve` and not at once: what libflux itself still has to do is none of the profile's affairs.
 * Before no_new_privs, as in runc: with that set AppArmor lets nobody change profiles who has one already, and SELinux
 * asks the policy.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { CHILD, type Context, named } from "./context.ts";
import { newKeyring, openProc, writeProc } from "./isolate.ts";

/** Where AppArmor has its files, in the private procfs. */
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
    // Keys have the label of who makes them: the command couldn't use the keyring that libflux has joined.
    writeProc(context, "self/attr/keycreate", selinuxLabel, {
      label: `have SELinux label its keyring ${selinuxLabel}`,
      field: "process.selinuxLabel",
      hint: "does the policy let libflux's own make keys for it?",
    });
    newKeyring(context);
  }
}

/**
 * By which of its files a PID 1 of libflux's, which never calls the `execve` that would do it, gets the label of all others in
 * the container: else they couldn't even send it a signal. No kernel has both modules active.
 */
function ownLabel(
  context: Context,
): { readonly path: string; readonly text: string; readonly field: string } | undefined {
  const { apparmorProfile, selinuxLabel } = context.spec.process;
  if (apparmorProfile !== undefined) {
    return {
      path: `${attributesOf(context)}/current`,
      text: `changeprofile ${apparmorProfile}`,
      field: "process.apparmorProfile",
    };
  }
  return selinuxLabel === undefined
    ? undefined
    : { path: "self/attr/current", text: selinuxLabel, field: "process.selinuxLabel" };
}

/** Keeps that file, whose number is the one of the pipe to the host, which is closed by now. */
export function keepLabel(context: Context): void {
  const { builder: b } = context;
  const label = ownLabel(context);
  if (label === undefined) return;
  const { field } = label;
  const file = openProc(context, label.path, { label: "open PID 1's own label", field });
  const done = b.target();
  b.branch(file, "==", CHILD.sync, done, "if it has the number that is kept, go on");
  b.syscall("dup3", [file, CHILD.sync, context.open("O_CLOEXEC")], { label: "give it that number", field });
  b.place(done);
}

/** Whether {@linkcode keepLabel} keeps a descriptor. */
export function keepsLabel(context: Context): boolean {
  return ownLabel(context) !== undefined;
}

/** How often SELinux is asked, a millisecond apart. */
const TRIES = 100;

/** Confines PID 1, once the command runs. */
export function enterLabel(context: Context): void {
  const { builder: b, spec } = context;
  const label = ownLabel(context);
  if (label === undefined) return;
  const { field } = label;
  const text = new TextEncoder().encode(label.text);
  const isAppArmor = spec.process.apparmorProfile !== undefined;
  const [tries, done] = [b.slot("tries"), b.target()];
  const again = b.place();
  const written = b.call("write", [CHILD.sync, b.bytes(text), text.length], "confined", {
    label: "confine PID 1 as its command",
    field,
    // SELinux's policies let some who may give a label to a command not take it themselves.
    optional: !isAppArmor,
  });
  if (!isAppArmor) {
    // Memory that others have too gets no other label: the command's process, which had this one's until it was executed, is
    // still in the middle of that.
    b.branch(written, "!=", named(-E.EPERM, "-EPERM"), done, "if that is done, or denied, go on");
    b.add(tries, tries, 1, "count the tries");
    b.branch(tries, ">=", TRIES, done, "if that were many, go on");
    const millisecond = b.words([0, 1_000_000]);
    b.syscall("ppoll", [0, 0, millisecond, 0, 8], { label: "wait for a moment", field });
    b.goto(again, "try it again");
  }
  b.place(done);
  b.syscall("close", [CHILD.sync], { label: "close it", field });
}
