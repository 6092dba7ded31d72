/**
 * What root may do inside: capabilities, by the kernel's names. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { nearest } from "../render.ts";
import { DEFAULT_CAPABILITIES } from "./defaults.ts";
import type { RunOptions } from "./options.ts";
import type { Capabilities } from "./types.ts";

/** `linux/capability.h`, in order of their numbers. */
export const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

/** Whether a text is the kernel's name of a capability. */
export function isCapability(text: string): boolean {
  return (CAPABILITIES as readonly string[]).includes(text);
}

/** Every capability. */
const ALL = "ALL";
/** Who has it makes a node of the host's disk: only rules about devices keep that from being opened (SECURITY.md, rule 20). */
export const MAKES_NODES = "CAP_MKNOD";

/** A capability by the kernel's name, however it is written; `ALL` is all of them. Throws a {@link UsageError}. */
export function capabilityName(text: string): string {
  const upper = text.toUpperCase();
  if (upper === ALL) return ALL;
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (isCapability(name)) return name;
  const near = nearest(name, CAPABILITIES);
  throw new UsageError(`there is no capability "${printable(text)}"`, {
    hint: near === undefined ? "'man 7 capabilities' lists them" : `did you mean ${near.slice("CAP_".length)}?`,
  });
}

/** What is to be other than usual. */
export interface CapabilityWish {
  readonly add?: readonly string[] | undefined;
  readonly drop?: readonly string[] | undefined;
  /** All that libflux has, {@link MAKES_NODES} too, whatever rules about devices there are. */
  readonly privileged?: boolean | undefined;
}

/** What options say of them. */
export function wishOf({ capAdd, capDrop, privileged }: Pick<RunOptions, "capAdd" | "capDrop" | "privileged">) {
  return { add: capAdd, drop: capDrop, privileged } satisfies CapabilityWish;
}

/** Throws a {@link UsageError} where names are wrong, or one is both added and dropped. */
export function checkCapabilities({ add = [], drop = [] }: CapabilityWish): void {
  const dropped = new Set(drop.map(capabilityName));
  const both = add.map(capabilityName).find((name) => dropped.has(name));
  if (both !== undefined) {
    throw new UsageError(`the capability ${both} is both added and dropped`, { hint: "leave one out" });
  }
}

/**
 * What a user gets, as docker and podman reckon: what is named counts more than `ALL`.
 *
 * A user other than root has none to begin with, but set-id programs still find theirs; what is added to such a user's is
 * ambient, as in podman, since nothing else would reach the command.
 *
 * @param held What libflux itself has, by the kernel's names; only asked for what is added.
 * @param hasRules Whether this host has rules about devices.
 */
export function capabilitiesOf(
  uid: number,
  { add = [], drop = [], privileged = false }: CapabilityWish,
  held: () => readonly string[],
  hasRules = false,
): Capabilities {
  const [added, dropped] = [new Set(add.map(capabilityName)), new Set(drop.map(capabilityName))];
  if (added.has(MAKES_NODES) && !hasRules && !privileged) {
    throw new UsageError(
      `the capability ${MAKES_NODES} can't be added: this host has no rules about devices, and so it would open all of them`,
      {
        hint: "mount cgroup v2, or v1's controller devices; or name what the container needs: --device /dev/fuse",
      },
    );
  }
  const own = added.size === 0 && !privileged ? [] : held();
  const lacking = [...added].find((name) => name !== ALL && !own.includes(name));
  if (lacking !== undefined) {
    throw new UsageError(`the capability ${lacking} can't be added: libflux hasn't got it itself`, {
      hint: "'libflux info' tells what it has; root has all of them, but in a container",
    });
  }
  const wanted = privileged && !dropped.has(ALL)
    ? own
    : added.has(ALL)
    ? own.filter((name) => hasRules || name !== MAKES_NODES)
    : dropped.has(ALL)
    ? []
    : DEFAULT_CAPABILITIES;
  const bounding = CAPABILITIES.filter((name) =>
    added.has(name) || (wanted as readonly string[]).includes(name) && !dropped.has(name)
  );
  if (uid === 0) return { bounding, effective: bounding, permitted: bounding };
  const ambient = bounding.filter((name) => added.has(name) || added.has(ALL));
  // Ambient are only such as are inheritable.
  return {
    bounding,
    effective: ambient,
    permitted: ambient,
    ...(ambient.length === 0 ? {} : { inheritable: ambient, ambient }),
  };
}
