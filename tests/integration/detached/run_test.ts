import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runDetached, stop } from "../../../mod.ts";
import { BUSYBOX, hostTest, libflux, rootTest, uniqueName } from "../support.ts";
import { detached, eventually, isRunning, script } from "./support.ts";

hostTest("run --detach prints the name, returns when the command runs, and leaves no libflux behind", async () => {
  await using container = await script("echo out; echo err >&2; sleep 60");
  assertEquals(container.started, { code: 0, stdout: `${container.name}\n`, stderr: "" });
  const { state } = container;
  assert(state !== undefined && state.detached === true && isRunning(state.pid));
  assertEquals(Deno.readTextFileSync(`/proc/${state.monitor}/comm`), "libflux-monitor\n");
  // It is the parent of PID 1.
  assertStringIncludes(Deno.readTextFileSync(`/proc/${state.pid}/status`), `PPid:\t${state.monitor}\n`);
  await eventually(() => container.output() === "out\n" && container.output("stderr") === "err\n", "both are logged");
});

hostTest(
  "run --detach fails as run does, with the same sentences and exit codes, and leaves nothing behind",
  async () => {
    for (const [command, code] of [["nobody-has-this", 127], ["/etc/hostname", 126]] as const) {
      await using container = await detached([], [command]);
      const foreground = await libflux([
        "run",
        "fg",
        ...`--image build/rootfs/busybox --network none --`.split(" "),
        command,
      ]);
      assertEquals([container.started.code, container.started.stderr], [code, foreground.stderr]);
      assertEquals([container.state, container.record], [undefined, undefined]);
    }
    await using wrong = await detached(["--memory", "lots"], ["true"]);
    assertEquals([wrong.started.code, wrong.record], [125, undefined]);
  },
);

hostTest("a detached container's end is written down: code, signal, time; and its directory goes", async () => {
  await using failed = await script("exit 3");
  await using killed = await script("kill -9 $$");
  await using bare = await detached(["--no-init"], ["sh", "-c", "exit 4"]);
  for (
    const [container, code, how] of [[failed, 3, undefined], [killed, 137, "SIGKILL"], [bare, 4, undefined]] as const
  ) {
    await container.gone();
    const { record } = container;
    assertEquals([record?.code, record?.signal], [code, how]);
    assert(Date.parse(record?.finished ?? "") >= Date.parse(record?.started ?? ""));
  }
});

rootTest("a detached container has every flag of run: limits, users, labels, a name of its own", async () => {
  await using container = await script("cat /proc/self/uid_map; id -u; ulimit -n; hostname; sleep 60", [
    ...["--user", "7", "--ulimit", "nofile=99", "--label", "a=b", "--pids-limit", "20"],
  ]);
  await eventually(() => container.output().trim().split("\n").length === 4, "it has told");
  assertEquals(container.output().trim().split("\n").slice(1), ["7", "99", container.name]);
  const { stdout } = await libflux(["ps", "--format", "{{.Name}} {{.State}} {{.Labels}}", "--filter", "label=a=b"]);
  assertStringIncludes(stdout, `${container.name} running a=b\n`);
});

hostTest("run --rm --detach leaves no record and no log", async () => {
  await using container = await detached(["--rm"], ["true"]);
  assertEquals(container.started.code, 0);
  await container.gone();
  await eventually(() => container.record === undefined, "there is no record");
});

hostTest("run --detach refuses what makes no sense in the background, in a sentence", async () => {
  for (
    const [flags, words] of [
      [["--time"], "--detach doesn't wait"],
      [["--rm", "--restart", "always"], "can't be started again"],
      [["--restart", "sometimes"], "no restart policy"],
      [["--log-driver", "splunk"], "no log driver"],
    ] as const
  ) {
    await using container = await detached(flags, ["true"]);
    assertEquals(container.started.code, 125, words);
    assertStringIncludes(container.started.stderr, words);
    assertEquals(container.state, undefined);
  }
});

hostTest("a container in the background takes its name, and --replace ends it", async () => {
  await using container = await script("sleep 60");
  const before = container.state?.pid ?? 0;
  const run = ["run", container.name, "-d", "--image", "build/rootfs/busybox", "--network", "none"];
  const second = await libflux([...run, "--", "true"]);
  assertEquals(second.code, 125);
  assertStringIncludes(second.stderr, `the name ${container.name} is in use by the container`);
  const third = await libflux([...run, "--replace", "--", "sleep", "60"]);
  assertEquals([third.code, third.stderr], [0, ""]);
  assert(!isRunning(before) && isRunning(container.state?.pid ?? 0));
});

hostTest("a program that stays collects no zombies of the containers that it has left", async () => {
  const isZombie = (pid: number): boolean => {
    try {
      return /^State:\tZ/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
    } catch {
      return false;
    }
  };
  const options = { image: BUSYBOX, network: "none", command: ["sleep", "60"], remove: true } as const;
  const monitors: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { name, pid } = await runDetached({ ...options, name: uniqueName() });
    try {
      // Those before it.
      assertEquals(monitors.filter(isZombie), []);
      monitors.push(Number(/^PPid:\t(\d+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]));
    } finally {
      await stop(name, { time: 0 });
    }
  }
});
