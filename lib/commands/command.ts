/**
 * What a command is: the one table that its help, its shell completions and its man page come from.
 *
 * @module
 */
import type { Flag } from "./flags.ts";

/** What a word of a command line may be, for a shell to complete. */
export interface Completion {
  /** Fixed words; one that ends in `=` or `:` goes on. */
  readonly choices?: readonly string[];
  readonly files?: "files" | "directories";
  /** Names that libflux is asked for: all containers, those that run, networks, or libflux's own commands. */
  readonly names?: "containers" | "running" | "networks" | "commands";
}

/** A command line, and what it is for. */
export interface Example {
  readonly line: string;
  /** An infinitive without "to", or nothing where the line speaks for itself. */
  readonly about?: string;
}

/** All that is told of a command. */
export interface CommandHelp {
  /** As it is typed after `libflux`: `ps`, or `network create`. */
  readonly name: string;
  /** Its forms, each beginning with the name. */
  readonly usage: readonly string[];
  /** Paragraphs, separated by an empty line; the first begins with a sentence that stands for all. */
  readonly about: string;
  /** Its own flags, without those that every command has. */
  readonly flags: readonly Flag[];
  readonly examples?: readonly Example[];
  /** What else it is called. */
  readonly aliases?: readonly string[];
  /** What it does with what, where the first argument says that. */
  readonly subcommands?: readonly CommandHelp[];
  /** What its arguments are. */
  readonly operands?: Completion;
  /** How many of them it takes; any number if left out. */
  readonly maxOperands?: number;
}

/** Runs a command; answers the exit code. */
export type Run = (args: readonly string[]) => number | Promise<number>;

/** A command: what is told of it, and how it is run. */
export interface Command extends CommandHelp {
  readonly run: Run;
}

/** Under which heading of `libflux help` a command stands. */
export const GROUPS = {
  running: "Run containers",
  looking: "Look at containers",
  managing: "Manage containers and networks",
  host: "This host, and libflux itself",
} as const;

/** One line of the table in `cli.ts`. */
export interface CommandEntry {
  /** One line for `libflux help`; empty for what is for libflux alone, and told to nobody. */
  readonly help: string;
  readonly group?: keyof typeof GROUPS;
  /** Loads it when it is used: start-up time is libflux's own. A bare function has no help but what it prints itself. */
  readonly load: () => Promise<Command | Run>;
}

/** All commands, by name, in the order of `libflux help`. */
export type Commands = Readonly<Record<string, CommandEntry>>;

/** The commands that are for people. */
export function visible(commands: Commands): [name: string, entry: CommandEntry][] {
  return Object.entries(commands).filter(([, { help }]) => help !== "");
}

/** What a flag's value may be: as it says, or as its form says, such as `table|json` or `DIR`. */
export function completionOf({ value, complete }: Pick<Flag, "value" | "complete">): Completion {
  if (complete !== undefined || value === undefined) return complete ?? {};
  const parts = value.split("|");
  const choices = parts.flatMap((part) => /^[a-z][a-z0-9-]*(?:$|[:=](?=.))/.exec(part) ?? []);
  const names = parts.includes("CONTAINER") ? "containers" : parts.includes("NETWORK") ? "networks" : undefined;
  const files = parts.includes("DIR")
    ? "directories"
    : parts.some((part) => part === "FILE" || part === "PATH" || /^SRC\b/.test(part))
    ? "files"
    : undefined;
  return {
    ...(choices.length === 0 ? {} : { choices }),
    ...(names === undefined ? {} : { names }),
    ...(files === undefined ? {} : { files }),
  };
}

/** Loads all that is told of a command, or of one of its subcommands; nothing where there is none. */
export async function findHelp(
  commands: Commands,
  [name = "", sub]: readonly string[],
): Promise<CommandHelp | undefined> {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const command = await entry?.load();
  if (command === undefined || typeof command === "function") return undefined;
  if (sub === undefined) return command;
  return command.subcommands?.find((one) => one.name === `${command.name} ${sub}` || one.aliases?.includes(sub));
}

/** Loads all that is told of all commands. */
export async function allHelp(commands: Commands): Promise<CommandHelp[]> {
  const loaded = await Promise.all(visible(commands).map(([, { load }]) => load()));
  return loaded.filter((one) => typeof one !== "function");
}
