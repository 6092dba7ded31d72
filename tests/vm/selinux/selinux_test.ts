import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { start } from "../../../lib/container.ts";
import { FluxError } from "../../../lib/errors.ts";
import { compileProgram, prepare } from "../../../lib/prepare.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
import {
  BUSYBOX,
  DEBIAN,
  hostTest,
  LIBFLUX,
  libflux,
  patience,
  type Result,
  runContainer,
  temporaryDirectory,
  uniqueName,
} from "../../integration/support.ts";
import { USER } from "../systemd.ts";

const OWN = "/proc/self/attr/current";
const HOST = "system_u:system_r:host_t:s0-s0:c0.c1023";
/** On a filesystem that can be id-mapped, unlike the machine's own files. */
const DISK = Deno.env.get("LIBFLUX_TEST_DISK") ?? "";
const sh = (flags: readonly string[], script: string, image = DEBIAN): Promise<Result> =>
  runContainer(["--image", image, "--network", "none", ...flags], ["sh", "-c", script]);
const label = (text: string): string[] => ["--security-opt", `label=${text}`];
/** What the kernel ends labels of processes with. */
const labels = (text: string): string[] => text.split(/[\0\n]+/).filter((line) => line !== "");
const SHOW = `cat ${OWN}`;

async function execute(program: string, ...args: string[]): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** What `ls -Zd` says of files of the host's, by their last names. */
async function fileLabels(...paths: string[]): Promise<Record<string, string>> {
  const { stdout } = await execute("ls", "-Zd", ...paths);
  return Object.fromEntries(
    stdout.trim().split("\n").map((line) => {
      const [found = "", path = ""] = line.trim().split(/ +/);
      return [path.slice(path.lastIndexOf("/") + 1), found];
    }),
  );
}

Deno.test("SELinux: this machine enforces a policy, and info tells what containers are", async () => {
  assertEquals(Deno.readTextFileSync("/sys/fs/selinux/enforce"), "1");
  assertEquals(labels(Deno.readTextFileSync(OWN)), [HOST]);
  const { features } = JSON.parse((await libflux(["info", "--format", "json"])).stdout);
  const { ok, value } = features.find(({ name }: { name: string }) => name === "SELinux");
  assertEquals([ok, value], [true, "enforcing, containers are system_u:system_r:container_t:s0"]);
});

hostTest("SELinux: all in a container have its label, PID 1 too, and its files have theirs", async () => {
  const places = ["/", "/etc/hosts", "/etc/hostname", "/dev/null", "/dev/shm", "/dev/mqueue", "/dev/pts", "/made"];
  const script = `cat ${OWN} /proc/1/attr/current; sh -c '${SHOW}'; kill -0 1; touch /made; ls -Zd ${places.join(" ")}`;
  for (const flags of [["--hostname", "x"], ["--user", "1000"], ["--security-opt", "no-new-privileges=false"]]) {
    const { code, stdout, stderr } = await sh(["--tmpfs", "/t", ...flags], script.replaceAll("/made", "/t/made"));
    if (!flags.includes("1000")) assertEquals([code, stderr], [0, ""]);
    const found = labels(stdout);
    const [own = ""] = found;
    assertMatch(own, /^system_u:system_r:container_t:s0:c\d+,c\d+$/);
    assertEquals(found.slice(0, 3), [own, own, own]);
    const file = own.replace("system_r:container_t", "object_r:container_file_t");
    for (const line of found.slice(3)) assertEquals(line.trim().split(" ")[0], file, line);
    assert(found.length > places.length, stdout);
  }
  assertMatch((await sh(["--no-init"], SHOW)).stdout, /^system_u:system_r:container_t:s0:c\d+,c\d+\0?$/);
});

