/**
 * Seccomp → BPF, as libseccomp would: it can't be had in a single binary. Pure.
 *
 * @module
 */
import { UsageError } from "../errors.ts";
import { BPF, FilterBuilder, type FilterInstruction } from "./filter.ts";
import { MULTIPLEXED, syscallTable, X32_BIT } from "./tables.ts";
import { ACTIONS, type Seccomp, type SeccompAction, type SeccompArchitecture, type SeccompArgument } from "./types.ts";

/** `BPF_MAXINSNS`, `linux/bpf_common.h`. */
export const MAX_INSTRUCTIONS = 4096;
/** Offsets in `struct seccomp_data`. */
const DATA = { nr: 0, arch: 4, args: 16 } as const;
const EPERM = 1;

/** What the kernel calls an ABI (`linux/audit.h`), and whether its arguments have 64 bits. */
const ABIS: Readonly<Record<SeccompArchitecture, { readonly audit: number; readonly wide: boolean }>> = {
  SCMP_ARCH_X86_64: { audit: 0xc000003e, wide: true },
  SCMP_ARCH_X86: { audit: 0x40000003, wide: false },
  SCMP_ARCH_X32: { audit: 0xc000003e, wide: false },
  SCMP_ARCH_AARCH64: { audit: 0xc00000b7, wide: true },
  SCMP_ARCH_ARM: { audit: 0x40000028, wide: false },
};

/** The value that a filter answers the kernel with. */
export function verdictOf(action: SeccompAction, errno = EPERM): number {
  const data = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE" ? errno & 0xffff : 0;
  return (ACTIONS[action] | data) >>> 0;
}

/** A verdict for calls of which all conditions hold. */
interface Alternative {
  readonly args: readonly SeccompArgument[];
  readonly verdict: number;
}

/** What becomes of one call: a verdict, or the first alternative that holds. */
type Fate = number | readonly Alternative[];

/** As the kernel ranks the verdicts of several filters: as signed numbers, the strictest first, errors alike. */
const rank = ({ verdict }: Alternative): number => verdict & 0xffff0000;

/** Two conditions on the same argument can't be one rule of libseccomp's: runc makes each condition a rule of its own. */
function split(args: readonly SeccompArgument[]): readonly (readonly SeccompArgument[])[] {
  return new Set(args.map(({ index }) => index)).size === args.length ? [args] : args.map((arg) => [arg]);
}

/** What becomes of each number of an ABI that a rule is about. */
function fates(seccomp: Seccomp, architecture: SeccompArchitecture): Map<number, Fate> {
  const table = syscallTable(architecture);
  const found = new Map<number, Fate>();
  const otherwise = verdictOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const add = (number: number, args: readonly SeccompArgument[], verdict: number): void => {
    const before = found.get(number);
    // A rule without conditions is about every call: none that has some can say otherwise, before it or after.
    if (typeof before === "number") return;
    found.set(number, args.length === 0 ? verdict : [...before ?? [], { args, verdict }]);
  };
  for (const { names, action, errnoRet, args = [] } of seccomp.syscalls ?? []) {
    const verdict = verdictOf(action, errnoRet);
    // As in runc: such a rule says nothing.
    if (verdict === otherwise) continue;
    for (const alternative of split(args)) {
      for (const name of names) {
        const number = table.get(name);
        if (number !== undefined) add(number, alternative, verdict);
        if (architecture !== "SCMP_ARCH_X86") continue;
        for (const [entry, calls] of Object.entries(MULTIPLEXED)) {
          const value = calls[name];
          const multiplexer = table.get(entry);
          if (value === undefined || multiplexer === undefined) continue;
          const which: SeccompArgument = { index: 0, value, op: "SCMP_CMP_EQ" };
          add(multiplexer, [which, ...alternative.filter(({ index }) => index !== 0)], verdict);
        }
      }
    }
  }
  return found;
}

const low = (value: bigint): number => Number(value & 0xffffffffn);
const high = (value: bigint): number => Number(value >> 32n & 0xffffffffn);

/** A condition: goes on at `then` where it holds. */
function condition(b: FilterBuilder, arg: SeccompArgument, wide: boolean, then: number, otherwise: number): number {
  const at = DATA.args + arg.index * 8;
  const value = BigInt(arg.value);
  switch (arg.op) {
    case "SCMP_CMP_NE":
      return condition(b, { ...arg, op: "SCMP_CMP_EQ" }, wide, otherwise, then);
    case "SCMP_CMP_LT":
      return condition(b, { ...arg, op: "SCMP_CMP_GE" }, wide, otherwise, then);
    case "SCMP_CMP_LE":
      return condition(b, { ...arg, op: "SCMP_CMP_GT" }, wide, otherwise, then);
    case "SCMP_CMP_EQ": {
      const lower = b.load(at, b.branch(BPF.JEQ, low(value), then, otherwise));
      return wide ? b.load(at + 4, b.branch(BPF.JEQ, high(value), lower, otherwise)) : lower;
    }
    case "SCMP_CMP_GE":
    case "SCMP_CMP_GT": {
      const lower = b.load(at, b.branch(arg.op === "SCMP_CMP_GE" ? BPF.JGE : BPF.JGT, low(value), then, otherwise));
      if (!wide) return lower;
      const same = b.branch(BPF.JEQ, high(value), lower, otherwise);
      return b.load(at + 4, b.branch(BPF.JGT, high(value), then, same));
    }
    case "SCMP_CMP_MASKED_EQ": {
      // What the mask leaves out can't be asked for: libseccomp takes it for zero.
      const datum = BigInt(arg.valueTwo ?? 0) & value;
      const half = (mask: number, wanted: number, offset: number, next: number): number => {
        const compared = b.branch(BPF.JEQ, wanted, next, otherwise);
        return b.load(offset, mask === 0xffffffff ? compared : b.mask(mask, compared));
      };
      const lower = half(low(value), low(datum), at, then);
      return wide && high(value) !== 0 ? half(high(value), high(datum), at + 4, lower) : lower;
    }
  }
}

