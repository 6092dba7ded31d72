import { assertEquals } from "@std/assert";
import { COMMANDS } from "../../../cli.ts";
import { FAST, isFast } from "../../../lib/commands/fast.ts";

Deno.test("the commands whose start counts are those of the table", async () => {
  for (const [name, { load }] of Object.entries(FAST)) {
    assertEquals(await load() === await COMMANDS[name]?.load(), true, name);
  }
});

Deno.test("isFast() is for these commands and the version, and for nothing that every object has", () => {
  const lines = [
    ["run", "x"],
    ["ps"],
    ["--version"],
    ["help", "run"],
    ["network", "ls"],
    ["toString"],
    ["__proto__"],
    [],
  ];
  assertEquals(lines.map(isFast), [true, true, true, false, false, false, false, false]);
});