hostTest(
  "SELinux: what runs beside the command has its label: exec, a health check, a command in a terminal",
  async () => {
    const name = uniqueName();
    const flags = [
      "--image",
      DEBIAN,
      "--network",
      "none",
      "--health-cmd",
      `${SHOW} >/tmp/label`,
      "--health-interval",
      "1s",
    ];
    assertEquals((await libflux(["run", "--detach", name, "--rm", ...flags, "--", "sleep", "1000"])).code, 0);
    const [own = ""] = labels((await libflux(["exec", name, "--", "cat", "/proc/1/attr/current"])).stdout);
    assertMatch(own, /^system_u:system_r:container_t:s0:c\d+,c\d+$/);
    for (const more of [[], ["--user", "1000"], ["--tty"]]) {
      assertEquals(labels((await libflux(["exec", ...more, name, "--", "cat", OWN])).stdout), [own], more.join());
    }
    const deadline = performance.now() + patience(10_000);
    let checked: string[] = [];
    while (checked.length === 0 && performance.now() < deadline) {
      checked = labels((await libflux(["exec", name, "--", "sh", "-c", "cat /tmp/label || true"])).stdout);
    }
    assertEquals(checked, [own]);
    assertEquals((await libflux(["rm", "--force", name])).code, 0);
  },
);

hostTest("SELinux: a container can't use the host's files, and is told why", async () => {
  using directory = temporaryDirectory("/run");
  const { path } = directory;
  Deno.writeTextFileSync(`${path}/secret`, "secret\n");
  const { stdout, stderr } = await sh(["--bind", `${path}:/data`], "cat /data/secret; ls /data; echo x >/data/new");
  assertEquals(stdout, "");
  assertStringIncludes(
    stderr,
    `libflux: warning: SELinux won't let the container use ${path}, which is system_u:object_r:host_file_t:s0: bind it`,
  );
  assertEquals(stderr.match(/ermission denied/g)?.length, 3, stderr);
  assertEquals([...Deno.readDirSync(path)].length, 1);
  // Nothing else keeps it from that.
  const free = await sh(["--bind", `${path}:/data`, ...label("disable")], "cat /data/secret");
  assertEquals([free.stdout, free.stderr], ["secret\n", ""]);
});

hostTest("SELinux: Z gives what is bound to one container alone, z to all of them", async () => {
  using directory = temporaryDirectory("/run");
  const { path } = directory;
  using other = temporaryDirectory("/run");
  Deno.mkdirSync(`${path}/below`);
  Deno.writeTextFileSync(`${path}/below/file`, "one\n");
  Deno.writeTextFileSync(`${other.path}/outside`, "");
  // No link is followed, and a FIFO isn't waited for.
  Deno.symlinkSync(`${other.path}/outside`, `${path}/link`);
  Deno.symlinkSync(other.path, `${path}/tree`);
  await execute("mkfifo", `${path}/fifo`);
  // Nor is anything labelled that somebody has mounted there.
  Deno.mkdirSync(`${path}/mounted`);
  await execute("mount", "-t", "tmpfs", "none", `${path}/mounted`);
  const all = [path, `${path}/below`, `${path}/below/file`, `${path}/link`, `${path}/tree`, `${path}/fifo`];
  const own = await sh(["--bind", `${path}:/data:Z`], `${SHOW}; echo two >>/data/below/file; cat /data/below/file`);
  const warning =
    `libflux: warning: ${path}/mounted isn't labelled, since something else is mounted there: bind it by itself\n`;
  assertEquals([own.code, own.stderr], [0, warning]);
  const [process = "", ...read] = labels(own.stdout);
  assertEquals(read, ["one", "two"]);
  const file = process.replace("system_r:container_t", "object_r:container_file_t");
  assertEquals(new Set(Object.values(await fileLabels(...all))), new Set([file]));
  assertEquals(Object.values(await fileLabels(other.path, `${other.path}/outside`, `${path}/mounted`)), [
    "system_u:object_r:host_file_t:s0",
    "system_u:object_r:host_file_t:s0",
    "system_u:object_r:host_file_t:s0",
  ]);
  await execute("umount", `${path}/mounted`);
  Deno.removeSync(`${path}/mounted`);
  // Another container has other categories.
  const foreign = await sh(["--bind", `${path}:/data`], "cat /data/below/file");
  assertEquals(foreign.stdout, "");
  assertStringIncludes(foreign.stderr, `won't let the container use ${path}, which is ${file}`);
  for (const flags of [["--bind", `${path}:/data:z`], ["--bind", `${path}:/data:ro`]]) {
    const { stdout, stderr } = await sh(flags, "cat /data/below/file");
    assertEquals([stdout, stderr], ["one\ntwo\n", ""]);
  }
  assertEquals(new Set(Object.values(await fileLabels(...all))), new Set(["system_u:object_r:container_file_t:s0"]));
  const mount = await sh(
    ["--mount", `type=bind,src=${path},dst=/data,relabel=private`],
    `${SHOW}; cat /data/below/file`,
  );
  assertEquals(labels(mount.stdout).slice(1), ["one", "two"]);
  const single = await sh(["--bind", `${other.path}/outside:/file:Z`], "echo three >/file; cat /file");
  assertEquals([single.stdout, single.stderr], ["three\n", ""]);
});

