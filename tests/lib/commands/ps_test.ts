import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { cell, FIELD_NAMES, type Listed, recordOf, status, titles } from "../../../lib/commands/ps_fields.ts";
import { last, parseFilter, parseFilters, sort } from "../../../lib/commands/ps_filters.ts";
import { age, duration, timestamp } from "../../../lib/commands/times.ts";
import { UsageError } from "../../../lib/errors.ts";
import { readTemplate } from "../../../lib/template.ts";

const CONTAINER: Listed = {
  name: "web",
  id: "0123456789abcdef".repeat(4),
  state: "running",
  pid: 42,
  image: "/srv/image",
  command: ["sh", "-c", "echo a b"],
  created: new Date("2026-01-02T03:04:05.678Z"),
  labels: { tier: "front", empty: "", "with=equals": "a=b" },
  network: "bridge",
  address: "10.87.0.2",
  ports: [
    { hostPort: 8080, containerPort: 80, protocol: "tcp" },
    { hostAddress: "::1", hostPort: 53, containerPort: 53, protocol: "udp" },
  ],
};
const NOW = CONTAINER.created.getTime() + 90_000;
const fill = (template: string, container = CONTAINER): string =>
  readTemplate(template, { fields: FIELD_NAMES })(recordOf(container, { now: NOW, mounts: () => ["/data", "/tmp"] }));

Deno.test("a template has docker's fields and libflux's own", () => {
  const values: Readonly<Record<string, string>> = {
    ID: "0123456789ab",
    Name: "web",
    Names: "web",
    Image: "/srv/image",
    Command: "sh -c echo a b",
    Created: "2026-01-02T03:04:05.678Z",
    CreatedAt: "2026-01-02 03:04:05 +0000 UTC",
    RunningFor: "About a minute ago",
    Age: "1m",
    Ports: "0.0.0.0:8080->80/tcp, [::1]:53->53/udp",
    State: "running",
    Status: "Up About a minute",
    Size: "-",
    Labels: "tier=front,empty=,with=equals=a=b",
    Mounts: "/data,/tmp",
    Networks: "bridge",
    Network: "bridge",
    Address: "10.87.0.2",
    Pid: "42",
    ExitCode: "",
    Health: "",
    'Label "tier"': "front",
  };
  assertEquals(Object.keys(values).map((name) => name.split(" ")[0]), [...FIELD_NAMES]);
  for (const [field, value] of Object.entries(values)) assertEquals(fill(`{{.${field}}}`), value, field);
  assertEquals(fill('{{.Label "absent"}}|{{.Label "toString"}}'), "|");
  for (const field of FIELD_NAMES) assert(field in titles(), field);
});

Deno.test("a template minds neither case nor a missing dot, and asks for nothing that it doesn't show", () => {
  for (const template of ["{{.Name}}", "{{ .Name }}", "{{.NAME}}", "{{name}}", "{{  .name}}"]) {
    assertEquals(fill(template), "web", template);
  }
  let asked = 0;
  const record = recordOf(CONTAINER, { now: NOW, whole: true, mounts: () => [String(++asked)] });
  assertEquals([readTemplate("{{.ID}}")(record), asked], [CONTAINER.id, 0]);
  assertEquals([readTemplate("{{.Mounts}}")(record), asked], ["1", 1]);
});

Deno.test("a template's json has every field", () => {
  const all = JSON.parse(fill("{{json .}}"));
  assertEquals(Object.keys(all), FIELD_NAMES.filter((name) => name !== "Label"));
  assertEquals([all.Names, all.Mounts, all.Pid], ["web", "/data,/tmp", 42]);
});

Deno.test("a template shows what a container says of itself without letting it drive a terminal", () => {
  const hostile = { ...CONTAINER, image: "/\x1b[2J", command: ["a\x07", "\n"], labels: { "k\x1b": "v\x9b" } };
  assertEquals(fill("{{.Image}} {{.Command}} {{.Labels}}", hostile), "/\\x1b[2J a\\x07 \\x0a k\\x1b=v\\x9b");
  assertEquals(cell("Command", hostile, { now: NOW }), "a\\x07 \\x0a");
  assertEquals(cell("State", { ...CONTAINER, health: "healthy" }, { now: NOW }), "running (healthy)");
});

Deno.test("status() says it as docker does", () => {
  const ended = { state: "exited", finished: new Date(NOW - 120_000), code: 3 } as const;
  const cases: readonly (readonly [Partial<Listed>, string])[] = [
    [{}, "Up About a minute"],
    [{ started: new Date(NOW - 5_000) }, "Up 5 seconds"],
    [{ started: new Date(NOW - 5_000), health: "healthy" }, "Up 5 seconds (healthy)"],
    [{ started: new Date(NOW - 5_000), health: "starting" }, "Up 5 seconds (health: starting)"],
    [{ started: new Date(NOW - 5_000), state: "paused" }, "Up 5 seconds (Paused)"],
    [ended, "Exited (3) 2 minutes ago"],
    [{ state: "exited" }, "Exited (unknown)"],
    [{ ...ended, state: "restarting" }, "Restarting (3) 2 minutes ago"],
    [{ state: "stopping" }, "Stopping"],
    [{ state: "dead" }, "Dead"],
  ];
  for (const [what, text] of cases) assertEquals(status({ ...CONTAINER, ...what }, NOW), text);
});

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

