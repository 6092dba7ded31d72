import { assert, assertEquals, assertMatch } from "@std/assert";
import { BUSYBOX, hostTest, libflux, temporaryDirectory, uniqueName } from "../support.ts";

const lines = (text: string): Record<string, unknown>[] =>
  text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));

hostTest("--log-format json tells errors and warnings as one JSON object a line", async () => {
  const before = Date.now();
  const run = ["run", uniqueName(), "--image", BUSYBOX, "--network", "none"];
  const missing = await libflux([...run, "--log-format", "json", "--", "nosuchcommand"]);
  assertEquals([missing.code, missing.stdout], [127, ""]);
  const [error, ...none] = lines(missing.stderr);
  assertEquals(none, []);
  assert(Date.parse(String(error?.time)) >= before - 1);
  assertEquals([error?.level, error?.exitCode, error?.path], ["error", 127, "nosuchcommand"]);
  assertMatch(String(error?.msg), /^there is no command "nosuchcommand" in the container's PATH/);
  assertEquals(error?.hint, "is it in the image, and spelled right?");
  const wrong = await libflux([...run, "--log-format=json", "--imgae", "x", "--", "true"]);
  assertEquals([wrong.code, lines(wrong.stderr).map(({ level, exitCode }) => [level, exitCode])], [125, [[
    "error",
    125,
  ]]]);
  const debug = await libflux([...run, "--log-format=json", "--log-level=debug", "--", "nosuchcommand"]);
  assertMatch(String(lines(debug.stderr)[0]?.stack), / {4}at /);
});

hostTest("--log-file gets what is told too, and standard error stays as it is", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/log`;
  const run = ["run", uniqueName(), "--image", BUSYBOX, "--network", "none", "--log-file", file];
  const text = await libflux([...run, "--", "nosuchcommand"]);
  assertMatch(text.stderr, /^libflux: there is no command "nosuchcommand"/);
  assertMatch(Deno.readTextFileSync(file), /^\d{4}-\d\d-\d\dT[\d:.]+Z error: there is no command "nosuchcommand".*\n$/);
  const json = await libflux([...run, "--log-format", "json", "--", "nosuchcommand"]);
  const told = Deno.readTextFileSync(file).split("\n")[1] ?? "";
  assertEquals(`${told}\n`, json.stderr);
  const fine = await libflux([...run, "--", "echo", "hello"]);
  assertEquals([fine.code, fine.stdout, fine.stderr], [0, "hello\n", ""]);
  assertEquals(Deno.readTextFileSync(file).split("\n").length, 3);
});

hostTest("a log of libflux's own that can't be written is told before anything runs", async () => {
  const run = ["run", uniqueName(), "--image", BUSYBOX, "--network", "none"];
  const { code, stdout, stderr } = await libflux([...run, "--log-file", "/nowhere/log", "--", "echo", "hello"]);
  assertEquals([code, stdout], [125, ""]);
  assertMatch(
    stderr,
    /^libflux: --log-file \/nowhere\/log can't be written: no such file or directory \(ENOENT\); give a file/,
  );
  const format = await libflux([...run, "--log-format", "xml", "--", "true"]);
  assertEquals([format.code, format.stderr], [125, 'libflux: --log-format is text or json, not "xml"\n']);
});
