import { assert, assertEquals } from "@std/assert";
import { nearest, table } from "../../lib/render.ts";

Deno.test("table() is as wide as its widest cell, header or not, and ends every line", () => {
  assertEquals(table(["NAME", "PID"], [["a", "1"], ["longest", "22"]]), "NAME     PID\na        1\nlongest  22\n");
  assertEquals(table(["WIDEST", "B"], [["a", "b"]]), "WIDEST  B\na       b\n");
});

Deno.test("table() leaves no blanks at the end of a line, and takes rows that are short", () => {
  const text = table(["A", "B", "C"], [["x", "", ""], ["", "", "z"], ["only"], []]);
  assertEquals(text, "A     B  C\nx\n         z\nonly\n\n");
  for (const line of text.split("\n")) assert(!line.endsWith(" "), line);
});

Deno.test("nearest() forgives two mistakes of every kind", () => {
  const cases = [
    ["benchmark", "benchmark"],
    ["bencmark", "benchmark"],
    ["bennchmark", "benchmark"],
    ["benchmerk", "benchmark"],
    ["benhcmark", "benchmark"],
    ["bnchmrk", "benchmark"],
    ["ebnchmarkk", "benchmark"],
    ["bnchmr", undefined],
    ["Explain", "explain"],
    ["EXplain", "explain"],
    ["EXPlain", undefined],
  ] as const;
  for (const [word, expected] of cases) assertEquals(nearest(word, ["benchmark", "explain"]), expected, word);
});

Deno.test("nearest() prefers the smaller mistake, and of equals the first", () => {
  assertEquals(nearest("tty", ["time", "tt", "ttyy"]), "tt");
  assertEquals(nearest("labels", ["table", "label", "labels"]), "labels");
});

Deno.test("nearest() guesses nothing from a word that is too short to tell", () => {
  for (const word of ["", "x", "zz"]) assertEquals(nearest(word, ["a", "ps", "pid"]), undefined, word);
  assertEquals([nearest("p", ["p"]), nearest("pd", ["pid"]), nearest("run", [])], ["p", "pid", undefined]);
});
