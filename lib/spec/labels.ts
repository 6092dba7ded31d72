/**
 * What security modules of the kernel's are told of a container: its AppArmor profile, its SELinux label. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import type { RunOptions } from "./options.ts";

/**
 * Parts of the SELinux label that are to be other than those of the host's policy for containers.
 *
 * @example A type of one's own
 * ```ts
 * import type { RunOptions, SelinuxLabel } from "@libflux/cli/mod";
 *
 * const label: SelinuxLabel = { type: "container_logreader_t", level: "s0:c1,c2" };
 * const options: RunOptions = { command: ["true"], selinux: label };
 * console.log(options.selinux);
 * ```
 */
export interface SelinuxLabel {
  /** The SELinux user: "system_u". */
  readonly user?: string;
  /** The role: "system_r". */
  readonly role?: string;
  /** The type of its processes: "container_t". */
  readonly type?: string;
  /** "s0:c1,c2"; the usual sensitivity and two categories of the container's own if left out. */
  readonly level?: string;
  /** The type of its files: "container_file_t". */
  readonly filetype?: string;
}

/** The profile that libflux loads by itself: `apparmor_profile.ts`. */
export const DEFAULT_PROFILE = "libflux-default";

/** The parts of {@link SelinuxLabel}, and what each looks like. */
const PARTS: Readonly<Record<keyof SelinuxLabel, RegExp>> = {
  user: /^[A-Za-z0-9_.-]+$/,
  role: /^[A-Za-z0-9_.-]+$/,
  type: /^[A-Za-z0-9_.-]+$/,
  level: /^s\d+(:c\d+([.,]c\d+)*)?(-s\d+(:c\d+([.,]c\d+)*)?)?$/,
  filetype: /^[A-Za-z0-9_.-]+$/,
};

const FORM = "write --security-opt label=disable, or user:, role:, type:, level: or filetype: and its value";

/** Reads `type:container_t` and its like, or `disable`, and adds it to what was given before. Throws a `UsageError`. */
export function parseLabel(text: string, before: RunOptions["selinux"]): "disable" | SelinuxLabel {
  const [part = "", ...rest] = text.split(":");
  const value = rest.join(":");
  if (text === "disable" && before === undefined) return "disable";
  if (text === "disable" || before === "disable") {
    throw new UsageError("the SELinux label is both disabled and given", { hint: "leave one out" });
  }
  if (!Object.hasOwn(PARTS, part)) {
    throw new UsageError(`"${printable(text)}" is no part of an SELinux label`, { hint: FORM });
  }
  if (before?.[part as keyof SelinuxLabel] !== undefined) {
    throw new UsageError(`the SELinux label has two values for ${part}`, { hint: "leave one out" });
  }
  return { ...before, [part]: value };
}

/** Throws a {@link UsageError} where a profile's name or a label can't be. */
export function checkLabels({ apparmor, selinux }: Pick<RunOptions, "apparmor" | "selinux">): void {
  // deno-lint-ignore no-control-regex
  if (apparmor !== undefined && !/^[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,254}$/.test(apparmor)) {
    throw new UsageError(`"${printable(apparmor)}" can't be the name of an AppArmor profile`, {
      hint: "write --security-opt apparmor=PROFILE, or apparmor=unconfined",
    });
  }
  if (selinux === undefined || selinux === "disable") return;
  for (const [part, value] of Object.entries(selinux)) {
    if (!Object.hasOwn(PARTS, part)) {
      throw new UsageError(`"${printable(part)}" is no part of an SELinux label`, { hint: FORM });
    }
    if (PARTS[part as keyof SelinuxLabel].test(value)) continue;
    throw new UsageError(`"${printable(value)}" can't be the ${part} of an SELinux label`, {
      hint: part === "level" ? "write level:s0:c1,c2" : `write ${part}:${part === "type" ? "container_t" : "NAME"}`,
    });
  }
}

/** What the host's policy says of containers: whole labels. */
export interface SelinuxContexts {
  readonly process: string;
  readonly file: string;
}

/** So many categories policies know. Of two containers with two each, which aren't the same, neither has all of the other's. */
const CATEGORIES = 1024;
const PAIRS = CATEGORIES * (CATEGORIES - 1) / 2;
/** So many pairs are tried before one is taken that somebody else has. */
const MOST_TRIES = 4096;

/** The numbers of the pairs of categories that a container may have, the same for the same id. @param id 64 hexadecimal digits. */
export function* pairsOf(id: string): Iterable<number> {
  const first = parseInt(id.slice(0, 8), 16);
  for (let tries = 0; tries < MOST_TRIES; tries++) yield (first + tries) % PAIRS;
}

/** The level with a pair of categories. @param pair Its number. */
export function levelOf(pair: number): string {
  let [first, rest] = [0, pair];
  for (; rest >= CATEGORIES - 1 - first; first++) rest -= CATEGORIES - 1 - first;
  return `s0:c${first},c${first + 1 + rest}`;
}

/** The labels of a container's processes and of its files. @param own Its level, where none is asked for. */
export function labelsOf(
  asked: SelinuxLabel,
  contexts: SelinuxContexts,
  own: string,
): { readonly process: string; readonly mount: string } {
  const level = asked.level ?? own;
  const [user = "", role = "", type = ""] = contexts.process.split(":");
  const [fileUser = "", fileRole = "", fileType = ""] = contexts.file.split(":");
  return {
    process: [asked.user ?? user, asked.role ?? role, asked.type ?? type, level].join(":"),
    // Files have one role, whatever their processes have.
    mount: [asked.user ?? fileUser, fileRole, asked.filetype ?? fileType, level].join(":"),
  };
}
