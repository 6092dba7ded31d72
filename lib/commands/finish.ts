/**
 * `libflux finish`: what a container's monitor executes at its end. Not for people, and so in no list of commands.
 *
 * @module
 */
import { finish } from "../finish.ts";
import { openStoreAsIs } from "../store/open.ts";
import { type Flag, parseFlags, refuseArguments } from "./flags.ts";

const FLAGS: readonly Flag[] = [];

/** Finishes the container whose monitor this process was. */
export async function finishCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("finish", FLAGS, args);
  refuseArguments("finish", flags);
  await finish(openStoreAsIs(flags.value("root")));
  return 0;
}