hostTest("SELinux: the host's own directories are labelled by nobody", async () => {
  using directory = temporaryDirectory("/run");
  Deno.symlinkSync("/etc", `${directory.path}/link`);
  for (const path of ["/", "/etc", "/usr", "/run", "/usr/../var", "/root", `${directory.path}/link`, "/etc/passwd"]) {
    // What comes before it is labelled no more than what comes after.
    const binds = ["--bind", `${directory.path}:/own:Z`, "--bind", `${path}:/data:z`];
    const { code, stderr } = await sh(binds, "true");
    assertEquals(code, 125);
    assertMatch(
      stderr,
      /^libflux: \/\S* is the host's: its files can't be labelled as containers'; leave out z or Z[^\n]+\n$/,
    );
  }
  const found = Object.values(await fileLabels("/run", directory.path));
  assertEquals(found, ["system_u:object_r:host_file_t:s0", "system_u:object_r:host_file_t:s0"]);
});

hostTest("SELinux: files that the caller's shell has opened are read and written all the same", async () => {
  using directory = temporaryDirectory("/run");
  const { path } = directory;
  Deno.writeTextFileSync(`${path}/in`, "secret\n");
  const run = `"${LIBFLUX}" run ${uniqueName()} --image "${BUSYBOX}" --network none`;
  const script =
    `cd ${path} && ${run} -- cat <in >out && ${run} --log-driver none -- sh -c 'cat; echo bad >&2' <in >>out 2>err`;
  const { code, stderr } = await execute("sh", "-c", script);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(Deno.readTextFileSync(`${path}/out`), "secret\nsecret\n");
  assertEquals(Deno.readTextFileSync(`${path}/err`), "bad\n");
});

