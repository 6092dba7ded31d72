/**
 * Several things of which each is to be done, whatever becomes of the others: what was taken is given back, all of it.
 *
 * @module
 */
import { warn } from "./warnings.ts";

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

/** The same where something has failed already, which is what counts: what fails now is told by a warning. */
export async function inTurnOrWarn(...steps: readonly (() => unknown)[]): Promise<void> {
  try {
    await inTurn(...steps);
  } catch (error) {
    warn(`not everything of a failed container could be given back: ${error instanceof Error ? error.message : error}`);
  }
}

/** Waits for all of them; throws what the first of them has thrown. */
export async function allEnded(all: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  for (const one of await Promise.allSettled(all)) if (one.status === "rejected") throw one.reason;
}
