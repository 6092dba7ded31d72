/**
 * `deno run -A tasks/many_bench.ts [N]`: what two hundred containers in the background take, and how fast they are listed
 * and stopped. In namespaces of its own, which end with it.
 *
 * @module
 */
import { History, historyRoot } from "../lib/store/history.ts";
import { Store } from "../lib/store/state.ts";
import { BUSYBOX } from "../tests/integration/trees.ts";
import { BINARY } from "./build.ts";
import { goal, median, ms, timed } from "./figures.ts";
import { NAMESPACES, ROOT, run } from "./process.ts";

/** How often what can be repeated is measured. */
const ROUNDS = 15;
/** Milliseconds, but for the first: KiB of memory beside the command's own. */
const GOALS = { memory: 200, list: 150, stop: 5_000 } as const;
const INSIDE = "--inside";

async function libflux(...args: readonly string[]): Promise<void> {
  const command = new Deno.Command(BINARY, { args: [...args], stdin: "null", stdout: "null", stderr: "inherit" });
  const { success } = await command.output();
  if (!success) throw new Error(`libflux ${args.join(" ")} has failed`);
}

/** KiB of memory that are a process's own, or its share of what it has with others. */
function memory(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`))?.[1] ?? NaN);
}

async function times(...args: readonly string[]): Promise<number> {
  const values: number[] = [];
  for (let round = 0; round < ROUNDS; round++) values.push(await timed(() => libflux(...args)));
  return median(values);
}

async function measure(count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `many-${index}`);
  const flags = ["--detach", "--rm", "--image", BUSYBOX, "--network", "none"];
  const start = await timed(async () => {
    for (const name of names) await libflux("run", name, ...flags, "--", "sleep", "1000");
  });
  const store = new Store("/run/libflux", new History(historyRoot(undefined)));
  const states = names.flatMap((name) => store.state(name) ?? []);
  const kib = states.reduce((sum, { pid, monitor }) => sum + memory(pid) + memory(monitor), 0) / states.length;
  const [ps, stats] = [await times("ps"), await times("stats", "--no-stream")];
  const stop = await timed(() => libflux("stop", "--all"));
  const left = store.names().length;
  console.log(`${count} containers in the background, median of ${ROUNDS}:`);
  console.log(`  start, one after the other  ${ms(start / count)} each`);
  console.log(`  monitor and PID 1           ${kib.toFixed(0).padStart(7)} KiB each`);
  console.log(`  ps                          ${ms(ps)}`);
  console.log(`  stats --no-stream           ${ms(stats)}`);
  console.log(`  stop --all                  ${ms(stop)}`);
  goal(`at most ${GOALS.memory} KiB each`, kib <= GOALS.memory);
  goal(`ps and stats within ${GOALS.list} ms`, Math.max(ps, stats) <= GOALS.list);
  goal(`all stopped within ${GOALS.stop / 1000} s, and nothing left`, stop <= GOALS.stop && left === 0);
}

async function main(): Promise<number> {
  const count = Number(Deno.args.find((arg) => /^[1-9][0-9]{0,3}$/.test(arg)) ?? 200);
  if (Deno.args.includes(INSIDE)) {
    await measure(count);
    return 0;
  }
  const [program = "", ...rest] = NAMESPACES;
  return await run(program, [
    ...rest,
    Deno.execPath(),
    "run",
    "-A",
    `${ROOT}/tasks/many_bench.ts`,
    INSIDE,
    String(count),
  ]);
}

if (import.meta.main) Deno.exit(await main());
