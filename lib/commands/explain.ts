/**
 * `libflux explain run …`: what `run` would do.
 *
 * @module
 */
import { hasKeyboard, terminalSize } from "../attach.ts";
import { printable, UsageError } from "../errors.ts";
import { explain } from "../explain.ts";
import type { Command, CommandHelp } from "./command.ts";
import { helpText } from "./flags.ts";
import { print } from "./output.ts";
import { parseRun, RUN_FLAGS } from "./run_flags.ts";

const EXPLAIN_RUN: CommandHelp = {
  name: "explain run",
  usage: ["explain run NAME [--image ROOTFS] [FLAG…] -- COMMAND [ARGUMENT…]"],
  about:
    "Shows the launch program that 'libflux run' would execute, in words and as syscalls. Does nothing, needs no root.",
  flags: RUN_FLAGS,
  maxOperands: 1,
  examples: [{ line: "libflux explain run web --image /srv/debian -- bash" }],
};

/** `libflux explain`. */
export const EXPLAIN: Command = {
  ...{ name: "explain", usage: EXPLAIN_RUN.usage, about: EXPLAIN_RUN.about, flags: [] },
  ...{ maxOperands: 0, subcommands: [EXPLAIN_RUN], run: explainCommand },
};

/** Prints the program; answers the exit code. */
export function explainCommand(args: readonly string[]): number {
  const [command, ...rest] = args;
  const help = (): number => {
    print(helpText(EXPLAIN_RUN));
    return 0;
  };
  if (command === "--help" || command === "-h") return help();
  if (command !== "run") {
    throw new UsageError(
      `'libflux explain' explains 'run'${command === undefined ? "" : `, not "${printable(command)}"`}`,
      {
        hint: "write libflux explain run NAME --image ROOTFS -- COMMAND",
      },
    );
  }
  const line = parseRun("explain run", rest);
  if (line === undefined) return help();
  const tty = line.tty ?? (line.interactive && hasKeyboard() && Deno.stdout.isTerminal());
  const terminal = tty ? { terminal: terminalSize() } : {};
  const streams = { stdin: line.interactive ? "inherit" : "null", stdout: "inherit", stderr: "inherit" } as const;
  print(explain({ ...line.options, ...streams, ...terminal }).listing);
  return 0;
}
