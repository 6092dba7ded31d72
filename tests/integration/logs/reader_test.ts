import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { encodeRecord } from "../../../lib/logs/format.ts";
import { checkLog } from "../../../lib/spec/log_options.ts";
import { type ContainerRecord, History } from "../../../lib/store/history.ts";
import { detached, eventually, script } from "../detached/support.ts";
import { libflux, libfluxBytes, patience, startLibflux, temporaryDirectory, uniqueName } from "../support.ts";
import { record } from "../../lib/logs/support.ts";

const WRITER = fromFileUrl(new URL("writer.ts", import.meta.url));

/** A state root with a container that has ended, and its log. */
class Ended implements Disposable {
  readonly #directory = temporaryDirectory();
  readonly root = this.#directory.path;
  readonly name = uniqueName();
  readonly history = new History(`${this.root}/history`);
  readonly log = `${this.history.directory(this.name)}/log`;

  constructor(more: Partial<ContainerRecord> = {}) {
    this.history.begin({
      ...{ name: this.name, id: "b".repeat(64), image: "/srv", command: ["cmd"], labels: {}, terminal: false },
      ...{ created: "2026-01-02T03:00:00.000Z", restarts: 0, log: checkLog({}), remove: false },
      ...{ finished: "2026-01-02T04:00:00.000Z", code: 3 },
      ...more,
    }).close();
  }

  /** A command about it. */
  run(command: string, ...args: string[]) {
    return libflux([command, "--root", this.root, ...args]);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

/** The most memory that a process has had, in bytes. */
const peak = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]) * 1024;

Deno.test("logs shows what a container has written: each stream where it belongs, lines with their times", async () => {
  using ended = new Ended();
  const time = Date.UTC(2026, 0, 2, 3, 4, 5);
  const records = [
    { ...record("stdout", "one\ntw"), time },
    { ...record("stderr", "oops\n"), time: time + 1 },
    { ...record("lost", ""), time: time + 2 },
    { ...record("stdout", "o\nlast"), time: time + 1000 },
  ];
  Deno.writeFileSync(ended.log, new Uint8Array(records.flatMap((one) => [...encodeRecord(one)])));
  const lost = "[libflux: some output is missing here: there was no space for it, or its file is damaged]\n";
  const { name } = ended;
  assertEquals(await ended.run("logs", name), { code: 0, stdout: "one\ntwo\nlast", stderr: `oops\n${lost}` });
  assertEquals(await ended.run("logs", "-t", name), {
    code: 0,
    stdout: "2026-01-02T03:04:05.000000000Z one\n2026-01-02T03:04:05.000000000Z two\n" +
      "2026-01-02T03:04:06.000000000Z last",
    stderr: `2026-01-02T03:04:05.001000000Z oops\n2026-01-02T03:04:05.002000000Z ${lost}`,
  });
  assertEquals((await ended.run("logs", "--tail", "1", name)).stdout, "last");
  assertEquals((await ended.run("logs", "-n", "3", "--stream", "stdout", name)).stdout, "one\ntwo\nlast");
  assertEquals((await ended.run("logs", "--tail=all", name)).stdout, "one\ntwo\nlast");
  assertEquals((await ended.run("logs", "--since", "2026-01-02T05:04:05.5+02:00", name)).stdout, "o\nlast");
  assertEquals((await ended.run("logs", "--until", "2026-01-02T03:04:05.0005Z", name)).stdout, "one\ntw");
  assertEquals((await ended.run("logs", "--since", "1d", "--follow", name)).stdout, "");
});

Deno.test("logs says what is wrong", async () => {
  using ended = new Ended();
  for (
    const [args, text] of [
      [[], "takes one name"],
      [["nobody"], "there is no container nobody, and no log of one; 'libflux ps --all' lists those that have one"],
      [[ended.name, "--tail", "few"], '--tail "few" is no number of lines'],
      [[ended.name, "--since", "then"], '--since "then" is no time'],
      [[ended.name, "--stream", "stdin"], '--stream is stdout or stderr, not "stdin"'],
    ] as const
  ) {
    const { code, stderr } = await ended.run("logs", ...args);
    assertEquals(code, 125);
    assertStringIncludes(stderr, text);
  }
});