hostTest("SELinux: other labels and none are given where that is asked for", async () => {
  for (const flags of [label("disable"), ["--privileged"], ["--pid", "host"], ["--ipc", "host"]]) {
    assertEquals(labels((await sh(flags, SHOW)).stdout), [HOST], flags.join(" "));
  }
  const level = await sh([...label("level:s0:c1,c2"), ...label("filetype:image_file_t")], `${SHOW}; ls -Zd /tmp`);
  // Of that type it may use nothing, not even its own root.
  assertEquals([level.code, level.stdout], [126, ""]);
  assertMatch(level.stderr, /^libflux: \S+ can't be executed: permission denied; [^\n]+SELinux's policy[^\n]+\n$/);
  const plain = await sh(label("level:s0:c1,c2"), `${SHOW}; ls -Zd /tmp`);
  assertEquals(labels(plain.stdout), [
    "system_u:system_r:container_t:s0:c1,c2",
    "system_u:object_r:container_file_t:s0:c1,c2 /tmp",
  ]);
  const { code, stdout, stderr } = await sh(label("type:nothing_t"), "true");
  assertEquals([code, stdout], [125, ""]);
  assertMatch(
    stderr,
    /^libflux: could not have SELinux label the command system_u:system_r:nothing_t:s0:c\S+: invalid argument[^\n]+\n$/,
  );
  const run = ["run", uniqueName(), "--image", DEBIAN, "--network", "none", ...label("level:s0"), "--", "true"];
  const policy = "does SELinux's policy let [^\\n]+:container_t:s0\\?\\n$";
  for (
    const [type, why] of [
      ["lonely_t", "permission denied; is it marked executable [^\\n]+; and "],
      ["plain_t", "operation not permitted \\(EPERM\\); "],
    ] as const
  ) {
    const denied = await execute("runcon", "-t", type, LIBFLUX, ...run);
    assertEquals([denied.code, denied.stdout], [126, ""]);
    assertMatch(denied.stderr, new RegExp(`^libflux: \\S+ can't be executed: ${why}${policy}`));
  }
});

hostTest("SELinux: where the policy lets no container work there is no label, and a warning says why", async () => {
  using directory = temporaryDirectory("/run");
  const { path } = directory;
  await execute("cp", "-r", `${BUSYBOX}/.`, path);
  const { code, stdout, stderr } = await sh([], SHOW, path);
  assertEquals([code, labels(stdout)], [0, [HOST]]);
  assertEquals(
    stderr,
    "libflux: warning: containers have no SELinux label: the policy lets no system_u:system_r:container_t:s0 use files " +
      "of the image, such as system_u:object_r:host_file_t:s0; label them: " +
      `chcon -R -t container_file_t ${path}\n`,
  );
  await execute("chcon", "-R", "-t", "container_file_t", path);
  const labelled = await sh([], SHOW, path);
  assertEquals(labelled.stderr, "");
  assertMatch(labelled.stdout, /^system_u:system_r:container_t:/);
  // An image that is written to goes on to be whose it is, but for who asks for a label.
  assertEquals(labels((await sh(["--writable"], SHOW, path)).stdout), [HOST]);
  assertEquals(labels((await sh(["--writable", ...label("level:s0")], SHOW, path)).stdout), [
    "system_u:system_r:container_t:s0",
  ]);

  const run = ["run", uniqueName(), "--image", DEBIAN, "--network", "none", "--", "cat", OWN];
  for (const type of ["lonely_t", "plain_t"]) {
    const lonely = await execute("runcon", "-t", type, LIBFLUX, ...run);
    const own = HOST.replace("host_t", type);
    assertEquals([lonely.code, labels(lonely.stdout)], [0, [own]]);
    assertEquals(
      lonely.stderr,
      `libflux: warning: containers have no SELinux label: the policy lets no ${own} run a ` +
        "system_u:system_r:container_t:s0\n",
    );
  }
  const { features } = JSON.parse(
    (await execute("runcon", "-t", "lonely_t", LIBFLUX, "info", "--format", "json")).stdout,
  );
  const { ok, value } = features.find(({ name }: { name: string }) => name === "SELinux");
  assertEquals(ok, false);
  assertMatch(value, /^enforcing, but the policy lets no \S+:lonely_t:\S+ run a \S+:container_t:\S+$/);
});

