import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Operand } from "../../ffi/program.ts";
import { listing } from "../../ffi/listing.ts";
import { ProgramBuilder } from "../../ffi/program.ts";

const list = (fill: (b: ProgramBuilder) => void): string => {
  const b = new ProgramBuilder("x86_64");
  fill(b);
  return listing(b.build());
};

/** How one operand of a syscall is shown. */
const shown = (make: (b: ProgramBuilder) => Operand): string => {
  const text = list((b) => b.syscall("close", [make(b)], { label: "it" }));
  return text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
};

Deno.test("listing() shows each kind of operand in the words of a C programmer", () => {
  const cases: readonly (readonly [(b: ProgramBuilder) => Operand, string])[] = [
    [() => 0, "0"],
    [() => -100, "-100"],
    [() => 0xffff, "65535"],
    [() => 0x10000, "0x10000"],
    [() => 2n ** 63n, "0x8000000000000000"],
    [() => ({ kind: "named", value: 5, text: "O_SOMETHING|O_ELSE" }), "O_SOMETHING|O_ELSE"],
    [(b) => b.slot("result"), "$result"],
    [(b) => b.addressOf(b.slot("status")), "&$status"],
    [(b) => b.buffer(120), "buffer[120]"],
    [(b) => b.at(b.buffer(120), 8), "buffer[120]+8"],
    [(b) => b.string("/path"), '"/path"'],
    [(b) => b.at(b.string("/path"), 1), '"/path"+1'],
    [(b) => b.string(""), '""'],
    [(b) => b.string('quote " and \\ and\nline'), '"quote \\" and \\\\ and\\nline"'],
    [(b) => b.string("x".repeat(61)), `"${"x".repeat(60)}…"`],
    [(b) => b.bytes(new TextEncoder().encode("text\n")), '"text\\n"'],
    [(b) => b.bytes(new Uint8Array([1, 2, 3])), "bytes[3]"],
    [(b) => b.bytes(new Uint8Array([0xff, 0xfe])), "bytes[2]"],
    [(b) => b.words([1, b.string("a"), 0x40000, 0]), '{1, "a", 0x40000, 0}'],
    [(b) => b.strings(["sh", "-c"]), '{"sh", "-c", 0}'],
  ];
  for (const [make, text] of cases) assertEquals(shown(make), text);
});

Deno.test("listing() escapes what could drive a terminal", () => {
  for (const character of ["\x1b", "\x07", "\x00"]) {
    const text = list((b) => {
      b.syscall("write", [b.bytes(new TextEncoder().encode(`a${character}b`))], { label: "it" });
      if (character !== "\x00") b.syscall("write", [b.string(`a${character}b`)], { label: "it" });
    });
    assert(!text.includes(character), JSON.stringify(text));
  }
});

Deno.test("listing() shows every condition, and says where a branch goes as its own numbers do", () => {
  for (const condition of ["<", "==", ">", "!=", "<=", ">="] as const) {
    const text = list((b) => {
      const end = b.target();
      b.branch(b.slot("a"), condition, 5, end, "compare");
      b.copy(b.buffer(4), b.buffer(8), 4, "copy it");
      b.place(end);
      b.exit(9, "end");
    });
    assertStringIncludes(text, `  1  if $a ${condition} 5, go to 3\n`);
    assertStringIncludes(text, "  2  copy 4 bytes from buffer[8] to buffer[4]\n");
    assertStringIncludes(text, "  3  exit with the wait status 9\n");
  }
  const loop = list((b) => b.goto(b.place(), "again"));
  assertEquals(loop, "again\n  1  go to 1\n");
});

Deno.test("listing() says what errors are passed over", () => {
  const note = (meaning: { readonly optional?: boolean; readonly tolerate?: number }): string =>
    list((b) => b.syscall("close", [1], { label: "it", ...meaning })).trimEnd().replace(/^.*close\(1\)/s, "");
  assertEquals([
    note({}),
    note({ optional: true }),
    note({ tolerate: 17 }),
    note({ tolerate: 38 }),
    note({ tolerate: 777 }),
  ], [
    "",
    "  // any error is passed over",
    "  // EEXIST is passed over",
    "  // ENOSYS is passed over",
    "  // error 777 is passed over",
  ]);
});

Deno.test("listing() gives steps of one name one heading, as long as they follow each other", () => {
  const text = list((b) => ["a", "a", "b", "a"].forEach((label) => b.syscall("getpid", [], { label })));
  assertEquals(text, "a\n  1  getpid()\n  2  getpid()\nb\n  3  getpid()\na\n  4  getpid()\n");
});

Deno.test("listing() lines its numbers up", () => {
  const lines = list((b) => {
    for (let i = 0; i < 10; i++) b.syscall("getpid", [], { label: "it" });
  }).split("\n");
  assertEquals([lines[1], lines[10]], ["   1  getpid()", "  10  getpid()"]);
});

Deno.test("listing() of an empty program is empty", () => assertEquals(list(() => {}), ""));

Deno.test("listing() shows sums, searches, and copies between places that slots hold", () => {
  const text = list((b) => {
    const [rest, at] = [b.slot("rest"), b.slot("at")];
    b.add(rest, 8, 0, "add", at);
    b.add(at, at, rest, "add");
    b.add(at, 0, 0, "add");
    b.find(at, 10, b.buffer(16), rest, "find");
    b.copy(at, b.buffer(16), rest, "copy");
  });
  assertEquals(
    text.split("\n").filter((line) => line.startsWith("  ")).map((line) => line.slice(5)),
    [
      "$rest = 8 - $at",
      "$at = $at + $rest",
      "$at = 0",
      "$at = find 10 from buffer[16] to $rest",
      "copy $rest bytes from buffer[16] to $at",
    ],
  );
});
