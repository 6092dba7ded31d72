import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Architecture } from "../../../ffi/abi/syscalls.ts";
import { UsageError } from "../../../lib/errors.ts";
import { compileSeccomp, MAX_INSTRUCTIONS, verdictOf } from "../../../lib/seccomp/compile.ts";
import { defaultProfile } from "../../../lib/seccomp/default_profile.ts";
import type { FilterInstruction } from "../../../lib/seccomp/filter.ts";
import { parseProfile } from "../../../lib/seccomp/parse.ts";
import { type Profile, resolveProfile } from "../../../lib/seccomp/profile.ts";
import { syscallTable } from "../../../lib/seccomp/tables.ts";
import { OPERATORS, type Seccomp, type SeccompAction, type SeccompArgument } from "../../../lib/seccomp/types.ts";
import { DEFAULT_CAPABILITIES } from "../../../lib/spec/defaults.ts";
import { interpret, random } from "./bpf.ts";
import { asKnown, referenceFilter } from "./reference.ts";

/** Every ABI, one that neither architecture has, and where its numbers begin. */
const AUDITS = [0xc000003e, 0x40000003, 0xc00000b7, 0x40000028, 0x80000016];
const X32 = 0x40000000;
const ARM_PRIVATE = 0xf0000;
const NUMBERS = [0, X32, ARM_PRIVATE].flatMap((base) => Array.from({ length: 601 }, (_, index) => base + index));
/** Arguments on both sides of what filters compare with. */
const POOL = [
  ...[0n, 1n, 2n, 5n, 6n, 8n, 9n, 10n, 15n, 16n, 17n, 37n, 38n, 40n, 0x5401n, 0x5412n, 0x541cn, 0x10000n],
  ...[0x20000n, 0x20008n, 0x10000000n, 0x7e020000n, 0x80000000n, 0xffffffffn, 0x100000000n, 0x100000009n],
  ...[0x100005412n, 0xff0000000000000fn, 0x8000000000000000n, 0xffffffffffffffffn],
];

/** Compares every number of every ABI. @param rounds How often, each time with other arguments. */
function compare(seccomp: Seccomp, seed: number, rounds: number, which = ""): number {
  const ours = compileSeccomp(asKnown(seccomp));
  const theirs = referenceFilter(asKnown(seccomp));
  const next = random(seed);
  const verdicts = new Set<number>();
  for (const audit of AUDITS) {
    for (const nr of [...NUMBERS, -1]) {
      for (let round = 0; round < rounds; round++) {
        const args = Array.from({ length: 6 }, () => POOL[next(POOL.length)] ?? 0n);
        const call = { nr, audit, args };
        const verdict = interpret(ours, call);
        verdicts.add(verdict);
        if (verdict !== interpret(theirs, call)) {
          assertEquals(verdict, interpret(theirs, call), `${which} ABI ${audit.toString(16)} call ${nr} (${args})`);
        }
      }
    }
  }
  return verdicts.size;
}

const ARCHITECTURES: readonly Architecture[] = ["x86_64", "aarch64"];

Deno.test("compileSeccomp() makes of the default profile what libseccomp does, for every call of every ABI", () => {
  for (const architecture of ARCHITECTURES) {
    for (const capabilities of [[], DEFAULT_CAPABILITIES, ["CAP_SYS_ADMIN"], ["CAP_BPF", "CAP_AUDIT_WRITE"]]) {
      const seccomp = resolveProfile(defaultProfile(), { architecture, kernel: "6.1", capabilities });
      assert(compare(seccomp, 1, 3, `${architecture} with ${capabilities}`) >= 4);
    }
  }
});

Deno.test("compileSeccomp() agrees with libseccomp on the ioctls that are refused, whatever is in the upper half", () => {
  const seccomp = resolveProfile(defaultProfile(), { architecture: "x86_64", kernel: "6.1", capabilities: [] });
  const [ours, theirs] = [compileSeccomp(seccomp), referenceFilter(asKnown(seccomp))];
  for (const [audit, nr] of [[0xc000003e, 16], [0xc000003e, X32 + 514], [0x40000003, 54]] as const) {
    for (const upper of [0n, 1n, 0xffffffffn]) {
      for (const request of [0x5401n, 0x5411n, 0x5412n, 0x5413n, 0x541bn, 0x541cn, 0x541dn]) {
        const call = { nr, audit, args: [0n, upper << 32n | request] };
        const refused = request === 0x5412n || request === 0x541cn;
        assertEquals(interpret(ours, call), refused ? 0x50001 : 0x7fff0000, `${nr} ${upper} ${request}`);
        assertEquals(interpret(theirs, call), interpret(ours, call));
      }
    }
  }
});

