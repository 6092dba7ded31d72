/**
 * The commands whose start counts, and nothing of the others: a packed executable has them in a bundle of their own
 * (`tasks/packer/start.ts`), since code costs time at each start, used or not.
 *
 * @module
 */
import type { Commands } from "./command.ts";
import { runLine } from "./main.ts";

/** By name; what is told of them is in `cli.ts`. */
export const FAST: Commands = {
  run: { help: "", load: async () => (await import("./run.ts")).RUN },
  exec: { help: "", load: async () => (await import("./exec.ts")).EXEC },
  ps: { help: "", load: async () => (await import("./ps.ts")).PS },
  stop: { help: "", load: async () => (await import("./lifecycle.ts")).STOP },
  kill: { help: "", load: async () => (await import("./lifecycle.ts")).KILL },
  wait: { help: "", load: async () => (await import("./lifecycle.ts")).WAIT },
  restart: { help: "", load: async () => (await import("./lifecycle.ts")).RESTART },
  finish: { help: "", load: async () => (await import("./finish.ts")).finishCommand },
};

/** Whether a command line is for {@link main}. */
export function isFast([name = ""]: readonly string[]): boolean {
  return name === "--version" || Object.hasOwn(FAST, name);
}

/** Runs a command line that begins with one of them, or asks for the version. */
export async function main(args: readonly string[]): Promise<number> {
  return await runLine(args, FAST);
}
