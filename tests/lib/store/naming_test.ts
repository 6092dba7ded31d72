import { assert, assertEquals } from "@std/assert";
import { History } from "../../../lib/store/history.ts";
import { completeRename, holdDirectory } from "../../../lib/store/naming.ts";
import { lockDirectory } from "../../../lib/store/lock.ts";
import { Store } from "../../../lib/store/state.ts";
import { bootId } from "../../../lib/store/directory.ts";

const ID = "a".repeat(64);
const SHARED = {
  name: "old",
  id: ID,
  image: "/srv",
  command: ["true"],
  created: "2026-01-02T03:04:05.678Z",
  labels: {},
};
const STATE = JSON.stringify({
  ...SHARED,
  ...{ pid: 42, startTime: 1, monitor: 43, monitorStartTime: 2, cgroups: { legacy: {} }, bootId: bootId() },
});
const LOG = { driver: "local", maxSize: 1, maxFile: 1 };

Deno.test("completeRename() goes on wherever a rename has stopped, and changes nothing that is done", () => {
  for (const moved of [0, 1, 2]) {
    const root = Deno.makeTempDirSync();
    try {
      const store = new Store(root, new History(`${root}/history`));
      Deno.mkdirSync(store.directory("new"), { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(`${store.directory("new")}/state.json`, STATE);
      const { history } = store;
      const record = { ...SHARED, restarts: 0, log: LOG as never, terminal: false, remove: false };
      history.begin(record).close();
      if (moved > 0) Deno.renameSync(history.directory("old"), history.directory("new"));
      if (moved > 1) history.write({ ...record, name: "new" });
      for (let i = 0; i < 2; i++) {
        completeRename(history, store.directory("new"), "new");
        assertEquals([history.names(), history.read("new")?.name, store.state("new")?.name], [["new"], "new", "new"]);
      }
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  }
});

Deno.test("holdDirectory() waits for who has a directory, and tells where there is none any more", async () => {
  const path = Deno.makeTempDirSync();
  const first = await holdDirectory(path);
  assert(first !== undefined);
  assertEquals(lockDirectory(path), "busy");
  const second = holdDirectory(path);
  Deno.removeSync(path);
  first.close();
  assertEquals(await second, undefined);
});
