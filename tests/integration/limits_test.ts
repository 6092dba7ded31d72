import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run, top, update } from "../../mod.ts";
import { groupOf, mountOf, readLimit, unifiedMount } from "./cgroups.ts";
import { BUSYBOX, hostTest, LIBFLUX, libflux, patience, rootTest, runContainer, uniqueName } from "./support.ts";

const IMAGE = ["--image", BUSYBOX];
const sh = (flags: readonly string[], script: string) => runContainer([...IMAGE, ...flags], ["sh", "-c", script]);
/** Doubles a text until there is no memory for it. */
const EAT = "x=a; while :; do x=$x$x; done";

rootTest("limits: --memory kills what goes past it, and says so", async () => {
  const { code, stderr } = await sh(["--memory", "32M", "--memory-swap", "32M"], EAT);
  assertEquals([code, stderr], [137, "libflux: killed: out of memory (limit 32 MiB, peak 32 MiB)\n"]);
});

rootTest("limits: that a process below the command had no memory is told when the command fails", async () => {
  const { code, stderr } = await sh(["--memory", "32M", "--memory-swap", "32M"], `sh -c '${EAT}'; exit 3`);
  // The first line is the shell's.
  assertEquals(
    [code, stderr],
    [3, "Killed\nlibflux: a process of the container was killed: out of memory (limit 32 MiB, peak 32 MiB)\n"],
  );
  assertEquals((await sh(["--memory", "32M", "--memory-swap", "32M"], `sh -c '${EAT}'; true`)).stderr, "Killed\n");
});

rootTest("limits: a command that is killed by somebody else wasn't out of memory", async () => {
  assertEquals(await sh(["--memory", "32M"], "kill -9 $$"), { code: 137, stdout: "", stderr: "" });
});

rootTest("limits: --cpus holds a busy loop to what was asked for", async () => {
  for (const cpus of [0.2, 0.5]) {
    const limits = { cpus };
    await using container = await run({
      image: BUSYBOX,
      command: ["sh", "-c", "while :; do :; done"],
      limits,
      measure: true,
    });
    const SECONDS = 2;
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    container.kill("SIGKILL");
    const { usage, started, finished } = await container.status;
    const [used, expected] = [usage?.cpuTime ?? 0, cpus * (finished.getTime() - started.getTime())];
    // The kernel hands out time for 100 ms at once, the first part at the start: one more or less fits into the time.
    const tolerance = 0.1 * expected + cpus * 100;
    const told = `${used} ms of CPU time, and ${expected} were to be had`;
    assert(used < expected + tolerance, told);
    // A machine that has others to serve, or is emulated, may give less: that isn't the limit's doing.
    assert(used > expected / 4, told);
    assert((usage?.throttledTime ?? 0) > 0);
  }
});

rootTest("limits: --pids-limit contains a bomb, and the host still starts processes", async () => {
  // Who can't fork any more stays, so that those who were made can be counted.
  const command = ["sh", "-c", "bomb() { trap 'exec sleep 60' EXIT; while :; do bomb & done; }; bomb"];
  await using container = await run({ image: BUSYBOX, command, stderr: "null", limits: { pids: 30 } });
  const deadline = performance.now() + patience(2_000);
  let most = 0;
  while (performance.now() < deadline && most < 30) {
    most = Math.max(most, (await top(container.name)).length);
    assertEquals((await new Deno.Command("true").output()).code, 0);
  }
  // One more than there may be, if it weren't for the limit.
  for (let i = 0; i < 5; i++) assertEquals((await top(container.name)).length, 30);
});

rootTest("limits: the usual one of processes is 4096, and none can be asked for", async () => {
  for (const [limits, expected] of [[{}, "4096"], [{ pids: -1 }, "max"]] as const) {
    await using container = await run({ image: BUSYBOX, command: ["sleep", "60"], limits });
    assertEquals(readLimit(container, "pids", { v2: "pids.max", v1: "pids.max" }), expected);
  }
});

rootTest("limits: --cpuset-cpus is what nproc counts", async () => {
  assertEquals((await sh(["--cpuset-cpus", "0"], "nproc")).stdout, "1\n");
  const { code, stderr } = await sh(["--cpuset-cpus", "4000"], "nproc");
  assertEquals(code, 125);
  assertMatch(stderr, /^libflux: --cpuset-cpus can't be enforced: cpuset.cpus doesn't take 4000: .*\n$/);
});

hostTest("limits: --ulimit leaves PID 1 what it needs", async () => {
  for (const limit of ["nofile=1", "nproc=1", "as=16777216", "cpu=1", "fsize=0", "stack=65536"]) {
    const result = await runContainer(["--image", BUSYBOX, "--ulimit", limit], ["sh", "-c", "exit 3"]);
    assertEquals(result, { code: 3, stdout: "", stderr: "" }, limit);
  }
});

hostTest("limits: --ulimit and --oom-score-adj are the command's", async () => {
  const { stdout } = await sh(
    ["--ulimit", "nofile=100:200", "--ulimit", "core=0", "--oom-score-adj", "500"],
    "ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj",
  );
  assertEquals(stdout, "100\n200\n0\n500\n");
});

