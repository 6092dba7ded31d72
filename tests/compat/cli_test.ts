import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("parseArgs() sorts flags and positional arguments", () => {
  const flags = parseArgs(["--quux=baz", "--bool", "file", "5", "-n3", "--no-color"]);
  assertEquals(flags, { _: [5], quux: "baz", bool: "file", n: 3, "no-color": true });
});

Deno.test("parseArgs() keeps what follows -- apart when asked", () => {
  assertEquals(parseArgs(["a", "--", "--b"], { "--": true }), { _: ["a"], "--": ["--b"] });
  assertEquals(parseArgs(["a", "--", "--b"]), { _: ["a", "--b"] });
});

Deno.test("parseArgs() knows booleans, strings, aliases, collections and defaults", () => {
  const flags = parseArgs(["-v", "x", "--name", "007", "--many", "1", "--many", "2", "--no-init"], {
    boolean: ["v", "init"],
    negatable: ["init"],
    string: ["name", "many"],
    collect: ["many"],
    alias: { v: "verbose" },
    default: { other: 5 },
  });
  const found = [flags.v, flags.verbose, flags.name, flags.many, flags.init, flags.other, flags._];
  assertEquals(found, [true, true, "007", ["1", "2"], false, 5, ["x"]]);
});

Deno.test("parseArgs() hands what isn't known to a callback, and leaves it out where that says so", () => {
  const seen: (string | undefined)[] = [];
  const flags = parseArgs(["--known", "--unknown", "file"], {
    boolean: ["known"],
    string: ["_"],
    unknown: (_arg, key) => {
      seen.push(key);
      return false;
    },
  });
  assertEquals([seen[0], flags.known, "unknown" in flags], ["unknown", true, false]);
});

Deno.test("parseArgs() reads numbers as numbers, where the flag isn't text", () => {
  const cases = [["5", 5], ["0x10", 16], ["1e3", 1000], ["-5", -5], [".5", 0.5], ["5s", "5s"], [
    "1_000",
    "1_000",
  ]] as const;
  for (const [text, value] of cases) {
    assertEquals(parseArgs([`--n=${text}`]).n, value, text);
    assertEquals(parseArgs([`--n=${text}`], { string: ["n"] }).n, text);
  }
  assertEquals(parseArgs(["0x10", "a"])._, [16, "a"]);
});

Deno.test("parseArgs() reads clusters of letters, and a value that hangs on the last", () => {
  assertEquals(parseArgs(["-abc"]), { _: [], a: true, b: true, c: true });
  assertEquals(parseArgs(["-abc", "x"], { boolean: ["c"] }), { _: ["x"], a: true, b: true, c: true });
  assertEquals(parseArgs(["-abc", "x"]), { _: [], a: true, b: true, c: "x" });
  assertEquals(parseArgs(["-n5", "-m=6", "-o/path"]), { _: [], n: 5, m: 6, o: "/path" });
  assertEquals(parseArgs(["-"])._, ["-"]);
});

Deno.test("parseArgs() keeps what a value has in it: =, blanks, nothing", () => {
  const string = ["a"];
  assertEquals(parseArgs(["--a=b=c"], { string }).a, "b=c");
  assertEquals(parseArgs(["--a", "b c"], { string }).a, "b c");
  assertEquals([parseArgs(["--a="], { string }).a, parseArgs(["--a"], { string }).a], ["", ""]);
  assertEquals(parseArgs(["--a=b\nc"], { string }).a, "b\nc");
});

Deno.test("parseArgs() gives a switch no value but true and false", () => {
  const options = { boolean: ["b"], negatable: ["b"] } as const;
  const b = (...args: string[]) => parseArgs(args, options).b;
  assertEquals([b("--b"), b("--no-b"), b("--b=false"), b("--b", "false"), b()], [true, false, false, false, false]);
  assertEquals(parseArgs(["--b", "file"], options), { _: ["file"], b: true });
  assertEquals(parseArgs(["--any", "file"], { boolean: true }), { _: ["file"], any: true });
});

Deno.test("parseArgs() fills defaults in where nothing was given, for aliases too", () => {
  const options = { string: ["port"], alias: { port: ["p"] }, default: { port: "80" } } as const;
  assertEquals(parseArgs([], options), { _: [], port: "80", p: "80" });
  assertEquals(parseArgs(["-p", "81"], options), { _: [], port: "81", p: "81" });
});

Deno.test("parseArgs() collects what is repeated, and keeps the last of all else", () => {
  const collect = { string: ["a"], collect: ["a"] } as const;
  assertEquals(parseArgs(["--a=1", "--a", "2", "--a=3"], collect).a, ["1", "2", "3"]);
  assertEquals([parseArgs(["--a=1"], collect).a, parseArgs([], collect).a], [["1"], []]);
  assertEquals(parseArgs(["--a=1", "--a=2"]).a, 2);
});

Deno.test("parseArgs() stops at the first positional argument when asked", () => {
  assertEquals(parseArgs(["--a", "--b", "--", "x"], { boolean: ["a", "b"] })._, ["x"]);
  assertEquals(parseArgs(["--a", "run", "--b"], { boolean: ["a"], stopEarly: true }), { _: ["run", "--b"], a: true });
});

Deno.test("parseArgs() nests dotted names, and lets none reach a prototype", () => {
  assertEquals(parseArgs(["--a.b=1", "--a.c", "x"]), { _: [], a: { b: 1, c: "x" } });
  for (const name of ["__proto__", "__proto__.polluted", "a.__proto__.polluted", "constructor.prototype.polluted"]) {
    parseArgs([`--${name}=yes`]);
    assertEquals(({} as Record<string, unknown>).polluted, undefined, name);
  }
});

Deno.test("parseArgs() tells the callback the argument, its name and its value", () => {
  const seen: unknown[][] = [];
  const unknown = (...args: unknown[]): boolean => seen.push(args) < 0;
  assertEquals(parseArgs(["--a=1", "-b", "x", "file"], { unknown }), { _: [] });
  assertEquals(seen, [["--a=1", "a", "1"], ["-b", "b", "x"], ["file"]]);
});
