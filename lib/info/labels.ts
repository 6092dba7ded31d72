/**
 * The security modules that containers are confined by, on top of everything else.
 *
 * @module
 */
import { hasAppArmor, isLoaded, selinuxMode } from "../labels.ts";
import { DEFAULT_PROFILE } from "../spec/labels.ts";
import { findProgram } from "../store/programs.ts";
import type { Caller } from "./caller.ts";
import { type Feature, found, missing, type Wanted } from "./feature.ts";
import { exists } from "./read.ts";

/** Whether containers get a profile, and which. */
function appArmor({ uid }: Caller): Feature {
  const wanted: Wanted = {
    name: "AppArmor",
    required: false,
    effect: "no AppArmor profile confines containers",
    remedy: "boot with lsm=…,apparmor, where the kernel has CONFIG_SECURITY_APPARMOR",
  };
  if (!hasAppArmor()) return missing(wanted, "not active in this kernel");
  if (!exists("/sys/kernel/security/apparmor")) {
    return missing(wanted, "active, but securityfs isn't mounted", "mount -t securityfs none /sys/kernel/security");
  }
  if (isLoaded(DEFAULT_PROFILE) === true) return found(wanted, `active, ${DEFAULT_PROFILE} is loaded`);
  if (findProgram("apparmor_parser") === undefined) {
    return missing(
      wanted,
      "active, but there is no apparmor_parser",
      "apt-get install apparmor, or what this system calls it",
    );
  }
  return found(
    wanted,
    uid === 0
      ? `active, ${DEFAULT_PROFILE} is loaded with the first container`
      : `active, for containers of root ${DEFAULT_PROFILE}`,
  );
}

/** Whether `--security-opt label=…` works. */
function selinux(): Feature {
  const wanted: Wanted = {
    name: "SELinux",
    required: false,
    effect: "no container can have an SELinux label",
    remedy: "boot with lsm=…,selinux and a policy, where the kernel has CONFIG_SECURITY_SELINUX",
  };
  const mode = selinuxMode();
  return mode === undefined ? missing(wanted, "not active in this kernel") : found(wanted, mode);
}

/** All of them. */
export function labels(who: Caller): Feature[] {
  return [appArmor(who), selinux()];
}
