/**
 * `libflux cp`: files into a container that runs, and out of it.
 *
 * @module
 */
import { copyFrom, type CopyOptions, copyTo } from "../copy.ts";
import { UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "archive", short: "a", help: "keep owners, by their numbers inside, and set-id bits" },
  { name: "follow-link", short: "L", help: "copy what a link leads to, where SOURCE itself is one" },
];

/** `libflux cp`. */
export const CP: Command = {
  name: "cp",
  usage: ["cp [FLAG…] NAME:PATH TARGET", "cp [FLAG…] SOURCE NAME:PATH"],
  about: `Copies a file, or a directory with all in it, out of a container or into one.

A directory goes into one that is there, and becomes one that isn't; only its contents are copied where its path ends in
"/.". What is copied in belongs to the container's root, and what is copied out to you.`,
  flags: FLAGS,
  operands: { files: "files" },
  maxOperands: 2,
  examples: [{ line: "libflux cp web:/var/log/nginx ." }, { line: "libflux cp ./site/. web:/srv/www" }],
  run: cpCommand,
};

/** `NAME:PATH`; nothing for a path of this host's, which has a "/" before any ":" or is written "./NAME:PATH". */
function parsePlace(text: string): readonly [name: string, path: string] | undefined {
  const [, name, path] = /^([^/:.][^/:]*):(.+)$/s.exec(text) ?? [];
  return name === undefined || path === undefined ? undefined : [name, path];
}

/** Runs `cp`; answers the exit code. */
export async function cpCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("cp", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(CP));
    return 0;
  }
  const [source, target, ...more] = [...flags.positional, ...flags.rest ?? []];
  const hint = "write libflux cp NAME:PATH TARGET, or libflux cp SOURCE NAME:PATH";
  if (source === undefined || target === undefined || more.length > 0) {
    throw new UsageError("'libflux cp' takes two places", { hint });
  }
  const root = flags.value("root");
  const options: CopyOptions = {
    archive: flags.on("archive") ?? false,
    followLink: flags.on("follow-link") ?? false,
    ...(root === undefined ? {} : { root }),
  };
  const [from, to] = [parsePlace(source), parsePlace(target)];
  if (from !== undefined && to !== undefined) {
    throw new UsageError("files can't be copied from one container to another", {
      hint: "copy them to this host first",
    });
  }
  if (from !== undefined) await copyFrom(...from, target, options);
  else if (to !== undefined) await copyTo(to[0], source, to[1], options);
  else throw new UsageError("neither of the places is in a container", { hint });
  return 0;
}