const FULL: Profile = parseProfile(Deno.readTextFileSync(new URL("./profile.json", import.meta.url)), "profile.json");

Deno.test("compileSeccomp() agrees with libseccomp on a profile with everything that the format has", () => {
  for (const architecture of ARCHITECTURES) {
    for (const kernel of ["4.19", "6.8.0-1-amd64", "6.12"]) {
      for (const capabilities of [[], ["CAP_SYS_ADMIN", "CAP_CHOWN"]]) {
        const seccomp = resolveProfile(FULL, { architecture, kernel, capabilities });
        assert(compare(seccomp, 2, 3, `${architecture} ${kernel} with ${capabilities}`) >= 8);
      }
    }
  }
});

const NAMES = ["read", "write", "ioctl", "clone", "prctl", "futex", "kill", "mmap", "personality", "fcntl", "lseek"];
const ACTIONS: readonly SeccompAction[] = ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG", "SCMP_ACT_TRAP"];

/** Rules at random; those about one call have one action. @param simple Only what libseccomp gets right. */
function randomFilter(next: (below: number) => number, simple: boolean): Seccomp {
  const argument = (index: number): SeccompArgument => ({
    index,
    op: OPERATORS[next(OPERATORS.length)] ?? "SCMP_CMP_EQ",
    value: POOL[next(POOL.length)] ?? 0n,
    valueTwo: POOL[next(POOL.length)] ?? 0n,
  });
  const syscalls = NAMES.flatMap((name) => {
    const action = ACTIONS[next(ACTIONS.length)] ?? "SCMP_ACT_ALLOW";
    const rule = (args: readonly SeccompArgument[]) => ({ names: [name], action, errnoRet: 11, args });
    const several = () => rule([0, 1, 2, 3, 4, 5].filter(() => next(2) === 0).map(argument));
    if (next(2) === 0) return [several()];
    const index = next(6);
    return Array.from(
      { length: next(4) },
      () => simple ? rule([{ index, op: "SCMP_CMP_EQ", value: next(1000) }]) : several(),
    );
  });
  return {
    defaultAction: "SCMP_ACT_KILL_PROCESS",
    architectures: next(2) === 0
      ? ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
      : ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    syscalls,
  };
}

/** Whether libseccomp takes the rules: it refuses some, as being there twice. */
function isTaken(seccomp: Seccomp): boolean {
  try {
    return referenceFilter(seccomp).length > 0;
  } catch {
    return false;
  }
}

Deno.test("compileSeccomp() agrees with libseccomp on rules at random", () => {
  const next = random(3);
  let compared = 0;
  for (let round = 0; round < 80; round++) {
    const seccomp = randomFilter(next, true);
    if (!isTaken(seccomp)) continue;
    const [ours, theirs] = [compileSeccomp(seccomp), referenceFilter(seccomp)];
    compared++;
    for (const audit of AUDITS) {
      for (let nr = 0; nr < 300; nr++) {
        const args = Array.from({ length: 6 }, () => POOL[next(POOL.length)] ?? 0n);
        const call = { nr, audit, args };
        const [verdict, wanted] = [interpret(ours, call), interpret(theirs, call)];
        if (verdict !== wanted) assertEquals(verdict, wanted, `${audit.toString(16)} ${nr} ${args} ${show(seccomp)}`);
      }
    }
  }
  assert(compared > 60, `${compared}`);
});

/** Whether a condition holds, said as plainly as can be. */
function holds({ index, op, value, valueTwo = 0 }: SeccompArgument, args: readonly bigint[], bits: number): boolean {
  const [a, b, c] = [args[index] ?? 0n, BigInt(value), BigInt(valueTwo)].map((one) => BigInt.asUintN(bits, one)) as [
    bigint,
    bigint,
    bigint,
  ];
  switch (op) {
    case "SCMP_CMP_NE":
      return a !== b;
    case "SCMP_CMP_LT":
      return a < b;
    case "SCMP_CMP_LE":
      return a <= b;
    case "SCMP_CMP_EQ":
      return a === b;
    case "SCMP_CMP_GE":
      return a >= b;
    case "SCMP_CMP_GT":
      return a > b;
    case "SCMP_CMP_MASKED_EQ":
      return (a & b) === (c & b);
  }
}

