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

Deno.test("table() fits into a width by cutting the widest cells first, and no header", () => {
  const rows = [["web", "a".repeat(30), "b".repeat(20)]] as const;
  const text = table(["NAME", "FIRST", "SECOND"], rows, { width: 40 });
  assertEquals(text, `NAME  FIRST${" ".repeat(13)}SECOND\nweb   ${"a".repeat(15)}…  ${"b".repeat(15)}…\n`);
  assertEquals(table(["NAME", "FIRST", "SECOND"], rows), table(["NAME", "FIRST", "SECOND"], rows, { width: 60 }));
  // As narrow as it can be, and no narrower.
  const least = table(["NAME", "A LONG HEADER"], [["x".repeat(20), "y".repeat(20)]], { width: 1 });
  assertEquals(least, "NAME      A LONG HEADER\nxxxxxxx…  yyyyyyyyyyyy…\n");
});

Deno.test("table() cuts nothing that is to be whole, and lines up what is wide or painted", () => {
  const name = "n".repeat(30);
  assertEquals(
    table(["NAME", "B"], [[name, "c".repeat(30)]], { width: 40, whole: [0] }).split("\n")[1],
    `${name}  ccccccc…`,
  );
  const painted = table(["A", "B"], [["漢字", "x"], ["a", "y"]], {
    paint: (text, column) => column === 0 ? `<${text}>` : text,
  });
  assertEquals(painted, "A     B\n<漢字>  x\n<a>     y\n");
});
