import { assertEquals, assertThrows } from "@std/assert";
import {
  basename,
  dirname,
  extname,
  fromFileUrl,
  isAbsolute,
  join,
  normalize,
  relative,
  resolve,
  toFileUrl,
} from "@std/path";

Deno.test("normalize() and join()", () => {
  const cases = [["", "."], ["/", "/"], ["a/../b/./c//d/", "b/c/d/"], ["../a/../..", "../.."], ["/../a", "/a"], [
    "./",
    "./",
  ]] as const;
  for (const [path, normal] of cases) assertEquals(normalize(path), normal, path);
  assertEquals([join("a", "..", "b"), join("/a", "/b"), join(), join("", "a")], ["b", "/a/b", ".", "a"]);
});

Deno.test("resolve() and relative()", () => {
  assertEquals([resolve("/a", "b", "../c"), resolve("/a", "/b"), resolve("x")], ["/a/c", "/b", `${Deno.cwd()}/x`]);
  assertEquals([relative("/a/b", "/a/c/d"), relative("/a", "/a"), relative("/", "/x")], ["../c/d", "", "x"]);
});

Deno.test("dirname(), basename() and extname()", () => {
  assertEquals(["/a/b", "/a", "a", "/a/b/", "/"].map((path) => dirname(path)), ["/a", "/", ".", "/a", "/"]);
  assertEquals([basename("/a/b.ts"), basename("/a/b.ts", ".ts"), basename("/a/"), basename("/")], [
    "b.ts",
    "b",
    "a",
    "/",
  ]);
  assertEquals(["a.b.ts", ".hidden", "a", ".."].map((path) => extname(path)), [".ts", "", "", ""]);
});

Deno.test("URLs of files and back", () => {
  assertEquals(fromFileUrl("file:///a%20b/c"), "/a b/c");
  assertEquals(toFileUrl("/a b/%?#").href, "file:///a%20b/%25%3F%23");
  for (const path of ["/", "/a b/ü%20#?\\x"]) assertEquals(fromFileUrl(toFileUrl(path)), path);
  assertThrows(() => fromFileUrl("http://a/"), TypeError);
  assertThrows(() => toFileUrl("a"), TypeError);
  assertEquals([isAbsolute("/a"), isAbsolute("a")], [true, false]);
});

Deno.test("dirname(), basename() and extname() at the edges", () => {
  const cases = [
    ["", ".", "", ""],
    ["/", "/", "/", ""],
    ["//", "/", "/", ""],
    ["/a//", "/", "a", ""],
    ["a//b", "a", "b", ""],
    ["/a.d/b", "/a.d", "b", ""],
    ["/a/b.c/", "/a", "b.c", ".c"],
    [".a.b", ".", ".a.b", ".b"],
    ["a.", ".", "a.", "."],
    ["./a", ".", "a", ""],
    ["../..", "..", "..", ""],
  ] as const;
  for (const [path, directory, base, extension] of cases) {
    assertEquals([dirname(path), basename(path), extname(path)], [directory, base, extension], path);
  }
  assertEquals([basename("a.ts", ".ts"), basename(".ts", ".ts"), basename("a.ts", ".js")], ["a", ".ts", "a.ts"]);
});

Deno.test("resolve() ends without a slash, and can't leave the root", () => {
  const cases = [
    [["/a/", "b/"], "/a/b"],
    [["/"], "/"],
    [["/", ".."], "/"],
    [["/a", "../../../b"], "/b"],
    [["/a", "", "."], "/a"],
    [["/a", "/b", "c"], "/b/c"],
  ] as const;
  for (const [segments, path] of cases) assertEquals(resolve(...segments), path);
  assertEquals([resolve(), resolve(""), resolve(".")], [Deno.cwd(), Deno.cwd(), Deno.cwd()]);
});

Deno.test("relative() undoes resolve()", () => {
  for (const [from, to] of [["/a/b/c", "/a/d"], ["/", "/"], ["/a", "/"], ["/a/b", "/a/b/c"], ["/ab", "/a"]] as const) {
    assertEquals(resolve(from, relative(from, to)), to, `${from} ${to}`);
  }
  assertEquals(relative("/ab", "/a"), "../a");
});

Deno.test("normalize() and join() keep a trailing slash, and names that only look like dots", () => {
  assertEquals([normalize("/a/./b/"), normalize("/..a/.../b."), normalize("//a//")], ["/a/b/", "/..a/.../b.", "/a/"]);
  assertEquals([join("/a/", "/b/"), join("a", "../.."), join("", ""), join("/")], ["/a/b/", "..", ".", "/"]);
});
