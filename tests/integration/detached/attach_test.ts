import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostTest, libflux, startLibflux } from "../support.ts";
import { Terminal } from "../terminal.ts";
import { type Detached, detached, eventually, isRunning, script, signal } from "./support.ts";

/** Answers every line, and what size its terminal has when that changes. */
// A signal ends "read" as if there were no more.
const SHELL = `stty -echo; trap 'echo size $(stty size)' WINCH; echo ready
while :; do read line || continue; [ "$line" = bye ] && exit 7; echo "got $line"; done`;

/** A container with that, which is ready. */
async function shell(): Promise<Detached> {
  const container = await detached(["-t", "-i"], ["sh", "-c", SHELL]);
  assertEquals(container.started.stderr, "");
  await eventually(() => container.output().includes("ready"), "it is ready");
  return container;
}

hostTest("attach to a terminal: keys go in, what it shows comes out, its exit code is attach's", async () => {
  await using container = await shell();
  await using terminal = new Terminal(["attach", container.name], { columns: 101, rows: 33 });
  await terminal.shows("size 33 101");
  assertEquals(terminal.modes, { canonical: false, echo: false, signals: false });
  terminal.type("hello\r");
  await terminal.shows("got hello");
  terminal.resize({ columns: 90, rows: 20 });
  await terminal.shows("size 20 90");
  terminal.type("bye\r");
  assertEquals(await terminal.ended(), 7);
  assertEquals(terminal.modes, { canonical: true, echo: true, signals: true });
});

hostTest(
  "the detach keys leave the container alone, and the terminal as it was; it can be attached to again",
  async () => {
    await using container = await shell();
    {
      await using terminal = new Terminal(["attach", container.name]);
      await terminal.shows("size");
      terminal.type("one\r");
      await terminal.shows("got one");
      // The first of the keys alone is the container's.
      terminal.type("\x10two\r");
      await terminal.shows("two");
      terminal.type("\x10");
      terminal.type("\x11");
      assertEquals(await terminal.ended(), 0);
      assertStringIncludes(terminal.text, "detached");
      assertEquals(terminal.modes, { canonical: true, echo: true, signals: true });
    }
    assert(isRunning(container.state?.pid ?? 0));
    await using again = new Terminal(["attach", "--detach-keys", "ctrl-a,d", container.name]);
    await again.shows("size");
    again.type("three\r");
    await again.shows("got three");
    again.type("\x01d");
    assertEquals(await again.ended(), 0);
    assert(isRunning(container.state?.pid ?? 0));
  },
);

hostTest("Ctrl-C goes to the container's terminal, and not to attach", async () => {
  await using container = await detached(["-t", "-i"], [
    "sh",
    "-c",
    "trap 'echo interrupted' INT; echo ready; cat; cat",
  ]);
  await using terminal = new Terminal(["attach", container.name]);
  await eventually(() => container.output().includes("ready"), "it is ready");
  await eventually(() => !terminal.modes.canonical, "it is attached");
  terminal.type("\x03");
  await terminal.shows("interrupted");
  assert(isRunning(container.state?.pid ?? 0));
});

hostTest("two can be attached to one container: both see it, and both can type", async () => {
  await using container = await shell();
  await using a = new Terminal(["attach", container.name]);
  await using b = new Terminal(["attach", container.name]);
  await Promise.all([a.shows("size"), b.shows("size")]);
  a.type("left\r");
  await Promise.all([a.shows("got left"), b.shows("got left")]);
  b.type("right\r");
  await Promise.all([a.shows("got right"), b.shows("got right")]);
});

hostTest("an attach that is killed leaves the container alone, and its keys to the next", async () => {
  await using container = await shell();
  {
    await using terminal = new Terminal(["attach", container.name]);
    await terminal.shows("size");
    signal(terminal.pid(), "SIGKILL");
    await terminal.ended();
  }
  assert(isRunning(container.state?.pid ?? 0));
  await using again = new Terminal(["attach", container.name]);
  await again.shows("size");
  again.type("bye\r");
  assertEquals(await again.ended(), 7);
});

hostTest("attach to pipes: both streams apart, standard input passed on, its end isn't the container's", async () => {
  await using container = await detached(["-i"], [
    ...["sh", "-c", 'while read line; do echo "$line"; echo "$line" >&2; [ "$line" = end ] && exit 4; done'],
  ]);
  const first = await libflux(["attach", "--no-sig-proxy", container.name], { input: "", timeout: 1_000 });
  // It was ended by the test: without input there is nothing to wait for but the container.
  assert(first.code !== 0 && isRunning(container.state?.pid ?? 0));
  const child = startLibflux(["attach", container.name]);
  const writer = child.stdin.getWriter();
  const output = child.output();
  // What it writes is seen from when it is attached: that is when it has asked for the input.
  await writer.write(new TextEncoder().encode("a b\nend\n"));
  await writer.close();
  const { code, stdout, stderr } = await output;
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assertEquals([code, text(stdout), text(stderr)], [4, "a b\nend\n", "a b\nend\n"]);
});

hostTest("signals are passed on to a container without a terminal", async () => {
  await using container = await script("trap 'echo hup; exit 9' HUP; echo ready; while :; do sleep 0.05; done");
  await eventually(() => container.output() === "ready\n", "it is ready");
  const child = startLibflux(["attach", container.name]);
  await child.stdin.close();
  const output = child.output();
  await eventually(() => {
    // It listens once it watches the log.
    const open = Array.from(Deno.readDirSync(`/proc/${child.pid}/fd`), ({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${child.pid}/fd/${name}`);
      } catch {
        return "";
      }
    });
    return open.includes("anon_inode:inotify");
  }, "it is attached");
  child.kill("SIGHUP");
  const { code, stdout } = await output;
  assertEquals([code, new TextDecoder().decode(stdout)], [9, "hup\n"]);
});

hostTest("attach refuses whom nobody knows, and keys that nobody has", async () => {
  assertStringIncludes((await libflux(["attach", "nobody-at-all"])).stderr, "there is no container nobody-at-all");
  assertStringIncludes((await libflux(["attach", "--detach-keys", "F1", "x"])).stderr, "detach key");
  assertStringIncludes((await libflux(["attach"])).stderr, "takes one name");
});
