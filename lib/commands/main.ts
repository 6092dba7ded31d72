/**
 * A command line: finds the command, runs it, turns errors into one sentence and an exit code.
 *
 * @module
 */
import { checkArguments } from "../caller.ts";
import { FluxError, printable, UsageError } from "../errors.ts";
import { onWarning } from "../warnings.ts";
import type { Commands } from "./command.ts";
import { complain, print } from "./output.ts";
import { readTelling, tellBy, tellError, tellWarning } from "./tell.ts";

async function dispatch(args: readonly string[], commands: Commands): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    complain((await import("./help_text.ts")).overview(commands));
    return new UsageError("").exitCode;
  }
  if (name === "--help" || name === "-h") return await dispatch(["help", ...rest], commands);
  if (name === "--version" || name === "version" || name === "-v" || name === "-V") {
    const { VERSION } = await import("../version.ts");
    print(`libflux ${VERSION}\n`);
    return 0;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) {
    if (name.startsWith("-")) {
      throw new UsageError(`"${printable(name)}" stands where the command belongs`, {
        hint: "flags come after it: libflux COMMAND [FLAG…]",
      });
    }
    throw (await import("./help.ts")).unknownCommand(name, commands);
  }
  const command = await entry.load();
  return await (typeof command === "function" ? command : command.run)(rest);
}

/**
 * Runs one command line.
 *
 * @param args Without the program's name.
 * @param commands What there is to choose from.
 * @returns The exit code.
 */
export async function runLine(args: readonly string[], commands: Commands): Promise<number> {
  try {
    checkArguments(args);
    await tellBy(readTelling(args));
    onWarning(tellWarning);
    return await dispatch(args, commands);
  } catch (error) {
    await tellError(error);
    return error instanceof FluxError ? error.exitCode : 125;
  }
}
