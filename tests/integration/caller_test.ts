/**
 * Callers whose environment, directory or limits aren't fit for Deno, which runs libflux: none of it may show through.
 * These hold for packed executables; `deno compile` leaves no place for what does it.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { build } from "../../tasks/build.ts";
import { BUSYBOX, IS_USER, rootTest, temporaryDirectory, uniqueName } from "./support.ts";

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const VERSION = /^libflux \d+\.\d+\.\d+\n$/;
const CACHE = "/var/cache/libflux";

const place = IS_USER ? "" : Deno.makeTempDirSync({ prefix: "libflux-packed-" });
const packed = `${place}/libflux`;
Deno.test.beforeAll(async () => {
  // Only root's has all that is needed to build it.
  if (IS_USER) return;
  assert(await build({ output: packed, form: "packed", quiet: true }));
  Deno.chmodSync(place, 0o755);
});
Deno.test.afterAll(() => {
  if (!IS_USER) Deno.removeSync(place, { recursive: true });
});

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

rootTest("caller: root's code cache is a private directory of root's, whatever the environment names", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  const env = { HOME: home, DENO_DIR: `${home}/deno`, XDG_CACHE_HOME: `${home}/xdg` };
  assertWorks(await shell('exec "$@"', ["--version"], env), "foreign");
  assertEquals(Array.from(Deno.readDirSync(home)), []);
  const { uid, mode, isDirectory } = Deno.lstatSync(CACHE);
  assertEquals([uid, (mode ?? 0) & 0o777, isDirectory], [0, 0o700, true]);
  assertWorks(await shell(`cd ${home} && exec "$@"`, ["--version"], { HOME: "relative" }), "relative");
  assertEquals(Array.from(Deno.readDirSync(home)), []);
});

rootTest("caller: root uses no code cache that others own or can write to, or that is a link", async () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  const uses = async (prepare: string): Promise<boolean> => {
    // a mount namespace of its own, so that this host's own cache stays as it is
    const script = `mount -t tmpfs -o mode=755 none /var/cache && mkdir -m 777 ${path}/other && ${prepare}
      "$@" && ls -A /var/cache/libflux/ ${path}/other; rm -rf ${path}/other`;
    const inner = ["-m", "bash", "-c", script, "bash", packed, "--version"];
    const { code, stdout } = await new Deno.Command("unshare", { args: inner, stdin: "null" }).output();
    assertEquals(code, 0, prepare);
    assertStringIncludes(new TextDecoder().decode(stdout), "libflux ", prepare);
    return new TextDecoder().decode(stdout).includes("v8_code_cache");
  };
  assertEquals(await uses(""), true);
  assertEquals(await uses("mkdir -m 755 /var/cache/libflux;"), true);
  assertEquals(await uses("chmod 1777 /var/cache;"), false);
  assertEquals(await uses("mkdir -m 777 /var/cache/libflux;"), false);
  assertEquals(await uses("mkdir -m 720 /var/cache/libflux;"), false);
  assertEquals(await uses("mkdir -m 700 /var/cache/libflux; chown 65534 /var/cache/libflux;"), false);
  assertEquals(await uses(`chmod 700 ${path}/other; ln -s ${path}/other /var/cache/libflux;`), false);
});

rootTest(
  "caller: what was compiled is kept by the first command of all, in the database and not in its log",
  async () => {
    // a mount namespace of its own, so that this host's own cache stays as it is
    const script = `mount -t tmpfs -o mode=755 none /var/cache && "$@" && "$@" && stat -c '%n %s' /var/cache/libflux/*`;
    const inner = ["-m", "bash", "-c", script, "bash", packed, "--version"];
    const { code, stdout } = await new Deno.Command("unshare", { args: inner, stdin: "null" }).output();
    assertEquals(code, 0);
    const sizes = new Map(Array.from(new TextDecoder().decode(stdout).matchAll(/(\w+_v2(?:-wal)?) (\d+)$/gm), (
      [, name, size],
    ) => [name, Number(size)]));
    assert((sizes.get("v8_code_cache_v2") ?? 0) > 2 ** 20, String([...sizes]));
    assertEquals(Array.from(sizes).filter(([name, size]) => name?.endsWith("-wal") && size > 0), []);
  },
);

rootTest("caller: other users have their code cache in their own HOME, if it is absolute", async () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  Deno.chmodSync(path, 0o755);
  Deno.chownSync(path, 65534, 65534);
  const nobody = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"';
  assertWorks(await shell(`cd ${path}; ${nobody}`, ["--version"], { HOME: path }), "own");
  assertEquals(Deno.lstatSync(`${path}/.cache/libflux/v8_code_cache_v2`).uid, 65534);
  Deno.removeSync(`${path}/.cache`, { recursive: true });
  // Whoever can write to one of them could put another directory in the place of the next.
  Deno.chmodSync(path, 0o777);
  assertWorks(await shell(`cd ${path}; ${nobody}`, ["--version"], { HOME: path }), "writable");
  Deno.chmodSync(path, 0o755);
  Deno.mkdirSync(`${path}/.cache`, { mode: 0o777 });
  Deno.chmodSync(`${path}/.cache`, 0o777);
  assertWorks(await shell(`cd ${path}; ${nobody}`, ["--version"], { HOME: path }), "another's .cache");
  assertEquals(Array.from(Deno.readDirSync(`${path}/.cache`)), []);
  Deno.removeSync(`${path}/.cache`);
  const long = `${path}/${"./".repeat(2500)}`;
  for (const home of ["relative", "", ".", "/proc", "/dev/full", "/root", long]) {
    assertWorks(await shell(`cd ${path}; ${nobody}`, ["--version"], { HOME: home }), home.slice(0, 100));
  }
  assertWorks(await shell(`cd ${path}; ${nobody}`, ["--version"]), "none");
  // owned by somebody else
  Deno.mkdirSync(`${path}/.cache/libflux`, { recursive: true });
  assertWorks(await shell(`cd ${path}; ${nobody}`, ["--version"], { HOME: path }), "another's");
  assertEquals(Array.from(Deno.readDirSync(path), ({ name }) => name), [".cache"]);
  assertEquals(Array.from(Deno.readDirSync(`${path}/.cache/libflux`)), []);
});

rootTest("caller: nothing is read from HOME", async () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  Deno.mkdirSync(`${path}/directory/.npmrc`, { recursive: true });
  Deno.mkdirSync(`${path}/fifo`);
  await new Deno.Command("mkfifo", { args: [`${path}/fifo/.npmrc`] }).output();
  for (const home of ["/dev/full", `${path}/directory`, `${path}/fifo`]) {
    assertWorks(await shell('exec "$@"', ["--version"], { HOME: home }), home);
  }
});

rootTest("caller: Deno's variables change nothing, and can be passed on", async () => {
  using directory = temporaryDirectory();
  const variables = {
    DENO_V8_FLAGS: "--no-such-flag",
    DENO_COVERAGE_DIR: `${directory.path}/coverage`,
    DENO_LOG: "debug",
    DENO_TLS_CA_STORE: "none",
    NODE_CHANNEL_FD: "x",
    NODE_OPTIONS: "--require=x",
    OTEL_DENO: "true",
    RUST_MIN_STACK: "99999999999999",
    HOME: "/of/the/caller",
  };
  assertWorks(await shell('exec "$@"', ["--version"], variables), "all");
  assertEquals(Array.from(Deno.readDirSync(directory.path)), []);
  const flags = [...Object.keys(variables), "NODE_ABSENT"].flatMap((name) => ["--env", name]);
  const { code, stdout, stderr } = await shell('exec "$@"', runArgs(flags, "env"), variables);
  assertEquals([code, stderr], [0, ""]);
  const seen = stdout.split("\n");
  for (const [name, value] of Object.entries(variables)) assert(seen.includes(`${name}=${value}`), name + stdout);
  assert(!/^(NODE_ABSENT|LIBFLUX_|DENO_DIR|DENO_NO_UPDATE_CHECK)/m.test(stdout), stdout);
});

rootTest("caller: a removed working directory matters to relative paths only", async () => {
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

rootTest("caller: limits that Deno can't live with are one sentence", async () => {
  for (
    const [limit, says] of [
      ["-n 8", "open files (RLIMIT_NOFILE) is below 64"],
      ["-n 20", "open files (RLIMIT_NOFILE) is below 64"],
      ["-n 63", "open files (RLIMIT_NOFILE) is below 64"],
      ["-v 1000000", "address space (RLIMIT_AS) is below"],
      ["-v 50000000", "address space (RLIMIT_AS) is below"],
      ["-d 100000", "data (RLIMIT_DATA) is below"],
      ["-s 64", "the stack (RLIMIT_STACK) is below"],
      ["-f 0", "file sizes (RLIMIT_FSIZE) is below"],
    ] as const
  ) {
    assertRefused(await shell(`ulimit ${limit}; exec "$@"`, ["--version"]), says, limit);
  }
  // one at a time: what is enough is no reason to refuse
  for (const limit of ["-n 64", "-Sn 8", "-f 1024", "-s 1024", "-d 1000000", "-v 60000000"]) {
    assertWorks(await shell(`ulimit ${limit}; exec "$@"`, ["--version"]), limit);
  }
});

rootTest("caller: a container has the caller's own limit of open files, or its own", async () => {
  const limits = 'echo "$(ulimit -Sn) $(ulimit -Hn)"';
  const run = (flags: readonly string[]) =>
    shell('ulimit -Sn 100; ulimit -Hn 1000; exec "$@"', runArgs(flags, "sh", "-c", limits));
  assertEquals(await run([]), { code: 0, stdout: "100 1000\n", stderr: "" });
  // What the first instructions leave for libflux is nothing that a caller can say.
  const said = await shell('exec "$@"', runArgs([], "sh", "-c", "ulimit -Sn"), {
    LIBFLUX_NOFILE: "5:6",
    LIBFLUX_CWD: "gone",
  });
  assertEquals([said.code, said.stdout === "5\n"], [0, false]);
  assertEquals((await run(["--ulimit", "nofile=70:80"])).stdout, "70 80\n");
  assertEquals((await run(["--ulimit", "core=0"])).stdout, "100 1000\n");
});

rootTest("caller: without /proc libflux says so", async () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  const script = `unshare -m sh -c '
    for i in usr lib lib64 etc dev tmp; do [ -e /$i ] && mkdir -p ${path}/$i && mount --rbind /$i ${path}/$i; done
    exec chroot ${path} "$@"' sh "$@"`;
  assertRefused(await shell(script, ["--version"]), "there is no /proc here");
});

rootTest("caller: bytes that aren't UTF-8 are refused in a sentence", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/variables`;
  Deno.writeFileSync(file, Uint8Array.of(0x41, 0x3d, 0xff, 0xfe));
  const cases = [
    [`exec "$@" $'\\xff\\xfe'`, runArgs([], "printf", "%s"), "the argument \ufffd"],
    ['exec "$@"', runArgs(["--env-file", file], "true"), `the file ${file}`],
    [`export A=$'\\xff'; exec "$@"`, runArgs(["--env", "A"], "true"), "the variable A"],
    [`export DENO_A=$'\\xff'; exec "$@"`, runArgs(["--env", "DENO_A"], "true"), "the variable DENO_A"],
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
