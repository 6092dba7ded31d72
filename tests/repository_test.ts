import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { VERSION } from "../lib/version.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const read = (name: string): string => Deno.readTextFileSync(`${ROOT}${name}`);
const config = JSON.parse(read("deno.json"));

Deno.test("lib/version.ts is deno.json's version", () => assertEquals(VERSION, config.version));

Deno.test("Deno is pinned in .dvmrc, and the README's commands use that version", () => {
  const pinned = read(".dvmrc").trim();
  assertMatch(pinned, /^\d+\.\d+\.\d+$/);
  const used = [...read("README.md").matchAll(/deno@([\d.]+\d)/g)].map(([, version]) => version);
  assert(used.length >= 2);
  assertEquals([...new Set(used)], [pinned]);
});

Deno.test("deno.jsr.json is deno.json without the stand-ins, and with a lock of its own", () => {
  const { workspace, ...rest } = config;
  const { lock, ...jsr } = JSON.parse(read("deno.jsr.json"));
  assertEquals([jsr, lock], [rest, "./deno.jsr.lock"]);
  assert(workspace.length > 0);
});

Deno.test("every stand-in has the name and a version in the range of what it stands for", () => {
  for (const directory of config.workspace) {
    const { name, version } = JSON.parse(read(`${directory}/deno.json`));
    const range = /@\^([\d.]+)$/.exec(config.imports[name])?.[1] ?? "none";
    assertEquals(config.imports[name], `jsr:${name}@^${range}`);
    assert(
      version === range || version.startsWith(`${range}.`) ||
        version.split(".").slice(0, 2).join(".") === range.split(".").slice(0, 2).join("."),
      `${name} ${version} isn't in ^${range}`,
    );
  }
});

/** Every TypeScript file that belongs to the product. */
function sources(directory: string): string[] {
  return Array.from(Deno.readDirSync(`${ROOT}${directory}`)).flatMap(({ name, isDirectory }) =>
    isDirectory ? sources(`${directory}/${name}`) : name.endsWith(".ts") ? [`${directory}/${name}`] : []
  );
}

const imports = (file: string): string[] =>
  [...read(file).matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, path]) => path ?? "");

Deno.test("imports go down: ffi/ knows nothing of lib/, lib/ nothing of its commands, and they nothing of ffi/", () => {
  for (const file of ["cli.ts", ...sources("lib/commands")]) {
    for (const path of imports(file)) assert(!path.includes("ffi/"), `${file} imports ${path}`);
  }
  for (const file of sources("ffi")) {
    for (const path of imports(file)) assert(!path.includes("lib/"), `${file} imports ${path}`);
  }
  for (const file of sources("lib").filter((name) => !name.startsWith("lib/commands/"))) {
    for (const path of imports(file)) {
      assert(
        !path.includes("commands/") && !path.endsWith("mod.ts") || path.includes("compile/mod.ts"),
        `${file} imports ${path}`,
      );
    }
  }
});

Deno.test("only lib/commands/ prints, and lib/compile/ never waits", () => {
  for (const file of sources("lib").filter((name) => !name.startsWith("lib/commands/"))) {
    const code = read(file).replace(/\/\*\*[^]*?\*\//g, "");
    assert(!/console\.(log|error|warn)|Deno\.std(out|err)\.write/.test(code), file);
  }
  for (const file of sources("lib/compile")) assert(!/\bawait\b|\bDeno\.|ffi\/libc/.test(read(file)), file);
});

Deno.test("no source file has more than 350 lines", () => {
  for (const file of ["ffi", "lib", "compat", "tasks", "tests"].flatMap(sources)) {
    assert(read(file).split("\n").length <= 351, file);
  }
});
