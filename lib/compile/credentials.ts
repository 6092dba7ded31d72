/**
 * Step 9, second part: limits, then privileges, given up in the one order that leaves no gap: no_new_privs, bounding
 * set, KEEPCAPS, groups, gid, uid, capset.
 *
 * @module
 */
import { E, or, PR } from "../../ffi/abi/constants.ts";
import { UsageError } from "../errors.ts";
import { CAPABILITIES } from "../spec/capabilities.ts";
import { RLIMITS } from "../spec/limits.ts";
import { type Context, named } from "./context.ts";
import { writeProc } from "./isolate.ts";

/** Numbers of a resource limit for `prlimit64`. */
function prlimit(
  { builder: b }: Context,
  type: string,
  field: string,
  soft: number,
  hard: number,
  label: string,
): void {
  const number = (RLIMITS as readonly string[]).indexOf(type);
  if (number < 0) throw new UsageError(`${field}: there is no resource limit ${type}`);
  // RLIM_INFINITY is 2^64 - 1, which a JavaScript number rounds up.
  const values = b.words([soft, hard].map((value) => value >= UNLIMITED ? -1 : value));
  b.syscall("prlimit64", [0, named(number, type), values, 0], {
    label,
    field,
    hint: "a hard limit can't be raised without CAP_SYS_RESOURCE",
  });
}

const UNLIMITED = 2 ** 64;
const limitText = (value: number): string => value >= UNLIMITED ? "unlimited" : String(value);

/**
 * Resource limits, in the command's own process: a reaping PID 1 of libflux's needs descriptors, memory and time that
 * the command may not be given.
 */
export function commandLimits(context: Context): void {
  (context.spec.process.rlimits ?? []).forEach(({ type, soft, hard }, index) => {
    prlimit(
      context,
      type,
      `process.rlimits[${index}]`,
      soft,
      hard,
      `limit ${type} to ${limitText(soft)}:${limitText(hard)}`,
    );
  });
}

/** What of the limits takes privilege, while there still is some: hard limits above those of libflux itself, the OOM score. */
export function limits(context: Context): void {
  const { spec, launch } = context;
  (spec.process.rlimits ?? []).forEach(({ type, hard }, index) => {
    const own = launch.rlimits.find((one) => one.type === type);
    if (own === undefined || hard <= own.hard) return;
    prlimit(context, type, `process.rlimits[${index}]`, own.soft, hard, `allow ${type} to be ${limitText(hard)}`);
  });
  const score = spec.process.oomScoreAdj;
  if (score !== undefined) {
    writeProc(context, "self/oom_score_adj", String(score), {
      label: `set the OOM score adjustment to ${score}`,
      field: "process.oomScoreAdj",
    });
  }
}

/** The number of a capability. */
function capability(name: string): number {
  const number = (CAPABILITIES as readonly string[]).indexOf(name);
  if (number < 0) throw new UsageError(`process.capabilities: there is no capability ${name}`);
  return number;
}

/** The bits of a list of capabilities, as two 32-bit words. */
function bits(names: readonly string[] | undefined): readonly [number, number] {
  const mask = (names ?? []).reduce((sum, name) => sum | 1n << BigInt(capability(name)), 0n);
  return [Number(mask & 0xffffffffn), Number(mask >> 32n)];
}

