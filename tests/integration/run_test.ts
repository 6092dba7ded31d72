import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import {
  BUSYBOX,
  DEBIAN,
  hostTest,
  IS_USER,
  isThere,
  libflux,
  libfluxBytes,
  rootTest,
  runContainer,
  temporaryDirectory,
  uniqueName,
  usersTest,
} from "./support.ts";

const IMAGE = ["--image", BUSYBOX];
const sh = (flags: readonly string[], script: string) => runContainer([...IMAGE, ...flags], ["sh", "-c", script]);

/** Runs a script and answers what it wrote; fails if it failed. */
async function out(flags: readonly string[], script: string): Promise<string> {
  const { code, stdout, stderr } = await sh(flags, script);
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

hostTest("run: the exit code is the command's", async () => {
  assertEquals((await runContainer(IMAGE, ["true"])).code, 0);
  assertEquals((await runContainer(IMAGE, ["false"])).code, 1);
  assertEquals((await sh([], "exit 42")).code, 42);
  assertEquals((await sh(["--no-init"], "exit 43")).code, 43);
});

hostTest("run: a command killed by signal n ends with 128+n", async () => {
  for (const [signal, code] of [["TERM", 143], ["KILL", 137], ["SEGV", 139]] as const) {
    assertEquals((await sh([], `kill -${signal} $$`)).code, code);
  }
});

hostTest("run: standard output and standard error stay apart", async () => {
  const { stdout, stderr } = await sh([], "echo to out; echo to err >&2");
  assertEquals([stdout, stderr], ["to out\n", "to err\n"]);
});

hostTest("run: streams are binary-safe, unlimited, and end as in a shell", async () => {
  const input = new Uint8Array(5_000_000);
  for (let at = 0; at < input.length; at += 65536) {
    crypto.getRandomValues(input.subarray(at, Math.min(at + 65536, input.length)));
  }
  const { code, stdout, stderr } = await libfluxBytes(["run", uniqueName(), ...IMAGE, "--", "cat"], { input });
  assertEquals([code, stderr, stdout.length], [0, "", input.length]);
  assert(stdout.every((byte, index) => byte === input[index]));
});

hostTest("run: a command that writes to a reader that has gone ends by SIGPIPE", async () => {
  const script = `"$0" run "$@" 2>&1 | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const { LIBFLUX } = await import("./trees.ts");
  const child = new Deno.Command("bash", {
    args: ["-c", script, LIBFLUX, uniqueName(), ...IMAGE, "--", "yes"],
    stdout: "piped",
  });
  const { stdout } = await child.output();
  assertEquals(new TextDecoder().decode(stdout), "y\n141\n");
});

hostTest("run: --no-interactive gives an empty input", async () => {
  const { stdout } = await runContainer([...IMAGE, "--no-interactive"], ["cat"], { input: "nobody reads this" });
  assertEquals(stdout, "");
});

hostTest("run: every namespace is the container's own", async () => {
  const script = "cd /proc/self/ns; for n in mnt pid net ipc uts cgroup; do readlink $n; done";
  const inside = (await out([], script)).trim().split("\n");
  assertEquals(inside.length, 6);
  for (const name of inside) {
    const [kind = ""] = name.split(":");
    assertNotEquals(name, Deno.readLinkSync(`/proc/self/ns/${kind}`));
  }
});

for (const [flag, kind] of [["network", "net"], ["pid", "pid"], ["ipc", "ipc"], ["uts", "uts"]] as const) {
  hostTest(`run: --${flag} host shares the host's`, async () => {
    assertEquals(
      (await out([`--${flag}`, "host"], `readlink /proc/self/ns/${kind}`)).trim(),
      Deno.readLinkSync(`/proc/self/ns/${kind}`),
    );
  });
}

hostTest("run: without a network there is lo, up, and nothing else", async () => {
  assertEquals(await out(["--network", "none"], "ls /sys/class/net"), "lo\n");
  assertMatch(await out(["--network", "none"], "ip addr show lo"), /<LOOPBACK,UP,LOWER_UP>[^]*inet 127\.0\.0\.1\/8/);
});

hostTest("run: init is PID 1, the command its child; with --no-init the command is PID 1", async () => {
  assertEquals(await out([], "echo $$; cat /proc/1/cmdline | tr '\\0' ' '"), "2\nlibflux-init ");
  assertEquals(await out(["--no-init"], "echo $$"), "1\n");
});

hostTest("run: init reaps what the command orphans", async () => {
  const script = "(sh -c 'sleep 0.05 & exec true' &); sleep 0.3; grep -l 'State:.Z' /proc/[0-9]*/status; true";
  assertEquals(await out([], script), "");
});

hostTest("run: processes that outlive the command end with it", async () => {
  assertEquals((await sh([], "sleep 1000 & exit 3")).code, 3);
  assertEquals((await sh(["--no-init"], "sleep 1000 & exit 3")).code, 3);
  assertEquals((await sh(["--pid", "host"], "sleep 1000 & exit 3")).code, 3);
});

