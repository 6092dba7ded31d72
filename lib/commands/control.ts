/**
 * `libflux pause`, `unpause` and `update`: what is done to a running container.
 *
 * @module
 */
import { type ControlOptions, pause, unpause, update } from "../control.ts";
import { UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { helpText, type Parsed, parseFlags } from "./flags.ts";
import { print } from "./output.ts";
import { LIMIT_FLAGS, readLimits } from "./limit_flags.ts";

/** `libflux pause`. */
export const PAUSE: Command = {
  name: "pause",
  usage: ["pause NAME…"],
  about: "Holds all processes of containers where they are.",
  flags: [],
  operands: { names: "running" },
  run: pauseCommand,
};

/** `libflux unpause`. */
export const UNPAUSE: Command = {
  name: "unpause",
  usage: ["unpause NAME…"],
  about: "Lets containers that are held go on.",
  flags: [],
  operands: { names: "running" },
  run: unpauseCommand,
};

/** `libflux update`. */
export const UPDATE: Command = {
  name: "update",
  usage: ["update NAME… FLAG…"],
  about: "Changes limits of running containers; others stay as they are.",
  flags: LIMIT_FLAGS,
  operands: { names: "running" },
  examples: [{ line: "libflux update web --memory 1G --cpus 2" }],
  run: updateCommand,
};

/** Parses a command that is about containers; nothing comes back for `--help`. */
function parse(
  command: Command,
  args: readonly string[],
): { readonly flags: Parsed; readonly names: readonly string[]; readonly options: ControlOptions } | undefined {
  const { name } = command;
  const flags = parseFlags(name, command.flags, args);
  if (flags.on("help") === true) {
    print(helpText(command));
    return undefined;
  }
  const names = [...flags.positional, ...(flags.rest ?? [])];
  if (names.length === 0) {
    throw new UsageError(`'libflux ${name}' needs a name`, { hint: `write libflux ${name} NAME` });
  }
  const root = flags.value("root");
  return { flags, names, options: root === undefined ? {} : { root } };
}

/** Runs `pause`; answers the exit code. */
export async function pauseCommand(args: readonly string[]): Promise<number> {
  const line = parse(PAUSE, args);
  for (const name of line?.names ?? []) await pause(name, line?.options);
  return 0;
}

/** Runs `unpause`; answers the exit code. */
export async function unpauseCommand(args: readonly string[]): Promise<number> {
  const line = parse(UNPAUSE, args);
  for (const name of line?.names ?? []) await unpause(name, line?.options);
  return 0;
}

/** Runs `update`; answers the exit code. */
export async function updateCommand(args: readonly string[]): Promise<number> {
  const line = parse(UPDATE, args);
  if (line === undefined) return 0;
  const limits = readLimits(line.flags);
  if (limits === undefined) throw new UsageError("no limit was given", { hint: "'libflux update --help' shows them" });
  for (const name of line.names) await update(name, limits, line.options);
  return 0;
}