Deno.test("age() counts whole units, and a clock that went back as nothing", () => {
  const cases = [
    [-DAY, "0s"],
    [SECOND - 1, "0s"],
    [MINUTE - 1, "59s"],
    [MINUTE, "1m"],
    [HOUR - 1, "59m"],
    [HOUR, "1h"],
    [DAY - 1, "23h"],
    [DAY, "1d"],
    [400 * DAY, "400d"],
  ] as const;
  for (const [milliseconds, text] of cases) assertEquals(age(milliseconds), text);
});

Deno.test("duration() is docker's", () => {
  const cases = [
    [-5, "Less than a second"],
    [SECOND - 1, "Less than a second"],
    [SECOND, "1 second"],
    [59 * SECOND, "59 seconds"],
    [MINUTE, "About a minute"],
    [2 * MINUTE, "2 minutes"],
    [59 * MINUTE + 59 * SECOND, "59 minutes"],
    [HOUR, "About an hour"],
    [1.4 * HOUR, "About an hour"],
    [1.5 * HOUR, "2 hours"],
    [47 * HOUR, "47 hours"],
    [48 * HOUR, "2 days"],
    [13 * DAY, "13 days"],
    [14 * DAY, "2 weeks"],
    [59 * DAY, "8 weeks"],
    [60 * DAY, "2 months"],
    [729 * DAY, "24 months"],
    [730 * DAY, "2 years"],
  ] as const;
  for (const [milliseconds, text] of cases) assertEquals(duration(milliseconds), text);
  assertEquals(timestamp(new Date(0)), "1970-01-01 00:00:00 +0000 UTC");
});

Deno.test("parseFilter() matches names, and the whole of all else", () => {
  const cases = [
    ["name=web", true],
    ["name=e", true],
    ["name=^web$", true],
    ["name=^e", false],
    ["name=w(", false],
    ["name=web2", false],
    ["id=0123", true],
    ["id=123", false],
    ["status=running", true],
    ["state=stopping", false],
    ["state=exited", false],
    ["image=/srv/image", true],
    ["ancestor=/srv/image", true],
    ["image=/srv", false],
    ["network=bridge", true],
    ["network=brid", false],
    ["label=empty", true],
    ["label=empty=", true],
    ["label=tier=front", true],
    ["label=tier=fron", false],
    ["label=tier=", false],
    ["label=absent", false],
    ["label=absent=", false],
    ["label=constructor", false],
    ["label=__proto__", false],
    ["exited=0", false],
    ["health=healthy", false],
  ] as const;
  for (const [text, matches] of cases) assertEquals(parseFilter(text).test(CONTAINER), matches, text);
  const ended = { ...CONTAINER, state: "exited", code: 3, health: "healthy" } as const;
  for (const text of ["exited=3", "state=exited", "health=healthy"]) assert(parseFilter(text).test(ended), text);
});

Deno.test("parseFilters() wants one of each key, and all labels", () => {
  const cases = [
    [[], true],
    [["name=db", "name=web"], true],
    [["name=db", "name=mail"], false],
    [["name=web", "state=paused"], false],
    [["state=paused", "status=running"], true],
    [["image=/x", "ancestor=/srv/image"], true],
    [["label=tier", "label=empty"], true],
    [["label=tier", "label=absent"], false],
  ] as const;
  for (const [texts, matches] of cases) assertEquals(parseFilters(texts)(CONTAINER), matches, texts.join(" "));
});

Deno.test("parseFilter() refuses what it doesn't know, and says what it does", () => {
  for (const text of ["web", "name=", "id=", "label=", "image=", "state=asleep", "exited=x", "NAME=web", "=", ""]) {
    const { message, hint } = assertThrows(() => parseFilter(text), UsageError, "is no filter", text);
    assert(message.includes(`"${text}"`) && hint?.includes("label=K[=V]"), text);
  }
});

const MANY: readonly Listed[] = ([["b", 3, 30], ["a", 1, 20], ["c", 2, 10]] as const).map(([name, made, pid]) => ({
  ...CONTAINER,
  name,
  pid,
  created: new Date(made * 1000),
}));
const names = (all: readonly Listed[]): string => all.map(({ name }) => name).join("");

Deno.test("sort() orders by each key, and turns it round", () => {
  const cases = [
    [undefined, "abc", "cba"],
    ["name", "abc", "cba"],
    ["-name", "cba", "abc"],
    ["created", "acb", "bca"],
    ["age", "bca", "acb"],
    ["pid", "cab", "bac"],
    ["state", "abc", "abc"],
  ] as const;
  for (const [order, forwards, backwards] of cases) {
    assertEquals([names(sort(MANY, order)), names(sort(MANY, order, true))], [forwards, backwards], order ?? "nothing");
  }
  assertStringIncludes(assertThrows(() => sort([], "size"), UsageError).message, "name, age, created");
});

Deno.test("last() keeps those that were made last, where they are", () => {
  assertEquals([names(last(MANY, 2)), names(last(MANY, Infinity)), names(last(MANY, 1))], ["bc", "bac", "b"]);
});
