/**
 * `libflux run --detach`: a container in the background.
 *
 * @module
 */
import { terminalSize } from "../attach.ts";
import { runDetached } from "../detach.ts";
import { UsageError } from "../errors.ts";
import { print } from "./output.ts";
import type { RunCommandLine } from "./run_flags.ts";

/** Starts the container and prints its name. */
export async function runInBackground({ options, tty, interactive, remove, time }: RunCommandLine): Promise<number> {
  if (time) {
    throw new UsageError("--time shows at the end where the time went, and --detach doesn't wait for it", {
      hint: "leave out one of them",
    });
  }
  const { name } = await runDetached({
    ...options,
    // Nobody can be at it yet: what isn't asked for isn't kept open.
    interactive: interactive === true,
    remove,
    ...(tty === true ? { terminal: terminalSize() } : {}),
  });
  print(`${name}\n`);
  return 0;
}
