import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { age, parseFilter, readTemplate } from "../../../lib/commands/ps.ts";
import { UsageError } from "../../../lib/errors.ts";
import type { ContainerInfo } from "../../../lib/list.ts";

const CONTAINER: ContainerInfo = {
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
const fill = (template: string): string => readTemplate(template)(CONTAINER, NOW);

Deno.test("readTemplate() fills in every field that its own hint names", () => {
  const hint = assertThrows(() => fill("{{.Nothing}}"), UsageError).hint ?? "";
  const fields = Array.from(hint.matchAll(/\{\{\.(\w+)\}\}/g), ([, name]) => name ?? "");
  const values: Readonly<Record<string, string>> = {
    Name: "web",
    ID: CONTAINER.id,
    State: "running",
    Status: "running",
    Pid: "42",
    Image: "/srv/image",
    Command: "sh -c echo a b",
    Created: "2026-01-02T03:04:05.678Z",
    Age: "1m",
    Ports: "0.0.0.0:8080->80/tcp, [::1]:53->53/udp",
    Network: "bridge",
    Address: "10.87.0.2",
    Labels: "tier=front,empty=,with=equals=a=b",
  };
  assertEquals(fields.toSorted(), Object.keys(values).toSorted());
  for (const [field, value] of Object.entries(values)) assertEquals(fill(`{{.${field}}}`), value, field);
});

Deno.test("readTemplate() minds neither case nor blanks nor a missing dot, and keeps all other text", () => {
  for (const template of ["{{.Name}}", "{{ .Name }}", "{{.NAME}}", "{{name}}", "{{  .name}}"]) {
    assertEquals(fill(template), "web", template);
  }
  assertEquals(fill("{{.Name}}{{.Pid}} }} { {.Name} 100% \\t|\\n $& $1"), "web42 }} { {.Name} 100% \t|\\n $& $1");
  assertEquals(fill("no field"), "no field");
});

Deno.test("readTemplate() refuses fields that aren't there, those of every object too", () => {
  for (const name of ["Colour", "Names", "toString", "constructor", "__proto__", "Name.Length", ""]) {
    assertStringIncludes(assertThrows(() => fill(`{{.${name}}}`), UsageError).message, "no field", name);
  }
});

Deno.test("readTemplate() shows what a container says of itself without letting it drive a terminal", () => {
  const hostile = { ...CONTAINER, image: "/\x1b[2J", command: ["a\x07", "\n"], labels: { "k\x1b": "v\x9b" } };
  const text = readTemplate("{{.Image}} {{.Command}} {{.Labels}}")(hostile, NOW);
  assertEquals(text, "/\\x1b[2J a\\x07 \\x0a k\\x1b=v\\x9b");
});

Deno.test("age() counts whole units, and a clock that went back as nothing", () => {
  const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
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

Deno.test("parseFilter() matches a part of the name, the start of the id, and the whole of all else", () => {
  const cases = [
    ["name=web", true],
    ["name=e", true],
    ["name=web2", false],
    ["id=0123", true],
    ["id=123", false],
    ["status=running", true],
    ["state=stopping", false],
    ["image=/srv/image", true],
    ["image=/srv", false],
    ["label=empty", true],
    ["label=empty=", true],
    ["label=tier=front", true],
    ["label=tier=fron", false],
    ["label=tier=", false],
    ["label=absent", false],
    ["label=absent=", false],
    ["label=constructor", false],
    ["label=__proto__", false],
  ] as const;
  for (const [text, matches] of cases) assertEquals(parseFilter(text)(CONTAINER), matches, text);
});

Deno.test("parseFilter() refuses what it doesn't know, and says what it does", () => {
  for (const text of ["web", "name=", "id=", "label=", "image=", "state=asleep", "exited=0", "NAME=web", "=", ""]) {
    const { message, hint } = assertThrows(() => parseFilter(text), UsageError, "is no filter", text);
    assert(message.includes(`"${text}"`) && hint?.includes("label=K[=V]"), text);
  }
});
