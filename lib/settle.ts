/**
 * Several things of which each is to be done, whatever becomes of the others: what was taken is given back, all of it.
 *
 * @module
 */

/** Does one after the other; throws what the first that failed threw. */
export async function inTurn(...steps: readonly (() => unknown)[]): Promise<void> {
  const failed: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failed.push(error);
    }
  }
  if (failed.length > 0) throw failed[0];
}

/** Waits for all of them; throws what the first of them has thrown. */
export async function allEnded(all: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  for (const one of await Promise.allSettled(all)) if (one.status === "rejected") throw one.reason;
}
