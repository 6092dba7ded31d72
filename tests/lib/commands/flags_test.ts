import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseFlags } from "../../../lib/commands/flags.ts";
import { parseRun } from "../../../lib/commands/run_flags.ts";
import { UsageError } from "../../../lib/errors.ts";

const FLAGS = [
  { name: "switch", short: "s", help: "" },
  { name: "value", short: "v", aliases: ["other"], value: "V", help: "" },
  { name: "many", value: "M", repeated: true, help: "" },
] as const;
const parse = (...args: string[]) => parseFlags("test", FLAGS, args);

Deno.test("parseFlags() reads switches, values, and what is left", () => {
  const flags = parse("one", "--switch", "--value=a=b", "--many", "1", "--many=2", "two", "--", "--switch", "x");
  assertEquals([flags.on("switch"), flags.value("value"), flags.values("many")], [true, "a=b", ["1", "2"]]);
  assertEquals([flags.positional, flags.rest], [["one", "two"], ["--switch", "x"]]);
});

Deno.test("parseFlags() tells a switch that was turned off from one that wasn't given", () => {
  assertEquals([parse("--no-switch").on("switch"), parse().on("switch"), parse("-s").on("switch")], [
    false,
    undefined,
    true,
  ]);
});

Deno.test("parseFlags() keeps numbers as they were written", () => {
  assertEquals([parse("--value", "007").value("value"), parse("0x10").positional], ["007", ["0x10"]]);
});

Deno.test("parseFlags() takes values that begin with a dash, unless they are flags", () => {
  assertEquals([
    parse("--value", "-5").value("value"),
    parse("-v", "-x").value("value"),
    parse("--other", "--x=y").value("value"),
  ], ["-5", "-x", "--x=y"]);
  assertThrows(() => parse("--value", "--switch"), UsageError, "--value needs a value");
});

Deno.test("parseFlags() reads short flags with their value attached", () => {
  assertEquals(["-vA=b", "-v=A=b", "-v5"].map((arg) => parse(arg).value("value")), ["A=b", "A=b", "5"]);
  assertEquals(run("a", "-eFOO=bar", "-uweb", "--", "b")?.options.env, { FOO: "bar" });
});

Deno.test("parseFlags() takes true and false for a switch, and nothing else", () => {
  assertEquals(["--switch=true", "--switch=false"].map((arg) => parse(arg).on("switch")), [true, false]);
  for (const arg of ["--switch=no", "--switch=0", "--switch=", "--no-switch=x", "--no-switch=true"]) {
    assertThrows(() => parse(arg), UsageError, "takes no value", arg);
  }
});

Deno.test("parseFlags() finds nothing in what every object has", () => {
  for (const arg of ["--constructor", "--toString", "--__proto__"]) {
    assertStringIncludes(assertThrows(() => parse(arg), UsageError).hint ?? "", "--help", arg);
  }
});

Deno.test("parseFlags() refuses what isn't declared, naming the nearest", () => {
  const hint = (arg: string) => assertThrows(() => parse(arg), UsageError).hint;
  assertEquals([hint("--valeu"), hint("--swich"), hint("--no-swich")], [
    "did you mean --value?",
    "did you mean --switch?",
    "did you mean --no-switch?",
  ]);
  assertStringIncludes(hint("--frobnicate") ?? "", "--help");
});

Deno.test("parseFlags() refuses a missing value, and one flag twice", () => {
  for (const args of [["--value"], ["--value="], ["--value", "a", "--other", "b"]]) {
    assertThrows(() => parse(...args), UsageError);
  }
});

const run = (...args: string[]) => parseRun("run", args);

Deno.test("parseRun() reads a whole command line", () => {
  const line = run(
    "web",
    "--image",
    "/srv",
    "-v",
    "/a:/b:ro",
    "--tmpfs",
    "/t",
    "-e",
    "A=b=c",
    "--label",
    "x",
    "--user",
    "1:2",
    "--no-init",
    "--read-only",
    "--time-offset",
    "-5",
    "--",
    "cmd",
    "--flag",
  );
  assertEquals(line?.options.command, ["cmd", "--flag"]);
  const { name, image, env, labels, user, init, readOnly, timeOffset, mounts } = line?.options ?? { name: "" };
  assertEquals([name, image, env, labels, user, init, readOnly, timeOffset], [
    "web",
    "/srv",
    { A: "b=c" },
    { x: "" },
    "1:2",
    false,
    true,
    -5,
  ]);
  assertEquals(mounts?.map(({ destination }) => destination), ["/b", "/t"]);
  assertEquals([line?.tty, line?.interactive, line?.quiet, line?.time], [undefined, undefined, false, false]);
});

Deno.test("parseRun() passes the caller's variables on, where there are such", () => {
  Deno.env.set("LIBFLUX_TEST_PASSED", "on");
  assertEquals(run("a", "-e", "LIBFLUX_TEST_PASSED", "-e", "LIBFLUX_TEST_ABSENT", "--", "b")?.options.env, {
    LIBFLUX_TEST_PASSED: "on",
  });
  Deno.env.delete("LIBFLUX_TEST_PASSED");
});

Deno.test("parseRun() answers nothing for --help", () => assertEquals(run("--help"), undefined));

Deno.test("parseRun() refuses what makes no container", () => {
  for (
    const args of [
      [],
      ["a"],
      ["a", "--"],
      ["a", "b", "--", "c"],
      ["a/b", "--", "c"],
      ["a", "--network", "x/y", "--", "c"],
      ["a", "--time-offset", "1.5", "--", "c"],
      ["a", "-e", "=", "--", "c"],
    ]
  ) {
    assertThrows(() => run(...args), UsageError, undefined, args.join(" "));
  }
});
