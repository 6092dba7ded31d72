import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BUSYBOX, hostTest, LIBFLUX, libflux, type Result, temporaryDirectory, uniqueName } from "./support.ts";

const run = (flags: readonly string[], command: readonly string[] = ["true"]): readonly string[] => [
  ...["run", uniqueName(), "--image", BUSYBOX, ...flags, "--"],
  ...command,
];

/** Runs a script that has libflux as `$0`; the streams that it doesn't redirect are pipes. */
async function shell(script: string, args: readonly string[] = [], cwd = "/"): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, LIBFLUX, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    cwd,
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** One line of libflux's own that doesn't call the user's mistake a bug, nor show the runtime below. */
function assertOneLine(text: string, which: string): void {
  assertMatch(text, /^libflux: [^\n]+\n$/, which);
  assert(!/this is a bug|\(os error|undefined|\[object/.test(text), `${which}: ${text}`);
}

async function refused(args: readonly string[], code: number, ...says: readonly string[]): Promise<void> {
  const which = JSON.stringify(args);
  const result = await libflux(args);
  assertEquals([result.code, result.stdout], [code, ""], which + result.stderr);
  assertOneLine(result.stderr, which);
  for (const part of says) assertStringIncludes(result.stderr, part, which);
}

hostTest("errors: a flag without its value says how to write it", async () => {
  for (
    const [flag, name, value] of [
      ["--image", "image", "DIR"],
      ["--bind", "bind", "SRC:DST[:OPT,…]"],
      ["-v", "bind", "SRC:DST[:OPT,…]"],
      ["-e", "env", "K[=V]"],
      ["--user", "user", "USER[:GROUP]"],
      ["--root", "root", "DIR"],
    ] as const
  ) await refused(["run", "x", flag, "--", "true"], 125, `--${name} needs a value; write --${name} ${value}`);
});

hostTest("errors: what stands before the command, or asks for help in another way", async () => {
  await refused(["--root", "/tmp", "ps"], 125, `"--root" stands where the command belongs; flags come after it`);
  await refused(["ps", "--log-level"], 125, "--log-level needs a value; write --log-level error|warn|info|debug");
  await refused(run(["--foo"]), 125, "has no flag --foo; 'libflux run --help' shows");
  await refused(run(["--imgae", "/"]), 125, "did you mean --image?");
  await refused(
    ["ps", "--format", "{{.Foo}}"],
    125,
    "there is no field Foo, which the template has in {{.Foo}}; use {{.ID}}",
  );
  for (const flag of ["--version", "-v", "-V"]) assertMatch((await libflux([flag])).stdout, /^libflux \d/);
  assertEquals((await libflux(["help", "run"])).stdout, (await libflux(["run", "--help"])).stdout);
});

hostTest("errors: paths of the host that are no use", async () => {
  using directory = temporaryDirectory();
  Deno.symlinkSync("loop", `${directory.path}/loop`);
  const bind = `${directory.path}/loop:/data`;
  await refused(run(["--bind", bind]), 125, "/loop can't be bound on /data: too many symbolic links");
  await refused(run(["--env-file", directory.path]), 125, "can't be read: it is a directory");
  await refused(run(["--workdir", "/bin/busybox"]), 125, "is it a directory");
});

hostTest("errors: docker's flags are explained, in each way they can be written", async () => {
  for (
    const [flags, says] of [
      [["--name", "web"], "the name comes first"],
      [["--name=web"], "the name comes first"],
    ] as const
  ) await refused(run(flags), 125, "'libflux run' has no flag -", says);
  assertEquals((await libflux(run(["-it"]))).code, 0);
});

hostTest("errors: names that can't be", async () => {
  for (const name of ["", ".", "..", ".hidden", "../x", "a/b", "a b", "x\ny", "ä", "a".repeat(65)]) {
    await refused(["run", name, "--image", BUSYBOX, "--", "true"], 125, "can't be a container's name; use 1 to 64");
  }
});

hostTest("errors: users that can't be", async () => {
  for (const user of [":", "0:", ":0", "0:0:0"]) {
    await refused(run(["--user", user]), 125, `"${user}" is no user; write UID`);
  }
  for (const user of ["-1", "4294967295", "99999999999", "0x10", "1e3"]) {
    await refused(run([`--user=${user}`]), 125, `"${user}" is no user id; an id is a number from 0 to 4294967294`);
  }
});

hostTest("errors: mounts that can't be", async () => {
  for (
    const [flags, says] of [
      [["--mount", "type=bind,dst=/a"], "says no source; write src=PATH"],
      [["--mount", "type=bind,src=/etc,dst=a"], `"a" isn't; write /a`],
      [["--mount", "type=tmpfs,src=/etc,dst=/a"], "a tmpfs has no source"],
      [["--mount", "type=bind,src=/etc,dst=/a,ro=maybe"], `"maybe" in`],
      [["--tmpfs", "/a:b:c"], "is no tmpfs mount; write DST"],
      [["--bind", "/etc:/data:ro:x"], "is no bind mount; write SRC:DST"],
      [["--bind", "/etc:/."], "over the container's root"],
      [["--bind", "/etc:/proc"], "nothing may be mounted over /proc"],
      [["--bind", "/etc:/dev"], "nothing may be mounted over /dev"],
      [["--bind", "/etc:/data", "--tmpfs", "/data/"], "two mounts go to /data"],
      [["--bind", "/etc:/etc/passwd"], "/etc/passwd"],
    ] as const
  ) await refused(run(flags), 125, says);
});

hostTest("errors: --mount without a type says that it is the type that is missing", async () => {
  await refused(run(["--mount", "dst=/a"]), 125, "says no type", "type=bind or type=tmpfs");
});

hostTest("errors: a time offset that no clock can have is told as such", async () => {
  for (const offset of ["999999999999", "-999999999999"]) {
    const { code, stderr } = await libflux(run([`--time-offset=${offset}`]));
    assertEquals(code, 125);
    assertOneLine(stderr, offset);
    assert(!stderr.includes("error 34"), stderr);
  }
});

hostTest("errors: a command that isn't in a PATH of one directory is told with that PATH", async () => {
  await refused(run(["--env", "PATH=/nowhere:/other"], ["nosuch"]), 127, `no command "nosuch"`, "/nowhere:/other");
  await refused(run(["--env", "PATH=/nowhere"], ["nosuch"]), 127, `no command "nosuch"`, "PATH (/nowhere)");
});

hostTest("errors: an image that is a loop of links, or too long a name, is the caller's mistake", async () => {
  using directory = temporaryDirectory();
  Deno.symlinkSync("loop", `${directory.path}/loop`);
  await refused(["run", "x", "--image", `${directory.path}/loop`, "--", "true"], 125, `${directory.path}/loop`);
  await refused(["run", "x", "--image", `/${"a".repeat(300)}`, "--", "true"], 125, "/aaa");
});

hostTest("errors: a state directory that can't be made is told in words", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "");
  for (const root of [`${directory.path}/file`, `${directory.path}/file/below`]) {
    await refused(run(["--root", root]), 125, root, "use another --root");
    await refused(["ps", "--root", root], 125, root, "use another --root");
  }
  await refused(run(["--root", "/proc/nowhere"]), 125, "/proc/nowhere can't be made", "use another --root");
});

