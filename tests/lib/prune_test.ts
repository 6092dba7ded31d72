import { assertEquals, assertRejects } from "@std/assert";
import { NoContainerError, UsageError } from "../../lib/errors.ts";
import { list } from "../../lib/list.ts";
import { logs } from "../../lib/logs.ts";
import { encodeRecord } from "../../lib/logs/format.ts";
import { prune, remove } from "../../lib/prune.ts";
import { checkLog } from "../../lib/spec/log_options.ts";
import { bootId } from "../../lib/store/directory.ts";
import { type ContainerRecord, History } from "../../lib/store/history.ts";
import { startTime } from "../../lib/store/process.ts";
import { Store } from "../../lib/store/state.ts";
import { record as line, text } from "./logs/support.ts";

const recordOf = (name: string, more: Partial<ContainerRecord> = {}): ContainerRecord => ({
  ...{ name, id: "b".repeat(64), image: "/srv", command: ["cmd"], labels: {}, created: "2026-01-02T03:00:00.000Z" },
  ...{ restarts: 0, log: checkLog({}), terminal: false, remove: false, finished: "2026-01-02T04:00:00.000Z", code: 3 },
  ...more,
});

class Root implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "libflux-prune-" });
  readonly store = new Store(this.root, new History(`${this.root}/history`));

  add(record: ContainerRecord, output = "out\n"): void {
    this.store.history.begin(record).close();
    Deno.writeFileSync(`${this.store.history.directory(record.name)}/log`, encodeRecord(line("stdout", output)));
  }

  /** A container whose PID 1 is this very process. */
  async live(name: string, id = "b".repeat(64)): Promise<AsyncDisposable> {
    const claim = await this.store.claim(name);
    claim.write({
      ...{ name, id, pid: Deno.pid, startTime: startTime(Deno.pid) ?? 0, image: "/srv", command: ["cmd"] },
      ...{
        created: "2026-01-02T03:00:00.000Z",
        labels: {},
        cgroups: { legacy: {} },
        monitor: Deno.pid,
        monitorStartTime: 0,
      },
      bootId: bootId(),
    });
    return { [Symbol.asyncDispose]: () => claim.release() };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("list() shows those that have ended only when it is asked for all", async () => {
  using directory = new Root();
  const { root } = directory;
  const killed = { code: 137, signal: "SIGKILL", outOfMemory: true, started: "2026-01-02T03:00:01.000Z" };
  directory.add(recordOf("killed", killed));
  const { finished: _, code: __, ...dead } = recordOf("dead");
  directory.add(dead);
  directory.add(recordOf("live"));
  directory.add(recordOf("made"));
  await using _live = await directory.live("live");
  assertEquals((await list({ root })).map(({ name }) => name), ["live"]);
  const all = await list({ root, all: true });
  assertEquals(all.map(({ name, state, pid }) => [name, state, pid]), [
    ["dead", "dead", 0],
    ["killed", "exited", 0],
    ["live", "running", Deno.pid],
    ["made", "exited", 0],
  ]);
  const { code, signal, outOfMemory, started, finished } = all[1] ?? {};
  assertEquals([code, signal, outOfMemory, started?.toISOString(), finished?.toISOString()], [
    ...[137, "SIGKILL", true],
    ...["2026-01-02T03:00:01.000Z", "2026-01-02T04:00:00.000Z"],
  ]);
});

Deno.test("prune() removes what has ended, as filters say, and says how much that was", async () => {
  using directory = new Root();
  const { root } = directory;
  const names = async () => (await list({ root, all: true })).map(({ name }) => name);
  directory.add(recordOf("old", { labels: { tier: "web" } }));
  directory.add(recordOf("new", { labels: { tier: "db", keep: "" }, finished: "2026-06-01T00:00:00.000Z" }));
  directory.add(recordOf("live"));
  directory.add(recordOf("plain"));
  await using _ = await directory.live("live");
  assertEquals((await prune({ root, labels: ["tier=db"], until: "2026-05-01T00:00:00Z" })).names, []);
  assertEquals((await prune({ root, labels: ["tier"], until: new Date("2026-05-01") })).names, ["old"]);
  assertEquals((await prune({ root, withoutLabels: ["keep"] })).names, ["plain"]);
  assertEquals(await names(), ["live", "new"]);
  const { history } = directory.store;
  const size = (name: string) => Deno.statSync(`${history.directory("new")}/${name}`).size;
  const bytes = size("log") + size("record.json");
  assertEquals(await prune({ root }), { names: ["new"], bytes });
  assertEquals([await names(), history.names()], [["live"], ["live"]]);
  await assertRejects(() => prune({ root, until: new Date(NaN) }), UsageError);
});

Deno.test("remove() removes one that has ended, and says what else it is", async () => {
  using directory = new Root();
  const { root } = directory;
  directory.add(recordOf("web"));
  directory.add(recordOf("live"));
  await using _ = await directory.live("live");
  await remove("web", { root });
  await assertRejects(() => remove("web", { root }), NoContainerError, "there is no container web");
  const error = await assertRejects(() => remove("live", { root }), UsageError, "the container live runs");
  assertEquals(error.hint, "end it first: libflux stop live; or give --force");
  assertEquals(directory.store.history.names(), ["live"]);
});

Deno.test("logs() reads the log of who has the name, and no earlier one's", async () => {
  using directory = new Root();
  const { root } = directory;
  const read = async (name: string) => {
    let shown = "";
    for await (const { data } of logs(name, { root })) shown += text(data);
    return shown;
  };
  directory.add(recordOf("web"), "ended\n");
  directory.add(recordOf("live"), "live\n");
  directory.add(recordOf("other"), "of an earlier one\n");
  await using _live = await directory.live("live");
  await using _other = await directory.live("other", "c".repeat(64));
  await using _none = await directory.live("none");
  assertEquals([await read("web"), await read("live")], ["ended\n", "live\n"]);
  for (const name of ["other", "none"]) {
    const error = await assertRejects(() => read(name), Error, `the container ${name} keeps no log`);
    assertEquals("hint" in error && error.hint, "it was started with --log-driver none");
  }
  await assertRejects(() => read("nobody"), NoContainerError);
  await assertRejects(() => read("../x"), UsageError);
});

Deno.test("logs() refuses what can't be asked for", async () => {
  using directory = new Root();
  directory.add(recordOf("web"));
  for (const options of [{ tail: -1 }, { tail: 1.5 }, { since: "then" }, { until: new Date(NaN) }]) {
    await assertRejects(() => logs("web", { root: directory.root, ...options }).next(), UsageError);
  }
});
