import { assertEquals } from "@std/assert";
import { BUSYBOX, libflux, patience, uniqueName } from "../../integration/support.ts";
import { Log } from "../../integration/logs/support.ts";

/** Entries of the journal, as `journalctl` gives them. */
async function journal(...matches: string[]): Promise<Record<string, unknown>[]> {
  await new Deno.Command("journalctl", { args: ["--sync"] }).output();
  const { stdout } = await new Deno.Command("journalctl", { args: ["--output=json", "--all", ...matches] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Waits until the journal has as many entries. */
async function entries(count: number, ...matches: string[]): Promise<Record<string, unknown>[]> {
  const deadline = performance.now() + patience(10_000);
  for (;;) {
    const found = await journal(...matches);
    if (found.length >= count || performance.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A line that the journal keeps as bytes. */
const BINARY = [..."a\x1b\xffb"].map((letter) => letter.charCodeAt(0));

Deno.test("systemd: the journal has each line, with the fields that others' containers have", async () => {
  const log = new Log(uniqueName());
  const script = `echo one; echo bad >&2; printf 'a\\033\\377b\\n'; head -c 20000 /dev/zero | tr '\\0' x; echo`;
  const run = ["run", log.name, "--image", BUSYBOX, "--network", "none", "--log-driver", "journald"];
  const { code, stderr } = await libflux([...run, "--", "sh", "-c", script]);
  assertEquals([code, stderr], [0, "bad\n"]);
  const found = await entries(5, `CONTAINER_NAME=${log.name}`);
  const id = log.record?.id ?? "";
  for (const entry of found) {
    assertEquals(
      [entry.CONTAINER_ID, entry.CONTAINER_ID_FULL, entry.SYSLOG_IDENTIFIER, entry._TRANSPORT],
      [id.slice(0, 12), id, log.name, "journal"],
    );
  }
  const shown = found.map(({ PRIORITY, MESSAGE, CONTAINER_PARTIAL_MESSAGE }) => [
    PRIORITY,
    typeof MESSAGE === "string" && MESSAGE.length > 100 ? MESSAGE.length : MESSAGE,
    CONTAINER_PARTIAL_MESSAGE,
  ]);
  // Of two streams that are written at one time either may come first.
  assertEquals(shown.filter(([priority]) => priority === "3"), [["3", "bad", undefined]]);
  assertEquals(shown.filter(([priority]) => priority === "6"), [
    ["6", "one", undefined],
    ["6", BINARY, undefined],
    ["6", 16_384, "true"],
    ["6", 20_000 - 16_384, undefined],
  ]);
  log.remove();
});

Deno.test("systemd: what goes to syslog comes to the journal with its name and priority", async () => {
  const log = new Log(uniqueName());
  const run = ["run", log.name, "--image", BUSYBOX, "--network", "none", "--log-driver", "syslog"];
  const { code } = await libflux([...run, "--", "sh", "-c", "echo out; echo err >&2"]);
  assertEquals(code, 0);
  const found = await entries(2, `SYSLOG_IDENTIFIER=${log.name}`, "_TRANSPORT=syslog");
  assertEquals(
    found.map(({ PRIORITY, SYSLOG_FACILITY, MESSAGE }) => [PRIORITY, SYSLOG_FACILITY, MESSAGE]).toSorted(),
    [["3", "3", "err"], ["6", "3", "out"]],
  );
  log.remove();
});
