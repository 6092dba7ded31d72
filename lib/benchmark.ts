/**
 * How fast containers start on this host.
 *
 * @module
 */
import { type Container, run } from "./container.ts";
import { FluxError } from "./errors.ts";
import type { RunOptions } from "./spec/options.ts";

/**
 * What to measure.
 *
 * @example Without PID 1 of libflux's own
 * ```ts
 * import { benchmark, type BenchmarkOptions } from "@libflux/cli/mod";
 *
 * const options: BenchmarkOptions = { count: 5, options: { init: false } };
 * console.log((await benchmark(options)).total.median);
 * ```
 */
export interface BenchmarkOptions {
  /** A directory with a root filesystem; `/` if left out. */
  readonly image?: string;
  /** How many containers to run; 100 if left out. */
  readonly count?: number;
  /** What each runs; `true` if left out. */
  readonly command?: readonly string[];
  /** Also measure memory. */
  readonly memory?: boolean;
  /** The state root. */
  readonly root?: string;
  /** What else each container shall have, as {@linkcode run} takes it. */
  readonly options?: Omit<RunOptions, "image" | "command" | "root" | "name">;
  /** Called after each container with the number that have ended. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Milliseconds.
 *
 * @example The fastest and the slowest of ten
 * ```ts
 * import { benchmark, type Statistics } from "@libflux/cli/mod";
 *
 * const { min, max }: Statistics = (await benchmark({ count: 10 })).total;
 * console.log(`${min.toFixed(2)} to ${max.toFixed(2)} ms`);
 * ```
 */
export interface Statistics {
  /** The fastest. */
  readonly min: number;
  /** Half were faster. */
  readonly median: number;
  /** 95 of 100 were faster. */
  readonly p95: number;
  /** The slowest. */
  readonly max: number;
}

/**
 * What was measured.
 *
 * @example Where does the time go?
 * ```ts
 * import { benchmark, type BenchmarkResult } from "@libflux/cli/mod";
 *
 * const { creation, start, tearDown }: BenchmarkResult = await benchmark({ count: 5 });
 * console.log(creation.median, start.median, tearDown.median);
 * ```
 */
export interface BenchmarkResult {
  /** The number of containers. */
  readonly count: number;
  /** From the options to a linked image. */
  readonly creation: Statistics;
  /** From `clone3` to the command's `execve`. */
  readonly start: Statistics;
  /** From the options to a clean host. */
  readonly total: Statistics;
  /** From the command's end to a clean host. */
  readonly tearDown: Statistics;
  /** Every total, in the order of the runs. */
  readonly totals: readonly number[];
  /** Bytes that are this process's, and those of one container's PID 1. */
  readonly memory?: { readonly process: number; readonly container: number };
}

/** Sums up measurements: by nearest rank, so that each figure is one that was measured. */
export function statistics(samples: readonly number[]): Statistics {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { min: rank(0), median: rank(0.5), p95: rank(0.95), max: rank(1) };
}

/** Memory that is a process's own or its share of what is shared: `Pss`, in bytes; 0 where it can't be read. */
function memoryOf(pid: number | "self"): number {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** How many containers run before the measuring begins: the first ones compile libflux itself. */
const WARM_UP = 5;

/**
 * Runs containers one after the other and measures each.
 *
 * @throws {FluxError} As {@linkcode run} does, or when the command fails.
 *
 * @example The median time of a whole container
 * ```ts
 * import { benchmark } from "@libflux/cli/mod";
 *
 * const { total } = await benchmark({ count: 100 });
 * console.log(`${total.median.toFixed(2)} ms`);
 * ```
 */
export async function benchmark(options: BenchmarkOptions = {}): Promise<BenchmarkResult> {
  const { count = 100, command = ["true"], image = "/" } = options;
  const runOptions: RunOptions = {
    image,
    command,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    // What a network takes is another question.
    network: "none",
    ...options.options,
    ...(options.root === undefined ? {} : { root: options.root }),
  };
  const samples = { creation: [] as number[], start: [] as number[], total: [] as number[], tearDown: [] as number[] };
  for (let i = -Math.min(WARM_UP, count); i < count; i++) {
    const begin = performance.now();
    await using container = await run(runOptions);
    const { code } = await container.status;
    const total = performance.now() - begin;
    if (code !== 0) {
      throw new FluxError(`${command[0]} ended with exit code ${code}`, { hint: "measure a command that succeeds" });
    }
    if (i < 0) continue;
    const { create, start, tearDown } = container.timings;
    samples.creation.push(create);
    samples.start.push(start);
    samples.total.push(total);
    samples.tearDown.push(tearDown);
    options.onProgress?.(i + 1);
  }
  const memory = options.memory === true ? { memory: await measureMemory(runOptions) } : {};
  return {
    count,
    creation: statistics(samples.creation),
    start: statistics(samples.start),
    total: statistics(samples.total),
    tearDown: statistics(samples.tearDown),
    totals: samples.total,
    ...memory,
  };
}

/** Of this process, and of the PID 1 that libflux adds to a container. */
async function measureMemory(options: RunOptions): Promise<{ process: number; container: number }> {
  // A shell that waits for its input's end: every image with `sleep` has one, and some have no `sleep`.
  await using container: Container = await run({ ...options, command: ["sh", "-c", "read line"], stdin: "piped" });
  return { process: memoryOf("self"), container: memoryOf(container.pid) };
}
