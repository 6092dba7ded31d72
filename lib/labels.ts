/**
 * AppArmor and Landlock: whether they are active in this host's kernel, and what they are told of a container.
 *
 * @module
 */
import { LANDLOCK } from "../ffi/abi/landlock.ts";
import { syscall } from "../ffi/libc.ts";
import { stat } from "../ffi/stat.ts";
import { printable, UsageError } from "./errors.ts";
import { DEFAULT_PROFILE } from "./spec/labels.ts";
import type { RunOptions } from "./spec/options.ts";
import { readIfThere } from "./store/directory.ts";

const isThere = (path: string): boolean => typeof stat(path) === "object";

/** Where the kernel shows AppArmor's policy. */
const POLICY = "/sys/kernel/security/apparmor";

/** Whether AppArmor is active in this kernel. */
export function hasAppArmor(): boolean {
  return readIfThere("/sys/module/apparmor/parameters/enabled")?.trim() === "Y";
}

/** In this process libflux's own profile has been seen: nobody else takes it away. */
let isKnown = false;

/** Whether a profile is loaded; nothing where the kernel doesn't tell. */
export function isLoaded(profile: string): boolean | undefined {
  if (isKnown && profile === DEFAULT_PROFILE) return true;
  let text: string | undefined;
  try {
    text = readIfThere(`${POLICY}/profiles`);
  } catch {
    // Another user's to read, or the host's: not that of a user namespace's root.
    return undefined;
  }
  // "libflux-default (enforce)"
  const found = text?.split("\n").some((line) => line.replace(/ \([a-z]+\)$/, "") === profile);
  isKnown ||= found === true && profile === DEFAULT_PROFILE;
  return found;
}

/** Whether a profile confines libflux itself, and what it runs with it: it may name no other, unless it says so. */
function isConfined(): boolean {
  const own = readIfThere("/proc/self/attr/apparmor/current") ?? readIfThere("/proc/self/attr/current") ?? "";
  // A profile may be there only to be named by others: "libflux (unconfined)".
  return !/^unconfined$| \(unconfined\)$/.test(own.trimEnd());
}

/**
 * The profile that a container is to have; nothing for none.
 *
 * Containers of ordinary users have none unless they ask for it: nobody but root can load one.
 */
export function profileOf(
  { apparmor, privileged }: Pick<RunOptions, "apparmor" | "privileged">,
  uid = Deno.uid(),
): string | undefined {
  if (apparmor === "unconfined") return undefined;
  if (apparmor === undefined) {
    const isUsual = privileged !== true && uid === 0 && hasAppArmor() && !isConfined();
    // Whoever may not see the policy can't add to it either.
    return isUsual && isLoaded(DEFAULT_PROFILE) !== undefined ? DEFAULT_PROFILE : undefined;
  }
  if (!hasAppArmor()) {
    throw new UsageError(
      `this kernel has no AppArmor, or it isn't active: there is no profile ${printable(apparmor)}`,
      {
        hint: "leave the profile out, or boot with lsm=…,apparmor where the kernel has CONFIG_SECURITY_APPARMOR",
      },
    );
  }
  if (apparmor !== DEFAULT_PROFILE && isLoaded(apparmor) === false) {
    throw new UsageError(`there is no AppArmor profile ${printable(apparmor)}`, {
      hint: `load it: apparmor_parser -r /etc/apparmor.d/${
        printable(apparmor)
      }; ${POLICY}/profiles lists those there are`,
    });
  }
  return apparmor;
}

/** What the launch program finds: Linux 5.8 has a directory for each module, for several may be active. */
export function appArmorAttributes(): string {
  return isThere("/proc/self/attr/apparmor/exec") ? "self/attr/apparmor" : "self/attr";
}

/** The version of Landlock's interface that this kernel has; `-errno` where it has none. */
export function landlockVersion(): number {
  return syscall("landlock_create_ruleset", 0, 0, LANDLOCK.LANDLOCK_CREATE_RULESET_VERSION);
}
