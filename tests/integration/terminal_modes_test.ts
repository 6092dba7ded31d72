import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BUSYBOX, hostTest, LIBFLUX, patience, temporaryDirectory, uniqueName } from "./support.ts";
import { Terminal } from "./terminal.ts";

const COOKED = { canonical: true, echo: true, signals: true };
const RAW = { canonical: false, echo: false, signals: false };

function sh(
  script: string,
  flags: readonly string[] = [],
  size?: { columns: number; rows: number },
  redirect?: string,
): Terminal {
  return new Terminal(["run", uniqueName(), "--image", BUSYBOX, ...flags, "--", "sh", "-c", script], size, redirect);
}

/** Runs a command to its end, which must come soon. */
async function timed(program: string, args: readonly string[]): Promise<{ readonly stdout: string }> {
  const signal = AbortSignal.timeout(10_000);
  const { stdout } = await new Deno.Command(program, { args: [...args], stdin: "null", signal }).output();
  return { stdout: new TextDecoder().decode(stdout) };
}

hostTest("terminal: as before after each kind of failure", async () => {
  for (
    const [flags, command, code] of [
      [["--image", "/nowhere"], "true", 125],
      [["--image", BUSYBOX, "--bind", "/etc/passwd:/tmp"], "true", 125],
      [["--image", BUSYBOX], "/etc/passwd", 126],
      [["--image", BUSYBOX], "/nowhere", 127],
    ] as const
  ) {
    await using terminal = new Terminal(["run", uniqueName(), ...flags, "--", command]);
    assertEquals(await terminal.ended(), code);
    assertEquals(terminal.modes, COOKED, command);
    // One line, that begins at the left and ends as lines of a terminal do.
    await terminal.shows("\r\n");
    assertMatch(terminal.text, /^libflux: [^\r\n]+\r\n$/);
  }
});

hostTest("terminal: as before after a second interrupt, which is told on a line of its own", async () => {
  await using terminal = sh("trap '' INT; trap 'echo alive' USR1; echo ready; while :; do sleep 0.01; done");
  await terminal.shows("ready");
  const pid = terminal.pid();
  Deno.kill(pid, "SIGINT");
  Deno.kill(pid, "SIGUSR1");
  await terminal.shows("alive");
  assertEquals(terminal.modes, RAW);
  Deno.kill(pid, "SIGINT");
  assertEquals(await terminal.ended(), 137);
  assertEquals(terminal.modes, COOKED);
  assertStringIncludes(terminal.text, "libflux: second interrupt: killing the container\r\n");
});

hostTest("terminal: as before after SIGHUP; raw while a command ignores SIGTERM", async () => {
  await using terminal = sh("trap '' TERM; trap 'echo alive' USR1; echo ready; while :; do sleep 0.01; done");
  await terminal.shows("ready");
  Deno.kill(terminal.pid(), "SIGTERM");
  Deno.kill(terminal.pid(), "SIGUSR1");
  await terminal.shows("alive");
  assertEquals(terminal.modes, RAW);
  Deno.kill(terminal.pid(), "SIGHUP");
  assertEquals(await terminal.ended(), 129);
  assertEquals(terminal.modes, COOKED);
});

