/** Callers whose command line, environment or files aren't fit for libflux. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { build } from "../../tasks/build.ts";
import { BUSYBOX, hostTest, temporaryDirectory, uniqueName } from "./support.ts";

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const packed = Deno.makeTempDirSync({ prefix: "libflux-packed-" }) + "/libflux";
assert(await build({ output: packed, form: "packed", quiet: true }));
Deno.chmodSync(packed.slice(0, packed.lastIndexOf("/")), 0o755);
globalThis.addEventListener(
  "unload",
  () => Deno.removeSync(packed.slice(0, packed.lastIndexOf("/")), { recursive: true }),
);

/** Runs `script` in a shell, in which "$@" is the executable with these arguments. */
async function shell(script: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command("timeout", {
    args: ["20", "bash", "-c", script, "bash", packed, ...args],
    env: { PATH: Deno.env.get("PATH") ?? "", ...env },
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function assertRefused({ code, stdout, stderr }: Result, part: string, which: string = part): void {
  assertEquals([code, stdout], [125, ""], which + stderr);
  assertMatch(stderr, /^libflux: [^\n]+\n$/, which);
  assertStringIncludes(stderr, part, which);
}

const runArgs = (flags: readonly string[], ...command: readonly string[]): readonly string[] => [
  ...["run", uniqueName(), "--image", BUSYBOX, ...flags, "--"],
  ...command,
];

hostTest("caller: bytes that aren't UTF-8 are refused in a sentence", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/variables`;
  Deno.writeFileSync(file, Uint8Array.of(0x41, 0x3d, 0xff, 0xfe));
  const cases = [
    [`exec "$@" $'\\xff\\xfe'`, runArgs([], "printf", "%s"), "the argument \ufffd"],
    ['exec "$@"', runArgs(["--env-file", file], "true"), `the file ${file}`],
    [`export A=$'\\xff'; exec "$@"`, runArgs(["--env", "A"], "true"), "the variable A"],
    [
      `export XDG_RUNTIME_DIR=$'/run/\\xff'; exec setpriv --reuid=65534 --clear-groups "$@"`,
      ["ps"],
      "the variable XDG_RUNTIME_DIR",
    ],
  ] as const;
  for (const [script, args, says] of cases) assertRefused(await shell(script, args), `${says}`, script);
  const { stdout } = await shell(`exec "$@" $'\\xef\\xbf\\xbd'`, runArgs([], "printf", "%s"));
  assertEquals(stdout, "\ufffd");
});
