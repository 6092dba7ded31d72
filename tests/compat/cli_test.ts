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
