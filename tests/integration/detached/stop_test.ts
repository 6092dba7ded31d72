import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostTest, libflux, patience, rootTest, startLibflux, uniqueName } from "../support.ts";
import { detached, eventually, isRunning, script } from "./support.ts";

hostTest("stop sends SIGTERM, waits for the end, and returns when the host is clean", async () => {
  await using container = await script("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done");
  await eventually(() => container.output() === "ready\n", "it is ready");
  const pid = container.state?.pid ?? 0;
  const { code, stdout, stderr } = await libflux(["stop", container.name]);
  assertEquals([code, stdout, stderr], [0, `${container.name}\n`, ""]);
  assert(!isRunning(pid));
  assertEquals([container.state, container.record?.code, container.output()], [undefined, 5, "ready\nbye\n"]);
});

hostTest("stop kills what doesn't listen, after --time, or what the container was started with", async () => {
  for (const [flags, time] of [[[], ["--time", "0.2"]], [["--stop-timeout", "0.2"], []]] as const) {
    await using container = await detached(flags, [
      "sh",
      "-c",
      "trap '' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    await eventually(() => container.output() === "ready\n", "it is ready");
    assertEquals((await libflux(["stop", ...time, container.name])).code, 0);
    assertEquals([container.record?.code, container.record?.signal], [137, "SIGKILL"]);
  }
});

hostTest("stop sends the signal that the container was started with, or that it is told", async () => {
  const text = "trap 'exit 1' TERM; trap 'exit 2' USR1; trap 'exit 3' HUP; echo ready; while :; do sleep 0.05; done";
  await using own = await script(text, ["--stop-signal", "USR1"]);
  await using told = await script(text);
  await eventually(() => own.output() + told.output() === "ready\nready\n", "they are ready");
  await libflux(["stop", own.name]);
  await libflux(["stop", "--signal", "hup", told.name]);
  assertEquals([own.record?.code, told.record?.code], [2, 3]);
});

hostTest("stop takes many at the same time, and tells of those that fail", async () => {
  await using a = await script("sleep 60");
  await using b = await script("sleep 60");
  const { code, stdout, stderr } = await libflux(["stop", a.name, "nobody-at-all", b.name]);
  assertEquals([code, stdout], [125, `${a.name}\n${b.name}\n`]);
  assertStringIncludes(stderr, "there is no container nobody-at-all");
  // As with docker, one that has ended is none that can't be stopped.
  assertEquals(await libflux(["stop", a.name]), { code: 0, stdout: `${a.name}\n`, stderr: "" });
});

hostTest("stop ends a container in the foreground of another libflux, which tells its exit code", async () => {
  const name = uniqueName();
  const child = startLibflux([
    "run",
    name,
    "--image",
    "build/rootfs/busybox",
    "--network",
    "none",
    "--",
    "sleep",
    "60",
  ]);
  const output = child.output();
  await eventually(async () => (await libflux(["ps", "-q"])).stdout.split("\n").includes(name), "it runs");
  assertEquals((await libflux(["stop", name])).code, 0);
  assertEquals((await output).code, 143);
});

hostTest("kill sends any signal by any of its names, SIGKILL if none is said", async () => {
  for (
    const [flags, code] of [[[], 137], [["-s", "TERM"], 143], [["--signal", "15"], 143], [["-sSIGHUP"], 129]] as const
  ) {
    await using container = await detached([], ["sleep", "60"]);
    assertEquals((await libflux(["kill", ...flags, container.name])).code, 0);
    await container.gone();
    assertEquals(container.record?.code, code);
  }
  const { code, stderr } = await libflux(["kill", "-s", "SIGTREM", "x"]);
  assertEquals(code, 125);
  assertStringIncludes(stderr, "did you mean SIGTERM?");
});

hostTest("wait prints the exit code, whether the container runs, has ended, or leaves no record", async () => {
  await using running = await script("sleep 0.3; exit 6");
  await using ended = await script("exit 7");
  await using removed = await script("sleep 0.3; exit 8", ["--rm"]);
  await ended.gone();
  const results = await Promise.all(
    [running, ended, removed].map(({ name }) => libflux(["wait", name], { timeout: patience(10_000) })),
  );
  assertEquals(results.map(({ stdout }) => stdout), ["6\n", "7\n", "8\n"]);
  assertEquals(results.map(({ stderr }) => stderr), ["", "", ""]);
  assertStringIncludes((await libflux(["wait", "nobody-at-all"])).stderr, "there is no container");
});

rootTest("a paused container can be stopped", async () => {
  await using container = await script("sleep 60");
  const paused = await libflux(["pause", container.name]);
  assertEquals([paused.code, paused.stderr], [0, ""]);
  assertEquals((await libflux(["stop", "--time", "0.2", container.name])).code, 0);
  assertEquals(container.state, undefined);
});
