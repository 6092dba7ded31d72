import { assert, assertEquals } from "@std/assert";
import { runDetached, stop, wait } from "../../../mod.ts";
import { script } from "../detached/support.ts";
import { BUSYBOX, hostTest, rootTest, startLibflux, temporaryDirectory } from "../support.ts";
import { call, checksum, Log, mountHistory, oneGigabyte, until } from "./support.ts";

hostTest("1 GB that a container in the background writes as fast as it can is in the log, every byte", async () => {
  const { command, expected } = oneGigabyte();
  await using container = await script(command, ["--log-opt", "max-size=100m", "--log-opt", "max-file=12"]);
  await container.gone();
  assertEquals(container.record?.code, 0);
  const log = new Log(container.name);
  assertEquals(checksum(log.records()), expected);
  assert(log.files().length > 9);
  for (const file of log.files()) assert(Deno.statSync(file).size <= 100 * 2 ** 20);
});

/** As many in a row, and so many times, with a rest of about 10 ms in between: 10,000 a second for a minute. */
const [BURST, BURSTS] = [120, 5000];

hostTest(
  "10,000 lines a second for a minute are in the log, and told to who follows it, once and in order",
  async () => {
    const burst = `j=0; while [ $j -lt ${BURST} ]; do echo line $((n+j)); j=$((j+1)); done; n=$((n+${BURST}))`;
    const text = `n=0; while [ $n -lt ${BURST * BURSTS} ]; do ${burst}; sleep 0.01; done`;
    await using container = await script(text, ["--log-opt", "max-size=256k", "--log-opt", "max-file=120"]);
    const child = startLibflux(["logs", "--follow", container.name]);
    await child.stdin.close();
    let [count, rest] = [0, ""];
    /** Sees that what comes is what is expected next. */
    const see = (chunk: string): void => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line !== `line ${count}`) throw new Error(`${JSON.stringify(line)} stands where line ${count} belongs`);
        count++;
      }
    };
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) see(chunk);
    await child.stderr.cancel();
    assertEquals([(await child.status).code, count, rest], [0, BURST * BURSTS, ""]);
    await container.gone();
    const log = new Log(container.name);
    // It was rotated often, and what was kept is all of it.
    assert(log.files().length > 20, `${log.files().length}`);
    count = 0;
    const decoder = new TextDecoder();
    for (const { data } of log.records()) see(decoder.decode(data, { stream: true }));
    assertEquals([count, rest], [BURST * BURSTS, ""]);
  },
);

/** A shell's waiting for a file. */
const waitFor = (name: string): string => `while ! test -e /shared/${name}; do sleep 0.02; done`;

rootTest("a full disk holds nobody up in the background; what is lost is told when there is room again", async () => {
  using root = temporaryDirectory();
  using shared = temporaryDirectory();
  await using history = await mountHistory(root.path, "size=64k,mode=700");
  // More than a pipe takes: when all is written, most of it has been read, and there was no room for it. Made inside, since
  // the command is written down there, too.
  const text = `line=$(head -c 8000 /dev/zero | tr '\\0' x); i=0
    while [ $i -lt 100 ]; do echo $line; i=$((i+1)); done; >/shared/full; ${waitFor("room")}
    echo room; echo again`;
  const { name } = await runDetached({
    ...{ image: BUSYBOX, network: "none", root: root.path, log: {}, command: ["sh", "-c", text] },
    mounts: [{ type: "bind", source: shared.path, destination: "/shared" }],
  });
  await until("writing it all", () => Array.from(Deno.readDirSync(shared.path)).length > 0);
  await call("mount", "-o", "remount,size=2m", history.path);
  Deno.writeTextFileSync(`${shared.path}/room`, "");
  assertEquals((await wait(name, { root: root.path })).code, 0);
  const log = new Log(name, root.path).text();
  // What fits is kept, before and after: the record that is lost is as long as what was in the pipe.
  assert(/^[x\n]*<lost>[x\n]*(<lost>[x\n]*)*room\nagain\n$/.test(log), log.replace(/x+/g, "x"));
});

hostTest("a log that is deleted in the background is begun anew", async () => {
  using shared = temporaryDirectory();
  Deno.chmodSync(shared.path, 0o755);
  const bind = ["--bind", `${shared.path}:/shared:ro`];
  await using container = await script(`echo before; ${waitFor("go")}; echo after; sleep 60`, bind);
  const log = new Log(container.name);
  await until("the first line", () => log.text() === "before\n");
  Deno.removeSync(`${log.directory}/log`);
  Deno.writeTextFileSync(`${shared.path}/go`, "");
  await until("the second line", () => log.files().length > 0 && log.text() === "after\n");
  await stop(container.name, { time: 0 });
});
