/**
 * What commands write: results to standard output, all else to standard error.
 *
 * @module
 */
import { FluxError } from "../errors.ts";

const encoder = new TextEncoder();

/** Clears a line that is shown for the time being, before anything else is written. */
let clear: (() => void) | undefined;

/** Says what clears the line that is shown for the time being; nothing where there is none any more. */
export function whileWriting(how: (() => void) | undefined): void {
  clear = how;
}

/** Writes a text to standard output, all of it; a reader that has gone is none of our business. */
export function print(text: string): void {
  clear?.();
  const bytes = encoder.encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    const why = (error as Error).message.replace(/ \(os error \d+\)$/, "").toLowerCase();
    throw new FluxError(`standard output can't be written to: ${why}`, { hint: "write elsewhere", cause: error });
  }
}

/**
 * Writes a text to standard error, where that can be written to: what can't be told must not change the exit code.
 */
export function complain(text: string): void {
  clear?.();
  const bytes = encoder.encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch {
    // closed, or on a full disk
  }
}

/** How wide standard output's terminal is; nothing where it is none. */
export function columns(): number | undefined {
  if (!Deno.stdout.isTerminal()) return undefined;
  // A terminal that nobody has told its size says 0.
  return Deno.consoleSize().columns || undefined;
}
