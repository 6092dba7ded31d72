import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { assemble, OPCODE } from "../../../ffi/assembler/ebpf.ts";
import { describeDevices, deviceLines, deviceProgram, planDevices } from "../../../lib/cgroups/device_rules.ts";
import { LimitError } from "../../../lib/errors.ts";
import { DEFAULT_RULES } from "../../../lib/spec/device_rules.ts";
import type { DeviceRule } from "../../../lib/spec/types.ts";
import { random } from "../seccomp/bpf.ts";
import { type DeviceContext, interpret, unreachable } from "./ebpf.ts";

const TYPES = ["b", "c"] as const;
const MAJORS = [0, 1, 5, 10, 136, 254, 4095];
const MINORS = [0, 1, 2, 3, 5, 7, 8, 9, 200, 256, 1_048_575];

/** All that can be asked of these numbers, the wish for nothing (`access(X_OK)`) among it. */
const CONTEXTS: readonly DeviceContext[] = TYPES.flatMap((_, type) =>
  Array.from({ length: 8 }, (_, wish) => wish).flatMap((wish) =>
    MAJORS.flatMap((major) => MINORS.map((minor) => ({ type: type + 1, wish, major, minor })))
  )
);

/** The rules as their documentation has them: the last that fits decides. */
function expected(rules: readonly DeviceRule[], { type, wish, major, minor }: DeviceContext): number {
  const letters = [...wish & 1 ? "m" : "", ...wish & 2 ? "r" : "", ...wish & 4 ? "w" : ""];
  const fitting = rules.filter((rule) => {
    const access = rule.access ?? "rwm";
    return [undefined, "a", TYPES[type - 1]].includes(rule.type) &&
      [undefined, major].includes(rule.major) && [undefined, minor].includes(rule.minor) &&
      (rule.allow
        ? letters.every((letter) => access.includes(letter))
        : access.length === 3 || letters.some((letter) => access.includes(letter)));
  });
  return fitting.at(-1)?.allow === true ? 1 : 0;
}

function compare(rules: readonly DeviceRule[]): void {
  const code = deviceProgram(rules);
  assertEquals(unreachable(code), [], JSON.stringify(rules));
  for (const context of CONTEXTS) {
    const answer = interpret(code, context);
    if (answer === expected(rules, context)) continue;
    assertEquals(answer, expected(rules, context), JSON.stringify({ context, rules }));
  }
}

Deno.test("deviceProgram() answers for the usual rules as they say, for every device and every wish", () => {
  compare(DEFAULT_RULES);
  const allowed = (type: number, wish: number, major: number, minor: number): boolean =>
    interpret(deviceProgram(DEFAULT_RULES), { type, wish, major, minor }) === 1;
  const [BLOCK, CHARACTER, MKNOD, READ, WRITE] = [1, 2, 1, 2, 4];
  for (const minor of [3, 5, 7, 8, 9]) assert(allowed(CHARACTER, READ | WRITE, 1, minor));
  assert(allowed(BLOCK, MKNOD, 254, 0) && allowed(CHARACTER, MKNOD, 1, 1));
  assert(allowed(CHARACTER, READ | WRITE, 136, 77));
  for (const [major, minor] of [[254, 0], [1, 3], [136, 0]] as const) assert(!allowed(BLOCK, READ, major, minor));
  for (const minor of [1, 2, 4, 11]) assert(!allowed(CHARACTER, READ, 1, minor));
  assert(!allowed(CHARACTER, READ | MKNOD, 10, 229));
});

Deno.test("deviceProgram() answers for any list of rules as it says", () => {
  const below = random(20);
  const one = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const ACCESS = ["r", "w", "m", "rw", "rm", "wm", "rwm", undefined];
  for (let round = 0; round < 300; round++) {
    const rules = Array.from({ length: below(9) }, (): DeviceRule => {
      const [type, access] = [one(["a", ...TYPES, undefined] as const), one(ACCESS)];
      const [major, minor] = [one([undefined, ...MAJORS.slice(0, 3)]), one([undefined, ...MINORS.slice(0, 3)])];
      return {
        allow: below(2) === 0,
        ...(type === undefined ? {} : { type }),
        ...(access === undefined ? {} : { access }),
        ...(major === undefined ? {} : { major }),
        ...(minor === undefined ? {} : { minor }),
      };
    });
    compare(rules);
  }
});

Deno.test("deviceProgram() denies everything without rules, and allows everything where they do", () => {
  assertEquals(deviceProgram([]).length, deviceProgram([{ allow: false }]).length);
  compare([]);
  compare([{ allow: true }]);
  compare([{ allow: true, type: "c" }, { allow: true }, { allow: false, type: "b", major: 254 }]);
});

Deno.test("assemble() has the kernel's order of bytes", () => {
  const code = assemble([
    { opcode: OPCODE.load, destination: 2, source: 1, offset: 4 },
    { opcode: OPCODE.jumpUnlessEqual, destination: 2, offset: 2, immediate: 0x12345 },
    { opcode: OPCODE.exit },
  ]);
  assertEquals(code.toHex(), "6112040000000000" + "5602020045230100" + "9500000000000000");
});

Deno.test("deviceLines() writes rules as v1 reads them", () => {
  assertEquals(deviceLines(DEFAULT_RULES).map(({ file, value }) => `${file} ${value}`), [
    "devices.deny a",
    "devices.allow c *:* m",
    "devices.allow b *:* m",
    ...[3, 5, 7, 8, 9].map((minor) => `devices.allow c 1:${minor} rwm`),
    "devices.allow c 5:0 rwm",
    "devices.allow c 5:2 rwm",
    "devices.allow c 136:* rwm",
  ]);
  // "a" with numbers would be everything there.
  assertEquals(deviceLines([{ allow: true, type: "a", major: 7, access: "r" }]).map(({ value }) => value), [
    "b 7:* r",
    "c 7:* r",
  ]);
});

Deno.test("planDevices() takes v1's controller where it is mounted, v2 elsewhere, and refuses where it must have one", () => {
  const [unified, legacy] = ["/sys/fs/cgroup/id", "/sys/fs/cgroup/devices"];
  const plan = (mounts: { unified?: string; legacy?: string }, required = false) =>
    planDevices({ unified: mounts.unified, legacy: mounts.legacy }, "/id", DEFAULT_RULES, required);
  const [lines, program] = [plan({ unified, legacy }), plan({ unified }, true)];
  assertEquals([lines?.kind, lines?.directory, lines?.required], ["lines", `${legacy}/id`, false]);
  assertEquals([program?.kind, program?.directory, program?.required], ["program", unified, true]);
  assertEquals(plan({}), undefined);
  assertEquals(planDevices({ unified, legacy }, "/id", undefined, true), undefined);
  assertStringIncludes(assertThrows(() => plan({}, true), LimitError).message, "this host has no cgroups");
  for (const one of [lines, program]) {
    const text = one === undefined ? "" : describeDevices(one);
    assertStringIncludes(text, "deny  a *:* rwm\n     allow c *:* m\n");
    assertStringIncludes(text, one?.kind === "lines" ? "devices.deny" : "BPF_PROG_ATTACH");
  }
});
