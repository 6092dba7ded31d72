/**
 * What completion scripts of all shells have in common.
 *
 * @module
 */
import { type CommandHelp, type Completion, completionOf } from "../command.ts";
import type { CompletionTable } from "../completion.ts";
import { COMMON_FLAGS, type Flag } from "../flags.ts";

/** A command with its flags and all that it is called: `network ls`, `network list`. */
export interface Place {
  readonly help: CommandHelp;
  readonly paths: readonly string[];
  readonly flags: readonly Flag[];
}

/** Every command and action. */
export function places({ help }: CompletionTable): Place[] {
  return help.flatMap((command) => [command, ...command.subcommands ?? []]).map((one) => {
    const above = one.name.split(" ").slice(0, -1).join(" ");
    const others = (one.aliases ?? []).map((alias) => above === "" ? alias : `${above} ${alias}`);
    return { help: one, paths: [one.name, ...others], flags: [...one.flags, ...COMMON_FLAGS] };
  });
}

/** Whether a switch's other side is worth a word of its own: where its help says what that does. */
export function isNegatable({ name, value, help }: Flag): boolean {
  return value === undefined && help.includes(`--no-${name}`);
}

/** The first words of the actions of a command, with what they are for. */
export function actions({ name, subcommands = [] }: CommandHelp): (readonly [action: string, about: string])[] {
  return subcommands.map((one) => [one.name.slice(name.length + 1), firstSentence(one.about)] as const);
}

/** The first sentence of a text, without its end. */
export function firstSentence(text: string): string {
  return (/^[^]*?(?=\.(?:\s|$))/.exec(text)?.[0] ?? text).replaceAll(/\s+/g, " ");
}

/** A text for a shell, in single quotes. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Whether `ps` lists ended containers, too, when it is asked to. */
export function listsEnded({ help }: CompletionTable): boolean {
  return help.some(({ name, flags }) => name === "ps" && flags.some((flag) => flag.name === "all"));
}

/** Kinds of names, and what of libflux lists them. */
export function listing(names: NonNullable<Completion["names"]>, table: CompletionTable): string {
  if (names === "networks") return "network ls --quiet";
  return names === "containers" && listsEnded(table) ? "ps --quiet --all" : "ps --quiet";
}

/** Words and names by which all that is completed is told apart. */
export interface Kind {
  readonly choices: readonly string[];
  readonly names?: NonNullable<Completion["names"]> | undefined;
  readonly files?: NonNullable<Completion["files"]> | undefined;
}

/** What completes a flag's value. */
export function kindOf(flag: Flag): Kind {
  const { choices = [], names, files } = completionOf(flag);
  return { choices, names, files };
}
