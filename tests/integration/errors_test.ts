import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  BUSYBOX,
  DEBIAN,
  hostTest,
  LIBFLUX,
  libflux,
  rootTest,
  startLibflux,
  temporaryDirectory,
  uniqueName,
  usersTest,
} from "./support.ts";

interface Case {
  readonly args: readonly string[];
  readonly code: number;
  /** Parts of the one line on standard error. */
  readonly says: readonly string[];
}

async function expectError({ args, code, says }: Case): Promise<void> {
  const result = await libflux(args);
  const which = JSON.stringify(args);
  assertEquals([result.code, result.stdout], [code, ""], which + result.stderr);
  assertMatch(result.stderr, /^libflux: [^\n]+\n$/, which);
  for (const part of says) assertStringIncludes(result.stderr, part, which);
}

const run = (flags: readonly string[], command: readonly string[] = ["true"]): readonly string[] => [
  "run",
  uniqueName(),
  "--image",
  BUSYBOX,
  ...flags,
  "--",
  ...command,
];

const USAGE: readonly Case[] = [
  {
    args: [...run([]).slice(0, 2), "--image", "/nowhere", "--", "true"],
    code: 125,
    says: ["there is no image /nowhere", "--image takes a directory"],
  },
  {
    args: ["run", "x", "--image", "/etc/passwd", "--", "true"],
    code: 125,
    says: ["/etc/passwd is a file and not a directory", "unpack"],
  },
  { args: ["run", "x", "--image", "/etc/passwd/x", "--", "true"], code: 125, says: ["/etc/passwd/x is below a file"] },
  { args: ["run", "x", "--image", "", "--", "true"], code: 125, says: ["--image needs a value", "--image DIR"] },
  {
    args: ["run", "x", "--image", "/", "--writable", "--", "true"],
    code: 125,
    says: ["would change this host itself"],
  },
  { args: run([], []), code: 125, says: ["no command to run", "-- COMMAND"] },
  { args: ["run", "x", "--image", BUSYBOX], code: 125, says: ["no command to run"] },
  {
    args: ["run", "--image", BUSYBOX, "--", "true"],
    code: 125,
    says: ["the container has no name", "libflux run NAME"],
  },
  { args: ["run", "x", "true", "--image", BUSYBOX], code: 125, says: [`"true" comes after the name and before '--'`] },
  { args: ["run", "a/b", "--", "true"], code: 125, says: [`"a/b" can't be a container's name`, "1 to 64 letters"] },
  {
    args: run(["--bind", "/tmp:data"]),
    code: 125,
    says: ["must be an absolute path inside the container", "write /data"],
  },
  { args: run(["--bind", "/tmp:/a/../b"]), code: 125, says: [`must not have ".." in it`] },
  {
    args: run(["--bind", "/nowhere:/data"]),
    code: 125,
    says: ["there is no /nowhere to bind on /data", "make it first"],
  },
  { args: run(["--bind", "/tmp"]), code: 125, says: [`"/tmp" is no bind mount`, "SRC:DST"] },
  { args: run(["--bind", "/tmp:/data:wrong"]), code: 125, says: [`"wrong" in "/tmp:/data:wrong" is no mount option`] },
  { args: run(["-v", "/tmp:/data", "-v", "/var:/data"]), code: 125, says: ["two mounts go to /data"] },
  { args: run(["--bind", "/tmp:/proc/self"]), code: 125, says: ["nothing may be mounted over /proc/self"] },
  { args: run(["--tty", "--tmpfs", "/dev/pts"]), code: 125, says: ["nothing may be mounted over /dev/pts"] },
  { args: run(["--bind", "/tmp:/"]), code: 125, says: ["nothing can be mounted over the container's root"] },
  {
    args: run(["--bind", "/etc/passwd:/etc"]),
    code: 125,
    says: ["could not bind /etc/passwd on /etc", "a file goes on a file"],
  },
  {
    args: run(["--mount", "type=volume,dst=/x"]),
    code: 125,
    says: [`"volume" is no type of mount`, "type=bind or type=tmpfs"],
  },
  { args: run(["--mount", "type=bind,src=/tmp"]), code: 125, says: ["says no destination"] },
  { args: run(["--tmpfs", "scratch"]), code: 125, says: ["must be an absolute path"] },
  { args: run(["--tmpfs", "/scratch:size"]), code: 125, says: [`"size" in "/scratch:size"`] },
  { args: run(["--tmpfs", "/scratch:size=lots"]), code: 125, says: ["could not set size=lots", "EINVAL"] },
  { args: run(["--user", "nobody-here"]), code: 125, says: [`no user "nobody-here" in the image's /etc/passwd`] },
  { args: run(["--user", "root:nogroup"]), code: 125, says: [`no group "nogroup"`] },
  { args: run(["--workdir", "relative"]), code: 125, says: ["the working directory must be an absolute path"] },
  { args: run(["--workdir", "/bin/sh"]), code: 125, says: ["/bin/sh", "not a directory"] },
  { args: run(["--hostname", "-bad-"]), code: 125, says: [`"-bad-" can't be a host name`] },
  {
    args: run(["--network", "my/bridge"]),
    code: 125,
    says: [
      `the network is bridge, the name of a network, none, host, pasta, container:NAME or ns:/PATH, not "my/bridge"`,
    ],
  },
  { args: run(["--time-offset", "tomorrow"]), code: 125, says: ["--time-offset is a whole number of seconds"] },
  { args: run(["--env-file", "/nowhere"]), code: 125, says: ["/nowhere can't be read: there is no such file"] },
  { args: run(["--env", "=x"]), code: 125, says: [`"=x" in --env sets no variable`] },
  { args: run(["--label", "=x"]), code: 125, says: [`"=x" is no label`] },
  {
    args: run(["--writeable"]),
    code: 125,
    says: ["'libflux run' has no flag --writeable", "did you mean --writable?"],
  },
  { args: run(["--imgae", "x"]), code: 125, says: ["has no flag --imgae", "did you mean --image?"] },
  { args: run(["--frobnicate"]), code: 125, says: ["has no flag --frobnicate", "'libflux run --help'"] },
  { args: run(["--userns", "nomap"]), code: 125, says: ["host, auto, keep-id or UID:GID:SIZE", `"nomap"`] },
  { args: run(["--uidmap", "0:1"]), code: 125, says: [`"0:1" maps no ids`, "0:100000:65536"] },
  { args: run(["--group-add", "nobodys"]), code: 125, says: [`no group "nobodys"`, "use its number"] },
  { args: run(["--user", "1", "--user", "2"]), code: 125, says: ["--user is given 2 times"] },
  { args: run(["--log-level", "loud"]), code: 125, says: ["--log-level is error, warn, info, debug", `"loud"`] },
  { args: ["rnu"], code: 125, says: [`no command "rnu"`, "did you mean 'libflux run'?"] },
  { args: ["ps", "extra"], code: 125, says: [`'libflux ps' takes no argument, and got "extra"`] },
  { args: ["ps", "--format", "yaml"], code: 125, says: ["--format is table, json or a template"] },
  { args: ["ps", "--filter", "color=red"], code: 125, says: ["color=red"] },
  { args: ["info", "--format", "yaml"], code: 125, says: ["--format is table or json"] },
  { args: ["benchmark", "--count", "0"], code: 125, says: ["--count is a number from 1"] },
  {
    args: ["benchmark", "--image", BUSYBOX, "--count", "1", "--command", "false"],
    code: 125,
    says: ["false ended with exit code 1"],
  },
  { args: ["explain", "ps"], code: 125, says: ["'libflux explain' explains 'run'"] },
  { args: run(["--root", "/etc/passwd"]), code: 125, says: ["/etc/passwd is no directory", "use another --root"] },
  { args: run(["--root", "/proc/nowhere"]), code: 125, says: ["/proc/nowhere can't be made", "use another --root"] },
];

