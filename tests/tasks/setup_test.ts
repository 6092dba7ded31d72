import { assert, assertEquals } from "@std/assert";
import { staticBuiltins } from "../../tasks/bundle.ts";
import { missingPackages, type Purpose, REQUIREMENTS } from "../../tasks/setup.ts";

const PURPOSES: readonly Purpose[] = ["demo", "test", "bench", "vm"];

Deno.test("REQUIREMENTS name each command once, with a package that Debian could have", () => {
  const commands = REQUIREMENTS.map(({ command }) => command);
  assertEquals([...new Set(commands)], commands);
  for (const { command, debian, purposes } of REQUIREMENTS) {
    assert(/^[a-z0-9][a-z0-9+.-]+$/.test(debian), debian);
    assert(purposes.length > 0, command);
  }
});

Deno.test("missingPackages() asks for nothing that the purpose doesn't need", () => {
  for (const purpose of PURPOSES) {
    const asked: string[] = [];
    missingPackages(purpose, (command) => asked.push(command) > 0);
    const needed = REQUIREMENTS.filter(({ purposes }) => purposes.includes(purpose)).map(({ command }) => command);
    assertEquals(asked, needed);
  }
});

Deno.test("missingPackages() answers every package of what is missing, and of nothing else", () => {
  for (const purpose of PURPOSES) {
    for (const { command, debian, purposes } of REQUIREMENTS) {
      const missing = missingPackages(purpose, (other) => other !== command);
      assertEquals(missing, purposes.includes(purpose) ? [debian] : [], `${purpose} without ${command}`);
    }
  }
});

Deno.test("staticBuiltins() tells modules that are loaded at the start from those loaded on demand", () => {
  const cases = [
    ['import"node:fs";', ["node:fs"]],
    ['import a from"node:fs";', ["node:fs"]],
    ['import * as a from "node:fs/promises";', ["node:fs/promises"]],
    ['import{a as b,c}from"node:tty";import d from"node:fs";', ["node:fs", "node:tty"]],
    ['import a,{b}from"node:fs";import"node:fs";', ["node:fs"]],
    ['await import("node:fs")', []],
    ['const a=()=>import("node:fs");', []],
    ['import a from"./node.js";const b="node:fs";', []],
    ["", []],
  ] as const;
  for (const [code, found] of cases) assertEquals(staticBuiltins(code), [...found], code);
});
