import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { NoContainerError, run, stats, top } from "../../mod.ts";
import { BUSYBOX, hostTest, libflux, rootTest, startLibflux, uniqueName, usersTest } from "./support.ts";

rootTest("stats: a busy container is seen to be busy, and its limit shown", async () => {
  const name = uniqueName();
  const command = ["sh", "-c", "while :; do :; done"];
  await using container = await run({ name, image: BUSYBOX, command, limits: { memory: 2 ** 26, cpus: 0.5 } });
  const { code, stdout } = await libflux(["stats", container.name, "--no-stream", "--format", "json"]);
  assertEquals(code, 0);
  const [found] = JSON.parse(stdout);
  assertEquals([found.name, found.memoryLimit, found.pids], [name, 2 ** 26, 2]);
  assert(found.cpu > 10 && found.cpu < 90, stdout);
  assert(found.memory > 0 && found.memory < 2 ** 26, stdout);
  const text = (await libflux(["stats", "--no-stream"])).stdout;
  assertMatch(text, /^NAME +CPU % +MEMORY \/ LIMIT +PIDS/);
  assertStringIncludes(text, "/ 64.0 MiB");
});

hostTest("stats: without limits the processes themselves are asked", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sh", "-c", "while :; do :; done"] });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const [found] = await stats([container.name]);
  assert((found?.cpuTime ?? 0) > 50, JSON.stringify(found));
  assert((found?.memory ?? 0) > 4096, JSON.stringify(found));
  assertEquals(found?.memoryLimit, undefined);
});

hostTest("stats: streams until it is interrupted", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sleep", "60"] });
  const child = startLibflux(["stats", container.name]);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  for (let i = 0; i < 2; i++) {
    assertStringIncludes(new TextDecoder().decode((await reader.read()).value), container.name);
  }
  child.kill("SIGINT");
  await Promise.all([reader.cancel(), child.stderr.cancel()]);
  assertEquals((await child.status).signal, "SIGINT");
});

usersTest("top: processes have the container's own numbers", async () => {
  const command = ["sh", "-c", "sleep 61 & exec sleep 60"];
  await using container = await run({ image: BUSYBOX, command, user: "7" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const found = await top(container.name);
  assertEquals(found.map(({ pid }) => pid), [1, 2, 3]);
  assertEquals(found.slice(1).map(({ command, uid }) => [command, uid]), [["sleep 60", 7], ["sleep 61", 7]]);
  assertEquals(found[0]?.hostPid, container.pid);
  const { stdout } = await libflux(["top", container.name]);
  assertMatch(stdout, /^PID +HOST PID +UID +TIME +MEMORY +COMMAND\n1 /);
});

hostTest("stats and top: who isn't there is told", async () => {
  await assertRejects(() => stats(["nobody"]), NoContainerError);
  await assertRejects(() => top("nobody"), NoContainerError);
  assertEquals(
    (await libflux(["top", "nobody"])).stderr,
    "libflux: there is no container nobody; 'libflux ps' lists those that run\n",
  );
  assertEquals((await libflux(["top"])).stderr, "libflux: 'libflux top' takes one name; write libflux top NAME\n");
  assertStringIncludes((await libflux(["stats", "--format", "x"])).stderr, `--format is table or json, not "x"`);
});