hostTest("run: changes to the image are thrown away", async () => {
  const { code } = await sh([], "echo changed >/etc/passwd; rm /bin/cat; mkdir /new; echo x >/new/file");
  assertEquals(code, 0);
  assertMatch(Deno.readTextFileSync(`${BUSYBOX}/etc/passwd`), /^root:/);
  assertEquals(Deno.readLinkSync(`${BUSYBOX}/bin/cat`), "busybox");
  assert(!Array.from(Deno.readDirSync(BUSYBOX)).some(({ name }) => name === "new"));
});

hostTest("run: --writable keeps changes, and makes nothing else in the image than mount points", async () => {
  using directory = temporaryDirectory();
  new Deno.Command("cp", { args: ["-a", `${BUSYBOX}/.`, directory.path] }).outputSync();
  const { code, stderr } = await runContainer(["--image", directory.path, "--writable"], [
    "sh",
    "-c",
    "echo kept >/kept",
  ]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(Deno.readTextFileSync(`${directory.path}/kept`), "kept\n");
  const names = Array.from(Deno.readDirSync(directory.path), ({ name }) => name).sort();
  assertEquals(names, ["bin", "dev", "etc", "kept", "proc", "root", "sys", "tmp", "usr", "var"]);
});

hostTest("run: --read-only makes the root read-only, and not what is mounted below", async () => {
  const { code, stderr } = await sh(
    ["--read-only", "--tmpfs", "/tmp"],
    "echo x >/tmp/x && echo x >/dev/shm/x && echo x >/x",
  );
  assertEquals(code, 1);
  assertStringIncludes(stderr, "can't create /x: Read-only file system");
});

hostTest("run: --image / shows the host's own files, copy-on-write", async () => {
  // An image is one filesystem, and /tmp is often another than /.
  using directory = temporaryDirectory("/var/tmp");
  Deno.writeTextFileSync(`${directory.path}/file`, "the host's");
  const { code, stdout } = await runContainer([], [
    "sh",
    "-c",
    `cat ${directory.path}/file; echo changed >${directory.path}/file`,
  ]);
  assertEquals([code, stdout], [0, "the host's"]);
  assertEquals(Deno.readTextFileSync(`${directory.path}/file`), "the host's");
});

usersTest("run: a Debian tree works, with its users and its shell", async () => {
  const script =
    "set -e; . /etc/os-release; echo $ID; id -un; touch /root/x; dpkg -s bash | head -n 1; ls /proc/self/fd | wc -l";
  const { code, stdout, stderr } = await runContainer(["--image", DEBIAN], ["bash", "-c", script]);
  assertEquals([code, stdout, stderr], [0, "debian\nroot\nPackage: bash\n4\n", ""]);
  const asUser = await runContainer(["--image", DEBIAN, "--user", "www-data"], ["id"]);
  assertEquals(asUser.stdout, "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n");
});

hostTest("run: --bind, -v and --mount show files and directories of the host", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "hello\n");
  const at = directory.path;
  assertEquals(await out(["--bind", `${at}:/data`], "cat /data/file; echo from inside >/data/new"), "hello\n");
  assertEquals(Deno.readTextFileSync(`${at}/new`), "from inside\n");
  assertEquals(await out(["-v", `${at}/file:/deep/in/side`], "cat /deep/in/side"), "hello\n");
  assertEquals(await out(["--mount", `type=bind,src=${at},dst=/data`], "cat /data/file"), "hello\n");
  for (const flags of [["-v", `${at}:/data:ro`], ["--mount", `type=bind,src=${at},dst=/data,readonly`]]) {
    const { code, stderr } = await sh(flags, "echo x >/data/x");
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Read-only file system");
  }
});

hostTest("run: options of a bind are the kernel's", async () => {
  using directory = temporaryDirectory();
  const options =
    (await out(["--bind", `${directory.path}:/data:ro,nosuid,nodev,noexec`], "grep ' /data ' /proc/self/mountinfo"))
      .split(" ")[5];
  assertEquals(options, "ro,nosuid,nodev,noexec,relatime");
});

hostTest("run: a relative bind source is taken from the working directory", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "relative\n");
  const { stdout } = await runContainer([...IMAGE, "-v", "./file:/file"], ["cat", "/file"], { cwd: directory.path });
  assertEquals(stdout, "relative\n");
});

hostTest("run: --tmpfs gives an empty filesystem with the options asked for", async () => {
  assertEquals(
    await out(
      ["--tmpfs", "/scratch:size=1m,mode=1770"],
      "stat -c %a /scratch; grep -c ' /scratch .*size=1024k' /proc/self/mountinfo",
    ),
    "1770\n1\n",
  );
});

hostTest("run: the environment is PATH, HOME, HOSTNAME and what was asked for", async () => {
  const { stdout } = await libflux([
    "run",
    "environment",
    ...IMAGE,
    "--env",
    "A=b c",
    "-e",
    "PASSED",
    "-e",
    "ABSENT",
    "--",
    "env",
  ], {
    env: { PASSED: "on", SECRET: "no" },
  });
  assertEquals(stdout.trim().split("\n").sort(), [
    "A=b c",
    "HOME=/root",
    "HOSTNAME=environment",
    "PASSED=on",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "container=libflux",
  ]);
});

