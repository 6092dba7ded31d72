import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  BUSYBOX,
  hostTest,
  IS_USER,
  LIBFLUX,
  libflux,
  patience,
  rootTest,
  runContainer,
  startLibflux,
  uniqueName,
} from "../support.ts";
import { Terminal } from "../terminal.ts";
import { detached, eventually, isRunning, script } from "./support.ts";

const DETACH = "\x10\x11";

/** Starts something in a terminal that gets raw, and waits until it is. */
async function attachedTo(name: string): Promise<Terminal> {
  const terminal = new Terminal(["attach", name]);
  await eventually(() => !terminal.modes.canonical, "it is attached");
  return terminal;
}

/** How a child ends, which must be soon. */
async function soon(child: Deno.ChildProcess): Promise<Deno.CommandOutput> {
  const timer = setTimeout(() => child.kill("SIGKILL"), patience(15_000));
  try {
    return await child.output();
  } finally {
    clearTimeout(timer);
  }
}

hostTest("detach keys are heard while nobody takes what was typed before", async () => {
  // Neither of them ever reads; the second has no reader at all.
  for (const command of ["sleep 1000", "exec <&-; sleep 1000"]) {
    await using container = await script(command, ["-i"]);
    const child = startLibflux(["attach", "--detach-keys", "ctrl-p,ctrl-q", container.name]);
    const writer = child.stdin.getWriter();
    // More than a pipe holds, and more than is read at once.
    const written = writer.write(new Uint8Array(1_000_000).fill(120))
      .then(() => writer.write(new TextEncoder().encode(DETACH))).catch(() => {});
    const { code, stderr } = await soon(child);
    const told = `libflux: detached; 'libflux attach ${container.name}' comes back\n`;
    assertEquals([code, new TextDecoder().decode(stderr)], [0, told]);
    await written;
    await writer.close().catch(() => {});
    assert(isRunning(container.state?.pid ?? 0));
  }
});

hostTest("detach keys are heard while a terminal's program takes nothing", async () => {
  await using container = await detached(["-t", "-i"], ["sh", "-c", "stty raw -echo; echo ready; sleep 1000"]);
  await eventually(() => container.output().includes("ready"), "it is ready");
  await using terminal = await attachedTo(container.name);
  // As much as a terminal keeps for its program, several times; typed as fast as it goes.
  terminal.paste("x".repeat(400_000) + DETACH).catch(() => {});
  assertEquals(await terminal.ended(), 0);
});

hostTest("detach keys are heard in a container without a terminal", async () => {
  await using container = await script("cat", ["-i"]);
  await using terminal = new Terminal(["attach", container.name]);
  const before = terminal.settings;
  await eventually(() => terminal.settings !== before, "it is attached");
  terminal.type("line\r");
  await terminal.shows("line\r\nline\r\n");
  terminal.type(DETACH);
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.settings, before);
  assert(isRunning(container.state?.pid ?? 0));
});

hostTest("what is pasted arrives whole, and in order", async () => {
  // What doesn't come from a keyboard may have whatever keys send in it.
  const lines = Array.from({ length: 200_000 }, (_, number) => `line ${number}${DETACH}\n`).join("");
  const [sum] = (await runContainer(["--image", BUSYBOX], ["md5sum"], { input: lines })).stdout.split(" ");
  await using container = await script("head -c $SIZE | md5sum", ["-i", "--env", `SIZE=${lines.length}`]);
  const { code, stdout } = await libflux(["attach", container.name], { input: lines });
  assertEquals([code, stdout], [0, `${sum}  -\n`]);
});

hostTest("attach without input of the container's: it is seen, and what is typed goes nowhere", async () => {
  await using container = await script("echo ready; cat; while ! test -e /tmp/end; do sleep 0.05; done; echo end");
  await eventually(() => container.output() === "ready\n", "it is ready");
  const child = startLibflux(["attach", container.name]);
  await eventually(() => isAttached(child.pid), "it is attached");
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array(1_000_000));
  await libflux(["exec", container.name, "--", "touch", "/tmp/end"]);
  const { code, stdout } = await soon(child);
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "end\n"]);
  await writer.close().catch(() => {});
});

hostTest("attach with a file, nothing, or a closed standard input goes on until the container's end", async () => {
  for (const redirect of ["</etc/passwd", "</dev/null", "<&-", "</dev/zero"]) {
    await using container = await script("while ! test -e /tmp/end; do sleep 0.05; done; exit 6");
    const terminal = new Terminal(["attach", container.name], undefined, redirect);
    await using _ = terminal;
    await eventually(() => isAttached(terminal.pid()), "it is attached");
    await libflux(["exec", container.name, "--", "touch", "/tmp/end"]);
    assertEquals([redirect, await terminal.ended(), terminal.text], [redirect, 6, ""]);
  }
});

