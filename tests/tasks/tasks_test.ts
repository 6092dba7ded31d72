import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { staticBuiltins } from "../../tasks/bundle.ts";
import { addSegment, ElfError, placeSegment, readElf } from "../../tasks/packer/elf.ts";
import { complaint, missingPackages } from "../../tasks/setup.ts";
import { addSummaries, readSummary, summaryLine } from "../../tasks/summary.ts";

Deno.test("readSummary() counts, and takes what isn't known to have passed for failed", () => {
  assertEquals(readSummary("...\nok | 5 passed | 0 failed (1s)\n", 0), { passed: 5, failed: 0 });
  assertEquals(readSummary("\x1b[32mok\x1b[0m | 5 passed (3 steps) | 0 failed (1s)\n", 0), { passed: 5, failed: 0 });
  assertEquals(readSummary("FAILED | 5 passed | 2 failed (1s)\n", 1), { passed: 5, failed: 2 });
  assertEquals(readSummary("ok | 5 passed | 0 failed | 3 ignored (1s)\n", 0), { passed: 5, failed: 3 });
  assertEquals(readSummary("ok | 0 passed | 0 failed (0ms)\n", 0), { passed: 0, failed: 1 });
  assertEquals(readSummary("ok | 5 passed | 0 failed (1s)\n", 1), { passed: 5, failed: 1 });
  assertEquals(readSummary("", 137), { passed: 0, failed: 1 });
});

Deno.test("addSummaries() and summaryLine()", () => {
  assertEquals(summaryLine(addSummaries([{ passed: 1, failed: 2 }, { passed: 3, failed: 4 }])), "4 passed, 6 failed");
});

Deno.test("missingPackages() names what a purpose lacks, each once", () => {
  assertEquals(missingPackages("demo", () => true), []);
  assertEquals(missingPackages("demo", () => false), ["iproute2", "iptables"]);
  assertEquals(missingPackages("bench", (command) => command !== "crun"), ["crun"]);
});

Deno.test("complaint() is one sentence that says what to install", () => {
  assertEquals(complaint(["a"], "why"), "a package is missing and why; install what Debian calls a and try again");
  assertStringIncludes(complaint(["a", "b"], "why"), "packages are missing");
});

Deno.test("staticBuiltins() finds what a bundle loads at its start", () => {
  assertEquals(
    staticBuiltins('import a from"node:fs";import{b}from "node:path";import"node:tty";await import("node:os");'),
    ["node:fs", "node:path", "node:tty"],
  );
});

Deno.test("readElf() and addSegment() refuse what can't be packed", () => {
  for (const bytes of [new Uint8Array(10), new Uint8Array(100)]) assertThrows(() => readElf(bytes), ElfError);
  const head = new Uint8Array(4096);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = new DataView(head.buffer);
  assertThrows(() => readElf(head), ElfError, "unknown machine 0");
  view.setUint16(18, 62, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setBigUint64(80, 0x1000n, true);
  view.setBigUint64(104, 0x234n, true);
  assertEquals(placeSegment(readElf(head), 5000), { offset: 0x2000, vaddr: 0x2000, align: 0x1000 });
  assertThrows(() => addSegment(head, { offset: 0, vaddr: 0, align: 1 }, 1), ElfError, "no PT_NOTE");
});
