/**
 * `libflux man`: manual pages, from the table of commands.
 *
 * @module
 */
import { callersPath } from "../caller.ts";
import { FluxError, printable, UsageError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { allHelp, type Command, type Commands, findHelp, visible } from "./command.ts";
import { type Flag, parseFlags } from "./flags.ts";
import { unknownCommand } from "./help.ts";
import { helpText } from "./help_text.ts";
import { mainPage, manPage, pageName } from "./man_page.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  {
    name: "output",
    short: "o",
    value: "DIR",
    help: "write all pages into this directory, which is made where it isn't there",
  },
];

/** All pages, by the names of their files. */
export async function allPages(
  commands: Commands,
  version: string,
): Promise<(readonly [file: string, text: string])[]> {
  const entries = visible(commands);
  const pages = (await allHelp(commands)).flatMap((help) => [
    [pageName(help.name), manPage(help, version, commands[help.name]?.help)] as const,
    ...(help.subcommands ?? []).map((one) => [pageName(one.name), manPage(one, version)] as const),
  ]);
  return [[pageName(""), mainPage(entries, version)] as const, ...pages].map(([name, text]) =>
    [`${name}.1`, text] as const
  );
}

function write(directory: string, pages: readonly (readonly [file: string, text: string])[]): void {
  const path = callersPath(directory);
  try {
    Deno.mkdirSync(path, { recursive: true });
    for (const [file, text] of pages) Deno.writeTextFileSync(`${path}/${file}`, text);
  } catch (cause) {
    const why = (cause as Error).message.replace(/ \(os error \d+\).*$/, "").toLowerCase();
    throw new FluxError(`the manual pages can't be written to ${printable(directory)}: ${why}`, { path, cause });
  }
}

/** `man`, which has a page of each command. */
export function manCommand(commands: Commands): Command {
  const command: Command = {
    name: "man",
    usage: ["man [COMMAND [ACTION]]", "man --output DIR"],
    about: "Prints the manual page of libflux or of a command, for man to show, or writes all pages into a directory.",
    flags: FLAGS,
    operands: { names: "commands" },
    maxOperands: 1,
    examples: [
      { line: "libflux man run | man -l -", about: "read one without installing it" },
      { line: "libflux man --output /usr/local/share/man/man1", about: "install them all" },
    ],
    run: async (args) => {
      const flags = parseFlags("man", FLAGS, args);
      if (flags.on("help") === true) {
        print(helpText(command));
        return 0;
      }
      const words = [...flags.positional, ...(flags.rest ?? [])];
      const [name, action, ...more] = words;
      const output = flags.value("output");
      if (more.length > 0 || output !== undefined && name !== undefined) {
        throw new UsageError(`'libflux man' has no use for "${printable(words.at(-1) ?? "")}"`, {
          hint: `write ${command.usage.map((form) => `libflux ${form}`).join(" or ")}`,
        });
      }
      if (output !== undefined) write(output, await allPages(commands, VERSION));
      else if (name === undefined) print(mainPage(visible(commands), VERSION));
      else {
        if (!Object.hasOwn(commands, name)) throw unknownCommand(name, commands);
        const help = await findHelp(commands, action === undefined ? [name] : [name, action]);
        if (help === undefined) {
          throw new UsageError(`there is no manual page of '${printable(words.join(" "))}'`, {
            hint: `'libflux help ${name}' tells of it`,
          });
        }
        print(manPage(help, VERSION, action === undefined ? commands[name]?.help : undefined));
      }
      return 0;
    },
  };
  return command;
}
