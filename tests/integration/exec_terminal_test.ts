import { assertEquals } from "@std/assert";
import { run } from "../../mod.ts";
import { BUSYBOX, hostTest, uniqueName } from "./support.ts";
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