Deno.test("logs passes on every byte, and keeps no more of it than a few records", async () => {
  using ended = new Ended();
  const data = crypto.getRandomValues(new Uint8Array(65536));
  const COUNT = 3200;
  using file = Deno.openSync(ended.log, { write: true, create: true });
  const one = encodeRecord({ stream: "stdout", time: 1_700_000_000_000, data });
  for (let index = 0; index < COUNT; index++) file.writeSync(one);
  const child = startLibflux(["logs", "--root", ended.root, ended.name]);
  await child.stdin.close();
  let [size, most] = [0, 0];
  for await (const chunk of child.stdout) {
    for (let at = 0; at < chunk.length; at += 997) {
      if (chunk[at] !== data[(size + at) % data.length]) throw new Error(`byte ${size + at} is another`);
    }
    size += chunk.length;
    // The process is there as long as not all of it was read.
    if (size < COUNT * 65536 - 1_000_000) most = peak(child.pid);
  }
  await child.stderr.cancel();
  assertEquals([(await child.status).code, size], [0, COUNT * 65536]);
  assert(most > 0 && most < 160 * 2 ** 20, `${most} bytes`);
  const tail = await libfluxBytes(["logs", "--root", ended.root, "--tail", "0", ended.name]);
  assertEquals([tail.code, tail.stdout.length], [0, 0]);
});

Deno.test("logs ends quietly when nobody reads it any more, also while it waits", async () => {
  await using container = await script("echo one; exec sleep 60");
  await eventually(() => container.output() === "one\n", "a line is logged");
  const child = startLibflux(["logs", "--follow", container.name]);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "one\n");
  await reader.cancel();
  assertEquals((await child.status).code, 0);
  assertEquals(await new Response(child.stderr).text(), "");
});

Deno.test("logs --follow is ended by Ctrl-C as any other command is", async () => {
  await using container = await script("echo one; exec sleep 60");
  const child = startLibflux(["logs", "--follow", container.name]);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "one\n");
  child.kill("SIGINT");
  const { code, signal } = await child.status;
  assertEquals([code, signal], [130, "SIGINT"]);
  await reader.cancel();
  await child.stderr.cancel();
});

Deno.test("logs --follow shows a container's output until its end, and goes on when it is started again", async () => {
  await using once = await script("for i in 1 2 3; do echo $i; sleep 0.1; done; echo end >&2");
  const { code, stdout, stderr } = await libflux(["logs", "-f", once.name]);
  assertEquals([code, stdout, stderr], [0, "1\n2\n3\n", "end\n"]);
  await using again = await detached(["--restart", "on-failure:2"], ["sh", "-c", "echo try; exit 1"]);
  assertEquals((await libflux(["logs", "-f", again.name])).stdout, "try\ntry\ntry\n");
  // And afterwards.
  assertEquals((await libflux(["logs", again.name])).stdout, "try\ntry\ntry\n");
});

Deno.test("logs --follow of one whose monitor is killed ends with what there was", async () => {
  await using container = await script("echo one; exec sleep 60");
  await eventually(() => container.output() === "one\n", "a line is logged");
  const following = libflux(["logs", "-f", container.name]);
  Deno.kill(container.state?.monitor ?? 0, "SIGKILL");
  assertEquals((await following).stdout, "one\n");
});

