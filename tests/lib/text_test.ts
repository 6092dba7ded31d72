import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { statistics } from "../../lib/benchmark.ts";
import { bar, histogram, progressBar } from "../../lib/chart.ts";
import {
  CommandNotFoundError,
  describe,
  errnoText,
  FluxError,
  LaunchError,
  NotExecutableError,
  UsageError,
} from "../../lib/errors.ts";
import { nearest, table } from "../../lib/render.ts";

Deno.test("table() lines up columns without trailing blanks", () => {
  assertEquals(table(["A", "LONG"], [["longer", "x"], ["", ""]]), "A       LONG\nlonger  x\n\n");
  assertEquals(table(["A"], []), "A\n");
});

Deno.test("nearest() finds what was meant, and nothing where nothing is near", () => {
  const names = ["run", "ps", "info", "explain", "benchmark"];
  assertEquals(["rnu", "inof", "explian", "benchmrk", "runn"].map((word) => nearest(word, names)), [
    "run",
    "info",
    "explain",
    "benchmark",
    "run",
  ]);
  assertEquals(["frobnicate", "x", ""].map((word) => nearest(word, names)), [undefined, undefined, undefined]);
});

Deno.test("bar(), progressBar() and histogram() keep to their width", () => {
  assertEquals([bar(0), bar(2), bar(1.5)], ["", "██", "█▌"]);
  for (const [done, count, width] of [[0, 10, 30], [5, 10, 30], [10, 10, 30], [1, 3, 5], [0, 0, 10]] as const) {
    assert([...progressBar(done, count, width)].length <= Math.max(width, ` ${done}/${count}`.length));
  }
  const values = Array.from({ length: 100 }, (_, index) => 1 + index / 10).concat(500);
  const lines = histogram(values, 60).trimEnd().split("\n");
  assert(lines.every((line) => [...line].length <= 60), lines.join("\n"));
  assertEquals(lines.map((line) => Number(line.split(" ").at(-1))).reduce((a, b) => a + b), values.length);
  assertEquals([histogram([], 60), histogram([1, 1, 1], 40).split("\n").length], ["", 2]);
});

Deno.test("statistics() gives figures that were measured", () => {
  assertEquals(statistics([5, 1, 3]), { min: 1, median: 3, p95: 5, max: 5 });
  assertEquals(statistics([7]), { min: 7, median: 7, p95: 7, max: 7 });
  assertEquals(statistics(Array.from({ length: 100 }, (_, index) => index + 1)), {
    min: 1,
    median: 50,
    p95: 95,
    max: 100,
  });
});

Deno.test("errors have the exit codes that shells and runtimes have", () => {
  assertEquals(
    [
      new FluxError(""),
      new UsageError(""),
      new LaunchError(""),
      new NotExecutableError(""),
      new CommandNotFoundError(""),
    ].map(({ exitCode }) => exitCode),
    [125, 125, 125, 126, 127],
  );
  assertEquals(new UsageError("").name, "UsageError");
});

Deno.test("describe() is one line, and with debug all that is known", () => {
  const error = new LaunchError("could not mount proc", {
    hint: "do this",
    step: "mount proc",
    errno: 1,
    cause: new Error("why"),
  });
  assertEquals(describe(error), "libflux: could not mount proc; do this");
  assertStringIncludes(describe(error, true), "Error: why");
  assertStringIncludes(describe(new TypeError("oops")), "bug in libflux");
  assertEquals(describe("text"), "libflux: text");
});

Deno.test("errnoText() gives words and the name", () => {
  assertEquals([errnoText(2), errnoText(9999)], ["no such file or directory (ENOENT)", "error 9999"]);
});
