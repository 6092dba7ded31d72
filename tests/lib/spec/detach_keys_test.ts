import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { DETACH_KEYS, DetachFilter, parseDetachKeys } from "../../../lib/spec/detach_keys.ts";

Deno.test("parseDetachKeys() reads sequences as docker does", () => {
  assertEquals([...parseDetachKeys(DETACH_KEYS)], [16, 17]);
  assertEquals([...parseDetachKeys("ctrl-a,d")], [1, 100]);
  assertEquals([...parseDetachKeys("CTRL-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_")], [0, 27, 28, 29, 30, 31]);
  assertEquals([...parseDetachKeys("")], []);
  for (const text of ["ctrl-", "ctrl-1", "ab", "ctrl-p,", "é"]) {
    assertThrows(() => parseDetachKeys(text), UsageError, "detach key", text);
  }
});

const text = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** What gets through a filter of "ab", piece by piece. */
function through(...pieces: string[]): readonly [string, boolean] {
  const filter = new DetachFilter(bytes("ab"));
  let all = "";
  for (const piece of pieces) {
    const { passed, isDetached } = filter.take(bytes(piece));
    all += text(passed);
    if (isDetached) return [all, true];
  }
  return [all, false];
}

Deno.test("DetachFilter finds the keys wherever they are cut, and passes all else on in its order", () => {
  assertEquals(through("xab", "y"), ["x", true]);
  assertEquals(through("xa", "by"), ["x", true]);
  assertEquals(through("a", "a", "b"), ["a", true]);
  assertEquals(through("a", "x", "b"), ["axb", false]);
  assertEquals(through("xyz"), ["xyz", false]);
  assertEquals(through("aaab"), ["aa", true]);
});

Deno.test("DetachFilter with one key, and with none", () => {
  assertEquals(new DetachFilter(bytes("q")).take(bytes("xqy")), { passed: Uint8Array.from([120]), isDetached: true });
  assertEquals(new DetachFilter(new Uint8Array()).take(bytes("ab")).isDetached, false);
});

Deno.test("DetachFilter finds keys that begin with themselves", () => {
  const filter = new DetachFilter(bytes("aab"));
  const { passed, isDetached } = filter.take(bytes("xaaab"));
  assertEquals([text(passed), isDetached], ["xa", true]);
});
