import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../../../mod.ts";
import { BUSYBOX, hostTest, libflux, startLibflux, temporaryDirectory, uniqueName } from "../support.ts";
import { checkLog } from "../../../lib/spec/log_options.ts";
import { History, historyRoot } from "../../../lib/store/history.ts";
import { KEPT } from "../../../lib/store/trim.ts";
import { Log, pumpOf, until } from "./support.ts";

const image = BUSYBOX;
const text = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> =>
  await new Response(stream).text();

hostTest("run logs both streams, passes them on, and writes down how it ended", async () => {
  const log = new Log(uniqueName());
  const before = Date.now();
  const { code, stdout, stderr } = await libflux(
    ["run", log.name, "--image", image, "--label", "a=b", "--", "sh", "-c", "echo out; echo err >&2; exit 3"],
  );
  assertEquals([code, stdout, stderr], [3, "out\n", "err\n"]);
  assertEquals([log.text("stdout"), log.text("stderr")], ["out\n", "err\n"]);
  const { name, id, code: recorded, created, started, finished, labels, remove, terminal } = { ...log.record };
  assertEquals([name, recorded, labels, remove, terminal], [log.name, 3, { a: "b" }, false, false]);
  assertMatch(id ?? "", /^[0-9a-f]{64}$/);
  const times = [before, ...[created, started, finished].map((time) => Date.parse(time ?? "")), Date.now()];
  assertEquals(times, times.toSorted((a, b) => a - b));
  for (const { time } of log.records()) assert(time >= before - 1 && time <= Date.now() + 1);
  log.remove();
});

hostTest("run keeps nothing with --log-driver none, with --rm, and where nothing ran", async () => {
  const log = new Log(uniqueName());
  const outcome = async (...args: string[]) => {
    const { code } = await libflux(["run", log.name, "--image", image, ...args]);
    return [code, log.record];
  };
  assertEquals(await outcome("--log-driver", "none", "--", "echo", "hello"), [0, undefined]);
  assertEquals(await outcome("--rm", "--", "echo", "hello"), [0, undefined]);
  assertEquals(await outcome("--", "nosuchcommand"), [127, undefined]);
  assertEquals(await outcome("--workdir", "/etc/passwd", "--", "true"), [125, undefined]);
});

hostTest("of more ended containers than are kept, the oldest go when another ends", async () => {
  using root = temporaryDirectory();
  const history = new History(historyRoot(root.path));
  const id = "0".repeat(64);
  const count = KEPT + KEPT / 10;
  for (let i = 0; i < count; i++) {
    const created = new Date(i * 1000).toISOString();
    history.begin({
      ...{ name: `old-${i}`, id, image: "/", command: ["true"], labels: {}, created, finished: created, restarts: 0 },
      ...{ log: checkLog({}), terminal: false, remove: false },
    }).close();
  }
  await using container = await run({ image, network: "none", root: root.path, command: ["true"], log: {} });
  await container.status;
  const names = history.names();
  assertEquals([names.length, names.includes(container.name)], [KEPT, true]);
  assertEquals([names.includes("old-50"), names.includes("old-51")], [false, true]);
});

hostTest("a container of the same name begins a new log", async () => {
  const log = new Log(uniqueName());
  for (const word of ["first", "second"]) {
    await libflux(["run", log.name, "--image", image, "--", "echo", word]);
    assertEquals(log.text(), `${word}\n`);
  }
  log.remove();
});

hostTest("the library logs what it is asked to, also what nobody else gets", async () => {
  using root = temporaryDirectory();
  const options = { image, network: "none", root: root.path } as const;
  const command = ["sh", "-c", "echo out; echo err >&2"];
  await using silent = await run({ ...options, command, stdout: "null", stderr: "null", log: {} });
  assertEquals((await silent.status).code, 0);
  const log = new Log(silent.name, root.path);
  assertEquals([log.text("stdout"), log.text("stderr")], ["out\n", "err\n"]);
  await using none = await run({ ...options, command });
  await none.status;
  assertEquals(new Log(none.name, root.path).record, undefined);
});

hostTest("what nobody has read of a logged container when it ends can be read afterwards", async () => {
  using root = temporaryDirectory();
  await using container = await run({
    ...{ image, network: "none", root: root.path, log: {} },
    command: ["sh", "-c", "head -c 100000 /dev/zero; echo err >&2"],
  });
  assertEquals((await container.status).code, 0);
  const [stdout, stderr] = await Promise.all([text(container.stdout), text(container.stderr)]);
  assertEquals([stdout.length, stderr], [100_000, "err\n"]);
  assertEquals(new Log(container.name, root.path).text("stdout").length, 100_000);
});

hostTest("a terminal's output is logged as it is shown", async () => {
  using root = temporaryDirectory();
  await using container = await run({
    ...{ image, network: "none", root: root.path, log: {}, terminal: { columns: 80, rows: 24 } },
    command: ["sh", "-c", "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done"],
  });
  const shown = await text(container.stdout);
  assertEquals((await container.status).code, 0);
  const log = new Log(container.name, root.path);
  assert(shown.endsWith("line 4999\r\n"), shown.slice(-100));
  assertEquals([log.text("stdout"), log.record?.terminal], [shown, true]);
});

hostTest("what a terminal shows last is logged even where nobody looks at it", async () => {
  using root = temporaryDirectory();
  await using container = await run({
    ...{ image, network: "none", root: root.path, log: {}, terminal: { columns: 80, rows: 24 } },
    command: ["echo", "hello"],
  });
  await container.status;
  assertEquals(new Log(container.name, root.path).text(), "hello\r\n");
  assertEquals(await text(container.stdout), "hello\r\n");
});

hostTest("when libflux is killed, what the container wrote is in the log, and the pump ends", async () => {
  const log = new Log(uniqueName());
  const child = startLibflux(["run", log.name, "--image", image, "--", "sh", "-c", "echo hello; exec sleep 60"]);
  await until("the first line", () => log.size() > 0);
  assert(pumpOf(log.name) !== undefined);
  child.kill("SIGKILL");
  await child.output();
  await child.stdin.close().catch(() => {});
  await until("the end of the pump", () => pumpOf(log.name) === undefined);
  assertEquals([log.text(), log.record?.finished], ["hello\n", undefined]);
  // The next command cleans up.
  await libflux(["ps"]);
  log.remove();
});
