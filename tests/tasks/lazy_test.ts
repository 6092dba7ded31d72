import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { bundles } from "../../tasks/build.ts";
import { staticBuiltins } from "../../tasks/bundle.ts";
import { pack } from "../../tasks/packer.ts";
import { asksFor, type LazyModule, withLazyModule } from "../../tasks/packer/lazy.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** What a program writes that is packed with the `deno` of this test. */
function packed(program: string, ...modules: readonly LazyModule[]): string {
  const path = Deno.makeTempDirSync({ prefix: "libflux-lazy-" });
  try {
    pack({ runtime: Deno.execPath(), bundle: bytes(program), modules, output: `${path}/packed` });
    const { stdout, stderr } = new Deno.Command(`${path}/packed`, { env: { HOME: path }, cwd: "/" }).outputSync();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

Deno.test("pack(): a program gets its second module when it asks, once, and out of the executable that is running", () => {
  const code =
    `globalThis.loaded = (globalThis.loaded ?? 0) + 1; export const url = import.meta.url; export default "it is";
    ${"// a line that makes it long\n".repeat(20_000)} export const last = "the last line";`;
  const program = `
    const path = Deno.execPath();
    Deno.removeSync(path);
    Deno.writeTextFileSync(path, "another program");
    const before = globalThis.loaded;
    const [one, two] = await Promise.all([import("@test/second"), import("@test/second")]);
    const three = await import("@test/second");
    console.log(JSON.stringify([before ?? 0, globalThis.loaded, one === two && two === three, { ...one }]));`;
  const [before, after, same, exports] = JSON.parse(packed(program, { name: "@test/second", code: bytes(code) }));
  assertEquals([before, after, same], [0, 1, true]);
  // V8 keeps what it compiles of URLs that don't change
  assertEquals(exports, { default: "it is", last: "the last line", url: "file:///proc/self/fd/3?@test/second" });
});

Deno.test("bundles(): what asks for dax has it in a second bundle, and starts without Node's modules", async () => {
  const { bundle, modules: [module] } = await bundles("lib/network/script.ts");
  assertEquals(staticBuiltins(new TextDecoder().decode(bundle)), []);
  if (module === undefined) throw new Error("there is no second bundle");
  // what it exports has names only outside
  const program = `${new TextDecoder().decode(bundle)}
    import(import.meta.url).then(async ({ script }) => console.log(JSON.stringify(await script("cat", [], "x"))));`;
  assertEquals(packed(program, module), '{"code":0,"stdout":"x","stderr":""}\n');
});

Deno.test("pack(): a module that is loaded late gets those before it, and only what is asked for is loaded", () => {
  const say = (name: string, more = "") => bytes(`globalThis.loaded = [...globalThis.loaded ?? [], "${name}"];${more}`);
  const modules = [
    { name: "@test/third", code: say("third", "export default 3;") },
    {
      name: "../../second.ts",
      code: say("second", 'export const more = async () => (await import("@test/third")).default;'),
    },
    { name: "@test/other", code: say("other") },
  ];
  const program = `
    const { more } = await import("../../second.ts");
    const before = [...globalThis.loaded];
    if (Deno.args.length > 0) await import("@test/other");
    console.log(JSON.stringify([before, await more(), globalThis.loaded]));`;
  assertEquals(JSON.parse(packed(program, ...modules)), [["second"], 3, ["second", "third"]]);
});

Deno.test("bundles(): what doesn't ask for dax doesn't get it", async () => {
  assertEquals((await bundles("lib/version.ts")).modules, []);
});

Deno.test("withLazyModule() replaces what it can, and refuses the rest", () => {
  const module = { name: "@a/b", code: bytes("") };
  const replaced = (text: string) => new TextDecoder().decode(withLazyModule(bytes(text), module, 7));
  assertStringIncludes(replaced('let a=await import("@a/b");'), "let a=await $lazy();\n");
  assertThrows(() => replaced('await import("@a/c")'), RangeError, 'the bundle has no import("@a/b")');
  assertThrows(() => replaced('import("@a/b");import"@a/b"'), RangeError, "in another way too");
  assertThrows(() => replaced('import("@a/b");let $lazy'), RangeError, "of its own");
  assertEquals([asksFor(bytes("import'@a/b'"), "@a/b"), asksFor(bytes("import'@a/c'"), "@a/b")], [true, false]);
});