hostTest("rule 23: wrong input is told in one line, and leaves nothing", async () => {
  for (const one of USAGE) await expectError(one);
});

usersTest("rule 23: a command that isn't there is 127, one that can't be executed 126", async () => {
  using directory = temporaryDirectory();
  const image = `${directory.path}/image`;
  new Deno.Command("cp", { args: ["-a", BUSYBOX, image] }).outputSync();
  const write = (name: string, content: string | Uint8Array<ArrayBuffer>, mode = 0o755): void => {
    Deno.writeFileSync(
      `${image}/bin/${name}`,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
      { mode },
    );
  };
  write("bad-shebang", "#!/usr/bin/nowhere -x\n");
  write("crlf", "#!/bin/sh\r\necho hi\r\n");
  write("no-shebang", "echo hi\n");
  write("not-executable", "#!/bin/sh\n", 0o644);
  write("empty", "");
  const foreign = new Uint8Array(64);
  foreign.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const [machine, name] = Deno.build.arch === "x86_64" ? [183, "aarch64"] : [62, "x86_64"];
  new DataView(foreign.buffer).setUint16(16, 2, true);
  new DataView(foreign.buffer).setUint16(18, machine, true);
  write("foreign", foreign);
  // A dynamic program in a tree without a loader.
  write("dynamic", Deno.readFileSync(`${DEBIAN}/bin/true`));
  const cases: readonly (readonly [string, number, readonly string[]])[] = [
    ["nowhere", 127, [`no command "nowhere" in the container's PATH (/usr/local/sbin:`]],
    ["/bin/nowhere", 127, ["there is no /bin/nowhere in the container"]],
    ["/nowhere/at/all", 127, ["there is no /nowhere/at/all"]],
    ["bad-shebang", 126, [`/bin/bad-shebang asks for the interpreter "/usr/bin/nowhere"`, "correct the #! line"]],
    ["./bin/bad-shebang", 126, [`./bin/bad-shebang asks for the interpreter "/usr/bin/nowhere"`]],
    ["crlf", 126, ["/bin/crlf asks for the interpreter", "Windows line ends"]],
    ["no-shebang", 126, ["/bin/no-shebang is neither a program nor a script"]],
    ["empty", 126, ["/bin/empty is neither a program nor a script"]],
    ["not-executable", 126, ["/bin/not-executable can't be executed: permission denied", "chmod +x"]],
    ["/bin", 126, ["/bin can't be executed: it is a directory"]],
    ["foreign", 126, [`/bin/foreign is a program for ${name}`, "use an image for this architecture"]],
    ["dynamic", 126, ["/bin/dynamic needs the loader /lib", "the image doesn't have it"]],
  ];
  for (const init of [[], ["--no-init"]]) {
    for (const [command, code, says] of cases) {
      await expectError({ args: ["run", uniqueName(), "--image", image, ...init, "--", command], code, says });
    }
  }
  await expectError({
    args: ["run", "x", "--image", image, "--user", "web", "--tmpfs", "/t:noexec", "--", "/t"],
    code: 126,
    says: ["/t can't be executed"],
  });
});

