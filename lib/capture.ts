/**
 * Whether and how the output of a container is logged, and what is kept of it.
 *
 * @module
 */
import { Capture } from "./logs/capture.ts";
import type { Prepared } from "./prepare.ts";
import { checkLog } from "./spec/log_options.ts";
import type { RunOptions } from "./spec/options.ts";
import type { ContainerRecord } from "./store/history.ts";
import type { Store } from "./store/state.ts";
import { trim } from "./store/trim.ts";
import { warn } from "./warnings.ts";

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
  store: Store,
  prepared: Prepared,
  options: RunOptions,
  created: Date,
): Capture | undefined {
  if (options.log === undefined || options.log.driver === "none") return undefined;
  return new Capture(store.history, recordOf(prepared, options, created), () =>
    // It has ended well, whatever is left of others.
    trim(store).catch((error) => warn(`what is kept of old containers can't be removed: ${error.message}`)));
}
