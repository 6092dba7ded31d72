import { assertEquals } from "@std/assert";
import { addSummaries, readSummary, summaryLine } from "../../tasks/summary.ts";

Deno.test("readSummary() counts whatever isn't known to have passed as failed", () => {
  const cases = [
    ["ok | 12 passed | 0 failed (1s)", 0, 12, 0],
    ["ok | 1 passed (3 steps) | 0 failed (20ms)", 0, 1, 0],
    ["FAILED | 3 passed | 2 failed (1 step) (1s)", 1, 3, 2],
    ["FAILED | 0 passed | 2 failed | 1 ignored (1s)", 1, 0, 3],
    ["ok | 5 passed | 0 failed | 2 ignored (3 steps) (1s)", 0, 5, 5],
    ["ok | 5 passed | 0 failed | 0 ignored (1 step) (1s)", 0, 5, 1],
    ["ok | 5 passed | 0 failed | 0 measured | 7 filtered out (1s)", 0, 5, 0],
    ["ok | 0 passed | 0 failed (0ms)", 0, 0, 1],
    ["ok | 5 passed | 0 failed (1s)", 143, 5, 1],
    ["error: No test modules found", 1, 0, 1],
    ["error: Type checking failed.", 1, 0, 1],
    ["", 0, 0, 1],
  ] as const;
  for (const [line, code, passed, failed] of cases) {
    assertEquals(readSummary(`running\n${line}\n\n`, code), { passed, failed }, line);
  }
});

Deno.test("readSummary() believes the last summary, and no line that only looks like one", () => {
  const inner = "ok | 100 passed | 0 failed (1s)";
  assertEquals(readSummary(`${inner}\nFAILED | 1 passed | 1 failed (1s)\n`, 1), { passed: 1, failed: 1 });
  assertEquals(readSummary(`test prints: ${inner}\n`, 0), { passed: 0, failed: 1 });
  assertEquals(readSummary(`  ${inner}\n`, 0), { passed: 0, failed: 1 });
});

Deno.test("readSummary() sees through colours", () => {
  const text = "\x1b[0m\x1b[31mFAILED\x1b[0m | 7 passed | 1 failed \x1b[0m\x1b[38;5;245m(1s)\x1b[0m\n";
  assertEquals(readSummary(text, 1), { passed: 7, failed: 1 });
});

Deno.test("summaryLine() is what readers of the log look for, of no run too", () => {
  assertEquals(summaryLine({ passed: 3, failed: 0 }), "3 passed, 0 failed");
  assertEquals(addSummaries([]), { passed: 0, failed: 0 });
});