hostTest("errors: a switch takes true and false and nothing else", async () => {
  using directory = temporaryDirectory();
  const image = `${directory.path}/image`;
  new Deno.Command("cp", { args: ["-a", BUSYBOX, image] }).outputSync();
  const write = (flag: string) =>
    libflux(["run", uniqueName(), "--image", image, flag, "--", "sh", "-c", "echo x >/made"]);
  assertEquals((await write("--writable=false")).code, 0);
  assert(!Array.from(Deno.readDirSync(image)).some(({ name }) => name === "made"), "--writable=false wrote");
  // A person who writes "no" must not get "yes".
  const { code, stderr } = await write("--writable=no");
  assert(
    !Array.from(Deno.readDirSync(image)).some(({ name }) => name === "made"),
    "--writable=no wrote into the image",
  );
  assertEquals(code, 125);
  assertOneLine(stderr, "--writable=no");
  await refused(run(["--quiet=maybe"]), 125, "--quiet", "maybe");
});

hostTest("errors: control characters of any argument are shown escaped", async () => {
  const evil = "\x1b[31m";
  using directory = temporaryDirectory();
  const file = `${directory.path}/file`;
  Deno.writeTextFileSync(file, "");
  const shown: string[] = [];
  for (
    const args of [
      run(["--log-level", evil]),
      run(["--root", `${file}/${evil}`]),
      ["ps", "--root", `${file}/${evil}`],
      run(["--bind", `/etc:/proc/${evil}`]),
      run(["--bind", `/etc:/d${evil}`, "--bind", `/srv:/d${evil}`]),
      run(["--bind", `/etc:/etc/passwd/${evil}`]),
      run(["--workdir", `/etc/passwd/${evil}`]),
      run(["--tmpfs", `/t:size=${evil}`]),
      run(["--env", `PATH=/a${evil}:/b`], ["nosuch"]),
      run(["--user", evil]),
      run(["--hostname", evil]),
      run(["--network", evil]),
      run(["--env-file", `/${evil}`]),
      ["ps", "--filter", evil],
      ["ps", "--format", evil],
      ["info", "--format", evil],
      ["explain", evil],
      ["benchmark", "--count", evil],
    ]
  ) {
    const { code, stderr } = await libflux(args);
    assert(code === 125 || code === 127, `${JSON.stringify(args)} ended with ${code}`);
    if (stderr.includes("\x1b")) shown.push(JSON.stringify(args));
    else assertStringIncludes(stderr, "\\x1b[31m");
  }
  assertEquals(shown, []);
});

