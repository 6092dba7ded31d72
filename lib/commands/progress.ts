/**
 * A line on a terminal while something takes longer than a second.
 *
 * @module
 */
import { cut } from "../width.ts";
import { complain, whileWriting } from "./output.ts";

/** Milliseconds that nobody minds. */
const PATIENCE = 1_000;
/** Milliseconds between two pictures. */
const PACE = 100;
const PICTURES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** The line after so many milliseconds. */
export function progressLine(what: string, elapsed: number): string {
  const picture = PICTURES[Math.floor(elapsed / PACE) % PICTURES.length];
  return `${picture} ${what} (${Math.floor(elapsed / 1000)} s)`;
}

/**
 * Does something, and shows on standard error what it is that takes so long: only on a terminal, only after a second, and
 * nothing of it stays.
 *
 * @param what What is being done, such as "creating the network backend"; asked again for each picture.
 */
export async function withProgress<T>(what: () => string, body: () => Promise<T>): Promise<T> {
  // Timers are loaded at the first call, and that isn't for nothing.
  if (!Deno.stderr.isTerminal()) return await body();
  const begin = performance.now();
  let shown = false;
  const hide = (): void => {
    whileWriting(undefined);
    if (shown) complain("\r\x1b[K");
    shown = false;
  };
  const show = (): void => {
    const width = Deno.consoleSize().columns || 80;
    whileWriting(undefined);
    // Not to the last column, which some terminals end the line at.
    complain(`\r${cut(progressLine(what(), performance.now() - begin), width - 1)}\x1b[K`);
    shown = true;
    whileWriting(hide);
  };
  let timer = setTimeout(function again() {
    show();
    timer = setTimeout(again, PACE);
  }, PATIENCE);
  try {
    return await body();
  } finally {
    clearTimeout(timer);
    hide();
  }
}
