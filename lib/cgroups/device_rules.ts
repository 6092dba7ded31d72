/**
 * Rules about devices → what enforces them: a program of eBPF on cgroup v2, lines to write on v1. Pure.
 *
 * Of the rules the last that fits decides; where none does, a device can't be used.
 *
 * @module
 */
import { assemble, type Instruction, INSTRUCTION_SIZE, OPCODE, type Register } from "../../ffi/assembler/ebpf.ts";
import { LimitError } from "../errors.ts";
import type { DeviceRule } from "../spec/types.ts";

/** `struct bpf_cgroup_dev_ctx` (`linux/bpf.h`): where its words are. The first has what is wished in its upper half. */
const CONTEXT = { type: 0, major: 4, minor: 8 } as const;
/** `BPF_DEVCG_DEV_*` */
const TYPES = { b: 1, c: 2 } as const;
/** `BPF_DEVCG_ACC_*` */
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const ALL = 7;

const ANSWER: Register = 0;
const ARGUMENT: Register = 1;
const TYPE: Register = 2;
const WISH: Register = 3;
const MAJOR: Register = 4;
const MINOR: Register = 5;

/** Takes the context apart. */
const PROLOGUE: readonly Instruction[] = [
  { opcode: OPCODE.load, destination: TYPE, source: ARGUMENT, offset: CONTEXT.type },
  { opcode: OPCODE.copy, destination: WISH, source: TYPE },
  { opcode: OPCODE.shiftRight, destination: WISH, immediate: 16 },
  { opcode: OPCODE.and, destination: TYPE, immediate: 0xffff },
  { opcode: OPCODE.load, destination: MAJOR, source: ARGUMENT, offset: CONTEXT.major },
  { opcode: OPCODE.load, destination: MINOR, source: ARGUMENT, offset: CONTEXT.minor },
];

/** A jump is to one of the two answers, or to where a rule that doesn't fit is left. */
type Target = "allow" | "deny" | number;
type Draft = Omit<Instruction, "offset"> & { readonly offset?: number; readonly target?: Target };

/** What must hold for a rule to fit: the register, and the number that is in it or the bits that aren't or are. */
interface Condition {
  readonly register: Register;
  readonly test: "equal" | "none" | "any";
  readonly immediate: number;
}

/** A rule, as far as it hasn't been tested. */
interface Rest {
  readonly allow: boolean;
  readonly conditions: readonly Condition[];
}

function conditionsOf({ allow, type = "a", major, minor, access = "rwm" }: DeviceRule): Rest {
  const bits = [...access].reduce((sum, letter) => sum | (ACCESS[letter] ?? 0), 0);
  const equal = (register: Register, immediate: number | undefined): readonly Condition[] =>
    immediate === undefined ? [] : [{ register, test: "equal", immediate }];
  // What is allowed must be all that is wished; what is forbidden, any of it.
  const wish: readonly Condition[] = bits === ALL ? [] : [
    allow ? { register: WISH, test: "none", immediate: ALL & ~bits } : { register: WISH, test: "any", immediate: bits },
  ];
  return {
    allow,
    conditions: [
      ...equal(TYPE, type === "a" ? undefined : TYPES[type]),
      ...wish,
      ...equal(MAJOR, major),
      ...equal(MINOR, minor),
    ],
  };
}

const isSame = (a: Condition | undefined, b: Condition | undefined): boolean =>
  a?.register === b?.register && a?.test === b?.test && a?.immediate === b?.immediate;

/**
 * Tests rules one after the other, and what neighbours have in common only once: the kernel follows every way through a
 * program before it takes it, and needs three times as long where each rule is tested by itself.
 */
function emit(drafts: Draft[], rules: readonly Rest[]): void {
  for (let from = 0; from < rules.length;) {
    const { allow, conditions: [first] } = rules[from] ?? { allow: false, conditions: [] };
    const target = allow ? "allow" : "deny";
    if (first === undefined) {
      drafts.push({ opcode: OPCODE.jump, target });
      return;
    }
    let to = from + 1;
    while (to < rules.length && isSame(rules[to]?.conditions[0], first)) to++;
    const group = rules.slice(from, to).map(({ allow, conditions }) => ({ allow, conditions: conditions.slice(1) }));
    const { register: destination, test, immediate } = first;
    if (test === "equal" && group[0]?.conditions.length === 0) {
      drafts.push({ opcode: OPCODE.jumpIfEqual, destination, immediate, target });
    } else {
      const leave = { target: 0 };
      if (test === "any") drafts.push({ opcode: OPCODE.jumpIfAny, destination, immediate, offset: 1 });
      const opcode = { equal: OPCODE.jumpUnlessEqual, none: OPCODE.jumpIfAny, any: OPCODE.jump }[test];
      drafts.push({ opcode, ...test === "any" ? {} : { destination, immediate }, ...leave });
      const at = drafts.length - 1;
      emit(drafts, group);
      drafts[at] = { ...drafts[at], target: drafts.length } as Draft;
    }
    from = to;
  }
}

