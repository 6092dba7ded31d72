/**
 * `libflux completion`: scripts that make shells complete command lines, from the table of commands.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { allHelp, type Command, type CommandHelp, type Commands, visible } from "./command.ts";
import { parseFlags } from "./flags.ts";
import { helpText } from "./help_text.ts";
import { print } from "./output.ts";

/** All that a script is made from. */
export interface CompletionTable {
  /** Every command with its line of help, those too that are told of nowhere else. */
  readonly commands: readonly (readonly [name: string, help: string])[];
  readonly help: readonly CommandHelp[];
}

/** Loads the table. */
export async function completionTable(commands: Commands): Promise<CompletionTable> {
  return {
    commands: visible(commands).map(([name, { help }]) => [name, help] as const),
    help: await allHelp(commands),
  };
}

const SHELLS: Readonly<Record<string, () => Promise<(table: CompletionTable) => string>>> = {
  bash: async () => (await import("./completion/bash.ts")).bashScript,
  zsh: async () => (await import("./completion/zsh.ts")).zshScript,
  fish: async () => (await import("./completion/fish.ts")).fishScript,
};

/** `completion`, which completes all commands. */
export function completionCommand(commands: Commands): Command {
  const command: Command = {
    name: "completion",
    usage: ["completion bash|zsh|fish"],
    about:
      `Prints a script that makes a shell complete commands, flags, their values, and names of containers and networks.

For all users: put it where the shell looks for such scripts, as below. For one: source it in the shell's start-up file.`,
    flags: [],
    operands: { choices: Object.keys(SHELLS) },
    maxOperands: 1,
    examples: [
      { line: "libflux completion bash >/usr/share/bash-completion/completions/libflux" },
      { line: "libflux completion zsh >/usr/local/share/zsh/site-functions/_libflux" },
      { line: "libflux completion fish >/usr/share/fish/vendor_completions.d/libflux.fish" },
    ],
    run: async (args) => {
      const flags = parseFlags("completion", [], args);
      if (flags.on("help") === true) {
        print(helpText(command));
        return 0;
      }
      const [shell, ...more] = [...flags.positional, ...(flags.rest ?? [])];
      const script = shell !== undefined && Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
      if (script === undefined || more.length > 0) {
        const what = shell === undefined ? "" : `, not "${printable([shell, ...more].join(" "))}"`;
        throw new UsageError(`'libflux completion' takes one shell${what}`, {
          hint: `write libflux completion ${Object.keys(SHELLS).join("|")}`,
        });
      }
      print((await script())(await completionTable(commands)));
      return 0;
    },
  };
  return command;
}
