/**
 * `libflux help`: which commands there are, and how each is used.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { nearest } from "../render.ts";
import { type Command, type Commands, findHelp } from "./command.ts";
import { parseFlags } from "./flags.ts";
import { helpText, overview } from "./help_text.ts";
import { print } from "./output.ts";

/** The error for a command that isn't there. */
export function unknownCommand(name: string, commands: Commands): UsageError {
  const near = nearest(name, Object.keys(commands));
  return new UsageError(`libflux has no command "${printable(name)}"`, {
    hint: near === undefined ? "'libflux help' shows those it has" : `did you mean 'libflux ${near}'?`,
  });
}

/** `help`, which knows all commands, itself too. */
export function helpCommand(commands: Commands): Command {
  const command: Command = {
    name: "help",
    usage: ["help [COMMAND [ACTION]]"],
    about: "Shows which commands there are, or how one of them is used.",
    flags: [],
    operands: { names: "commands" },
    maxOperands: 1,
    run: async (args) => {
      const flags = parseFlags("help", [], args);
      const words = [...flags.positional, ...(flags.rest ?? [])];
      const [name, action, ...more] = words;
      if (flags.on("help") === true) print(helpText(command));
      else if (name === undefined) print(overview(commands));
      else if (more.length > 0) {
        throw new UsageError(`'libflux help' takes a command and an action, and got "${printable(more[0] ?? "")}" too`);
      } else return await show(commands, name, action);
      return 0;
    },
  };
  return command;
}

async function show(commands: Commands, name: string, action: string | undefined): Promise<number> {
  if (!Object.hasOwn(commands, name)) throw unknownCommand(name, commands);
  const own = await findHelp(commands, [name]);
  if (own === undefined) {
    // One that tells of itself.
    const loaded = await commands[name]?.load();
    if (typeof loaded === "function") return await loaded(action === undefined ? ["--help"] : [action, "--help"]);
  }
  const found = action === undefined ? own : await findHelp(commands, [name, action]);
  if (found === undefined) {
    const actions = own?.subcommands?.map((one) => one.name.slice(name.length + 1)) ?? [];
    const near = nearest(action ?? "", actions);
    throw new UsageError(`'libflux ${name}' has no action "${printable(action ?? "")}"`, {
      hint: actions.length === 0
        ? `write libflux help ${name}`
        : near === undefined
        ? `it has ${actions.join(", ")}`
        : `did you mean 'libflux ${name} ${near}'?`,
    });
  }
  print(helpText(found));
  return 0;
}
