import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/errors.ts";
import { readTemplate } from "../../lib/template.ts";

const DATA = {
  Name: "web",
  Pid: 42,
  On: true,
  Off: false,
  None: "",
  Ports: ["80/tcp", "53/udp"],
  Labels: { tier: "front", "a.b": "dotted" },
  Deep: { Inner: { List: [{ X: 1 }, { X: 2 }] } },
  Label: (key: string) => `label of ${key}`,
  Hostile: "a\x1b[2J\nb\x9b",
};
const fill = (template: string, data: unknown = DATA): string => readTemplate(template)(data);

Deno.test("a template is filled in as Go does it", () => {
  const cases = [
    ["", ""],
    ["plain }} text", "plain }} text"],
    ["{{.Name}}", "web"],
    ["{{ .Name }}-{{.Pid}}", "web-42"],
    ["{{.name}}", "web"],
    ["{{.Deep.Inner.List}}", "[map[X:1] map[X:2]]"],
    ["{{.Missing}}", "<no value>"],
    ["{{.Ports}} {{.Labels}}", "[80/tcp 53/udp] map[a.b:dotted tier:front]"],
    ['{{"a\\tb"}}{{`c\\n`}}{{1}}{{true}}', "a\tbc\\n1true"],
    ["a {{- .Name -}} b", "awebb"],
    ["a {{/* nothing }} */}}b", "a b"],
    ["{{ `}}` }}", "}}"],
    ["{{upper .Name}} {{.Name | upper | lower}} {{title .Name}}", "WEB web Web"],
    ['{{join .Ports ", "}}', "80/tcp, 53/udp"],
    ['{{join (split "a,b" ",") "+"}}', "a+b"],
    ["{{len .Ports}} {{len .Name}} {{len .Labels}}", "2 3 2"],
    ['{{index .Ports 1}} {{index .Labels "a.b"}} {{index .Labels "x"}}', "53/udp dotted <no value>"],
    ["{{(index .Deep.Inner.List 1).X}}", "2"],
    ['{{.Label "k"}} {{"k" | .Label}}', "label of k label of k"],
    [
      '{{printf "%s:%d %5s|%-5s|%05d|%.2f|%x|%%|%q" .Name .Pid "a" "b" 7 1.5 255 .Name}}',
      'web:42     a|b    |00007|1.50|ff|%|"web"',
    ],
    ["{{truncate .Name 2}}", "we"],
    ["{{if .On}}yes{{else}}no{{end}}{{if .Off}}yes{{else}}no{{end}}", "yesno"],
    ["{{if .None}}a{{else if .Pid}}b{{else}}c{{end}}", "b"],
    ["{{if .Off}}a{{else if .None}}b{{else}}c{{end}}", "c"],
    ['{{if and .On (eq .Name "web")}}1{{end}}{{if or .Off .None}}2{{end}}{{if not .Off}}3{{end}}', "13"],
    [
      '{{if eq .Name "db" "web"}}1{{end}}{{if ne .Pid 42}}2{{end}}{{if gt .Pid 41}}3{{end}}{{if le .Pid 41}}4{{end}}',
      "13",
    ],
    ["{{range .Ports}}<{{.}}>{{end}}", "<80/tcp><53/udp>"],
    ["{{range $i, $p := .Ports}}{{if $i}}, {{end}}{{$p}}{{end}}", "80/tcp, 53/udp"],
    ["{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a.b=dotted tier=front "],
    ["{{range .None2}}x{{else}}none{{end}}", "none"],
    ["{{range .Ports}}{{$.Name}} {{end}}", "web web "],
    ["{{with .Deep.Inner}}{{range .List}}{{.X}}{{end}}{{else}}none{{end}}", "12"],
    ["{{with .None}}x{{else}}{{.Name}}{{end}}", "web"],
    ["{{$x := .Pid}}{{if .On}}{{$x = 7}}{{end}}{{$x}}", "7"],
    ["{{$x := 1}}{{if .On}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"],
    ["{{json .Labels}}", '{"tier":"front","a.b":"dotted"}'],
    ["{{print .Name 1}}{{println .Name .Pid}}", "web1web 42\n"],
  ] as const;
  for (const [template, expected] of cases) assertEquals(fill(template), expected, template);
});

Deno.test("what comes from outside can't drive a terminal, and stays itself in JSON", () => {
  assertEquals(fill("{{.Hostile}}"), "a\\x1b[2J\\x0ab\\x9b");
  assertEquals(
    fill('{{printf "%s" .Hostile}}{{upper .Hostile}}{{join (split .Hostile "2") ""}}').includes("\x1b"),
    false,
  );
  const text = fill("{{json .Hostile}}");
  assert(!/\p{Cc}/u.test(text), text);
  assertEquals(JSON.parse(text), DATA.Hostile);
});

