/**
 * `libflux diff`: what a container has changed.
 *
 * @module
 */
import { diff } from "../diff.ts";
import { printable, UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "format", value: "text|json", help: "lines such as 'A /path' (default), or a JSON array" },
];

/** `libflux diff`. */
export const DIFF: Command = {
  name: "diff",
  usage: ["diff [FLAG…] NAME"],
  about:
    `Shows what a running container has changed in its root: A what it has added, C what it has changed, D what it has
deleted. Changes are thrown away when it ends.

What is mounted in the root isn't looked at: volumes, tmpfs, /proc, /dev, and the files in /etc that libflux writes. A
directory is changed where its owner or its permissions are, or something in it.`,
  flags: FLAGS,
  operands: { names: "running" },
  maxOperands: 1,
  examples: [{ line: "libflux diff web" }, { line: "libflux diff web --format json" }],
  run: diffCommand,
};

/** Prints changes; answers the exit code. */
export async function diffCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("diff", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(DIFF));
    return 0;
  }
  const [name, ...more] = [...flags.positional, ...(flags.rest ?? [])];
  if (name === undefined || more.length > 0) {
    throw new UsageError("'libflux diff' takes one name", { hint: "write libflux diff NAME" });
  }
  const format = flags.value("format") ?? "text";
  if (format !== "text" && format !== "json") {
    throw new UsageError(`--format is text or json, not "${printable(format)}"`);
  }
  const root = flags.value("root");
  const changes = await diff(name, root === undefined ? {} : { root });
  if (format === "json") print(`${JSON.stringify(changes, null, 2)}\n`);
  // A path must not be able to drive a terminal, nor to look like two.
  else print(changes.map(({ kind, path }) => `${kind} ${printable(path)}\n`).join(""));
  return 0;
}
