import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../../cli.ts";
import { allHelp, type CommandHelp, completionOf, findHelp, GROUPS, visible } from "../../../lib/commands/command.ts";
import { helpText, overview } from "../../../lib/commands/help_text.ts";
import { displayWidth } from "../../../lib/width.ts";

/** Every command and every action of one. */
async function everything(): Promise<CommandHelp[]> {
  return (await allHelp(COMMANDS)).flatMap((one) => [one, ...one.subcommands ?? []]);
}

Deno.test("every command that is for people is in the table with all that is told of it", async () => {
  for (const [name, entry] of visible(COMMANDS)) {
    const loaded = await entry.load();
    assert(
      typeof loaded !== "function",
      `${name} is a bare function: export a Command (CONTRIBUTING.md, "A new command")`,
    );
    assertEquals(loaded.name, name);
    assert(entry.group !== undefined && entry.group in GROUPS, `${name} has no group`);
    assert(!entry.help.endsWith(".") && !entry.help.includes("\n"), name);
  }
});

Deno.test("every form, flag and example of a command is as the others are", async () => {
  for (const { name, usage, about, flags, examples = [], subcommands = [] } of await everything()) {
    for (const form of usage) assert(form === name || form.startsWith(`${name} `) || name === "explain", form);
    assertMatch(about, /^[A-Z][^]*[.:]$/, name);
    const names = flags.flatMap((
      flag,
    ) => [flag.name, ...flag.aliases ?? [], ...flag.short === undefined ? [] : [flag.short]]);
    assertEquals([...new Set(names)], names, name);
    for (const flag of flags) assert(!/\n|\.$/.test(flag.help) && flag.help !== "", `${name} --${flag.name}`);
    for (const { line } of examples) assert(line.startsWith(`libflux ${name.split(" ")[0]}`), line);
    for (const sub of subcommands) assert(sub.name.startsWith(`${name} `), sub.name);
  }
});

Deno.test("help is as wide as it is asked to be, and loses nothing", async () => {
  const words = (text: string): string => text.replaceAll(/\s+/g, " ");
  for (const help of await everything()) {
    for (const width of [50, 80, 133]) {
      const text = helpText(help, width);
      // What can't be broken is as long as it is, and examples are lines to be copied.
      for (const line of (text.split("Examples:")[0] ?? "").split("\n").filter((line) => /\S\s+\S+\s+\S/.test(line))) {
        assert(displayWidth(line) <= width || / {2}\S+$/.test(line), `${width}: ${line}`);
      }
      for (const { name, help: about } of help.flags) {
        assertStringIncludes(text, `--${name}`);
        assertStringIncludes(words(text), words(about));
      }
      for (const { line } of help.examples ?? []) assertStringIncludes(text, line);
    }
  }
});

Deno.test("the overview has every command once, below its group, and none that isn't for people", () => {
  for (const width of [40, 80, 200]) {
    const text = overview(COMMANDS, width);
    const names = [...text.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name);
    assertEquals(names.toSorted(), visible(COMMANDS).map(([name]) => name).toSorted());
    for (const title of Object.values(GROUPS)) assertStringIncludes(text, `\n${title}:\n`);
    for (const line of text.split("\n")) assert(displayWidth(line) <= width, line);
  }
});

Deno.test("a command that isn't there has no help, whatever every object has", async () => {
  for (const words of [["nowhere"], ["toString"], ["network", "nowhere"], ["ps", "x"], []]) {
    assertEquals(await findHelp(COMMANDS, words), undefined, words.join(" "));
  }
  assertEquals((await findHelp(COMMANDS, ["network", "list"]))?.name, "network ls");
});

Deno.test("completionOf() reads the form of a value", () => {
  const cases = [
    ["table|json", { choices: ["table", "json"] }],
    ["DIR", { files: "directories" }],
    ["FILE|unconfined", { choices: ["unconfined"], files: "files" }],
    ["SRC:DST[:OPT,…]", { files: "files" }],
    ["type=…,…", { choices: ["type="] }],
    ["private|host", { choices: ["private", "host"] }],
    ["none|container:NAME|NETWORK", { choices: ["none", "container:"], names: "networks" }],
    ["CONTAINER", { names: "containers" }],
    ["SIZE", {}],
    ["1..10000", {}],
    ["K=V", {}],
    [undefined, {}],
  ] as const;
  for (const [value, expected] of cases) {
    assertEquals(completionOf(value === undefined ? {} : { value }), expected, value ?? "none");
  }
});
