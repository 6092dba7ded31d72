import { assertEquals } from "@std/assert";
import { checkLog } from "../../../lib/spec/log_options.ts";
import { type ContainerRecord, History } from "../../../lib/store/history.ts";
import { Store } from "../../../lib/store/state.ts";
import { forget, trim } from "../../../lib/store/trim.ts";

/** A record of a container that ended so many minutes after another. */
const recordOf = (name: string, minutes?: number): ContainerRecord => ({
  ...{ name, id: "b".repeat(64), image: "/srv", command: ["cmd"], labels: {}, created: "2026-01-02T03:00:00.000Z" },
  ...(minutes === undefined ? {} : { finished: new Date(Date.UTC(2026, 0, 2, 4, minutes)).toISOString(), code: 0 }),
  ...{ restarts: 0, log: checkLog({}), terminal: false, remove: false },
});

/** A store with records and logs. */
function storeWith(records: readonly ContainerRecord[]): Disposable & { readonly store: Store } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-trim-" });
  const store = new Store(`${path}/root`, new History(`${path}/history`));
  for (const record of records) {
    store.history.begin(record).close();
    Deno.writeTextFileSync(`${store.history.directory(record.name)}/log`, "log");
  }
  return { store, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("trim() removes the oldest, once there are a tenth more than are kept", async () => {
  using history = storeWith(Array.from({ length: 11 }, (_, index) => recordOf(`c${index * 7 % 11}`, index * 7 % 11)));
  const { store } = history;
  assertEquals(await trim(store, 10), []);
  store.history.begin(recordOf("young", 30)).close();
  assertEquals(await trim(store, 10), ["c0", "c1"]);
  assertEquals(store.history.names().length, 10);
  assertEquals(await trim(store), []);
});

Deno.test("trim() leaves alone what somebody has, and takes its time from when it was asked for where it has no end", async () => {
  using history = storeWith([recordOf("alive"), recordOf("dead"), recordOf("last", 1), recordOf("first", 0)]);
  const { store } = history;
  const claim = await store.claim("alive");
  assertEquals(await trim(store, 1), ["dead", "first"]);
  assertEquals(store.history.names(), ["alive", "last"]);
  await claim.release();
  assertEquals(store.names(), []);
});

Deno.test("forget() asks again once it has the name, and leaves no trace of itself", async () => {
  using history = storeWith([recordOf("web", 1)]);
  const { store } = history;
  assertEquals(await forget(store, "web", () => false), false);
  let held = false;
  assertEquals(await forget(store, "web", (record) => (held = store.isHeld("web")) && record?.name === "web"), true);
  assertEquals([held, store.history.names(), store.names()], [true, [], []]);
  assertEquals(await forget(store, "web"), false);
});
