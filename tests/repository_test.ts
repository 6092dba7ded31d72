import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, toFileUrl } from "@std/path";
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

/** What a file imports of this repository, as paths from its root. */
const imports = (file: string): string[] =>
  [...read(file).replace(/^ \*.*$/gm, "").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map(([, path = ""]) =>
    fromFileUrl(new URL(path, toFileUrl(`${ROOT}${file}`))).slice(ROOT.length)
  );

/** The six floors of the house, from the ground up. What isn't named is in a directory that is. */
const FLOORS: readonly (readonly string[])[] = [
  [
    "ffi/",
    "lib/errors.ts",
    "lib/errno.ts",
    "lib/warnings.ts",
    "lib/render.ts",
    "lib/settle.ts",
    "lib/width.ts",
    "lib/chart.ts",
    "lib/template.ts",
    "lib/template/",
    "lib/version.ts",
  ],
  ["lib/spec/", "lib/seccomp/", "lib/store/", "lib/users.ts", "lib/caller.ts"],
  ["lib/compile/", "lib/cgroups/", "lib/rootfs/", "lib/network/", "lib/logs/", "lib/files/"],
  [
    ...[
      "container",
      "container_status",
      "capture",
      "launch",
      "prepare",
      "user_namespace",
      "streams",
      "failure",
      "refusal",
      "attach",
      "signals",
      "make_cgroups",
      "assemble",
      "detach",
      "finish",
      "lifecycle",
      "monitor",
      "program",
      "attach_to",
      "attached_input",
      "health",
      "health_state",
      "rename",
      "connect",
      "labels",
      "selinux",
      "relabel",
      "confine",
      "ends",
      "fuse_overlay",
      "exec",
      "exec_session",
      "keeper",
      "exec_cgroup",
      "session_streams",
      "privileges",
    ].map((
      name,
    ) => `lib/${name}.ts`),
    ...[
      "copy",
      "archive",
      "diff",
      "explain",
      "inspect",
      "list",
      "logs",
      "events",
      "prune",
      "networks",
      "control",
      "stats",
      "benchmark",
      "info",
    ]
      .map((
        name,
      ) => `lib/${name}.ts`),
    "lib/info/",
  ],
  ["mod.ts", "lib/commands/"],
  ["cli.ts"],
];

const floorOf = (file: string): number =>
  FLOORS.findIndex((names) => names.some((name) => name.endsWith("/") ? file.startsWith(name) : file === name));

Deno.test("every file has a floor, and imports only go down", () => {
  const upward: string[] = [];
  for (const file of ["cli.ts", "mod.ts", ...["ffi", "lib"].flatMap(sources)]) {
    const floor = floorOf(file);
    assert(floor >= 0, `${file} is on no floor`);
    for (const path of imports(file)) {
      const below = floorOf(path);
      assert(below >= 0, `${file} imports ${path}, which is on no floor`);
      if (below > floor || path === "mod.ts" && file !== "cli.ts") upward.push(`${file} imports ${path}`);
    }
  }
  assertEquals(upward, []);
  // What a command can do, the library can.
  for (const file of ["cli.ts", ...sources("lib/commands")]) {
    assertEquals(imports(file).filter((path) => path.startsWith("ffi/")), [], file);
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

/** What `deno doc --json` says of a symbol, as far as it is looked at. */
interface Documented {
  readonly name: string;
  readonly declarations: readonly { readonly jsDoc?: { readonly tags?: readonly { readonly kind: string }[] } }[];
}

Deno.test("every export of mod.ts has an example", async () => {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", "mod.ts"],
    cwd: ROOT,
    stderr: "null",
  }).output();
  assert(success, "deno doc failed");
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const symbols: Documented[] = Object.values<{ symbols?: Documented[] }>(nodes).flatMap(({ symbols = [] }) => symbols);
  assert(symbols.length > 30, `${symbols.length} exports`);
  const without = symbols.filter(({ declarations }) =>
    !declarations.some(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "example"))
  );
  assertEquals(without.map(({ name }) => name), []);
});
