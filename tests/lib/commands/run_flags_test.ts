import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { helpText } from "../../../lib/commands/flags.ts";
import { parseRun, RUN_FLAGS, type RunCommandLine } from "../../../lib/commands/run_flags.ts";
import { UsageError } from "../../../lib/errors.ts";

/** A command line with these flags between its name and its command. */
function run(...flags: string[]): RunCommandLine {
  const line = parseRun("run", ["web", ...flags, "--", "cmd"]);
  assert(line !== undefined);
  return line;
}
const options = (...flags: string[]) => run(...flags).options;
const refusal = (...flags: string[]): UsageError =>
  assertThrows(() => run(...flags), UsageError, undefined, flags.join(" "));

/** A file that lasts as long as its variable. */
function textFile(text: string): Disposable & { readonly path: string } {
  const path = Deno.makeTempFileSync({ prefix: "libflux-env-" });
  Deno.writeTextFileSync(path, text);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

Deno.test("parseRun() leaves everything that wasn't said to the library", () => {
  const log = { driver: "file", maxSize: 10_000_000, maxFile: 3 } as const;
  assertEquals(options(), { name: "web", command: ["cmd"], mounts: [], env: {}, labels: {}, log });
  const { tty, interactive, quiet, time } = run();
  assertEquals([tty, interactive, quiet, time], [undefined, undefined, false, false]);
});

Deno.test("parseRun() reads where its output is logged, and how much of it", () => {
  const { log, remove } = {
    ...options("--log-driver", "journald", "--log-opt", "max-size=2m", "--log-opt=max-file=7"),
  };
  assertEquals([log, remove], [{ driver: "journald", maxSize: 2_000_000, maxFile: 7 }, undefined]);
  assertEquals(options("--log-driver=none").log?.driver, "none");
  assertEquals([run("--rm").remove, run().remove], [true, false]);
});

Deno.test("parseRun() gives every valued flag to the option of its name", () => {
  const cases = [
    ["--image", "/srv", "image", "/srv"],
    ["--workdir", "/work", "workdir", "/work"],
    ["-w", "/work", "workdir", "/work"],
    ["--user", "1:2", "user", "1:2"],
    ["-u", "web", "user", "web"],
    ["--hostname", "h", "hostname", "h"],
    ["--root", "/state", "root", "/state"],
    ["--network", "host", "network", "host"],
    ["--net", "none", "network", "none"],
    ["--network", "pasta", "network", "pasta"],
    ["--pid", "host", "pid", "host"],
    ["--ipc", "private", "ipc", "private"],
    ["--uts", "host", "uts", "host"],
    ["--time-offset", "60", "timeOffset", 60],
  ] as const;
  for (const [flag, text, option, value] of cases) {
    assertEquals(Object.entries(options(flag, text)).find(([key]) => key === option)?.[1], value, flag);
    if (flag.startsWith("--")) assertEquals(options(`${flag}=${text}`), options(flag, text), flag);
  }
});

Deno.test("parseRun() knows every switch, and its opposite", () => {
  const given = (flag: string) => Object.fromEntries(Object.entries(options(flag)).filter(([key]) => key !== "name"));
  for (
    const [flag, option] of [
      ["writable", "writable"],
      ["read-only", "readOnly"],
      ["init", "init"],
      ["replace", "replace"],
    ] as const
  ) {
    assertEquals([given(`--${flag}`)[option], given(`--no-${flag}`)[option]], [true, false], flag);
  }
  assertEquals([run("--tty").tty, run("-t").tty, run("--no-tty").tty], [true, true, false]);
  assertEquals([run("-i").interactive, run("--no-interactive").interactive], [true, false]);
  assertEquals([run("-it").tty, run("-it").interactive, run("-q").quiet, run("--time").time], [true, true, true, true]);
});

Deno.test("parseRun() reads devices as docker writes them", () => {
  assertEquals(options("--device", "/dev/fuse", "--device=/dev/kvm:/dev/x:r").devices, [
    { source: "/dev/fuse" },
    { source: "/dev/kvm", destination: "/dev/x", access: "r" },
  ]);
  assertEquals(options().devices, undefined);
});

Deno.test("parseRun() keeps mounts in the order: binds, then --mount, then --tmpfs", () => {
  const { mounts } = options(
    ...["--tmpfs", "/t:size=1m", "--mount", "type=tmpfs,dst=/m", "-v", "/a:/b", "--volume", "/c:/d:ro", "--bind=/e:/f"],
  );
  assertEquals(mounts?.map(({ destination }) => destination), ["/b", "/d", "/f", "/m", "/t"]);
});

Deno.test("parseRun() hands on what a mount's own notation refuses", () => {
  for (const flags of [["-v", "/a"], ["--mount", "type=volume,dst=/a"], ["--tmpfs", "t"], ["--bind", "/a:/b/.."]]) {
    refusal(...flags);
  }
});

Deno.test("parseRun() gives the command everything after the first --, as it is", () => {
  const line = parseRun("run", ["web", "--", "sh", "-c", "--help", "--", "-e", "007", ""]);
  assertEquals(line?.options.command, ["sh", "-c", "--help", "--", "-e", "007", ""]);
  assertEquals(parseRun("run", ["--image=/a", "web", "--tty", "--", "cmd"])?.options.name, "web");
});

Deno.test("parseRun() lets the last of two variables win, and --env over --env-file", () => {
  using file = textFile("A=file\nB=file\n");
  assertEquals(options("-e", "A=1", "--env", "A=2").env, { A: "2" });
  assertEquals(options("-e", "A=flag", "--env-file", file.path, "-e", "C=").env, { A: "flag", B: "file", C: "" });
});

Deno.test("parseRun() reads a file of variables as docker does", () => {
  using file = textFile(
    "# comment\n\n  # another\nA=b=c\r\n  INDENTED=x \nEMPTY=\nQUOTED='as is'\nLIBFLUX_TEST_NOWHERE",
  );
  assertEquals(options("--env-file", file.path).env, { A: "b=c", INDENTED: "x ", EMPTY: "", QUOTED: "'as is'" });
  using second = textFile("A=second");
  assertEquals(options("--env-file", file.path, "--env-file", second.path).env?.A, "second");
});

Deno.test("parseRun() passes the caller's variables on by name, also from a file", () => {
  Deno.env.set("LIBFLUX_TEST_FROM_FILE", "passed");
  try {
    using file = textFile("LIBFLUX_TEST_FROM_FILE\n");
    assertEquals(options("--env-file", file.path).env, { LIBFLUX_TEST_FROM_FILE: "passed" });
    assertEquals(options("-e", "LIBFLUX_TEST_FROM_FILE=").env, { LIBFLUX_TEST_FROM_FILE: "" });
  } finally {
    Deno.env.delete("LIBFLUX_TEST_FROM_FILE");
  }
});

Deno.test("parseRun() says which file of variables can't be read, and why", () => {
  const path = Deno.makeTempDirSync({ prefix: "libflux-env-" });
  try {
    assertStringIncludes(
      refusal("--env-file", `${path}/missing`).message,
      `${path}/missing can't be read: there is no`,
    );
    const error = refusal("--env-file", path);
    assertStringIncludes(error.message, "it is a directory");
    assertEquals(error.path, path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("parseRun() refuses what sets no variable, and says where it stands", () => {
  for (const text of ["=", "=b", "a b=c", "\tA=b", " "]) assertStringIncludes(refusal("-e", text).message, "in --env");
  using file = textFile("A=b\nexport C=d\n");
  assertStringIncludes(refusal("--env-file", file.path).message, `"export C=d" in ${file.path} sets no variable`);
});

Deno.test("parseRun() reads labels, with and without a value, and refuses one without a key", () => {
  assertEquals(options("--label", "a=b=c", "-l", "d", "--label=a=e", "-l", "f=").labels, { a: "e", d: "", f: "" });
  assertEquals(options("-l", "__proto__=x").labels, Object.fromEntries([["__proto__", "x"]]));
  assertStringIncludes(refusal("-l", "=b").hint ?? "", "--label K=V");
});

Deno.test("parseRun() reads time offsets in whole seconds, either way", () => {
  for (const [text, value] of [["0", 0], ["-86400", -86400], ["+5", 5], ["007", 7], ["999999999999", 999999999999]]) {
    assertEquals(options("--time-offset", String(text)).timeOffset, value, String(text));
  }
  for (const text of ["1.5", "1e3", "0x10", "5s", "--5", "1000000000000", "one"]) {
    assertStringIncludes(refusal("--time-offset", text).message, `not "${text}"`);
  }
});

Deno.test("parseRun() names the choices of a flag that has few", () => {
  assertStringIncludes(
    refusal("--network", "a/b").message,
    'the network is bridge, the name of a network, none, host, pasta, container:NAME or ns:/PATH, not "a/b"',
  );
  for (const flag of ["--pid", "--ipc", "--uts"]) {
    assertStringIncludes(refusal(flag, "container:a").message, `${flag} is private or host`);
  }
});

Deno.test("parseRun() refuses a flag without its value, and one that is given twice", () => {
  for (const flag of RUN_FLAGS.filter(({ value }) => value !== undefined)) {
    assertStringIncludes(refusal(`--${flag.name}`).message, `--${flag.name} needs a value`);
    assertStringIncludes(refusal(`--${flag.name}=`).hint ?? "", `--${flag.name} ${flag.value}`);
    if (flag.repeated === true) continue;
    assertStringIncludes(refusal(`--${flag.name}=a`, `--${flag.name}=b`).message, `--${flag.name} is given 2 times`);
  }
});

Deno.test("parseRun() tells where the name, the command and their arguments go", () => {
  const message = (...args: string[]) => assertThrows(() => parseRun("run", args), UsageError);
  assertStringIncludes(message().message, "no name");
  assertStringIncludes(message("--", "cmd").message, "no name");
  assertStringIncludes(message("web").message, "no command");
  assertStringIncludes(message("web", "--").message, "no command");
  assertStringIncludes(message("web", "busybox", "--", "sh").message, '"busybox" comes after the name');
  assertStringIncludes(message("web/1", "--", "sh").message, "can't be a container's name");
  for (const args of [[], ["web"]]) assertStringIncludes(message(...args).hint ?? "", "NAME --image ROOTFS -- COMMAND");
});

Deno.test("parseRun() asks for nothing else where help is wanted, and takes the command's --help for its own", () => {
  for (const args of [["--help"], ["-h"], ["--tty", "--help", "a", "b"]]) {
    assertEquals(parseRun("run", args), undefined);
  }
  assertEquals(parseRun("run", ["web", "--", "--help"])?.options.command, ["--help"]);
});

Deno.test("parseRun() tells users of docker and podman what is different here", () => {
  const hint = (flag: string) => refusal(flag).hint ?? "";
  assertStringIncludes(hint("--name=web"), "the name comes first");
});

Deno.test("parseRun() names the nearest flag, aliases and opposites too", () => {
  const cases = [
    ["--imgae", "image"],
    ["--wroking", undefined],
    ["--enviroment", undefined],
    ["--evn=A=b", "env"],
    ["--volumes=/a:/b", "volume"],
    ["--readonly", "read-only"],
    ["--no-ini", "no-init"],
    ["--no-ttyy", "no-tty"],
    ["--Image", "image"],
  ] as const;
  for (const [flag, near] of cases) {
    const expected = near === undefined ? "'libflux run --help' shows those it has" : `did you mean --${near}?`;
    assertEquals(refusal(flag).hint, expected, flag);
  }
});

Deno.test("the flags of run have each their own names, and a line of help that fits", () => {
  const names = RUN_FLAGS.flatMap(({ name, short, aliases = [] }) => [name, ...aliases, ...(short ? [short] : [])]);
  assertEquals([...new Set(names)], names);
  const text = helpText("run NAME", "Runs.", RUN_FLAGS).replaceAll(/\s+/g, " ");
  for (const { name, help } of RUN_FLAGS) {
    assert(text.includes(`--${name}`) && text.includes(help.replaceAll(/\s+/g, " ")), name);
    assert(!help.includes("\n") && !help.endsWith("."), help);
  }
});
