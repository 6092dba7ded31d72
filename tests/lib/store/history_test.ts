import { assertEquals } from "@std/assert";
import { type ContainerRecord, History, historyRoot, parseRecord } from "../../../lib/store/history.ts";

const RECORD: ContainerRecord = {
  name: "web",
  id: "a".repeat(64),
  image: "/",
  command: ["true"],
  labels: {},
  created: "2026-11-26T12:00:00.000Z",
  restarts: 0,
  log: { driver: "file", maxSize: 1024, maxFile: 1 },
  terminal: false,
  remove: false,
};

Deno.test("History keeps a record and a log until the name is used again, or they are removed", () => {
  const root = Deno.makeTempDirSync();
  try {
    const history = new History(historyRoot(root));
    assertEquals(history.names(), []);
    history.begin(RECORD).close();
    Deno.writeTextFileSync(`${history.directory("web")}/log`, "x");
    history.write({ ...RECORD, code: 3, finished: "2026-11-26T12:00:01.000Z" });
    assertEquals(history.read("web")?.code, 3);
    history.begin(RECORD).close();
    assertEquals([history.read("web"), history.names()], [RECORD, ["web"]]);
    assertEquals(Array.from(Deno.readDirSync(history.directory("web")), ({ name }) => name), ["record.json"]);
    history.remove("web");
    assertEquals([history.read("web"), history.names()], [undefined, []]);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("parseRecord() takes no file that is no record", () => {
  assertEquals(parseRecord(JSON.stringify(RECORD)), RECORD);
  const wrong: Record<string, unknown> = {
    name: "../x",
    id: "b",
    created: "never",
    code: "3",
    log: null,
    command: [1],
  };
  for (const [key, value] of Object.entries(wrong)) {
    assertEquals(parseRecord(JSON.stringify({ ...RECORD, [key]: value })), undefined, key);
  }
  for (const text of [undefined, "", "{", "null", "[]"]) assertEquals(parseRecord(text), undefined);
});

Deno.test("History.begin() sets the earlier one aside, and a start that was killed brings it back", () => {
  const root = Deno.makeTempDirSync();
  try {
    const history = new History(`${root}/history`);
    const ids = (): (string | undefined)[] => [history.read("web")?.id, ...history.names()];
    const begin = (digit: string): void => history.begin({ ...RECORD, id: digit.repeat(64) }).close();
    begin("1");
    history.keep("web");
    begin("2");
    assertEquals(ids(), ["2".repeat(64), "web"]);
    history.giveBack("web");
    assertEquals(ids(), ["1".repeat(64), "web"]);
    begin("3");
    // Killed here; the next one fails.
    begin("4");
    history.giveBack("web");
    assertEquals(ids(), ["1".repeat(64), "web"]);
    begin("5");
    history.keep("web");
    history.giveBack("nobody");
    assertEquals(ids(), ["5".repeat(64), "web"]);
    history.remove("web");
    assertEquals(Array.from(Deno.readDirSync(history.root)), []);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