/** Gives up what the spec doesn't grant. */
export function credentials(context: Context): void {
  const { builder: b, spec, launch } = context;
  const { user, capabilities, noNewPrivileges } = spec.process;
  if (noNewPrivileges === true) {
    b.syscall("prctl", [or(PR, "PR_SET_NO_NEW_PRIVS"), 1, 0, 0, 0], {
      label: "allow no new privileges",
      field: "process.noNewPrivileges",
    });
  }
  const field = "process.capabilities";
  const bounding = new Set((capabilities?.bounding ?? []).map(capability));
  for (let number = 0; number <= Math.max(launch.lastCapability, CAPABILITIES.length - 1); number++) {
    if (bounding.has(number)) continue;
    const name = CAPABILITIES[number] ?? `capability ${number}`;
    b.syscall("prctl", [or(PR, "PR_CAPBSET_DROP"), named(number, name), 0, 0, 0], {
      label: "drop capabilities from the bounding set",
      field,
      hint: "this takes CAP_SETPCAP",
      // EINVAL: a kernel that is older than this capability.
      tolerate: E.EINVAL,
    });
  }
  b.syscall("prctl", [or(PR, "PR_SET_KEEPCAPS"), 1, 0, 0, 0], {
    label: "keep capabilities across the change of user",
    field,
  });
  if (launch.keepGroups !== true) setGroups(context);
  b.syscall("setresgid", [user.gid, user.gid, user.gid], {
    label: `become group ${user.gid}`,
    field: "process.user.gid",
    hint: "this takes CAP_SETGID",
  });
  b.syscall("setresuid", [user.uid, user.uid, user.uid], {
    label: `become user ${user.uid}`,
    field: "process.user.uid",
    hint: "this takes CAP_SETUID",
  });
  // struct __user_cap_header_struct: _LINUX_CAPABILITY_VERSION_3, this process; then effective, permitted, inheritable twice.
  const header = new Uint8Array(8);
  new DataView(header.buffer).setUint32(0, 0x20080522, true);
  const sets = [bits(capabilities?.effective), bits(capabilities?.permitted), bits(capabilities?.inheritable)] as const;
  const data = new Uint8Array(24);
  const view = new DataView(data.buffer);
  sets.forEach(([low, high], index) => {
    view.setUint32(index * 4, low, true);
    view.setUint32(12 + index * 4, high, true);
  });
  b.syscall("capset", [b.bytes(header), b.bytes(data)], {
    label: "set the capabilities",
    field,
    hint: "libflux can only give what it has itself: 'libflux info' tells what is missing",
  });
  b.syscall("prctl", [or(PR, "PR_CAP_AMBIENT"), or(PR, "PR_CAP_AMBIENT_CLEAR_ALL"), 0, 0, 0], {
    label: "clear the ambient capabilities",
    field,
  });
  for (const name of capabilities?.ambient ?? []) {
    b.syscall("prctl", [
      or(PR, "PR_CAP_AMBIENT"),
      or(PR, "PR_CAP_AMBIENT_RAISE"),
      named(capability(name), name),
      0,
      0,
    ], {
      label: `raise the ambient capability ${name}`,
      field,
    });
  }
}

function setGroups({ builder: b, spec }: Context): void {
  const groups = spec.process.user.additionalGids ?? [];
  const list = new Uint8Array(groups.length * 4);
  groups.forEach((gid, index) => new DataView(list.buffer).setUint32(index * 4, gid, true));
  b.syscall("setgroups", [groups.length, groups.length === 0 ? 0 : b.bytes(list)], {
    label: `set the groups (${groups.join(", ") || "none"})`,
    field: "process.user.additionalGids",
    hint: "this takes CAP_SETGID",
  });
}

/** Makes the working directory, as docker does, while there is the privilege to. */
export function makeWorkingDirectory(context: Context): void {
  context.makeDirectories(context.spec.process.cwd, "process.cwd");
}

/** Goes to the working directory, as the user that will be there, and sees that it is inside (CVE-2024-21626). */
export function enterWorkingDirectory({ builder: b, spec }: Context): void {
  const { cwd } = spec.process;
  const meaning = { path: cwd, field: "process.cwd" };
  b.syscall("chdir", [b.string(cwd)], {
    ...meaning,
    label: `go to the working directory ${cwd}`,
    hint: "is it a directory, and may the container's user enter it?",
  });
  const buffer = b.buffer(4096);
  b.syscall("getcwd", [buffer, 4096], { ...meaning, label: "ask where that is" });
  const first = b.slot("first_character");
  b.copy(b.addressOf(first), buffer, 1, "read the first character of the answer");
  // The kernel says "(unreachable)/…" of a directory outside the root.
  b.require(first, "==", named(47, "'/'"), { ...meaning, label: `see that ${cwd} is inside the container` });
}
