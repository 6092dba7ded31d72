import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { exec, run } from "../../mod.ts";
import { BUSYBOX, hostTest, libflux, patience, uniqueName } from "./support.ts";
import { Terminal } from "./terminal.ts";

hostTest(
  "exec: a terminal of the window's size, resized with it; keys are the command's; raw mode goes again",
  async () => {
    await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"], name: uniqueName() });
    await using terminal = new Terminal(["exec", container.name, "--", "sh"], { columns: 90, rows: 25 });
    await terminal.shows("# ");
    assertEquals(terminal.modes.canonical, false);
    terminal.type("stty size; tty\r");
    await terminal.shows("25 90\r\n/dev/pts/0");
    terminal.resize({ columns: 111, rows: 33 });
    terminal.type("until stty size | grep '33 111'; do sleep 0.02; done\r");
    await terminal.shows("\n33 111");
    terminal.type("sh -c 'echo slee\"\"ping; sleep 1000'\r");
    await terminal.shows("sleeping\r\n");
    terminal.type("\x03");
    terminal.type("echo still; exit 9\r");
    await terminal.shows("still\r\n");
    assertEquals(await terminal.ended(), 9);
    const { canonical, echo } = terminal.modes;
    assertEquals([canonical, echo], [true, true]);
  },
);

hostTest("exec: raw mode goes again when the container ends meanwhile", async () => {
  const container = await run({ image: BUSYBOX, command: ["sleep", "1000"], name: uniqueName() });
  await using terminal = new Terminal(["exec", container.name, "--", "sh"]);
  await terminal.shows("# ");
  await container[Symbol.asyncDispose]();
  assertEquals(await terminal.ended(), 137);
  assertEquals(terminal.modes.canonical, true);
});

hostTest(
  "exec --detach-keys: the command goes on with its terminal, and its end is the end of what keeps it",
  async () => {
    await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"], name: uniqueName() });
    const keys = ["exec", container.name, "--detach-keys", "ctrl-p,ctrl-q"];
    // More than a terminal holds where nobody reads it; who has hung up could not be written to either.
    const script = `echo ready; read line; trap 'echo hup >>/tmp/said' HUP
    while test ! -e /tmp/left; do sleep 0.02; done
    seq 100000 && test -t 1 && echo "$line" >/tmp/said
    while test ! -e /tmp/end; do sleep 0.02; done`;
    await using terminal = new Terminal([...keys, "--", "sh", "-c", script]);
    const before = terminal.settings;
    await terminal.shows("ready");
    // The first of the keys alone is the command's.
    terminal.type("a\x10b\r");
    await terminal.shows("b\r\n");
    terminal.type("\x10\x11");
    assertEquals(await terminal.ended(), 0);
    assertEquals(terminal.settings, before);
    assertStringIncludes(terminal.text, `libflux: detached; the command goes on in ${container.name}\r\n`);
    const inside = (line: string) => libflux(["exec", container.name, "--", "sh", "-c", line]);
    const keepers = () => keepersOf(container.name).length;
    assertEquals(keepers(), 1);
    const said = "touch /tmp/left; until test -s /tmp/said; do sleep 0.02; done; cat /tmp/said; touch /tmp/end";
    assertEquals((await inside(said)).stdout, "a\x10b\n");
    const deadline = performance.now() + patience(10_000);
    while (keepers() > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    assertEquals(keepers(), 0);
  },
);

hostTest("exec --detach-keys are heard while the command takes nothing", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"], name: uniqueName() });
  const keys = ["exec", container.name, "--detach-keys", "ctrl-a,d"];
  await using terminal = new Terminal([...keys, "--", "sh", "-c", "stty raw -echo; echo ready; sleep 1000"]);
  await terminal.shows("ready");
  terminal.paste("x".repeat(200_000) + "\x01d").catch(() => {});
  assertEquals(await terminal.ended(), 0);
});

hostTest("exec --detach-keys without a terminal, or with keys that nobody has, is told", async () => {
  const told = async (...flags: string[]): Promise<string> => {
    const { code, stderr } = await libflux(["exec", "x", ...flags, "--", "true"]);
    assertEquals([code, stderr.trim().split("\n").length], [125, 1]);
    return stderr;
  };
  assertStringIncludes(await told("--no-tty", "--detach-keys", "ctrl-a"), "this command has none; leave out");
  assertStringIncludes(await told("--detach", "--detach-keys", "ctrl-a"), "--detach");
  assertStringIncludes(await told("--detach-keys", "F1"), '"F1" is no key');
});

hostTest("exec: a session is left to itself from a program, too, once, and only with a terminal", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"], name: uniqueName() });
  await using session = await exec(container.name, {
    command: ["sh", "-c", "seq 100000; exit 6"],
    terminal: { columns: 80, rows: 24 },
  });
  session.detach();
  session.detach();
  // Nobody else reads what it writes.
  assertEquals((await session.status).code, 6);
  await using piped = await exec(container.name, { command: ["sleep", "1000"] });
  assertThrows(() => piped.detach(), TypeError, "has no terminal");
});

/** The processes that keep terminals of a container's commands. */
function keepersOf(name: string): string[] {
  return Array.from(Deno.readDirSync("/proc"), ({ name: pid }) => pid).filter((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`) === `libflux-keeper\0${name}\0`;
    } catch {
      return false;
    }
  });
}
