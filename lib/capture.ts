/**
 * Whether and how the output of a container is logged, and what is kept of it.
 *
 * @module
 */
import { Capture } from "./logs/capture.ts";
import type { Prepared } from "./prepare.ts";
import { checkLog } from "./spec/log_options.ts";
import type { RunOptions } from "./spec/options.ts";
import type { ContainerRecord, History } from "./store/history.ts";

/** What is known of a container before it runs. @param restarts How often it was started again. */
export function recordOf(
  { name, id, spec }: Prepared,
  { labels = {}, log = {}, terminal, remove = false }: RunOptions,
  created: Date,
  restarts = 0,
): ContainerRecord {
  return {
    ...{ name, id, image: spec.root.path, command: spec.process.args ?? [], labels },
    ...{ created: created.toISOString(), restarts, log: checkLog(log), terminal: terminal !== undefined, remove },
  };
}

/** What logs the output of a container; nothing where nobody asked for it. Writes nothing yet. */
export function beginCapture(
  history: History,
  prepared: Prepared,
  options: RunOptions,
  created: Date,
): Capture | undefined {
  if (options.log === undefined || options.log.driver === "none") return undefined;
  const capture = new Capture(history, recordOf(prepared, options, created));
  // Laid before the pump is made, which must know of it.
  if (options.terminal !== undefined) capture.tap();
  return capture;
}