hostTest("run: --env-file sets variables, --env wins", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/env`, "# a comment\n\nONE=1\nTWO=a = b\r\n");
  assertEquals(
    await out(["--env-file", `${directory.path}/env`, "--env", "ONE=one"], 'echo "$ONE,$TWO"'),
    "one,a = b\n",
  );
});

usersTest("run: --user, --workdir and --hostname", async () => {
  assertEquals(
    await out(["--user", "web"], "id; echo $HOME"),
    "uid=1000(web) gid=1001(web) groups=44(video),1001(web),1002(logs)\n/srv/web\n",
  );
  assertEquals(await out(["--user", "1000:44"], "id"), "uid=1000(web) gid=44(video) groups=44(video)\n");
  assertEquals(await out(["--user", "4242"], "id -u; id -g"), "4242\n0\n");
  assertEquals(await out(["--workdir", "/made/for/it"], "pwd"), "/made/for/it\n");
  assertEquals(
    await out(["--hostname", "web-1"], "hostname; cat /etc/hostname; grep -c web-1 /etc/hosts"),
    "web-1\nweb-1\n1\n",
  );
});

hostTest("run: /dev has what every program expects, and nothing else", async () => {
  const expected = "console? fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split(" ");
  assertEquals((await out([], "ls /dev")).trim().split("\n"), expected.filter((name) => !name.endsWith("?")));
  const numbers = "stat -c '%n %t:%T %a' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty";
  assertEquals(
    await out([], numbers),
    "/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n/dev/urandom 1:9 666\n/dev/tty 5:0 666\n",
  );
  assertEquals(
    await out([], "echo through >/dev/stdout; readlink /dev/fd; stat -c %a /dev/shm"),
    "through\n/proc/self/fd\n1777\n",
  );
});

hostTest("run: /etc/hosts and /etc/resolv.conf fit the network", async () => {
  assertMatch(await out([], "cat /etc/hosts"), /^127\.0\.0\.1\tlocalhost\n/);
  const shared = await out(["--network", "host"], "cat /etc/resolv.conf");
  assertEquals(shared, Deno.readTextFileSync("/etc/resolv.conf"));
});

hostTest("run: --time-offset moves the monotonic clock", async () => {
  const uptime = Number((await out(["--time-offset", "1000000"], "cat /proc/uptime")).split(" ")[0]);
  assert(uptime > 1_000_000, `uptime is ${uptime}`);
});

hostTest("run: --time shows where the time went, --quiet shows nothing", async () => {
  const { code, stderr } = await runContainer([...IMAGE, "--time"], ["true"]);
  assertEquals(code, 0);
  // What only cgroups tell, an ordinary user isn't told.
  const used = IS_USER ? "" : "CPU time[^\\n]* ms\\nmost memory[^\\n]* MiB\\n";
  assertMatch(
    stderr,
    new RegExp(
      `^create[^\\n]* ms\\nclone[^\\n]* ms\\nlaunch[^\\n]* ms\\nrun[^\\n]* ms\\ntear down[^\\n]* ms\\n${used}$`,
    ),
  );
  assertEquals((await runContainer([...IMAGE, "--quiet"], ["true"])).stderr, "");
});

// Linux 6.3 and later.
const testOfSetting = isThere("/proc/sys/vm/memfd_noexec") ? rootTest : () => {};

testOfSetting("run: where memfds can't be executed, a file without a name does it", async () => {
  const { LIBFLUX } = await import("./trees.ts");
  // The setting belongs to a pid namespace.
  const script = 'echo 2 >/proc/sys/vm/memfd_noexec && exec "$0" "$@"';
  const run = [LIBFLUX, "run", uniqueName(), ...IMAGE, "--", "echo", "works"];
  const child = new Deno.Command("unshare", {
    args: ["--pid", "--fork", "--mount", "--mount-proc", "sh", "-c", script, ...run],
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await child.output();
  assertEquals([code, new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)], [0, "works\n", ""]);
});

hostTest("run: an image's path may have any character, and be a link, or relative", async () => {
  using directory = temporaryDirectory();
  const name = 'we ird:a,b\\c"d=e\n';
  new Deno.Command("cp", { args: ["-a", BUSYBOX, `${directory.path}/${name}`] }).outputSync();
  Deno.symlinkSync(name, `${directory.path}/link`);
  for (const image of [`${directory.path}/${name}`, "./link"]) {
    const { stdout, stderr } = await runContainer(["--image", image], ["echo", "works"], { cwd: directory.path });
    assertEquals([stdout, stderr], ["works\n", ""]);
  }
});

hostTest("run: the umask inside is 022 whatever the caller's is", async () => {
  const { LIBFLUX } = await import("./trees.ts");
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'umask 077; exec "$0" "$@"',
      LIBFLUX,
      "run",
      uniqueName(),
      ...IMAGE,
      "--",
      "sh",
      "-c",
      "umask; stat -c %a /dev/null",
    ],
    stdout: "piped",
  });
  assertEquals(new TextDecoder().decode((await child.output()).stdout), "0022\n666\n");
});
