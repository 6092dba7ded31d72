/**
 * `libflux stats` and `libflux top`: what runs in containers, and what it uses.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { table } from "../render.ts";
import { type ContainerStats, cpuTimes, running, top, usageOf } from "../stats.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { columns, print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "stream", help: "go on until interrupted (default); --no-stream: once" },
  { name: "format", value: "table|json", help: "table by default" },
];

/** `libflux stats`. */
export const STATS: Command = {
  name: "stats",
  usage: ["stats [NAME…] [FLAG…]"],
  about: "Shows what containers use: all of yours, or those named.",
  flags: FLAGS,
  operands: { names: "running" },
  examples: [{ line: "libflux stats --no-stream --format json web", about: "once, for a program" }],
  run: statsCommand,
};

/** `libflux top`. */
export const TOP: Command = {
  name: "top",
  usage: ["top NAME"],
  about: "Lists the processes of a container, by their numbers inside.",
  flags: [],
  operands: { names: "running" },
  maxOperands: 1,
  run: topCommand,
};

/** Milliseconds between two looks at CPU times; the first two are close together, so that nobody waits for them. */
const [INTERVAL, FIRST] = [1_000, 50] as const;

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** "512 B", "1.5 MiB" */
export function bytes(count: number): string {
  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, count)) / 10)));
  const value = count / 2 ** (10 * power);
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** One container between two looks, with its share of one CPU in percent. */
type Row = ContainerStats & { readonly cpu: number };

/** CPU times by name, and about when they were so: as `performance.now()` counts. */
interface Look {
  readonly at: number;
  readonly times: ReadonlyMap<string, number>;
}

const look = (states: Parameters<typeof cpuTimes>[0]): Look => ({ at: performance.now(), times: cpuTimes(states) });

function rows(found: readonly ContainerStats[], before: Look, after: Look): Row[] {
  return found.map((one) => {
    const cpuTime = after.times.get(one.name) ?? one.cpuTime;
    const used = cpuTime - (before.times.get(one.name) ?? cpuTime);
    return { ...one, cpuTime, cpu: Math.max(0, Math.round(used / (after.at - before.at) * 10_000) / 100) };
  });
}

function show(found: readonly Row[]): string {
  return table(
    ["NAME", "CPU %", "MEMORY / LIMIT", "PIDS", "READ / WRITTEN", "WAITED FOR CPU/MEM/IO %"],
    found.map(({ name, cpu, memory, memoryLimit, pids, read, written, pressure }) => [
      name,
      cpu.toFixed(2),
      `${bytes(memory)} / ${memoryLimit === undefined ? "-" : bytes(memoryLimit)}`,
      String(pids),
      `${bytes(read)} / ${bytes(written)}`,
      pressure === undefined
        ? "-"
        : [pressure.cpu, pressure.memory, pressure.io].map((one) => one.toFixed(1)).join("/"),
    ]),
    { width: columns(), whole: [0] },
  );
}

/** Runs `stats`; answers the exit code. */
export async function statsCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("stats", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(STATS));
    return 0;
  }
  const format = flags.value("format") ?? "table";
  if (format !== "table" && format !== "json") {
    throw new UsageError(`--format is table or json, not "${printable(format)}"`);
  }
  const names = [...flags.positional, ...(flags.rest ?? [])];
  const root = flags.value("root");
  const where = root === undefined ? {} : { root };
  const stream = flags.on("stream") ?? true;
  const isTerminal = Deno.stdout.isTerminal();
  for (let before: Look | undefined;;) {
    if (before !== undefined) await sleep(INTERVAL);
    const states = await running(names, where);
    before ??= look(states);
    // The first time all else is found out meanwhile, which of many containers takes as long.
    const used = usageOf(states, before.times);
    await sleep(Math.max(0, FIRST - (performance.now() - before.at)));
    const after = look(states);
    const found = rows(used, before, after);
    // From the top of an empty screen, as top does.
    const home = stream && isTerminal && format === "table" ? "\x1b[H\x1b[2J" : "";
    print(format === "json" ? `${JSON.stringify(found)}\n` : home + show(found));
    if (!stream) return 0;
    before = after;
  }
}

/** Minutes and seconds: "12:05". */
const minutes = (milliseconds: number): string => {
  const seconds = Math.floor(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

/** Runs `top`; answers the exit code. */
export async function topCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("top", [], args);
  if (flags.on("help") === true) {
    print(helpText(TOP));
    return 0;
  }
  const [name, ...extra] = [...flags.positional, ...(flags.rest ?? [])];
  if (name === undefined || extra.length > 0) {
    throw new UsageError("'libflux top' takes one name", { hint: "write libflux top NAME" });
  }
  const root = flags.value("root");
  const found = await top(name, root === undefined ? {} : { root });
  print(table(
    ["PID", "HOST PID", "UID", "TIME", "MEMORY", "COMMAND"],
    found.map(({ pid, hostPid, uid, cpuTime, memory, command }) => [
      ...[pid, hostPid, uid].map(String),
      ...[minutes(cpuTime), bytes(memory), printable(command)],
    ]),
    { width: columns(), whole: [0] },
  ));
  return 0;
}
