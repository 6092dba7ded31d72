import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostTest, libflux } from "../support.ts";
import { Terminal } from "../terminal.ts";
import { type Detached, detached, eventually, isRunning, signal } from "./support.ts";

const RAW = { canonical: false, echo: false, signals: false };
const DETACH = "\x10\x11";

/** A container with an interactive shell in a terminal of its own. */
function shell(flags: readonly string[] = []): Promise<Detached> {
  return detached(["-t", "-i", ...flags], ["sh"]);
}

/** A terminal that is attached, and at the shell's prompt; `before` is what it was set to. */
async function attached(
  container: Detached,
  flags: readonly string[] = [],
): Promise<{ readonly terminal: Terminal; readonly before: string }> {
  const terminal = new Terminal(["attach", ...flags, container.name]);
  const before = terminal.settings;
  await eventually(() => terminal.settings !== before, "it is attached");
  terminal.type("\r");
  await terminal.shows("# ");
  assertEquals(terminal.modes, RAW);
  return { terminal, before };
}

/** The state of a process, as `/proc` has it: "T" is one that was stopped. */
function stateOf(pid: number): string {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2)[0] ?? "";
}

hostTest("attach: the window's size from the first moment, and the last of many", async () => {
  await using container = await shell();
  await using terminal = new Terminal(["attach", container.name], { columns: 111, rows: 33 });
  const before = terminal.settings;
  await eventually(() => terminal.settings !== before, "it is attached");
  terminal.type("stty size\r");
  await terminal.shows("33 111");
  for (let columns = 100; columns < 600; columns++) terminal.resize({ columns, rows: 50 });
  terminal.type("until stty size | grep '50 599'; do sleep 0.02; done\r");
  await terminal.shows("\n50 599");
  terminal.type("exit 3\r");
  assertEquals(await terminal.ended(), 3);
});

hostTest("attach: Ctrl-C and Ctrl-Z are for the shell's jobs inside, and not for attach", async () => {
  await using container = await shell();
  const { terminal } = await attached(container);
  await using _ = terminal;
  // It tells when it has the terminal: the shell has given it away before it lets a job go on.
  terminal.type('sh -c \'x=gain; trap "echo a$x" CONT; echo slee""ping; while :; do sleep 0.05; done\'\r');
  await terminal.shows("sleeping\r\n");
  terminal.type("\x1a");
  await terminal.shows("Stopped");
  assert(stateOf(terminal.pid()) !== "T");
  terminal.type("jobs; echo a''b\r");
  await terminal.shows("ab\r\n");
  terminal.type("fg\r");
  await terminal.shows("again\r\n");
  terminal.type("\x03");
  terminal.type("echo code $?\r");
  await terminal.shows("code 130");
  terminal.type("exit 9\r");
  assertEquals(await terminal.ended(), 9);
});

hostTest("attach: vi is used, left in its midst, found again as it was, and has written its file", async () => {
  await using container = await shell();
  {
    const { terminal, before } = await attached(container);
    await using _ = terminal;
    terminal.type("vi /tmp/file\r");
    await terminal.shows("- /tmp/file");
    terminal.type("ifirst line\rsecond line\x1b");
    await terminal.shows("second line");
    terminal.type(DETACH);
    assertEquals(await terminal.ended(), 0);
    assertEquals(terminal.settings, before);
  }
  await using terminal = new Terminal(["attach", container.name], { columns: 100, rows: 40 });
  // All of it is drawn again, and as large as this window is.
  await terminal.shows("first line");
  await terminal.shows("second line");
  await terminal.shows("\x1b[40;1H");
  terminal.type(":wq\r");
  await terminal.shows("# ");
  assertEquals((await libflux(["exec", container.name, "--", "cat", "/tmp/file"])).stdout, "first line\nsecond line\n");
  terminal.type("exit\r");
  assertEquals(await terminal.ended(), 0);
});

hostTest("attach: the terminal is as before when the container ends, however that happens", async () => {
  for (const who of ["command", "pid", "monitor"] as const) {
    await using container = await shell();
    const { terminal, before } = await attached(container);
    await using _ = terminal;
    const { pid = 0, monitor = 0 } = container.state ?? {};
    if (who === "command") terminal.type("kill -9 $$\r");
    else signal(who === "pid" ? pid : monitor, "SIGKILL");
    const code = await terminal.ended();
    // A monitor that was killed has taken the container with it.
    assertEquals([who, code], [who, 137]);
    assertEquals(terminal.settings, before, who);
  }
});

hostTest("attach: a signal that ends it leaves the container alone, and the terminal as before", async () => {
  await using container = await shell();
  for (const [name, code] of [["SIGTERM", 143], ["SIGHUP", 129], ["SIGINT", 130], ["SIGQUIT", 131]] as const) {
    const { terminal, before } = await attached(container);
    await using _ = terminal;
    signal(terminal.pid(), name);
    assertEquals(await terminal.ended(), code);
    assertEquals(terminal.settings, before, name);
    assertStringIncludes(terminal.text, "libflux: detached; 'libflux attach ");
  }
  assert(isRunning(container.state?.pid ?? 0));
  const { terminal } = await attached(container);
  await using _ = terminal;
  // Nobody is left who could: as with any program that is killed.
  signal(terminal.pid(), "SIGKILL");
  assertEquals(await terminal.ended(), 137);
  assertEquals(terminal.modes, RAW);
  assert(isRunning(container.state?.pid ?? 0));
});

hostTest("attach: a window that is closed ends it, and not the container", async () => {
  await using container = await shell();
  const { terminal } = await attached(container);
  const pid = terminal.pid();
  terminal.hangUp();
  await eventually(() => !isRunning(pid), "it has ended");
  await terminal.ended();
  assert(isRunning(container.state?.pid ?? 0));
});
