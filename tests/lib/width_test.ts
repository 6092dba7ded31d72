import { assert, assertEquals } from "@std/assert";
import { cut, displayWidth, wrap } from "../../lib/width.ts";

Deno.test("displayWidth() counts columns, not code units", () => {
  const cases = [
    ["", 0],
    ["plain ~ text", 12],
    ["naïve", 5],
    ["nai\u0308ve", 5],
    ["漢字", 4],
    ["ｶﾀｶﾅ", 4],
    ["カタカナ", 8],
    ["한국어", 6],
    ["\u1112\u1161\u11ab", 2],
    ["Ａ！", 4],
    ["🚀", 2],
    ["👩‍🚀", 2],
    ["🇫🇷", 2],
    ["☎\ufe0f", 2],
    ["☎", 1],
    ["a\u200bb", 2],
    ["…é–", 3],
    ["שלום", 4],
    ["नि", 1],
  ] as const;
  for (const [text, width] of cases) assertEquals(displayWidth(text), width, JSON.stringify(text));
});

Deno.test("cut() keeps what fits, whole characters only, and says that there was more", () => {
  const cases = [
    ["short", 5, "short"],
    ["longer", 5, "long…"],
    ["a bc", 3, "a…"],
    ["漢字漢字", 5, "漢字…"],
    ["漢字漢字", 4, "漢…"],
    ["e\u0301e\u0301e\u0301", 2, "e\u0301…"],
    ["abc", 1, "…"],
    ["abc", 0, ""],
  ] as const;
  for (const [text, width, expected] of cases) assertEquals(cut(text, width), expected, `${text} ${width}`);
});

Deno.test("cut() never takes more columns than it is given, whatever the text", () => {
  const letters = ["a", " ", "漢", "e\u0301", "🚀", "👩‍🚀", "\u200b", "é", "ｶ"];
  let seed = 1;
  const next = (below: number): number => (seed = seed * 48271 % 0x7fffffff) % below;
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: next(20) }, () => letters[next(letters.length)]).join("");
    for (const width of [0, 1, 2, 5, 10]) {
      const kept = cut(text, width);
      assert(displayWidth(kept) <= width, JSON.stringify([text, width, kept]));
      if (kept !== text && width > 0) assert(kept.endsWith("…"), kept);
    }
  }
});

Deno.test("wrap() breaks at blanks, and nowhere else", () => {
  assertEquals(wrap("one two three", 7), ["one two", "three"]);
  assertEquals(wrap("one  two\nthree", 80), ["one two three"]);
  assertEquals(wrap("a unbreakable-word b", 5), ["a", "unbreakable-word", "b"]);
  assertEquals(wrap("漢字 漢字", 8), ["漢字", "漢字"]);
  assertEquals(wrap("", 10), [""]);
});