hostTest("SELinux: containers with users of their own have labels, root's and an ordinary user's", async () => {
  const image = `${DISK}/selinux-image`;
  await execute("cp", "-r", BUSYBOX, image);
  await execute("chcon", "-R", "-t", "container_file_t", image);
  const script = `cat ${OWN} /proc/1/attr/current; ls -Zd / /dev/shm /dev/pts; touch /made && ls -Z /made`;
  const root = await sh(["--userns", "auto"], `${SHOW}; touch /made`, image);
  assertEquals([root.code, root.stderr], [0, ""]);
  assertMatch(root.stdout, /^system_u:system_r:container_t:s0:c\d+,c\d+/);
  Deno.removeSync(image, { recursive: true });

  const user = ["setpriv", `--reuid=${USER.id}`, `--regid=${USER.id}`, "--clear-groups", "env", "HOME=/home/selinux"];
  const run = [LIBFLUX, "run", uniqueName(), "--image", DEBIAN, "--network", "none", "--", "sh", "-c", script];
  const { code, stdout, stderr } = await execute("env", ...user, "XDG_RUNTIME_DIR=/run/user/selinux", ...run);
  assertEquals(code, 0, stderr);
  const [own = "", init, ...files] = labels(stdout);
  assertMatch(own, /^system_u:system_r:container_t:s0:c\d+,c\d+$/);
  assertEquals(init, own);
  const file = own.replace("system_r:container_t", "object_r:container_file_t");
  assertEquals(files.map((line) => line.trim().split(" ")[0]), [file, file, file, file]);

  // What isn't the user's keeps its label, and so does what is in there.
  using directory = temporaryDirectory("/run");
  const { path } = directory;
  Deno.writeTextFileSync(`${path}/own`, "own\n");
  Deno.mkdirSync(`${path}/foreign`, { mode: 0o700 });
  Deno.writeTextFileSync(`${path}/foreign/file`, "");
  Deno.writeTextFileSync(`${path}/other`, "");
  for (const mine of [path, `${path}/own`]) Deno.chownSync(mine, USER.id, USER.id);
  const bind = [LIBFLUX, "run", uniqueName(), "--image", DEBIAN, "--network", "none", "--bind", `${path}:/data:Z`];
  const told = await execute("env", ...user, "XDG_RUNTIME_DIR=/run/user/selinux", ...bind, "--", "cat", "/data/own");
  assertEquals([told.code, told.stdout], [0, "own\n"]);
  assertMatch(
    told.stderr,
    /^libflux: warning: \S+\/(foreign|other) and \d others can't be labelled as the container's: operation not permitted \(EPERM\); root could\n$/,
  );
});

hostTest("SELinux: each instruction that it takes fails once, and is told", async () => {
  const streams = { stdout: "null", stderr: "null" } as const;
  const selinux = { level: "s0:c1,c2" };
  const options: RunOptions = { image: DEBIAN, command: ["/bin/true"], network: "none", selinux, ...streams };
  const { instructions } = compileProgram(prepare(options, [0, 1, 2]), options);
  const own = instructions.flatMap((one, index) =>
    one.op === "syscall" && one.name !== "fail" && one.field === "process.selinuxLabel" && one.optional !== true
      ? [index]
      : []
  );
  let told = 0;
  for (const index of own) {
    const label = instructions[index]?.label ?? "";
    // The number that it is to have may be the one that it has; and nobody waits where nothing keeps it waiting.
    if (["give it that number", "wait for a moment"].includes(label)) continue;
    const error = await assertRejects(async () => {
      await using container = await start(options, { failAt: index });
      await container.status;
    }, FluxError);
    assertStringIncludes(error.message, `could not ${label}`);
    told++;
  }
  assert(told > 5, `${told}`);
});

hostTest("SELinux: where it doesn't enforce, labels are given all the same", async () => {
  Deno.writeTextFileSync("/sys/fs/selinux/enforce", "0");
  try {
    using directory = temporaryDirectory("/run");
    Deno.writeTextFileSync(`${directory.path}/file`, "read\n");
    const { stdout, stderr } = await sh(["--bind", `${directory.path}:/data`], `cat /data/file ${OWN}`);
    assertEquals(stderr, "");
    assertMatch(stdout, /^read\nsystem_u:system_r:container_t:/);
  } finally {
    Deno.writeTextFileSync("/sys/fs/selinux/enforce", "1");
  }
});
