import { assert, assertEquals } from "@std/assert";
import { statistics } from "../../lib/benchmark.ts";
import { bar, histogram, progressBar } from "../../lib/chart.ts";

Deno.test("bar() draws eighths of a cell, and rounds what is less down", () => {
  const drawn = Array.from({ length: 9 }, (_, eighths) => bar(eighths / 8));
  assertEquals(drawn, ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"]);
  assertEquals([bar(0.1), bar(0.99), bar(3.124), bar(3.125)], ["", "▉", "███", "███▏"]);
});

Deno.test("progressBar() fills its width from nothing to full, and keeps the count at the end", () => {
  assertEquals(progressBar(0, 10, 15), `${" ".repeat(10)} 0/10`);
  assertEquals(progressBar(5, 10, 15), `█████${" ".repeat(5)} 5/10`);
  assertEquals(progressBar(10, 10, 16), `${"█".repeat(10)} 10/10`);
  for (let done = 0; done <= 100; done++) assertEquals([...progressBar(done, 100, 40)].length, 40);
  assertEquals([progressBar(0, 0, 10), progressBar(3, 9, 0)], ["       0/0", " 3/9"]);
});

Deno.test("progressBar() never goes back while its count has as many digits", () => {
  let before = "";
  for (let done = 100; done < 1000; done++) {
    const cells = progressBar(done, 1000, 80).split(" ")[0] ?? "";
    assert(cells.length >= before.length, String(done));
    before = cells;
  }
});

/** Label and count of every line. */
const lines = (text: string): [string, number][] =>
  text.trimEnd().split("\n").map((line) => {
    const [, label = "", count] = /^ *(≥? ?[\d.]+ ms) {2}.*?(\d+)$/.exec(line) ?? [];
    return [label, Number(count)];
  });

Deno.test("histogram() counts every value once, in ranges from the smallest on", () => {
  const values = Array.from({ length: 1000 }, (_, index) => 10 + index * 7919 % 1000 / 50);
  const counted = lines(histogram(values, 80));
  assertEquals(counted.reduce((sum, [, count]) => sum + count, 0), values.length);
  assertEquals(counted[0]?.[0], "10.00 ms");
  assertEquals(counted.length, 13);
  const from = counted.map(([label]) => Number(/[\d.]+/.exec(label)?.[0]));
  assertEquals(from.toSorted((a, b) => a - b), from);
});

Deno.test("histogram() lets the slowest twentieth share the last line", () => {
  const counted = lines(
    histogram([...Array.from({ length: 95 }, (_, index) => index + 1), 900, 901, 902, 903, 904], 80),
  );
  assertEquals([counted.at(-1)?.[0], counted.at(-1)?.[1]], ["≥ 95.00 ms", 6]);
});

Deno.test("histogram() draws the fullest range over the whole width, and none wider", () => {
  for (const width of [40, 60, 80, 200]) {
    const text = histogram([1, 1, 1, 1, 2, 3], width).trimEnd().split("\n");
    const widths = text.map((line) => [...line].length);
    assert(Math.max(...widths) <= width && widths[0] === Math.max(...widths), String(width));
    assert(Math.max(...widths) >= width - 2, String(widths));
  }
});

Deno.test("histogram() takes a single value, equal ones, and values in any order without changing them", () => {
  assertEquals([lines(histogram([5], 60)), lines(histogram([2, 2, 2], 60))], [[["5.00 ms", 1]], [["2.00 ms", 3]]]);
  const values = [3, 1, 2];
  assertEquals(histogram(values, 60), histogram([1, 2, 3], 60));
  assertEquals([values, histogram([], 60)], [[3, 1, 2], ""]);
});

Deno.test("statistics() goes by nearest rank, in any order, and changes nothing", () => {
  const cases = [
    [[2, 1], { min: 1, median: 1, p95: 2, max: 2 }],
    [[4, 3, 2, 1], { min: 1, median: 2, p95: 4, max: 4 }],
    [[10, 9, 100], { min: 9, median: 10, p95: 100, max: 100 }],
    [Array.from({ length: 20 }, (_, index) => 20 - index), { min: 1, median: 10, p95: 19, max: 20 }],
    [Array.from({ length: 21 }, (_, index) => index + 1), { min: 1, median: 11, p95: 20, max: 21 }],
    [[0.5, 0.25], { min: 0.25, median: 0.25, p95: 0.5, max: 0.5 }],
  ] as const;
  for (const [samples, expected] of cases) {
    const before = [...samples];
    assertEquals(statistics(samples), expected);
    assertEquals([...samples], before);
  }
  assertEquals(statistics([]), { min: 0, median: 0, p95: 0, max: 0 });
});
