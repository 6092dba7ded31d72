import { assert, assertEquals } from "@std/assert";
import { type ContainerEvent, EventReader, parseEvent, tell } from "../../../lib/store/events.ts";

const ID = "a".repeat(64);

class Root implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "libflux-events-" });
  tell(name: string, more: Partial<Omit<ContainerEvent, "time">> = {}): void {
    tell(this.path, { type: "started", name, id: ID, ...more });
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const names = (reader: EventReader): string[] => Array.from(reader.read(), ({ name }) => name);

Deno.test("tell() adds a line, which EventReader reads once", () => {
  using root = new Root();
  using reader = new EventReader(root.path);
  assertEquals(names(reader), []);
  const before = Date.now();
  root.tell("web", { image: "/srv", labels: { "a\nb": "ü" }, code: 3, signal: "SIGKILL" });
  const [event] = reader.read();
  assert(event !== undefined && Date.parse(event.time) >= before && Date.parse(event.time) <= Date.now());
  assertEquals(event, {
    ...{ time: event.time, type: "started", name: "web", id: ID, image: "/srv", labels: { "a\nb": "ü" } },
    ...{ code: 3, signal: "SIGKILL" },
  });
  assertEquals(names(reader), []);
  root.tell("db");
  root.tell("api");
  assertEquals(names(reader), ["db", "api"]);
  assertEquals(Deno.statSync(`${root.path}/events`).mode ?? 0 & 0o777, 0o100600);
});

Deno.test("tell() doesn't fail where nothing can be written, and follows no link", () => {
  using root = new Root();
  tell(`${root.path}/nowhere`, { type: "started", name: "web", id: ID });
  Deno.writeTextFileSync(`${root.path}/other`, "");
  Deno.symlinkSync("other", `${root.path}/events`);
  root.tell("web");
  assertEquals(Deno.readTextFileSync(`${root.path}/other`), "");
});

Deno.test("EventReader leaves out what is no event, and waits for lines to be whole", () => {
  using root = new Root();
  using reader = new EventReader(root.path);
  root.tell("one");
  const line = Deno.readTextFileSync(`${root.path}/events`);
  const add = (text: string): void => Deno.writeTextFileSync(`${root.path}/events`, text, { append: true });
  add(`nonsense\n{}\n[]\nnull\n${line.replace("started", "burnt")}${line.replace("one", "../x")}${line.slice(0, 30)}`);
  assertEquals(names(reader), ["one"]);
  add(line.slice(30));
  assertEquals(names(reader), ["one"]);
});

Deno.test("parseEvent() refuses what isn't as it has to be", () => {
  const event = { time: "2026-01-02T03:04:05.678Z", type: "exited", name: "web", id: ID, code: 1 };
  assertEquals(parseEvent(JSON.stringify(event)), event as ContainerEvent);
  for (
    const wrong of [{ time: "then" }, { id: "b" }, { name: "" }, { code: "1" }, { labels: { a: 1 } }, { labels: [] }, {
      image: 1,
    }]
  ) assertEquals(parseEvent(JSON.stringify({ ...event, ...wrong })), undefined, JSON.stringify(wrong));
});

Deno.test("the file of events begins anew when it is long: two are kept, and who reads along misses none", () => {
  using root = new Root();
  using along = new EventReader(root.path);
  const COUNT = 400;
  const labels = { long: "x".repeat(10_000) };
  const seen: string[] = [];
  for (let index = 0; index < COUNT; index++) {
    root.tell(`c${index}`, { labels });
    // At every distance from where it begins anew, also once two events have come since.
    if (index % 3 === 0) seen.push(...names(along));
    if (index === 99) {
      using late = new EventReader(root.path);
      assertEquals(names(late).at(-1), "c99");
      assertEquals(names(late), []);
    }
  }
  seen.push(...names(along));
  assertEquals(seen, Array.from({ length: COUNT }, (_, index) => `c${index}`));
  assertEquals(Array.from(Deno.readDirSync(root.path), ({ name }) => name).sort(), ["events", "events.1"]);
  for (const name of ["events", "events.1"]) assert(Deno.statSync(`${root.path}/${name}`).size < 1_100_000);
  using late = new EventReader(root.path);
  const known = names(late);
  assert(known.length > 100 && known.length < COUNT);
  assertEquals(known, seen.slice(-known.length));
});

Deno.test("EventReader reads each event once, wherever it begins to read", () => {
  for (let before = 95; before < 110; before++) {
    using root = new Root();
    for (let index = 0; index < before; index++) root.tell(`c${index}`, { labels: { long: "x".repeat(10_000) } });
    using reader = new EventReader(root.path);
    const first = names(reader);
    root.tell("next");
    assertEquals([first.length, names(reader)], [before, ["next"]], `${before}`);
  }
});