hostTest("terminal: 100,000 bytes written by a command that ends at once all arrive", async () => {
  await using terminal = sh("head -c 100000 /dev/zero | tr '\\0' x; exit 5");
  assertEquals(await terminal.ended(), 5);
  const deadline = performance.now() + patience(10_000);
  while (terminal.text.length < 100_000 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals([terminal.text.length, terminal.text.replaceAll("x", "")], [100_000, ""]);
});

hostTest("terminal: --tty with piped input gives the command that input, and its end", async () => {
  const command = `echo hello | ${LIBFLUX} run ${uniqueName()} --image ${BUSYBOX} --tty -- cat; echo "code $?"`;
  await using terminal = new Terminal(["-c", command], undefined, "", "bash");
  await terminal.shows("code 0\r\n");
  assertEquals(await terminal.ended(), 0);
  // Once as echo of the inner terminal, once from cat.
  assertEquals(terminal.text, "hello\r\nhello\r\ncode 0\r\n");
  assertEquals(terminal.modes, COOKED);
});

hostTest("terminal: --tty with output to a file has the size of the terminal that is left", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/out`;
  await using terminal = sh("stty size; test -t 1 && echo inside", ["--tty"], { columns: 99, rows: 33 }, `>${file}`);
  assertEquals(await terminal.ended(), 0);
  assertEquals(Deno.readTextFileSync(file), "33 99\r\ninside\r\n");
  assertEquals(terminal.modes, COOKED);
});

hostTest("terminal: with --no-tty it stays as it is, and Ctrl-C goes through libflux", async () => {
  await using terminal = sh("trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.01; done", [
    "--no-tty",
  ]);
  await terminal.shows("ready");
  assertEquals(terminal.modes, COOKED);
  terminal.type("\x03");
  assertEquals(await terminal.ended(), 4);
  assertStringIncludes(terminal.text, "interrupted\r\n");
});

hostTest("terminal: with --no-tty Ctrl-D ends the input", async () => {
  await using terminal = sh("echo ready; cat; echo end", ["--no-tty"]);
  await terminal.shows("ready");
  terminal.type("line\r");
  await terminal.shows("line\r\nline\r\n");
  terminal.type("\x04");
  await terminal.shows("end\r\n");
  assertEquals(await terminal.ended(), 0);
});

hostTest("terminal: many sizes in a row, and the last one holds", async () => {
  await using terminal = sh("echo ready; read x; stty size");
  await terminal.shows("ready");
  for (let columns = 100; columns < 150; columns++) terminal.resize({ columns, rows: 50 });
  // Its own echo tells that libflux is at work again, and that what came before has been passed on.
  terminal.type("x");
  await terminal.shows("x");
  terminal.type("\r");
  assertEquals(await terminal.ended(), 0);
  assertStringIncludes(terminal.text, "50 149\r\n");
});

hostTest("terminal: --tty into a pipe that ends hangs up", async () => {
  for (const flags of ["", "--no-init"]) {
    const line =
      `"$0" run ${uniqueName()} --image ${BUSYBOX} --tty ${flags} -- yes | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout } = await timed("bash", ["-c", line, LIBFLUX]);
    // SIGHUP; PID 1 itself gets an error from its next write.
    assertEquals(stdout, `y\n${flags === "" ? 129 : 1}\n`.replace("y\n", "y\r\n"), flags);
  }
});

hostTest("terminal: the end of the input ends it, whatever the last line ends with", async () => {
  for (
    const [input, script, shown] of [["abc", "cat", "abcabc"], ["abc\n", "cat", "abc\r\nabc\r\n"], [
      "",
      "cat; echo end",
      "end\r\n",
    ]]
  ) {
    const line =
      `printf '${input}' | "$0" run ${uniqueName()} --image ${BUSYBOX} --tty -- sh -c "${script}"; echo "$?"`;
    const { stdout } = await timed("sh", ["-c", line, LIBFLUX]);
    assertEquals(stdout, `${shown}0\n`);
  }
});

hostTest("terminal: a job in the background runs without it, and isn't stopped", async () => {
  // An interactive shell gives each job a process group of its own, and the terminal to the one in front.
  const script = `set -m
    "$0" run ${uniqueName()} --image ${BUSYBOX} -- sh -c 'tty; cat; echo end of input' &
    wait $!; echo "ended with $?"`;
  await using terminal = new Terminal(["-c", script, LIBFLUX], undefined, "", "bash");
  await terminal.shows("ended with 0");
  assertMatch(terminal.text, /not a tty\r\nend of input\r\n[^\n]*Done[^\n]*\r\nended with 0/);
  assertEquals(terminal.modes, COOKED);
});
