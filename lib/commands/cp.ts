/**
 * `libflux cp`: files into containers and out of them.
 *
 * @module
 */
import { archiveFrom, extractTo } from "../archive.ts";
import { copyFrom, copyTo } from "../copy.ts";
import { printable, UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "archive", short: "a", help: "keep owners, as the container numbers them, and set-id bits" },
  { name: "follow-link", short: "L", help: "where the source is a symbolic link, copy what it leads to" },
];

/** `libflux cp`. */
export const CP: Command = {
  name: "cp",
  usage: ["cp [FLAG…] NAME:PATH PATH|-", "cp [FLAG…] PATH|- NAME:PATH"],
  about: `Copies files and directories between a running container and this host.

A directory that is there is copied into; any other destination is the copy's name. 'DIR/.' as the source copies what is in
DIR. Copies in the container belong to its root, and copies on the host to who runs libflux. A file or a link that has the
name already is replaced, and a link is never written through. Sockets, FIFOs and devices are left out with a warning, and
so is what is the kernel's own, such as /proc. Only root keeps owners by --archive.

With '-' as the destination, a tar archive is written to standard output, with owners as the container numbers them; with '-'
as the source, one is read from standard input and extracted into a directory that is there. Nothing in an archive leads out of
that: no link is followed, and a name with '..' ends it.

A relative path of a container is one from its root. What has a colon and is no container's is written as ./a:b.`,
  flags: FLAGS,
  operands: { names: "running", files: "files" },
  maxOperands: 2,
  examples: [
    { line: "libflux cp web:/var/log/nginx ." },
    { line: "libflux cp web:/var/lib/app - | gzip >app.tar.gz", about: "keep a directory as an archive" },
    { line: "libflux cp ./site/. web:/usr/share/nginx/html", about: "put what is in ./site there" },
  ],
  run: cpCommand,
};

/** A container's path; nothing for one of the host's. */
function parsePlace(text: string): { readonly name: string; readonly path: string } | undefined {
  const at = text.indexOf(":");
  // As docker: what begins with a dot or a slash, or has a slash before the colon, is a path of this host.
  if (at <= 0 || /^[./]/.test(text) || text.slice(0, at).includes("/")) return undefined;
  return { name: text.slice(0, at), path: text.slice(at + 1) };
}

/** Copies; answers the exit code. */
export async function cpCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("cp", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(CP));
    return 0;
  }
  const [source, destination, ...more] = [...flags.positional, ...(flags.rest ?? [])];
  if (source === undefined || destination === undefined || more.length > 0) {
    throw new UsageError("'libflux cp' takes a source and a destination", {
      hint: "write libflux cp NAME:PATH PATH, or libflux cp PATH NAME:PATH",
    });
  }
  const [from, to] = [parsePlace(source), parsePlace(destination)];
  const root = flags.value("root");
  const options = {
    archive: flags.on("archive") === true,
    followLink: flags.on("follow-link") === true,
    ...(root === undefined ? {} : { root }),
  };
  if (from !== undefined && to !== undefined) {
    throw new UsageError("both paths are in containers", { hint: "copy to a directory of this host first" });
  }
  if (from !== undefined && destination === "-") {
    if (Deno.stdout.isTerminal()) {
      throw new UsageError("standard output is a terminal, which no archive is written to", {
        hint: "write it to a file by '>FILE', or to a program by '| tar -x'",
      });
    }
    await archiveFrom(from.name, from.path, Deno.stdout, options);
  } else if (to !== undefined && source === "-") {
    if (Deno.stdin.isTerminal()) {
      throw new UsageError("standard input is a terminal, which no archive comes from", {
        hint: "read it from a file by '<FILE', or from a program by 'tar -c PATH |'",
      });
    }
    await extractTo(to.name, Deno.stdin, to.path, options);
  } else if (from !== undefined) await copyFrom(from.name, from.path, destination, options);
  else if (to !== undefined) await copyTo(to.name, source, to.path, options);
  else {
    throw new UsageError(`neither ${printable(source)} nor ${printable(destination)} is in a container`, {
      hint: "write NAME:PATH for the one that is",
    });
  }
  return 0;
}