Deno.test("compileSeccomp() means by several rules with several conditions what they say, where libseccomp errs", () => {
  const next = random(4);
  for (let round = 0; round < 120; round++) {
    const seccomp = randomFilter(next, false);
    const filter = compileSeccomp(seccomp);
    const [architecture, audit, bits] = ([
      ["SCMP_ARCH_X86_64", 0xc000003e, 64],
      ["SCMP_ARCH_X86", 0x40000003, 32],
      ["SCMP_ARCH_AARCH64", 0xc00000b7, 64],
      ["SCMP_ARCH_ARM", 0x40000028, 32],
    ] as const)[next(2) + (seccomp.architectures?.length === 3 ? 0 : 2)] ?? ["SCMP_ARCH_X86", 0, 32];
    for (const name of NAMES) {
      const nr = syscallTable(architecture).get(name);
      if (nr === undefined) continue;
      for (let times = 0; times < 30; times++) {
        const args = Array.from({ length: 6 }, () => POOL[next(POOL.length)] ?? 0n);
        const rules = seccomp.syscalls?.filter(({ names }) => names.includes(name)) ?? [];
        const rule = rules.find(({ args: conditions = [] }) => conditions.every((one) => holds(one, args, bits)));
        const wanted = rule === undefined ? 0x80000000 : verdictOf(rule.action, rule.errnoRet);
        const verdict = interpret(filter, { nr, audit, args });
        if (verdict !== wanted) assertEquals(verdict, wanted, `${architecture} ${name} ${args} ${show(seccomp)}`);
      }
    }
  }
});

const show = (seccomp: Seccomp): string =>
  JSON.stringify(seccomp, (_, value) => typeof value === "bigint" ? `0x${value.toString(16)}` : value);

const X86_64 = 0xc000003e;
const errno = verdictOf("SCMP_ACT_ERRNO", 1);

Deno.test("compileSeccomp() lets the strictest of two rules count that both hold, in either order", () => {
  const allow = {
    names: ["ioctl"],
    action: "SCMP_ACT_ALLOW",
    args: [{ index: 1, value: 5, op: "SCMP_CMP_LT" }],
  } as const;
  const refuse = {
    names: ["ioctl"],
    action: "SCMP_ACT_ERRNO",
    args: [{ index: 1, value: 3, op: "SCMP_CMP_EQ" }],
  } as const;
  for (const syscalls of [[allow, refuse], [refuse, allow]]) {
    const filter = compileSeccomp({
      defaultAction: "SCMP_ACT_LOG",
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls,
    });
    const verdicts = [2n, 3n, 5n].map((arg) => interpret(filter, { nr: 16, audit: X86_64, args: [0n, arg] }));
    assertEquals(verdicts, [0x7fff0000, errno, 0x7ffc0000]);
  }
});

/** A filter of about so many instructions. */
const large = (conditions: number): Seccomp => ({
  defaultAction: "SCMP_ACT_ERRNO",
  architectures: ["SCMP_ARCH_X86_64"],
  syscalls: Array.from({ length: conditions }, (_, value) => ({
    names: ["ioctl"],
    action: "SCMP_ACT_ALLOW",
    args: [{ index: 1, value: value * 2, op: "SCMP_CMP_EQ" }],
  })),
});

Deno.test("compileSeccomp() reaches from one end of a large filter to the other", () => {
  const filter = compileSeccomp(large(900));
  assert(filter.length > 3600 && filter.length <= MAX_INSTRUCTIONS, `${filter.length}`);
  for (const [arg, verdict] of [[0n, 0x7fff0000], [1n, errno], [1798n, 0x7fff0000], [1800n, errno]] as const) {
    assertEquals(interpret(filter, { nr: 16, audit: X86_64, args: [0n, arg] }), verdict, `${arg}`);
  }
});

Deno.test("compileSeccomp() refuses a filter that the kernel wouldn't take", () => {
  const error = assertThrows(() => compileSeccomp(large(1100)), UsageError);
  assert(/takes \d+ instructions, and the kernel takes at most 4096$/.test(error.message), error.message);
});

Deno.test("a filter without ABIs, or without rules, is its default", () => {
  const of = (seccomp: Seccomp): FilterInstruction[] => compileSeccomp(seccomp);
  assertEquals(interpret(of({ defaultAction: "SCMP_ACT_LOG" }), { nr: 1, audit: X86_64, args: [] }), 0);
  const bare = of({ defaultAction: "SCMP_ACT_LOG", architectures: ["SCMP_ARCH_X86_64"] });
  assertEquals(interpret(bare, { nr: 1, audit: X86_64, args: [] }), 0x7ffc0000);
});
