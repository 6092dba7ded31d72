/**
 * A seccomp filter as the OCI runtime-spec has it (`config-linux.md`, "Seccomp"), and the names that it is made of.
 *
 * @module
 */

/**
 * What becomes of a call.
 *
 * @example Is everything refused that isn't allowed?
 * ```ts
 * import { explain, type SeccompAction } from "@libflux/cli/mod";
 *
 * const action: SeccompAction | undefined = explain({ command: ["true"] }).spec.linux?.seccomp?.defaultAction;
 * console.log(action); // "SCMP_ACT_ERRNO"
 * ```
 */
export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_ALLOW";

/** What `linux/seccomp.h` calls the actions: `SECCOMP_RET_*`. */
export const ACTIONS: Readonly<Record<SeccompAction, number>> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

/**
 * How an argument of a call is compared: as an unsigned number of 64 bits, or of 32 where the ABI has no more.
 *
 * @example Is any argument looked at under a mask?
 * ```ts
 * import { explain, type SeccompOperator } from "@libflux/cli/mod";
 *
 * const masked: SeccompOperator = "SCMP_CMP_MASKED_EQ";
 * const { syscalls = [] } = explain({ command: ["true"] }).spec.linux?.seccomp ?? {};
 * console.log(syscalls.some(({ args }) => args?.some(({ op }) => op === masked))); // true
 * ```
 */
export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

/** All comparisons, in the order of their numbers in libseccomp. */
export const OPERATORS: readonly SeccompOperator[] = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];

/**
 * An ABI that a process can call the kernel by.
 *
 * @example Which ABIs does the filter know?
 * ```ts
 * import { explain, type SeccompArchitecture } from "@libflux/cli/mod";
 *
 * const { architectures } = explain({ command: ["true"] }).spec.linux?.seccomp ?? {};
 * const known: readonly SeccompArchitecture[] | undefined = architectures;
 * console.log(known);
 * ```
 */
export type SeccompArchitecture =
  | "SCMP_ARCH_X86_64"
  | "SCMP_ARCH_X86"
  | "SCMP_ARCH_X32"
  | "SCMP_ARCH_AARCH64"
  | "SCMP_ARCH_ARM";

/** All of them: those that libflux knows the syscall numbers of. */
export const ARCHITECTURES: readonly SeccompArchitecture[] = [
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_X86",
  "SCMP_ARCH_X32",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_ARM",
];

/**
 * A flag of the filter.
 *
 * @example Are refused calls logged?
 * ```ts
 * import { explain, type SeccompFlag } from "@libflux/cli/mod";
 *
 * const log: SeccompFlag = "SECCOMP_FILTER_FLAG_LOG";
 * console.log(explain({ command: ["true"] }).spec.linux?.seccomp?.flags?.includes(log) ?? false); // false
 * ```
 */
export type SeccompFlag =
  | "SECCOMP_FILTER_FLAG_TSYNC"
  | "SECCOMP_FILTER_FLAG_LOG"
  | "SECCOMP_FILTER_FLAG_SPEC_ALLOW";

/** Their numbers in `linux/seccomp.h`: those that go without a listener. */
export const FLAGS: Readonly<Record<SeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

/**
 * A condition on one argument of a call.
 *
 * @example A mask: no new namespaces
 * ```ts
 * import type { SeccompArgument } from "@libflux/cli/mod";
 *
 * const flags: SeccompArgument = { index: 0, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" };
 * console.log(flags);
 * ```
 */
export interface SeccompArgument {
  /** Which argument, from 0 to 5. */
  readonly index: number;
  /** What it is compared with; of `SCMP_CMP_MASKED_EQ` the mask. A bigint from 2^53 on. */
  readonly value: number | bigint;
  /** What `SCMP_CMP_MASKED_EQ` compares the masked argument with; 0 if left out. */
  readonly valueTwo?: number | bigint;
  /** The comparison. */
  readonly op: SeccompOperator;
}

/**
 * A rule: what becomes of calls of these names, where all of its conditions hold.
 *
 * @example What may be asked of `personality`?
 * ```ts
 * import { explain, type SeccompSyscall } from "@libflux/cli/mod";
 *
 * const rules: readonly SeccompSyscall[] = explain({ command: ["true"] }).spec.linux?.seccomp?.syscalls ?? [];
 * console.log(rules.filter(({ names }) => names.includes("personality")).map(({ args }) => args));
 * ```
 */
export interface SeccompSyscall {
  /** Names of calls; those that an ABI doesn't have mean nothing there. */
  readonly names: readonly string[];
  /** What becomes of them. */
  readonly action: SeccompAction;
  /** The error that `SCMP_ACT_ERRNO` makes them fail with, the message of `SCMP_ACT_TRACE`; EPERM if left out. */
  readonly errnoRet?: number;
  /** Conditions that must hold together; two on the same argument are alternatives, as in runc. */
  readonly args?: readonly SeccompArgument[];
}

/**
 * The whole filter.
 *
 * @example What is refused without being known?
 * ```ts
 * import { explain, type Seccomp } from "@libflux/cli/mod";
 *
 * const filter: Seccomp | undefined = explain({ command: ["true"] }).spec.linux?.seccomp;
 * console.log(filter?.defaultAction, filter?.defaultErrnoRet); // SCMP_ACT_ERRNO 38
 * ```
 */
export interface Seccomp {
  /** What becomes of calls that no rule is about. */
  readonly defaultAction: SeccompAction;
  /** The error, where that is `SCMP_ACT_ERRNO`; EPERM if left out. */
  readonly defaultErrnoRet?: number;
  /** The ABIs that may be used at all; whoever uses another is killed. */
  readonly architectures?: readonly SeccompArchitecture[];
  /** Flags of the filter. */
  readonly flags?: readonly SeccompFlag[];
  /** Its rules. */
  readonly syscalls?: readonly SeccompSyscall[];
}
