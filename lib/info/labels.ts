/**
 * The security modules that containers are confined by, on top of everything else.
 *
 * @module
 */
import { errnoText } from "../errors.ts";
import { LANDLOCK_NEEDED } from "../compile/landlock.ts";
import { hasAppArmor, isLoaded, landlockVersion } from "../labels.ts";
import { selinuxMode, usualLabel } from "../selinux.ts";
import { DEFAULT_PROFILE } from "../spec/labels.ts";
import { findProgram } from "../store/programs.ts";
import type { Caller } from "./caller.ts";
import { type Feature, found, missing, type Wanted } from "./feature.ts";
import { exists } from "./read.ts";

const INACTIVE = "not active in this kernel";

/** Whether containers get a profile, and which. */
function appArmor({ uid }: Caller): Feature {
  const wanted: Wanted = {
    name: "AppArmor",
    required: false,
    effect: "no AppArmor profile confines containers",
    remedy: "boot with lsm=…,apparmor, where the kernel has CONFIG_SECURITY_APPARMOR",
  };
  // A host has one of the two: the other is nothing to be wished for.
  if (!hasAppArmor()) {
    return selinuxMode() === undefined ? missing(wanted, INACTIVE) : found(wanted, `${INACTIVE}, SELinux is`);
  }
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

/** Whether containers get a label, and which. */
function selinux(): Feature {
  const wanted: Wanted = {
    name: "SELinux",
    required: false,
    effect: "no SELinux label confines containers",
    remedy: "boot with lsm=…,selinux and a policy, where the kernel has CONFIG_SECURITY_SELINUX",
  };
  const mode = selinuxMode();
  if (mode !== undefined) {
    const usual = usualLabel();
    return "label" in usual
      ? found(wanted, `${mode}, containers are ${usual.label}`)
      : missing(wanted, `${mode}, but ${usual.trouble}`, "--security-opt label=type:T gives another one");
  }
  return hasAppArmor() ? found(wanted, `${INACTIVE}, AppArmor is`) : missing(wanted, INACTIVE);
}

/** Whether a second wall can be put around containers of ordinary users. */
function landlock(): Feature {
  const wanted: Wanted = {
    name: "Landlock",
    required: false,
    effect: "no second wall keeps a container of an ordinary user from files outside of it",
    remedy: "boot with lsm=landlock,…, where the kernel has CONFIG_SECURITY_LANDLOCK and is 5.19 or later",
  };
  const version = landlockVersion();
  if (version < 0) return missing(wanted, errnoText(-version));
  return version < LANDLOCK_NEEDED ? missing(wanted, `version ${version}`) : found(wanted, `version ${version}`);
}

/** All of them. */
export function labels(who: Caller): Feature[] {
  return [appArmor(who), selinux(), landlock()];
}