hostTest("attach whose reader goes ends, and leaves the container alone", async () => {
  for (const flags of [["-i"], ["-t", "-i"]]) {
    await using container = await detached(flags, ["sh", "-c", "while :; do echo y; sleep 0.05; done"]);
    const { stdout } = await new Deno.Command("bash", {
      args: [
        "-c",
        `"$0" attach ${container.name} </dev/null | head -n 1; echo "\${PIPESTATUS[0]}"`,
        LIBFLUX,
      ],
      stderr: "null",
      signal: AbortSignal.timeout(patience(15_000)),
    }).output();
    assertMatch(new TextDecoder().decode(stdout), /^y\r?\n0\n$/);
    assert(isRunning(container.state?.pid ?? 0));
  }
});

hostTest("attach in the background is no job that is stopped: it shows, and takes no keys", async () => {
  await using container = await detached(["-t", "-i"], ["sh", "-c", "while :; do echo tick; sleep 0.05; done"]);
  const line = `set -m; "$0" attach ${container.name} & wait $!; echo "ended with $?"`;
  await using terminal = new Terminal(["-c", line, LIBFLUX], undefined, "", "bash");
  await terminal.shows("tick");
  assertEquals((await libflux(["stop", "-t", "0", container.name])).code, 0);
  await terminal.shows("ended with 137");
});

hostTest("a container that closes its terminal can still be left", async () => {
  await using container = await detached(["-t", "-i"], ["sh", "-c", "exec <&- >&- 2>&-; sleep 1000"]);
  await using terminal = await attachedTo(container.name);
  await terminal.paste("hello\r");
  await terminal.paste(DETACH);
  assertEquals(await terminal.ended(), 0);
  assert(isRunning(container.state?.pid ?? 0));
});

hostTest("attach says what can't be attached to: ended, paused, waiting, in the foreground, unknown", async () => {
  const attach = async (name: string): Promise<string> => {
    const { code, stderr } = await libflux(["attach", name]);
    assertEquals(code, 125);
    assertEquals(stderr.trim().split("\n").length, 1);
    return stderr;
  };
  await using ended = await script("exit 0");
  await ended.gone();
  assertStringIncludes(await attach(ended.name), `the container ${ended.name} has ended already`);
  if (!IS_USER) {
    await using paused = await script("sleep 1000");
    assertEquals((await libflux(["pause", paused.name])).code, 0);
    assertStringIncludes(await attach(paused.name), `the container ${paused.name} is paused`);
  }
  await using waiting = await script("exit 1", ["--restart", "always"]);
  await eventually(() => waiting.state?.restarting === true && (waiting.state.attempts ?? 0) >= 5, "it waits");
  assertStringIncludes(await attach(waiting.name), "has ended, and is about to be started again");
  const name = uniqueName();
  await using terminal = new Terminal(["run", name, "--image", BUSYBOX, "--", "sh", "-c", "echo ready; read x"]);
  await terminal.shows("ready");
  assertStringIncludes(await attach(name), `the container ${name} runs in the foreground`);
  terminal.type("\r");
  await terminal.ended();
  assertStringIncludes(await attach("nobody-at-all"), "there is no container nobody-at-all");
});

rootTest("a container that is paused meanwhile can be left, and goes on with what was typed", async () => {
  await using container = await detached(["-t", "-i"], [
    "sh",
    "-c",
    'echo ready; read line; echo "<$line>"; read line',
  ]);
  await eventually(() => container.output().includes("ready"), "it is ready");
  {
    await using terminal = await attachedTo(container.name);
    assertEquals((await libflux(["pause", container.name])).code, 0);
    terminal.type("typed\r");
    terminal.type(DETACH);
    assertEquals(await terminal.ended(), 0);
  }
  assertEquals((await libflux(["unpause", container.name])).code, 0);
  await eventually(() => container.output().includes("<typed>"), "it has read the line");
});

hostTest("attach ends with the command, whoever starts the container again", async () => {
  const command = "echo ready; while ! test -e /tmp/end; do sleep 0.02; done; exit 7";
  await using container = await script(command, ["--restart", "always"]);
  const runs = (): number => container.output().split("ready").length - 1;
  await eventually(() => runs() === 1, "it runs");
  const first = startLibflux(["attach", container.name]);
  await eventually(() => isAttached(first.pid), "it is attached");
  await libflux(["exec", container.name, "--", "touch", "/tmp/end"]);
  const byPolicy = await soon(first);
  assertEquals([byPolicy.code, byPolicy.signal], [7, null]);
  await eventually(() => runs() === 2 && container.state?.restarting !== true, "it runs again");
  const second = startLibflux(["attach", container.name]);
  await eventually(() => isAttached(second.pid), "it is attached");
  assertEquals((await libflux(["restart", "-t", "0", container.name])).code, 0);
  const byHand = await soon(second);
  assertEquals([byHand.code, byHand.signal], [137, null]);
  await eventually(() => runs() === 3, "it runs a third time");
  for (const child of [first, second]) await child.stdin.close().catch(() => {});
});

/** Whether an attach watches its container by now. */
function isAttached(pid: number): boolean {
  return Array.from(Deno.readDirSync(`/proc/${pid}/fd`), ({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return "";
    }
  }).includes("anon_inode:inotify");
}