/** A program that answers the kernel 1 where a device may be used, and 0 where it may not. */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array<ArrayBuffer> {
  const all = [{ allow: false }, ...rules].toReversed().map(conditionsOf);
  // Behind one that always fits there would be instructions that nothing leads to: the kernel takes no such program.
  const last = all.findIndex(({ conditions }) => conditions.length === 0);
  const drafts: Draft[] = [...PROLOGUE];
  emit(drafts, all.slice(0, last + 1));
  const answers = new Map<Target, number>();
  for (const answer of ["deny", "allow"] as const) {
    if (!drafts.some(({ target }) => target === answer)) continue;
    answers.set(answer, drafts.length);
    drafts.push({ opcode: OPCODE.set, destination: ANSWER, immediate: answer === "allow" ? 1 : 0 }, {
      opcode: OPCODE.exit,
    });
  }
  return assemble(drafts.map(({ target, ...one }, index) => {
    if (target === undefined) return one;
    const to = typeof target === "number" ? target : answers.get(target) ?? 0;
    return { ...one, offset: to - index - 1 };
  }));
}

/** What to write to a file of v1's controller (`admin-guide/cgroup-v1/devices.rst`). */
export interface DeviceLine {
  readonly file: "devices.allow" | "devices.deny";
  readonly value: string;
}

/** The lines that rules are, in the order in which to write them. */
export function deviceLines(rules: readonly DeviceRule[]): DeviceLine[] {
  return rules.flatMap((rule) => {
    const file = rule.allow ? "devices.allow" : "devices.deny";
    const value = describeRule(rule);
    // "a" is everything there, whatever comes after it.
    if (value === "a *:* rwm") return [{ file, value: "a" }];
    const types = rule.type === undefined || rule.type === "a" ? ["b", "c"] as const : [rule.type];
    return types.map((type) => ({ file, value: describeRule({ ...rule, type }) }));
  });
}

/** A rule as v1 writes it: "c 1:3 rwm". */
export function describeRule({ type = "a", major, minor, access = "rwm" }: DeviceRule): string {
  return `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`;
}

/** How a container's rules are enforced. */
export type DevicePlan =
  & {
    /** The cgroup. */
    readonly directory: string;
    /** Whether the container may not run without. */
    readonly required: boolean;
    readonly rules: readonly DeviceRule[];
  }
  & (
    | { readonly kind: "lines"; readonly lines: readonly DeviceLine[] }
    | { readonly kind: "program"; readonly code: Uint8Array<ArrayBuffer> }
  );

/**
 * Plans that rules are enforced: by v1's controller where that is mounted, which then decides alone, else on v2. Nothing
 * where there are no rules, or neither. Throws a {@link LimitError} where there must be.
 *
 * @param mounts The container's cgroup of v2, and where v1's controller is mounted.
 */
export function planDevices(
  { unified, legacy }: { readonly unified: string | undefined; readonly legacy: string | undefined },
  path: string,
  rules: readonly DeviceRule[] | undefined,
  required: boolean,
): DevicePlan | undefined {
  if (rules === undefined) return undefined;
  if (legacy !== undefined) {
    return { kind: "lines", directory: legacy + path, lines: deviceLines(rules), rules, required };
  }
  if (unified !== undefined) {
    return { kind: "program", directory: unified, code: deviceProgram(rules), rules, required };
  }
  if (!required) return undefined;
  throw new LimitError("the rules about devices can't be enforced: this host has no cgroups", {
    hint: "mount them: mount -t cgroup2 none /sys/fs/cgroup; or leave out --cap-add MKNOD, and devices without rw",
  });
}

/** A plan in words, for people. */
export function describeDevices(plan: DevicePlan): string {
  const how = plan.kind === "lines"
    ? `write("${plan.directory}/devices.deny" and "devices.allow"): a line for each rule`
    : `bpf(BPF_PROG_LOAD, BPF_PROG_TYPE_CGROUP_DEVICE): ${plan.code.length / INSTRUCTION_SIZE} instructions
     bpf(BPF_PROG_ATTACH, "${plan.directory}", BPF_CGROUP_DEVICE)`;
  const rules = plan.rules.map((rule) => `     ${rule.allow ? "allow" : "deny "} ${describeRule(rule)}\n`);
  return `libflux, on the host: let it use these devices only; the last rule that fits decides\n     ${how}\n${
    rules.join("")
  }`;
}
