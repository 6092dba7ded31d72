/**
 * What being locked in costs a container, and what it costs to have no privileges: part of `deno task bench`, or alone as
 * root in a mount and network namespace of its own, with the checkout's test images.
 *
 * @module
 */
import { run as runContainer, type RunOptions } from "../mod.ts";
import { byTurns, goal, ms, type Timing } from "./figures.ts";
import { capture, configArgs, ROOT, run } from "./process.ts";

const ROUNDS = 200;
/** How often root and an ordinary user take turns: each is a process of its own. */
const TURNS = 4;
const IMAGE = "build/rootfs/busybox";
const SELF = "tasks/security_bench.ts";

/** The whole life of a container, from its options until all of it has gone. */
const life = (options: Partial<RunOptions>) => async (): Promise<void> => {
  await using container = await runContainer({ image: IMAGE, network: "none", command: ["true"], ...options });
  await container.status;
};

async function measure(): Promise<Timing> {
  const [timing] = await byTurns([life({})], { rounds: ROUNDS, pause: 0 });
  return timing;
}

/** The same in another process, which tells it on its standard output. */
async function elsewhere(program: string, args: readonly string[]): Promise<Timing> {
  const { code, output } = await capture(program, [...args, "--figures"]);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${output.trim().split("\n").at(-1)}`);
  return JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "");
}

/** Measures, and tells. */
export async function securityBench(): Promise<void> {
  if (await run(Deno.execPath(), ["run", "-A", ...configArgs(), "tests/integration/prepare.ts"]) !== 0) {
    throw new Error("the test images can't be made");
  }
  const [locked, open] = await byTurns([
    life({}),
    life({ seccomp: "unconfined", noNewPrivileges: false, unmask: ["ALL"], capAdd: ["ALL"], apparmor: "unconfined" }),
  ], { rounds: ROUNDS, pause: 0 });
  const script = ["run", "-A", "--quiet", "--no-check", SELF];
  const enter = ["--mount", "--net", "--propagation", "private", `${ROOT}/tests/integration/rootless/enter.sh`];
  const root: Timing[] = [];
  const user: Timing[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    root.push(await elsewhere(Deno.execPath(), script));
    user.push(await elsewhere("unshare", [...enter, "ranges", ROOT, Deno.execPath(), "deno", ...script]));
  }
  // The machine may have had something else to do in one of them: the least of the medians counts.
  const best = (timings: readonly Timing[]): Timing => ({
    min: Math.min(...timings.map(({ min }) => min)),
    median: Math.min(...timings.map(({ median }) => median)),
  });
  console.log("\na container's whole life in one process    min       median");
  const row = (name: string, { min, median }: Timing): void =>
    console.log(`${name.padEnd(36)}${ms(min)}   ${ms(median)}`);
  row("  locked in, as it is by default", locked);
  row("  with no filter, mask or lost right", open);
  row("  root's", best(root));
  row("  an ordinary user's, with ranges", best(user));
  const more = locked.median - open.median;
  goal(`security costs at most 0.3 ms: ${ms(more).trim()}`, more <= 0.3);
  const rootless = best(user).median - best(root).median;
  goal(`having no privileges costs at most 5 ms: ${ms(rootless).trim()}`, rootless <= 5);
}

if (import.meta.main) {
  if (Deno.args.includes("--figures")) console.log(JSON.stringify(await measure()));
  else await securityBench();
}