for (const maxFile of [1, 3]) {
  Deno.test(`logs --follow tells of every gap while another process writes and rotates ${maxFile} files as fast as it can`, async () => {
    using ended = new Ended();
    const live = `${ended.root}/containers/${ended.name}`;
    Deno.mkdirSync(live, { recursive: true, mode: 0o700 });
    Deno.chmodSync(`${ended.root}/containers`, 0o700);
    // Held by this test, so that it counts as a container's.
    const COUNT = 100_000;
    const writer = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "-q", WRITER, live, ended.log, String(maxFile), String(COUNT)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const ready = writer.stdout.getReader();
    assertEquals(new TextDecoder().decode((await ready.read()).value), "ready\n");
    const follower = startLibflux(["logs", "--follow", "--root", ended.root, ended.name]);
    await follower.stdin.close();
    const [first, rest] = follower.stdout.tee();
    const reader = first.getReader();
    const output = new Response(rest).text();
    const errors = new Response(follower.stderr).text();
    const timer = setTimeout(() => follower.kill("SIGKILL"), patience(60_000));
    // From here on it sees all that happens.
    await reader.read();
    await Promise.all([reader.cancel(), writer.stdin.close()]);
    assertEquals((await writer.status).code, 0);
    await ready.cancel();
    assertEquals((await follower.status).code, 0);
    clearTimeout(timer);
    const numbers = (await output).trim().split("\n").map(Number);
    // In their order, to the last, and for each gap a sentence.
    let gaps = 0;
    numbers.forEach((number, index) => {
      const before = numbers[index - 1] ?? -1;
      assert(number > before, `${number} after ${before}`);
      if (number !== before + 1) gaps++;
    });
    assertEquals(numbers.at(-1), COUNT - 1);
    const told = (await errors).match(/some output is missing here/g)?.length ?? 0;
    assertEquals(told, gaps);
  });
}

Deno.test("ps --all lists those that have ended, and rm and prune remove them", async () => {
  using ended = new Ended({ labels: { tier: "web" } });
  const { name } = ended;
  assertEquals((await ended.run("ps", "--quiet")).stdout, "");
  assertMatch((await ended.run("ps", "-a")).stdout, new RegExp(`^${name} +exited \\(3\\) `, "m"));
  assertEquals((await ended.run("ps", "-a", "-q", "--filter", "state=exited")).stdout, `${name}\n`);
  assertEquals(JSON.parse((await ended.run("ps", "-a", "--format", "json")).stdout)[0].code, 3);
  const refused = await ended.run("prune");
  assertEquals(refused.code, 125);
  assertStringIncludes(refused.stderr, "there is no terminal to ask at; give --force");
  const wrong = await ended.run("prune", "-f", "--filter", "size=3");
  assertStringIncludes(wrong.stderr, '"size=3" is no filter');
  const other = await ended.run("prune", "-f", "--filter", "label=tier=db");
  assertEquals([other.code, other.stdout, other.stderr], [0, "", "libflux: 0 removed, 0 B freed\n"]);
  const pruned = await ended.run("prune", "-f", "--filter", "label=tier", "--filter", "until=1s");
  assertEquals([pruned.code, pruned.stdout], [0, `${name}\n`]);
  assertEquals((await ended.run("ps", "-a", "-q")).stdout, "");
  const gone = await ended.run("rm", name);
  assertEquals([gone.code, gone.stderr.includes(`there is no container ${name}`)], [125, true]);
});

Deno.test("rm refuses what runs, and kills it with --force", async () => {
  await using container = await script("exec sleep 60");
  const { name } = container;
  const refused = await libflux(["rm", name]);
  assertEquals(refused, {
    code: 125,
    stdout: "",
    stderr: `libflux: the container ${name} runs; end it first: libflux stop ${name}; or give --force\n`,
  });
  const pruned = await libflux(["prune", "--force"]);
  assert(!pruned.stdout.includes(name) && container.record !== undefined);
  assertEquals(await libflux(["rm", "--force", name]), { code: 0, stdout: `${name}\n`, stderr: "" });
  assertEquals([container.state, container.record], [undefined, undefined]);
});
