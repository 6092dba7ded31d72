/**
 * Whether and how the output of a container is logged.
 *
 * @module
 */
import { Capture } from "./logs/capture.ts";
import type { Prepared } from "./prepare.ts";
import { checkLog } from "./spec/log_options.ts";
import type { RunOptions } from "./spec/options.ts";
import type { History } from "./store/history.ts";

/** What logs the output of a container; nothing where nobody asked for it. Writes nothing yet. */
export function beginCapture(
  history: History,
  { name, id, spec }: Prepared,
  options: RunOptions,
  created: Date,
): Capture | undefined {
  if (options.log === undefined || options.log.driver === "none") return undefined;
  const capture = new Capture(history, {
    name,
    id,
    image: spec.root.path,
    command: spec.process.args ?? [],
    labels: options.labels ?? {},
    created: created.toISOString(),
    restarts: 0,
    log: checkLog(options.log ?? {}),
    terminal: options.terminal !== undefined,
    remove: options.remove ?? false,
  });
  // Laid before the pump is made, which must know of it.
  if (options.terminal !== undefined) capture.tap();
  return capture;
}
