import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/errors.ts";
import { events, type EventsOptions, selection } from "../../lib/events.ts";
import { line } from "../../lib/commands/events.ts";
import { patience } from "../integration/support.ts";
import { type ContainerEvent, tell } from "../../lib/store/events.ts";

const ID = "a".repeat(64);
const event = (more: Partial<ContainerEvent> = {}): ContainerEvent => ({
  ...{ time: "2026-01-02T03:04:05.000Z", type: "exited", name: "web", id: ID, image: "/srv" },
  ...{ labels: { tier: "front" }, ...more },
});

Deno.test("selection() takes one of several names, types and images, and all labels", () => {
  const takes = (options: EventsOptions, more: Partial<ContainerEvent> = {}) =>
    selection(options, undefined, undefined)(event(more));
  assertEquals(takes({}), true);
  assertEquals(takes({ names: ["db", "web"], types: ["exited", "oom"], images: ["/srv"], labels: ["tier"] }), true);
  assertEquals(takes({ names: ["we"] }), false);
  assertEquals(takes({ names: ["aaaaaaaaaaaa"] }), true);
  assertEquals(takes({ names: ["old"] }, { type: "renamed", from: "old" }), true);
  assertEquals(takes({ types: ["oom"] }), false);
  assertEquals(takes({ images: ["/other"] }), false);
  assertEquals(takes({ labels: ["tier=front", "other"] }), false);
  assertEquals(takes({ labels: ["tier=back"] }), false);
  assertThrows(() => takes({ types: ["burnt" as "oom"] }), UsageError, 'no events of the type "burnt"');
  const at = Date.parse(event().time);
  assertEquals([selection({}, at, at)(event()), selection({}, at + 1, undefined)(event())], [true, false]);
  assertEquals(selection({}, undefined, at - 1)(event()), false);
});

Deno.test("events() tells what is known; with follow what comes, until it is told to end", async () => {
  const root = Deno.makeTempDirSync({ prefix: "libflux-events-" });
  const told: string[] = [];
  const abort = new AbortController();
  const collect = async (options: EventsOptions, into: string[]) => {
    for await (const { name } of events({ root, ...options })) into.push(name);
  };
  try {
    tell(root, { type: "started", name: "before", id: ID });
    const past: string[] = [];
    await collect({}, past);
    assertEquals(past, ["before"]);
    const all: string[] = [];
    const following = [
      collect({ follow: true, signal: abort.signal }, told),
      collect({ follow: true, since: "1h", signal: abort.signal }, all),
    ];
    for (let index = 0; index < 3; index++) {
      tell(root, { type: "started", name: `c${index}`, id: ID });
      const deadline = performance.now() + patience(10_000);
      while ((all.length < index + 2 || told.length < index + 1) && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    abort.abort();
    for (const one of following) await assertRejects(() => one, DOMException);
    assertEquals([told, all], [["c0", "c1", "c2"], ["before", "c0", "c1", "c2"]]);
    const bounded: string[] = [];
    await collect({ follow: true, since: "1h", until: new Date(Date.now() + 20) }, bounded);
    assertEquals(bounded, ["before", "c0", "c1", "c2"]);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("an event as a line has all that is known of it, and can't drive a terminal", () => {
  assertEquals(
    line(event({ code: 137, signal: "SIGKILL" })),
    `2026-01-02T03:04:05.000Z exited web aaaaaaaaaaaa (code=137, signal=SIGKILL, image=/srv, tier=front)`,
  );
  assertEquals(line({ time: "T", type: "removed", name: "web", id: ID }), "T removed web aaaaaaaaaaaa");
  assertEquals(line(event({ labels: { a: "\x1b[2J" } })).includes("\x1b"), false);
});
