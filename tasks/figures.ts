/**
 * What was measured, and how it is told.
 *
 * @module
 */

/** Milliseconds. */
export interface Timing {
  readonly min: number;
  readonly median: number;
}

/** Half of the values are less. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** Milliseconds in a column. */
export const ms = (value: number): string => `${value.toFixed(2)} ms`.padStart(10);

/** Says whether a goal is met. */
export function goal(sentence: string, met: boolean): void {
  console.log(`  ${met ? "met   " : "MISSED"}  ${sentence}`);
}

/** Milliseconds that something takes. */
export async function timed(work: () => unknown): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/**
 * Measures several things by turns, so that whatever else the machine does meets all of them alike.
 *
 * @param pause Milliseconds before each: what the last one has left is cleaned up by the kernel meanwhile.
 */
export async function byTurns<const T extends readonly (() => unknown)[]>(
  works: T,
  { rounds, pause }: { readonly rounds: number; readonly pause: number },
): Promise<{ readonly [K in keyof T]: Timing }> {
  const samples = works.map((): number[] => []);
  // The first round is for caches.
  for (let round = -1; round < rounds; round++) {
    for (const [index, work] of works.entries()) {
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      const taken = await timed(work);
      if (round >= 0) samples[index]?.push(taken);
    }
  }
  const timings = samples.map((values) => ({ min: Math.min(...values), median: median(values) }));
  return timings as { readonly [K in keyof T]: Timing };
}