Deno.test("a template that can't be read says where and why", () => {
  const cases = [
    ["{{.Name", "no }}"],
    ["{{}}", "a value is missing"],
    ["{{frobnicate .Name}}", "no field and no function frobnicate"],
    ["{{if .On}}x", "no {{end}}"],
    ["{{end}}", "nothing that {{end}} belongs to"],
    ["{{if .On}}{{else}}{{else}}{{end}}", "no {{end}}"],
    ["{{else}}", "nothing that {{else}}"],
    ["{{.Name | }}", "a value is missing"],
    ["{{(.Name}}", "a ) is missing"],
    ["{{.Name)}}", "too much"],
    ["{{$x}}", "no variable $x"],
    ["{{$x = 1}}", "no variable $x"],
    ["{{$a, $b := .Ports}}", "only range"],
    ["{{1 2}}", "takes no arguments"],
    ["{{upper}}", "upper takes 1 argument, and got 0"],
    ["{{join .Ports}}", "join takes 2 arguments"],
    ['{{"\\z"}}', "no escape \\z"],
    ["{{&}}", '"&" means nothing'],
    ["{{range .Ports}}{{.}}{{end}}{{.X}}{{end}}", "belongs to"],
    [`{{${"(".repeat(500)}1${")".repeat(500)}}}`, "too deep"],
    ["{{if 1}}".repeat(500), "too deep"],
  ] as const;
  for (const [template, why] of cases) {
    assertStringIncludes(assertThrows(() => readTemplate(template), UsageError).message, why, template);
  }
});

Deno.test("a template that a value doesn't fit says where and why", () => {
  const cases = [
    ["{{.Name.First}}", "a string has no field First"],
    ["{{.Missing.First}}", "nothing has no field First"],
    ["{{index .Ports 7}}", "no element 7 in a list of 2"],
    ["{{index .Name 0}}", "not a string"],
    ["{{range .Name}}{{end}}", "range takes a list or an object, not a string"],
    ["{{len .Pid}}", "not a number"],
    ["{{upper .Ports}}", "not a list"],
    ["{{lt .Name .Pid}}", "can't compare a string and a number"],
    ['{{printf "%d" .Name}}', "takes a number, not a string"],
    ['{{printf "%s"}}', "no argument for %s"],
    ['{{printf "x" 1}}', "arguments too many"],
    ['{{printf "%y" 1}}', "printf has no %y"],
    ['{{.Name "x"}}', "takes no arguments"],
  ] as const;
  for (const [template, why] of cases) {
    assertStringIncludes(assertThrows(() => fill(template), UsageError).message, why, template);
  }
});

Deno.test("fields that aren't there are refused when the template is read, wherever the dot is still the root", () => {
  const read = (template: string) => readTemplate(template, { fields: ["Name", "Ports"] });
  assertEquals(read("{{name}} {{.NAME}} {{range .Ports}}{{.Anything}}{{end}}")({ Name: "web" }), "web web ");
  for (
    const template of ["{{.X}}", "{{if .X}}{{end}}", "{{range .Ports}}{{$.X}}{{end}}", "{{upper .X}}", "{{.toString}}"]
  ) {
    const { message, hint } = assertThrows(() => read(template), UsageError, "there is no field");
    assertStringIncludes(hint ?? "", "{{.Name}} {{.Ports}}", message);
  }
});

/** Numbers that look random and are the same each time. */
function dice(seed: number): (below: number) => number {
  return (below) => (seed = seed * 48271 % 0x7fffffff) % below;
}

Deno.test("property: text without braces stays itself, whatever it is", () => {
  const roll = dice(7);
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: roll(30) }, () => String.fromCodePoint(roll(0xd000))).join("").replaceAll(
      "{{",
      "",
    );
    assertEquals(fill(text), text);
  }
});

Deno.test("property: json gives any value back", () => {
  const roll = dice(11);
  const value = (depth: number): unknown => {
    const kind = roll(depth > 3 ? 4 : 6);
    const text = (): string => Array.from({ length: roll(8) }, () => String.fromCodePoint(roll(0x2100))).join("");
    if (kind === 0) return text();
    if (kind === 1) return roll(100_000) / 8;
    if (kind === 2) return roll(2) === 1;
    if (kind === 3) return null;
    const count = roll(4);
    if (kind === 4) return Array.from({ length: count }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: count }, () => [`k${text()}`, value(depth + 1)]));
  };
  for (let round = 0; round < 500; round++) {
    const one = value(0);
    assertEquals(JSON.parse(fill("{{json .}}", one)), one);
    assert(!/\p{Cc}/u.test(fill("{{.}}", one)), JSON.stringify(one));
  }
});

Deno.test("property: any sequence of words is read and filled in, or refused in a sentence", () => {
  const words = [
    ..."{{ }} {{- -}} .Name .Ports . $ $x := = | ( ) , if else end range with json upper printf index len and eq".split(
      " ",
    ),
    ...[
      '"%s"',
      "1",
      "-5",
      "true",
      "nil",
      " ",
      "text",
      "{{if .On}}",
      "{{end}}",
      "{{else}}",
      "{{range .Ports}}",
      "/*",
      "*/",
      "`",
    ],
  ];
  const roll = dice(3);
  let filled = 0;
  for (let round = 0; round < 20_000; round++) {
    const template = Array.from({ length: 1 + roll(10) }, () => words[roll(words.length)]).join(
      roll(2) === 0 ? " " : "",
    );
    try {
      fill(template);
      filled++;
    } catch (error) {
      assert(error instanceof UsageError && !error.message.includes("\n"), `${template}: ${error}`);
    }
  }
  assert(filled > 500, `${filled} were filled in`);
});