hostTest("errors: a name in use says by whom and since when; --replace ends that one", async () => {
  const name = uniqueName();
  const first = startLibflux(["run", name, "--image", BUSYBOX, "--", "sh", "-c", "echo up; sleep 1000"]);
  const reader = first.stdout.getReader();
  await reader.read();
  const { code, stderr } = await libflux(["run", name, "--image", BUSYBOX, "--", "true"]);
  assertEquals(code, 125);
  assertMatch(
    stderr,
    new RegExp(
      `^libflux: the name ${name} is in use by the container [0-9a-f]{12}, running sh since \\d{4}-.*; use another name, or --replace.*\\n$`,
    ),
  );
  const second = await libflux(["run", name, "--replace", "--image", BUSYBOX, "--", "echo", "second"]);
  assertEquals([second.code, second.stdout], [0, "second\n"]);
  assertEquals((await first.status).code, 137);
  await Promise.all([first.stdin.abort().catch(() => {}), reader.cancel(), first.stderr.cancel()]);
});

hostTest("errors: of 20 at once with one name one wins, and the others are told", async () => {
  const name = uniqueName();
  const results = await Promise.all(
    Array.from({ length: 20 }, () => libflux(["run", name, "--image", BUSYBOX, "--", "sleep", "1"])),
  );
  assertEquals(results.filter(({ code }) => code === 0).length >= 1, true);
  for (const { code, stderr } of results) {
    if (code !== 0) assertMatch(stderr, new RegExp(`^libflux: the name ${name} is in use by .*\\n$`));
  }
});

rootTest("errors: a user who may write nowhere is told where libflux keeps its state", async () => {
  using directory = temporaryDirectory();
  Deno.chmodSync(directory.path, 0o755);
  Deno.copyFileSync(LIBFLUX, `${directory.path}/executable`);
  const { code, stderr } = await new Deno.Command("setpriv", {
    args: ["--reuid=65534", "--regid=65534", "--clear-groups", `${directory.path}/executable`].concat(
      ["run", "x", "--network", "none", "--", "true"],
    ),
    env: { HOME: "/", XDG_RUNTIME_DIR: directory.path },
    stderr: "piped",
    cwd: "/",
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [
    125,
    `libflux: the state directory ${directory.path}/libflux can't be made: permission denied; use another --root\n`,
  ]);
});

hostTest("errors: a stack trace is only shown with --log-level debug", async () => {
  const args = ["run", "x", "--image", "/nowhere"];
  assert(!(await libflux([...args, "--", "true"])).stderr.includes("    at "));
  assertStringIncludes((await libflux([...args, "--log-level", "debug", "--", "true"])).stderr, "    at ");
});

hostTest("errors: what a caller wrote can't drive the terminal", async () => {
  const evil = "\x1b]0;owned\x07\r\nfake";
  for (
    const args of [
      ["run", evil, "--", "true"],
      ["run", "x", "--image", `/${evil}`, "--", "true"],
      [evil],
      ["run", "x", `--${evil}`, "--", "true"],
      run(["--bind", `/tmp:${evil}`]),
      run([], [evil]),
    ]
  ) {
    const { stderr } = await libflux(args);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x09\x0b-\x1f\x7f]/.test(stderr), JSON.stringify(stderr));
    assertEquals(stderr.split("\n").length, 2, stderr);
  }
});

hostTest("errors: a reader that has gone, and a full disk, are no bug of libflux's", async () => {
  const shell = async (script: string): Promise<string> => {
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", script, LIBFLUX],
      stdout: "piped",
      stderr: "piped",
    }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  };
  assertEquals(
    await shell('"$0" run --help | head -n 1'),
    "Usage: libflux run NAME [--image ROOTFS] [FLAG…] -- COMMAND [ARGUMENT…]\n",
  );
  assertMatch(
    await shell('"$0" info >/dev/full; echo "code $?"'),
    /^(libflux: [^\n]*no space left[^\n]*\n)?code 125\n$|^code 125\nlibflux: [^\n]*no space[^\n]*\n$/i,
  );
  assertEquals(await shell(`"$0" run x --image ${BUSYBOX} -- true >&-; echo "code $?"`), "code 0\n");
});
