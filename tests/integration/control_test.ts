import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { LimitError, list, NoContainerError, pause, run, stats, unpause, update, UsageError } from "../../mod.ts";
import { groupOf, isUnified, readLimit, unifiedMount } from "./cgroups.ts";
import { BUSYBOX, hostTest, LIBFLUX, libflux, rootTest, uniqueName } from "./support.ts";

const COUNT = ["sh", "-c", "while :; do echo x; sleep 0.01; done"];

const stateOf = async (name: string): Promise<string | undefined> =>
  (await list()).find((one) => one.name === name)?.state;

rootTest("pause: a container stands still until it may go on", async () => {
  await using container = await run({ image: BUSYBOX, command: COUNT });
  const reader = container.stdout.getReader();
  await reader.read();
  await pause(container.name);
  assertEquals(await stateOf(container.name), "paused");
  // What was written before.
  const pending = reader.read();
  const drained = async (): Promise<void> => void await pending;
  await Promise.race([drained(), new Promise((resolve) => setTimeout(resolve, 100))]);
  let moved = false;
  const next = reader.read().then(() => {
    moved = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  assertEquals(moved, false);
  await unpause(container.name);
  await next;
  assertEquals([moved, await stateOf(container.name)], [true, "running"]);
  reader.releaseLock();
});

rootTest("pause: a container that is held can be killed, and replaced", async () => {
  const name = uniqueName();
  await using first = await run({ name, image: BUSYBOX, command: ["sleep", "60"] });
  await pause(name);
  const { code } = await libflux(["run", name, "--replace", "--image", BUSYBOX, "--", "true"]);
  assertEquals([code, (await first.status).signal], [0, "SIGKILL"]);
  await using second = await run({ name, image: BUSYBOX, command: ["sleep", "60"] });
  await pause(name);
  second.kill("SIGKILL");
  assertEquals((await second.status).code, 137);
});

rootTest("update: a limit is raised and lowered while the container runs", async () => {
  await using container = await run({
    image: BUSYBOX,
    command: ["sleep", "60"],
    limits: { memory: 32 * 2 ** 20, pids: 10 },
  });
  const memory = (): string => readLimit(container, "memory", { v2: "memory.max", v1: "memory.limit_in_bytes" });
  const pids = (): string => readLimit(container, "pids", { v2: "pids.max", v1: "pids.max" });
  for (const mebibytes of [64, 16, 128]) {
    await update(container.name, { memory: mebibytes * 2 ** 20 });
    assertEquals(memory(), String(mebibytes * 2 ** 20));
  }
  assertEquals(pids(), "10");
  const { code, stderr } = await libflux(["update", container.name, "--pids-limit", "77"]);
  assertEquals([code, stderr, pids()], [0, "", "77"]);
});

hostTest("update: what the container has no cgroup for is given to it on v2, and told on v1", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sh", "-c", "while :; do :; done"] });
  if (isUnified) {
    await update(container.name, { cpus: 0.2 });
    const before = (await stats([container.name]))[0]?.cpuTime ?? NaN;
    const SECONDS = 2;
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    const share = (((await stats([container.name]))[0]?.cpuTime ?? NaN) - before) / 1000 / SECONDS;
    assert(share > 0.1 && share < 0.3, `${share} of a CPU, and 0.2 were asked for`);
  } else {
    const error = await assertRejects(() => update(container.name, { cpus: 1 }), LimitError);
    assertStringIncludes(error.message, `${container.name} has no limit of cpu that could be changed`);
    assertStringIncludes(error.hint ?? "", "start it with --cpus");
  }
  await assertRejects(() => update(container.name, { cpus: -1 }), UsageError);
});

hostTest("pause, unpause, update: who isn't there, and what can't be, is told in one sentence", async () => {
  for (const command of ["pause", "unpause"]) {
    await assertRejects(() => command === "pause" ? pause("nobody") : unpause("nobody"), NoContainerError);
    for (
      const [args, says] of [[["nobody"], "there is no container nobody"], [[], "needs a name"], [
        ["../x"],
        "can't be",
      ]] as const
    ) {
      const { code, stderr } = await libflux([command, ...args]);
      assertEquals(code, 125);
      assertMatch(stderr, /^libflux: [^\n]+\n$/);
      assertStringIncludes(stderr, says);
    }
  }
  assertStringIncludes((await libflux(["update", "nobody"])).stderr, "no limit was given");
  assertStringIncludes((await libflux(["update", "nobody", "--cpus", "1"])).stderr, "there is no container nobody");
  assert((await libflux(["update", "--help"])).stdout.includes("--memory-high"));
});

// A host with nothing but v2 has no freezer of v1 to be tested.
const testOfLegacy = isUnified ? () => {} : rootTest;

testOfLegacy(
  "pause: where there is only cgroup v1, its freezer holds, and lets go of who is to be killed",
  async () => {
    const script = `${unifiedMount === undefined ? "" : `mount -t tmpfs none ${unifiedMount}`}
    wait_for() { i=0; until "$libflux" ps | grep -q "$1"; do i=$((i+1)); test $i -lt 100 || exit 9; sleep 0.05; done; }
    libflux=$1; image=$2; name=$3
    "$libflux" run $name --image $image -- sleep 60 & first=$!
    wait_for "$name  running"
    "$libflux" pause $name; wait_for "$name  paused"
    "$libflux" unpause $name; wait_for "$name  running"
    "$libflux" pause $name
    "$libflux" run $name --replace --image $image -- true || exit 8
    wait $first; test $? = 137 || exit 7
    "$libflux" run $name --image $image -- sleep 60 & second=$!
    wait_for "$name  running"
    "$libflux" pause $name; kill -9 $second; wait $second
    begin=$(date +%s); "$libflux" ps -q; test $(($(date +%s) - begin)) -lt 5 || exit 6`;
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--mount", "bash", "-c", script, "bash", LIBFLUX, BUSYBOX, uniqueName()],
    }).output();
    const decoder = new TextDecoder();
    assertEquals([code, decoder.decode(stdout)], [0, ""], decoder.decode(stderr));
  },
);

testOfLegacy("update: what isn't named stays as it is, swap too", async () => {
  const mebibytes = (count: number): number => count * 2 ** 20;
  await using container = await run({
    image: BUSYBOX,
    command: ["sleep", "60"],
    limits: { memory: mebibytes(64), memorySwap: mebibytes(64) },
  });
  const both = `${groupOf(container, "memory")}/memory.memsw.limit_in_bytes`;
  await update(container.name, { memory: mebibytes(32) });
  assertEquals(Deno.readTextFileSync(both).trim(), String(mebibytes(64)));
  // v1 has one limit for memory and swap together, which can't be less than that of memory.
  await update(container.name, { memory: mebibytes(96) });
  assertEquals(Deno.readTextFileSync(both).trim(), String(mebibytes(96)));
});
