import { assertEquals } from "@std/assert";
import { baseName } from "../../lib/copy.ts";

Deno.test("baseName() is the last name of a path, whatever slashes and dots are behind it", () => {
  const names = ["/a/b", "/a/b/", "/a/b/.", "/a/b//././/", "b", "b/./"];
  assertEquals(names.map(baseName), names.map(() => "b"));
  assertEquals([".b.", "a.", "/a/.."].map(baseName), [".b.", "a.", undefined]);
  assertEquals(["", "/", ".", "./", "..", "//./."].map(baseName), Array(6).fill(undefined));
  // A pattern took longer than anybody waits for these.
  const [slashes, dots] = ["/".repeat(2000), "/.".repeat(2000)];
  assertEquals(baseName(`a${slashes}b${slashes}${dots}`), "b");
  assertEquals(baseName(`${slashes}a${slashes}b`), "b");
});
