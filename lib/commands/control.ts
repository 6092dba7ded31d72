/**
 * `libflux pause`, `unpause` and `update`: what is done to a running container.
 *
 * @module
 */
import { type ControlOptions, pause, unpause, update } from "../control.ts";
import { UsageError } from "../errors.ts";
import { type Flag, helpText, type Parsed, parseFlags } from "./flags.ts";
import { print } from "./output.ts";
import { LIMIT_FLAGS, readLimits } from "./limit_flags.ts";

/** Parses a command that is about containers; nothing comes back for `--help`. */
function parse(
  command: string,
  about: string,
  declared: readonly Flag[],
  args: readonly string[],
): { readonly flags: Parsed; readonly names: readonly string[]; readonly options: ControlOptions } | undefined {
  const flags = parseFlags(command, declared, args);
  if (flags.on("help") === true) {
    print(helpText(`${command} NAME…${declared.length === 0 ? "" : " FLAG…"}`, about, declared));
    return undefined;
  }
  const names = [...flags.positional, ...(flags.rest ?? [])];
  if (names.length === 0) {
    throw new UsageError(`'libflux ${command}' needs a name`, { hint: `write libflux ${command} NAME` });
  }
  const root = flags.value("root");
  return { flags, names, options: root === undefined ? {} : { root } };
}

/** Runs `pause`; answers the exit code. */
export async function pauseCommand(args: readonly string[]): Promise<number> {
  const line = parse("pause", "Holds all processes of containers where they are.", [], args);
  for (const name of line?.names ?? []) await pause(name, line?.options);
  return 0;
}

/** Runs `unpause`; answers the exit code. */
export async function unpauseCommand(args: readonly string[]): Promise<number> {
  const line = parse("unpause", "Lets containers that are held go on.", [], args);
  for (const name of line?.names ?? []) await unpause(name, line?.options);
  return 0;
}

/** Runs `update`; answers the exit code. */
export async function updateCommand(args: readonly string[]): Promise<number> {
  const line = parse("update", "Changes limits of running containers; others stay as they are.", LIMIT_FLAGS, args);
  if (line === undefined) return 0;
  const limits = readLimits(line.flags);
  if (limits === undefined) throw new UsageError("no limit was given", { hint: "'libflux update --help' shows them" });
  for (const name of line.names) await update(name, limits, line.options);
  return 0;
}
