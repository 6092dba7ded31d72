import { assertEquals, assertMatch } from "@std/assert";
import { listen, parseEntry } from "../../lib/logs/journal.ts";
import { BUSYBOX, isThere, LIBFLUX, rootTest, temporaryDirectory, uniqueName } from "../support.ts";
import { Log, until } from "./support.ts";

/** Starts `libflux run` with flags where a directory is that of the journal's socket. */
function start(
  log: Log,
  journal: string,
  command: readonly string[],
  flags: readonly string[] = [],
): Deno.ChildProcess {
  const script = `mount -t tmpfs none /run/systemd && mkdir /run/systemd/journal &&
    mount --bind "$1" /run/systemd/journal && shift && exec "$@"`;
  const args = [
    "run",
    log.name,
    "--image",
    BUSYBOX,
    "--network",
    "none",
    "--log-driver",
    "journald",
    ...flags,
    "--",
    ...command,
  ];
  return new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", script, "sh", journal, LIBFLUX, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Nothing is made on the host to have one. */
const ignore = !isThere("/run/systemd");

const messages = (entries: readonly Uint8Array[]): (string | undefined)[] =>
  entries.map((entry) => Object.fromEntries(parseEntry(entry)).MESSAGE);

rootTest("the journal gets what a container writes, line by line, and so does the file", async () => {
  using directory = temporaryDirectory();
  const { messages: entries, stop } = listen(`${directory.path}/socket`);
  const log = new Log(uniqueName());
  const child = start(log, directory.path, ["sh", "-c", "echo one; printf two; echo bad >&2; echo; seq 1000"]);
  await child.stdin.close();
  const { code, stdout } = await child.output();
  await stop();
  const numbers = Array.from({ length: 1000 }, (_, index) => `${index + 1}`);
  assertEquals([code, new TextDecoder().decode(stdout)], [0, ["one", "two", ...numbers, ""].join("\n")]);
  const of = (priority: string) =>
    entries.filter((entry) => Object.fromEntries(parseEntry(entry)).PRIORITY === priority);
  assertEquals([messages(of("6")), messages(of("3"))], [["one", "two", ...numbers], ["bad"]]);
  const { id, log: { driver } = {} } = { ...log.record };
  const fields = Object.fromEntries(parseEntry(entries[0] ?? new Uint8Array()));
  assertEquals([fields.CONTAINER_NAME, fields.CONTAINER_ID_FULL, driver], [log.name, id, "journald"]);
  assertEquals(log.text("stdout"), ["one", "two", ...numbers, ""].join("\n"));
  log.remove();
}, ignore);

rootTest("a journal that is started again gets what comes after; the file has all", async () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/socket`;
  const first = listen(path);
  const log = new Log(uniqueName());
  const child = start(log, directory.path, ["cat"]);
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  const say = async (text: string): Promise<void> => {
    await writer.write(new TextEncoder().encode(text));
    // What has been passed on has been sent before.
    await reader.read();
  };
  await say("one\n");
  await first.stop();
  Deno.removeSync(path);
  await say("two\n");
  const second = listen(path);
  await say("three\n");
  await writer.close();
  await reader.cancel();
  assertEquals((await child.status).code, 0);
  await child.stderr.cancel();
  await second.stop();
  assertEquals([messages(first.messages), messages(second.messages), log.text()], [
    ["one"],
    ["three"],
    "one\ntwo\nthree\n",
  ]);
  log.remove();
}, ignore);

rootTest("the journal gets what a container in the background writes", async () => {
  using directory = temporaryDirectory();
  const { messages: entries, stop } = listen(`${directory.path}/socket`);
  const log = new Log(uniqueName());
  const child = start(log, directory.path, ["sh", "-c", "echo one; printf two; echo bad >&2"], ["--detach"]);
  await child.stdin.close();
  const { code } = await child.output();
  assertEquals(code, 0);
  await until("its end", () => log.record?.finished !== undefined);
  await stop();
  assertEquals(messages(entries).toSorted(), ["bad", "one", "two"]);
  assertEquals(log.text("stdout"), "one\ntwo");
  log.remove();
}, ignore);

rootTest("a host without a journal says so in one sentence, and nothing runs", async () => {
  using directory = temporaryDirectory();
  const log = new Log(uniqueName());
  const child = start(log, directory.path, ["echo", "hello"]);
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  assertEquals([code, stdout.length, log.record], [125, 0, undefined]);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^libflux: the journal can't be logged to: nobody listens at \/run\/systemd\/journal\/socket; is the daemon running\? --log-driver file needs none\n$/,
  );
}, ignore);
