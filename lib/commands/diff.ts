/**
 * `libflux diff`: what a container has changed of its root.
 *
 * @module
 */
import { diff } from "../diff.ts";
import { printable, UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  {
    name: "format",
    value: "FORMAT",
    complete: { choices: ["json"] },
    help: "lines such as 'A /etc/new' (default), or json",
  },
];

/** `libflux diff`. */
export const DIFF: Command = {
  name: "diff",
  usage: ["diff [FLAG…] NAME"],
  about: `Shows what a container has added to its root (A), changed of it (C) and deleted (D), beside its image.

All of that is thrown away when it ends.`,
  flags: FLAGS,
  operands: { names: "running" },
  maxOperands: 1,
  examples: [{ line: "libflux diff web" }],
  run: diffCommand,
};

/** Runs `diff`; answers the exit code. */
export async function diffCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("diff", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(DIFF));
    return 0;
  }
  const [name, ...more] = [...flags.positional, ...flags.rest ?? []];
  if (name === undefined || more.length > 0) {
    throw new UsageError("'libflux diff' takes one name", { hint: "write libflux diff NAME" });
  }
  const format = flags.value("format") ?? "lines";
  if (format !== "lines" && format !== "json") {
    throw new UsageError(`--format is json or left out, not "${printable(format)}"`);
  }
  const root = flags.value("root");
  const changes = await diff(name, root === undefined ? {} : { root });
  if (format === "json") print(`${JSON.stringify(changes, null, 2)}\n`);
  else print(changes.map(({ kind, path }) => `${kind} ${printable(path)}\n`).join(""));
  return 0;
}
