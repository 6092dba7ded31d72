import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeRecord, type LogRecord } from "../../../lib/logs/format.ts";
import { follow } from "../../../lib/logs/follow.ts";
import type { Entry, Selection } from "../../../lib/logs/reader.ts";
import { bootId } from "../../../lib/store/directory.ts";
import { startTime } from "../../../lib/store/process.ts";
import type { State } from "../../../lib/store/state.ts";
import { patience } from "../../integration/support.ts";
import { flat, Log, random, randomRecords, record } from "./support.ts";

/** Somebody who follows a log, and a container that can be ended. */
class Follower implements AsyncDisposable {
  readonly entries: Entry[] = [];
  readonly container = Deno.makeTempDirSync({ prefix: "libflux-life-" });
  readonly #abort = new AbortController();
  readonly done: Promise<void>;

  constructor(log: Log, selection: Selection = {}) {
    this.done = this.#run(log, selection);
    // Seen to by who waits for it.
    this.done.catch(() => {});
  }

  async #run(log: Log, selection: Selection): Promise<void> {
    using directory = log.open();
    const { container } = this;
    for await (const batch of follow({ directory, container, selection, signal: this.#abort.signal })) {
      this.entries.push(...batch);
    }
  }

  get shown(): string {
    return flat(this.entries);
  }

  /** Waits until something is shown; fails when that doesn't happen soon. */
  async shows(text: string): Promise<void> {
    await this.until(() => this.shown === text);
    assertEquals(this.shown, text);
  }

  async until(is: () => boolean): Promise<void> {
    const deadline = performance.now() + patience(10_000);
    while (!is() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Ends the container, and waits until nobody follows it any more. */
  async end(): Promise<string> {
    Deno.removeSync(this.container, { recursive: true });
    await this.done;
    return this.shown;
  }

  abort(): void {
    this.#abort.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.done.catch(() => {});
    try {
      Deno.removeSync(this.container, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

const line = (text: string): LogRecord => record("stdout", `${text}\n`);

Deno.test("follow() shows what is there, then what comes, and ends with the container", async () => {
  using log = new Log([[line("old")], [line("first")]]);
  await using follower = new Follower(log);
  await follower.shows("<stdout>old\nfirst\n");
  log.write(0, [record("stderr", "second\n")]);
  await follower.shows("<stdout>old\nfirst\n<stderr>second\n");
  log.write(0, [line("last")]);
  assertEquals(await follower.end(), "<stdout>old\nfirst\n<stderr>second\n<stdout>last\n");
});

Deno.test("follow() waits for a log that isn't there yet", async () => {
  using log = new Log();
  await using follower = new Follower(log);
  log.write(0, [line("one")]);
  await follower.shows("<stdout>one\n");
  assertEquals(await follower.end(), "<stdout>one\n");
});

Deno.test("follow() begins at the last lines, and shows all that comes after them", async () => {
  using log = new Log([[line("1"), line("2")], [line("3"), record("stderr", "4\n")]]);
  await using none = new Follower(log, { tail: 0 });
  await using two = new Follower(log, { tail: 2 });
  await using other = new Follower(log, { tail: 1, stream: "stdout" });
  await two.shows("<stdout>3\n<stderr>4\n");
  log.rotate(3);
  log.write(0, [line("5"), record("stderr", "6\n")]);
  for (const one of [none, two, other]) await one.until(() => /[56]\n$/.test(one.shown));
  assertEquals(await none.end(), "<stdout>5\n<stderr>6\n");
  assertEquals(await two.end(), "<stdout>3\n<stderr>4\n<stdout>5\n<stderr>6\n");
  assertEquals(await other.end(), "<stdout>3\n5\n");
});

for (const maxFile of [1, 2, 4]) {
  Deno.test(`follow() keeps up with a log of ${maxFile} files, and says when some went before they could be read`, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const next = random(seed);
      const expected = [line("begin")];
      using log = new Log([expected]);
      await using follower = new Follower(log);
      await follower.shows("<stdout>begin\n");
      for (let burst = 0; burst < 6; burst++) {
        // Nobody reads in between: several rotations look like one.
        const files = Array.from(
          { length: 1 + next(maxFile * 2) },
          () => [...randomRecords(next, next(10)), line("end")],
        );
        files.forEach((records, index) => {
          if (index > 0) log.rotate(maxFile);
          log.write(0, records);
        });
        const [open = [], ...begun] = files;
        const lost: LogRecord[] = begun.length > maxFile ? [record("lost", "")] : [];
        expected.push(...open, ...lost, ...begun.slice(-maxFile).flat());
        await follower.shows(flat(expected));
      }
      assertEquals(await follower.end(), flat(expected), `seed ${seed}`);
    }
  });
}

Deno.test("follow() takes a record that is being written when it is whole, and none that is taken back", async () => {
  using log = new Log([[line("one")]]);
  await using follower = new Follower(log);
  await follower.shows("<stdout>one\n");
  const bytes = encodeRecord(line("two"));
  using file = Deno.openSync(log.file(), { append: true, write: true });
  for (const byte of bytes.subarray(0, -1)) file.writeSync(new Uint8Array([byte]));
  file.writeSync(bytes.subarray(-1));
  await follower.shows("<stdout>one\ntwo\n");
  const { size } = file.statSync();
  file.writeSync(bytes.subarray(0, 23));
  file.truncateSync(size);
  log.write(0, [record("lost", ""), line("four")]);
  await follower.shows("<stdout>one\ntwo\n<lost><stdout>four\n");
  assertEquals(await follower.end(), "<stdout>one\ntwo\n<lost><stdout>four\n");
});

Deno.test("follow() gets over what a crash has torn, once others write behind it", async () => {
  using log = new Log([[line("one")]]);
  const torn = encodeRecord(record("stdout", "x".repeat(50_000))).subarray(0, 30);
  await using follower = new Follower(log);
  await follower.shows("<stdout>one\n");
  Deno.writeFileSync(log.file(), torn, { append: true });
  const lines = Array.from({ length: 10 }, (_, index) => line(`more ${index}`));
  for (const one of lines) {
    log.write(0, [one]);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const expected = `<stdout>one\n<lost>${flat(lines)}`;
  await follower.shows(expected);
  Deno.writeFileSync(log.file(), torn, { append: true });
  assertEquals(await follower.end(), `${expected}<lost>`);
});

Deno.test("follow() goes on where a log's file was deleted or emptied", async () => {
  using log = new Log([[line("old")], [line("one")]]);
  await using follower = new Follower(log);
  await follower.shows("<stdout>old\none\n");
  Deno.removeSync(log.file());
  log.write(0, [line("two")]);
  await follower.shows("<stdout>old\none\ntwo\n");
  Deno.truncateSync(log.file());
  log.write(0, [record("stdout", "3")]);
  await follower.until(() => follower.shown.endsWith("3"));
  assertEquals(await follower.end(), "<stdout>old\none\ntwo\n<lost><stdout>3");
});

Deno.test("follow() follows a directory that is renamed, and ends with what there was when it is removed", async () => {
  using log = new Log([[line("one")]]);
  await using follower = new Follower(log);
  await follower.shows("<stdout>one\n");
  const elsewhere = `${log.path}-elsewhere`;
  Deno.renameSync(log.path, elsewhere);
  try {
    Deno.writeFileSync(`${elsewhere}/log`, encodeRecord(line("two")), { append: true });
    await follower.shows("<stdout>one\ntwo\n");
    Deno.writeFileSync(`${elsewhere}/log`, encodeRecord(line("three")), { append: true });
  } finally {
    Deno.removeSync(elsewhere, { recursive: true });
  }
  await follower.done;
  assertEquals(follower.shown, "<stdout>one\ntwo\nthree\n");
});

/** A state of a container below a monitor. */
const stateOf = (monitor: number, monitorStartTime = startTime(monitor) ?? 0): string => {
  const state: State = {
    ...{ name: "web", id: "a".repeat(64), pid: monitor, startTime: startTime(monitor) ?? 0, image: "/srv" },
    ...{ command: ["cmd"], created: "2026-01-02T03:04:05.678Z", labels: {}, cgroups: { legacy: {} } },
    ...{ monitor, monitorStartTime, bootId: bootId() },
  };
  return JSON.stringify(state);
};

Deno.test("follow() goes on with the next monitor, and ends when one is killed", async () => {
  using log = new Log([[line("one")]]);
  await using follower = new Follower(log);
  const sleeper = (): Deno.ChildProcess => new Deno.Command("sleep", { args: ["600"] }).spawn();
  const write = (monitor: number): void => {
    Deno.writeTextFileSync(`${follower.container}/state.json.new`, stateOf(monitor));
    Deno.renameSync(`${follower.container}/state.json.new`, `${follower.container}/state.json`);
  };
  const [first, second] = [sleeper(), sleeper()];
  try {
    write(first.pid);
    await follower.shows("<stdout>one\n");
    write(second.pid);
    first.kill("SIGKILL");
    await first.status;
    log.write(0, [line("two")]);
    await follower.shows("<stdout>one\ntwo\n");
    log.write(0, [line("three")]);
    second.kill("SIGKILL");
    await follower.done;
    assertEquals(follower.shown, "<stdout>one\ntwo\nthree\n");
  } finally {
    for (const child of [first, second]) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    }
  }
});

Deno.test("follow() doesn't wait for a process that got the number of a monitor", async () => {
  using log = new Log([[line("one")]]);
  await using follower = new Follower(log);
  Deno.writeTextFileSync(`${follower.container}/state.json.new`, stateOf(Deno.pid, 1));
  Deno.renameSync(`${follower.container}/state.json.new`, `${follower.container}/state.json`);
  await follower.done;
  assertEquals(follower.shown, "<stdout>one\n");
});

Deno.test("follow() ends at once when it is told to, and at the time until when it was to read", async () => {
  using log = new Log([[line("one")]]);
  await using follower = new Follower(log);
  await follower.shows("<stdout>one\n");
  follower.abort();
  await assertRejects(() => follower.done, DOMException);
  const until = { seconds: Math.floor(Date.now() / 1000), nanoseconds: 0 };
  await using bounded = new Follower(log, { until });
  await bounded.done;
  assertEquals(bounded.shown, "<stdout>one\n");
});

Deno.test("follow() leaves no descriptor open", async () => {
  using log = new Log([[line("one")], [line("two")]]);
  const open = (): number => Array.from(Deno.readDirSync("/proc/self/fd")).length;
  await new Follower(log).end();
  const before = open();
  for (let round = 0; round < 5; round++) {
    const follower = new Follower(log);
    await follower.shows("<stdout>one\ntwo\n");
    await follower.end();
  }
  assert(open() <= before, `${open()} are open, and were ${before}`);
});
