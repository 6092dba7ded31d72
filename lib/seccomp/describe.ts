/**
 * A filter in words, for `libflux explain`.
 *
 * @module
 */
import { verdictOf } from "./compile.ts";
import { compiledFilter, isDefault } from "./filters.ts";
import type { Seccomp, SeccompAction, SeccompArgument } from "./types.ts";

const WIDTH = 120;
/** The errors that profiles use; others are told by their numbers. */
const ERRORS: Readonly<Record<number, string>> = {
  1: "EPERM",
  13: "EACCES",
  22: "EINVAL",
  38: "ENOSYS",
  97: "EAFNOSUPPORT",
};

/** What becomes of a call. */
function outcome(action: SeccompAction, errno = 1): string {
  switch (action) {
    case "SCMP_ACT_ALLOW":
      return "let through";
    case "SCMP_ACT_ERRNO":
      return `fail with ${ERRORS[errno] ?? `error ${errno}`}`;
    case "SCMP_ACT_LOG":
      return "let through and log";
    case "SCMP_ACT_TRACE":
      return `tell a tracer (${errno})`;
    case "SCMP_ACT_TRAP":
      return "send SIGSYS";
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return "kill the thread";
    case "SCMP_ACT_KILL_PROCESS":
      return "kill the process";
  }
}

const SIGNS = { NE: "!=", LT: "<", LE: "<=", EQ: "==", GE: ">=", GT: ">" } as const;

function condition({ index, value, valueTwo = 0, op }: SeccompArgument): string {
  const hex = (number: number | bigint): string => number < 10 ? `${number}` : `0x${number.toString(16)}`;
  const argument = `argument ${index + 1}`;
  if (op === "SCMP_CMP_MASKED_EQ") return `${argument} & ${hex(value)} == ${hex(valueTwo)}`;
  return `${argument} ${SIGNS[op.slice("SCMP_CMP_".length) as keyof typeof SIGNS]} ${hex(value)}`;
}

/** Lines of at most `WIDTH` characters. */
function wrap(words: readonly string[], indentation: string): string {
  const lines: string[] = [];
  let line = indentation;
  for (const word of words) {
    if (line.length + word.length + 1 > WIDTH && line !== indentation) {
      lines.push(line);
      line = indentation;
    }
    line += line === indentation ? word : ` ${word}`;
  }
  return [...lines, line].map((one) => `${one}\n`).join("");
}

/** The filter, its rules in their order; those of the same outcome together. */
export function describeSeccomp(seccomp: Seccomp): string {
  const { defaultAction, defaultErrnoRet, architectures = [], flags = [], syscalls = [] } = seccomp;
  const plain = new Map<string, string[]>();
  const conditional = new Map<string, string[]>();
  const otherwise = verdictOf(defaultAction, defaultErrnoRet);
  for (const { names, action, errnoRet, args = [] } of syscalls) {
    if (verdictOf(action, errnoRet) === otherwise) continue;
    const what = outcome(action, errnoRet);
    const kind = args.length === 0 ? plain : conditional;
    const calls = args.length === 0 ? names : [`${names.join(", ")}: ${args.map(condition).join(" and ")}`];
    kind.set(what, [...kind.get(what) ?? [], ...calls]);
  }
  const abis = architectures.map((name) => name.slice("SCMP_ARCH_".length).toLowerCase()).join(", ");
  return [
    `the filter of syscalls: ${isDefault(seccomp) ? "libflux's default" : "the caller's"}, `,
    `${compiledFilter(seccomp).length / 8} instructions, for ${abis}\n`,
    ...flags.length === 0 ? [] : [`     flags: ${flags.join(", ")}\n`],
    ...[...plain].map(([what, names]) => `  ${what}:\n${wrap(names, "     ")}`),
    ...[...conditional].map(([what, rules]) => `  ${what}, where\n${rules.map((rule) => `     ${rule}\n`).join("")}`),
    `  ${outcome(defaultAction, defaultErrnoRet)}: everything else\n`,
    "  kill the thread: what calls by another ABI\n",
  ].join("");
}