hostTest("limits: --ulimit stops who goes past it", async () => {
  const files = await sh(
    ["--ulimit", "nofile=6"],
    "exec 4</dev/null && echo one; exec 5</dev/null 6</dev/null; echo no",
  );
  assertEquals([files.stdout, files.code > 0], ["one\n", true]);
  const SIGXFSZ = 25;
  const { code } = await sh(["--ulimit", "fsize=65536"], "exec dd if=/dev/zero of=/tmp/x bs=1024 count=65");
  assertEquals(code, 128 + SIGXFSZ);
  const cpu = await sh(["--ulimit", "cpu=1"], "while :; do :; done");
  const [SIGKILL, SIGXCPU] = [9, 24];
  assert([128 + SIGKILL, 128 + SIGXCPU].includes(cpu.code), String(cpu.code));
});

rootTest("limits: cgroups are the roots of what the container sees, and read-only", async () => {
  const { stdout } = await sh(["--memory", "64M"], "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/x 2>&1");
  const lines = stdout.trim().split("\n");
  assertStringIncludes(lines.pop() ?? "", "Read-only file system");
  for (const line of lines) assertMatch(line, /^\d+:[^:]*:\/$/);
});

rootTest("limits: --cgroup-parent holds the container's cgroup, and stays", async () => {
  const parent = `/libflux-test-${Deno.pid}`;
  const mount = mountOf("pids");
  Deno.mkdirSync(mount + parent);
  try {
    await using container = await run({
      image: BUSYBOX,
      command: ["sleep", "60"],
      cgroupParent: parent,
      limits: { pids: 50 },
    });
    const group = `${mount}${parent}/${container.id}`;
    assertEquals(groupOf(container, "pids"), group);
    assertEquals(Deno.readTextFileSync(`${group}/pids.max`), "50\n");
    assert(Deno.readTextFileSync(`${group}/cgroup.procs`).split("\n").includes(String(container.pid)));
  } finally {
    // Made by this test, and so not removed by libflux; those that libflux made beside are gone.
    Deno.removeSync(mount + parent);
  }
});

hostTest("limits: what can't be is told in one sentence", async () => {
  for (
    const [flags, says] of [
      [["--memory", "lots"], "--memory is an amount of memory"],
      [["--memory", "1k"], "memory is a whole number at least"],
      [["--memory-swap", "64M"], "memory and swap together"],
      [["--cpus", "many"], "--cpus is a number"],
      [["--cpu-weight", "0"], "from 1 to 10000"],
      [["--device-read-bps", "/dev/null:1M"], "it is no block device"],
      [["--device-read-bps", "/dev/nowhere:1M"], "there is no such file"],
      [["--ulimit", "files=1"], "is no resource limit"],
      [["--ulimit", "nofile=5:4"], "the soft limit is above the hard one"],
      [["--oom-score-adj", "5000"], "from -1000 to 1000"],
      [["--cgroup-parent", "../x"], "can't be the cgroup above"],
      [["--cgroup-parent", "/a/../b"], "can't be the cgroup above"],
      [["--security-opt", "none"], 'no security option "none"'],
      [["--cgroup-manager", "docker"], "--cgroup-manager is auto or cgroupfs or systemd"],
    ] as const
  ) {
    const { code, stderr } = await libflux(["run", uniqueName(), ...IMAGE, ...flags, "--", "true"]);
    assertEquals(code, 125, stderr);
    assertMatch(stderr, /^libflux: [^\n]+\n$/);
    assertStringIncludes(stderr, says);
  }
});

rootTest("limits: a hierarchy that something else is mounted over isn't used", async () => {
  const second = mountOf("cpu");
  const first = unifiedMount ?? second;
  const script = `mount -t tmpfs none ${first}; test ${first} = ${second} || mount -t tmpfs none ${second}; "$@"
    code=$?; ls ${first} ${second} | grep libflux; exit $code`;
  const inside = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", script, "sh", LIBFLUX, "run", uniqueName(), ...IMAGE, ...args],
    }).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  };
  assertEquals(await inside("--", "true"), { code: 0, stdout: "", stderr: "" });
  const { code, stderr } = await inside("--cpus", "1", "--", "true");
  assertEquals(code, 125);
  assertStringIncludes(stderr, `this host has no cgroup controller "cpu"`);
});

hostTest("limits: a --cgroup-parent that can't be made is told, and the container isn't put elsewhere", async () => {
  // A file of the hierarchy is in the way.
  const { code, stderr } = await libflux([
    ...["run", uniqueName(), ...IMAGE, "--cgroup-parent", "/cgroup.procs", "--cgroup-manager", "cgroupfs"],
    ...["--", "true"],
  ]);
  assertEquals(code, 125);
  assertMatch(stderr, /^libflux: the cgroup \S+\/cgroup\.procs\/[0-9a-f]{64} can't be made: not a directory[^\n]*\n$/);
});

rootTest("limits: one that came later is told when it kills", async () => {
  await using container = await run({
    image: BUSYBOX,
    command: ["sh", "-c", `read go; ${EAT}`],
    stdin: "piped",
    limits: { memory: 2 ** 28, memorySwap: 2 ** 28 },
  });
  await update(container.name, { memory: 2 ** 25, memorySwap: 2 ** 25 });
  const writer = container.stdin.getWriter();
  await writer.write(new TextEncoder().encode("\n"));
  await writer.close();
  const { code, outOfMemory, usage } = await container.status;
  assertEquals([code, outOfMemory, usage?.memoryLimit], [137, true, 2 ** 25]);
});