hostTest("errors: --help of every command is for standard output, also beside other arguments", async () => {
  for (const command of ["run", "ps", "info", "explain", "benchmark"]) {
    for (const flag of ["--help", "-h"]) {
      const { code, stdout, stderr } = await libflux([command, flag]);
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, new RegExp(`^Usage: libflux ${command} `));
    }
  }
  assertMatch((await libflux(["run", "x", "--help", "--", "true"])).stdout, /^Usage: libflux run /);
  const version = await libflux(["--version"]);
  assertEquals([version.code, version.stderr], [0, ""]);
  assertMatch(version.stdout, /^libflux \d+\.\d+\.\d+\S*\n$/);
  const none = await libflux([]);
  assertEquals([none.code, none.stdout], [125, ""]);
  assertMatch(none.stderr, /^Usage: libflux COMMAND/);
});

for (const args of ["--help", "--version", "run --help", "ps", "info"]) {
  hostTest(`errors: 'libflux ${args}' on a full disk says so`, async () => {
    const { code, stderr } = await shell(`"$0" ${args} >/dev/full`);
    assertEquals(code, 125);
    assertOneLine(stderr, args);
    assertMatch(stderr, /no space left/i);
  });
}

hostTest("errors: a reader of 'libflux --help' that has gone is no failure of libflux's", async () => {
  using directory = temporaryDirectory();
  // A pipe whose reading end is closed before libflux starts.
  const script = `mkfifo "$1/pipe"; exec 4<>"$1/pipe"; exec 5>"$1/pipe"; exec 4>&-; "$0" --help >&5; echo "code $?"`;
  const { stdout, stderr } = await shell(script, [directory.path]);
  assertEquals([stdout, stderr], ["code 0\n", ""]);
});

hostTest("errors: an exit code survives standard error that is closed or full", async () => {
  for (const to of ["2>&-", "2>/dev/full"]) {
    assertEquals((await shell(`"$0" nonsense ${to}`)).code, 125, `nonsense ${to}`);
    assertEquals(
      (await shell(`"$0" run x --image ${BUSYBOX} -- nosuch ${to}`)).code,
      127,
      `a command that isn't there, ${to}`,
    );
  }
  assertEquals((await shell(`"$0" run x --image ${BUSYBOX} -- sh -c "exit 7" <&- >&- 2>&-`)).code, 7);
});
