import { assert, assertEquals } from "@std/assert";
import { run } from "../../mod.ts";
import { groupOf, mountOf } from "./cgroups.ts";
import { BUSYBOX, patience, rootTest } from "./support.ts";

/** Fewer where everything takes 20 times as long. */
const RUNS = patience(1) > 1 ? 150 : 500;

const MEBI = 2 ** 20;

/** Cgroups that the kernel keeps, those included that are removed and still hold pages. */
function kept(): number {
  const table = Deno.readTextFileSync("/proc/cgroups");
  return Math.max(...table.trim().split("\n").slice(1).map((line) => Number(line.split("\t")[2])));
}

/** Bytes of what the kernel itself keeps for cgroups, and of memory that no file can give back. */
function memory(): number {
  const text = Deno.readTextFileSync(`${mountOf("memory")}/memory.stat`);
  const of = (key: string): number => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  return ["anon", "rss", "shmem", "kernel_stack", "unevictable"].reduce((sum, key) => sum + of(key), 0);
}

async function containers(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await using container = await run({
      image: BUSYBOX,
      command: ["true"],
      stdout: "null",
      stderr: "null",
      limits: { memory: 32 * MEBI, cpus: 1, pids: 20 },
    });
    assertEquals((await container.status).code, 0);
  }
}

rootTest(`limits: ${RUNS} containers with limits leave no cgroup, and no memory in use`, async () => {
  // The first ones open, load and cache what all the others use too.
  await containers(20);
  const [groups, bytes] = [kept(), memory()];
  await containers(RUNS);
  const deadline = performance.now() + patience(10_000);
  while (kept() > groups + 5 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
  // Others on this machine may have made some meanwhile.
  assert(kept() <= groups + 5, `${groups} cgroups before, ${kept()} after ${RUNS} containers`);
  assert(memory() - bytes < 64 * MEBI, `${(memory() - bytes) / MEBI} MiB more are in use`);
});

rootTest(
  "limits: a --cgroup-parent that libflux has made goes with the last container in it, whoever made it",
  async () => {
    const cgroupParent = `/libflux-test-${Deno.pid}/made/here`;
    const options = { image: BUSYBOX, command: ["sleep", "1000"], cgroupParent, limits: { pids: 50 } } as const;
    const first = await run(options);
    const second = await run(options);
    const parent = groupOf(second, "pids").replace(/\/[^/]+$/, "");
    assert(parent.endsWith(cgroupParent), parent);
    await first[Symbol.asyncDispose]();
    assert(Deno.statSync(parent).isDirectory);
    await second[Symbol.asyncDispose]();
  },
);
