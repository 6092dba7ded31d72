/**
 * `libflux benchmark`: how fast containers start here.
 *
 * @module
 */
import { benchmark, type BenchmarkResult, type Statistics } from "../benchmark.ts";
import { printable, UsageError } from "../errors.ts";
import { histogram, progressBar } from "../chart.ts";
import { table } from "../render.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags, refuseArguments } from "./flags.ts";
import { columns, complain, print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "image", value: "DIR", help: "the root filesystem; / by default" },
  { name: "count", short: "n", value: "N", help: "how many containers to run; 100 by default" },
  { name: "command", value: "COMMAND", help: "what each runs, with arguments separated by blanks; 'true' by default" },
  { name: "memory", help: "also measure memory" },
  { name: "verbose", help: "show every container's time" },
  { name: "format", value: "table|json", help: "table by default" },
];

/** `libflux benchmark`. */
export const BENCHMARK: Command = {
  name: "benchmark",
  usage: ["benchmark [--image ROOTFS] [FLAG…]"],
  about: "Runs containers one after the other and measures each.",
  flags: FLAGS,
  maxOperands: 0,
  examples: [{ line: "libflux benchmark --image /srv/debian --count 200" }],
  run: benchmarkCommand,
};

const MAX_COUNT = 100_000;

const milliseconds = (value: number): string => `${value.toFixed(2)} ms`;
const kilobytes = (bytes: number): string => `${Math.round(bytes / 1024).toLocaleString("en")} KB`;

function row(name: string, { min, median, p95, max }: Statistics): string[] {
  return [name, ...[min, median, p95, max].map(milliseconds)];
}

function show(result: BenchmarkResult, verbose: boolean, width: number): string {
  const parts = [
    table(["", "MIN", "MEDIAN", "P95", "MAX"], [
      row("creation (options to linked image)", result.creation),
      row("start (clone3 to the command's exec)", result.start),
      row("tear-down (command's end to clean host)", result.tearDown),
      row("total", result.total),
    ]),
    `\ntotal of ${result.count} containers\n${histogram(result.totals, width)}`,
  ];
  if (result.memory !== undefined) {
    parts.push(
      `\nmemory: ${kilobytes(result.memory.process)} this process, ${
        kilobytes(result.memory.container)
      } a container's PID 1\n`,
    );
  }
  if (verbose) {
    parts.push(
      "\n" + result.totals.map((total, index) => `${String(index + 1).padStart(6)}  ${milliseconds(total)}\n`).join(""),
    );
  }
  return parts.join("");
}

/** Measures and prints; answers the exit code. */
export async function benchmarkCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("benchmark", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(BENCHMARK));
    return 0;
  }
  refuseArguments("benchmark", flags);
  const countText = flags.value("count") ?? "100";
  const count = /^[0-9]{1,6}$/.test(countText) ? Number(countText) : 0;
  if (count < 1 || count > MAX_COUNT) {
    throw new UsageError(`--count is a number from 1 to ${MAX_COUNT}, not "${printable(countText)}"`);
  }
  const format = flags.value("format") ?? "table";
  if (format !== "table" && format !== "json") {
    throw new UsageError(`--format is table or json, not "${printable(format)}"`);
  }
  const image = flags.value("image");
  const root = flags.value("root");
  const width = Math.min(columns() ?? 80, 100);
  const live = Deno.stderr.isTerminal() && format === "table";
  let shown = 0;
  const result = await benchmark({
    count,
    command: (flags.value("command") ?? "true").split(" ").filter((part) => part !== ""),
    memory: flags.on("memory") ?? false,
    ...(image === undefined ? {} : { image }),
    ...(root === undefined ? {} : { root }),
    onProgress: (done) => {
      // 20 pictures a second are enough for an eye, and disturb the measuring less.
      if (!live || performance.now() - shown < 50 && done < count) return;
      shown = performance.now();
      complain(`\r${progressBar(done, count, width - 1)}`);
    },
  });
  if (live) complain("\r\x1b[K");
  print(format === "json" ? `${JSON.stringify(result, null, 2)}\n` : show(result, flags.on("verbose") ?? false, width));
  return 0;
}