/** From its first number on, up to the next span's, calls have this fate. */
interface Span {
  readonly start: number;
  readonly fate: Fate;
  readonly wide: boolean;
}

/** The spans of an ABI. Neighbours of the same fate are one. */
function spans(seccomp: Seccomp, architecture: SeccompArchitecture): Span[] {
  const found = fates(seccomp, architecture);
  const otherwise = verdictOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const { wide } = ABIS[architecture];
  const made: Span[] = [{ start: architecture === "SCMP_ARCH_X32" ? X32_BIT : 0, fate: otherwise, wide }];
  const add = (start: number, fate: Fate): void => {
    const last = made.at(-1);
    if (last?.start === start) made.pop();
    if (made.at(-1)?.fate !== fate) made.push({ start, fate, wide });
  };
  for (const [number, fate] of [...found].sort(([a], [b]) => a - b)) {
    add(number, fate);
    add(number + 1, otherwise);
  }
  return made;
}

/** The whole filter. Throws a `UsageError` where the kernel wouldn't take it. */
export function compileSeccomp(seccomp: Seccomp): FilterInstruction[] {
  const b = new FilterBuilder();
  const otherwise = verdictOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const chains = new Map<string, number>();
  const place = ({ fate, wide }: Span): number => {
    if (typeof fate === "number") return b.verdict(fate);
    // What only asks for the lower half is the same for every ABI.
    const isNarrow = fate.every(({ args }) =>
      args.every(({ op, value }) => op === "SCMP_CMP_MASKED_EQ" && high(BigInt(value)) === 0)
    );
    const key = `${wide && !isNarrow} ${
      JSON.stringify(fate, (_, value) => typeof value === "bigint" ? `${value}` : value)
    }`;
    const known = chains.get(key);
    if (known !== undefined) return known;
    let next = b.verdict(otherwise);
    // Where two hold the strictest counts: libseccomp has no rule for that, and never refuses more.
    const alternatives = fate.toSorted((one, other) => rank(one) - rank(other));
    for (const { args, verdict } of alternatives.toReversed()) {
      let then = b.verdict(verdict);
      for (const arg of args.toReversed()) then = condition(b, arg, wide, then, next);
      next = then;
    }
    chains.set(key, next);
    return next;
  };
  const search = (all: readonly Span[]): number => {
    const middle = all[all.length >> 1];
    const [first] = all;
    if (middle === undefined || first === undefined) return b.verdict(otherwise);
    if (all.length === 1) return place(first);
    const above = search(all.slice(all.length >> 1));
    const below = search(all.slice(0, all.length >> 1));
    return b.branch(BPF.JGE, middle.start, above, below);
  };
  const architectures = new Set(seccomp.architectures ?? []);
  const audits = new Map<number, Span[]>();
  for (const architecture of architectures) {
    const { audit } = ABIS[architecture];
    audits.set(audit, [...audits.get(audit) ?? [], ...spans(seccomp, architecture)]);
  }
  let next = b.verdict(ACTIONS.SCMP_ACT_KILL);
  for (const [audit, all] of audits) {
    all.sort((one, other) => one.start - other.start);
    const foreign = { fate: ACTIONS.SCMP_ACT_KILL, wide: false };
    if (audit === ABIS.SCMP_ARCH_X86_64.audit) {
      // An ABI that wasn't asked for is as strange as another machine's. No number, -1, is what a tracer leaves of a call.
      if (!architectures.has("SCMP_ARCH_X86_64")) all.unshift({ start: 0, ...foreign });
      if (!architectures.has("SCMP_ARCH_X32")) {
        all.push({ start: X32_BIT, ...foreign }, { start: 0xffffffff, fate: otherwise, wide: true });
      }
    }
    next = b.load(DATA.arch, b.branch(BPF.JEQ, audit, b.load(DATA.nr, search(all)), next));
  }
  const filter = b.build();
  if (filter.length <= MAX_INSTRUCTIONS) return filter;
  throw new UsageError(
    `the seccomp profile takes ${filter.length} instructions, and the kernel takes at most ${MAX_INSTRUCTIONS}`,
    { hint: "leave out conditions on arguments, or rules about single calls" },
  );
}
