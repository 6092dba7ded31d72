/**
 * Callers whose environment, directory or limits aren't fit for Deno, which runs libflux: none of it may show through.
 * These hold for packed executables; `deno compile` leaves no place for what does it.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { build } from "../../tasks/build.ts";
import { BUSYBOX, hostTest, temporaryDirectory, uniqueName } from "./support.ts";

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const VERSION = /^libflux \d+\.\d+\.\d+\n$/;

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

function assertWorks({ code, stdout, stderr }: Result, which: string): void {
  assertEquals([code, stderr], [0, ""], which);
  assertMatch(stdout, VERSION, which);
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

hostTest("caller: a removed working directory matters to relative paths only", async () => {
  const gone = 'cd "$(mktemp -d)" && rmdir "$PWD" && exec "$@"';
  assertWorks(await shell(gone, ["--version"]), "version");
  assertEquals((await shell(gone, ["ps"])).code, 0);
  assertEquals((await shell(gone, runArgs([], "pwd"))).stdout, "/\n");
  for (
    const flags of [
      ["--bind", "etc:/data"],
      ["--mount", "type=bind,src=etc,dst=/data"],
      ["--env-file", "etc/hostname"],
      ["--root", "run"],
      ["--image", "usr"],
    ]
  ) {
    const args = ["run", uniqueName(), ...flags, "--", "true"];
    assertRefused(await shell(gone, args), "leads nowhere: the working directory has been removed", flags.join(" "));
  }
});

hostTest("caller: limits that Deno can't live with are one sentence", async () => {
  for (
    const [limit, says] of [
      ["-n 8", "open files (RLIMIT_NOFILE) is below 64"],
      ["-n 20", "open files (RLIMIT_NOFILE) is below 64"],
      ["-n 63", "open files (RLIMIT_NOFILE) is below 64"],
      ["-v 1000000", "address space (RLIMIT_AS) is below"],
      ["-d 100000", "data (RLIMIT_DATA) is below"],
      ["-s 64", "the stack (RLIMIT_STACK) is below"],
      ["-f 0", "file sizes (RLIMIT_FSIZE) is below"],
    ] as const
  ) {
    assertRefused(await shell(`ulimit ${limit}; exec "$@"`, ["--version"]), says, limit);
  }
  // one at a time: what is enough is no reason to refuse
  for (const limit of ["-n 64", "-Sn 8", "-f 1024", "-s 1024", "-d 1000000", "-v 40000000"]) {
    assertWorks(await shell(`ulimit ${limit}; exec "$@"`, ["--version"]), limit);
  }
});

hostTest("caller: a container has the caller's own limit of open files, or its own", async () => {
  const limits = 'echo "$(ulimit -Sn) $(ulimit -Hn)"';
  const run = (flags: readonly string[]) =>
    shell('ulimit -Sn 100; ulimit -Hn 1000; exec "$@"', runArgs(flags, "sh", "-c", limits));
  assertEquals(await run([]), { code: 0, stdout: "100 1000\n", stderr: "" });
  assertEquals((await run(["--ulimit", "nofile=70:80"])).stdout, "70 80\n");
  assertEquals((await run(["--ulimit", "core=0"])).stdout, "100 1000\n");
});

hostTest("caller: without /proc libflux says so", async () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  const script = `unshare -m sh -c '
    for i in usr lib lib64 etc dev tmp; do [ -e /$i ] && mkdir -p ${path}/$i && mount --rbind /$i ${path}/$i; done
    exec chroot ${path} "$@"' sh "$@"`;
  assertRefused(await shell(script, ["--version"]), "there is no /proc here");
});

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
