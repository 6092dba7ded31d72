/**
 * Files of containers as tar archives.
 *
 * @module
 */
import { openInRoot, toName, typeOf } from "../ffi/files.ts";
import {
  baseName,
  checkPath,
  checkWritten,
  containerSide,
  type CopyOptions,
  type CopyResult,
  isContents,
  mannerTo,
  openSource,
  told,
} from "./copy.ts";
import { FluxError, printable } from "./errors.ts";
import { failure, toContainer } from "./files/root.ts";
import { openRunning } from "./files/running.ts";
import { Extractor } from "./files/tar_in.ts";
import { Archiver, type ArchiveSink } from "./files/tar_out.ts";
import { type ArchiveSource, TarReader } from "./files/tar_read.ts";

export type { ArchiveSink, ArchiveSource };

/**
 * Writes a file or a tree of a running container as a tar archive, as `docker cp NAME:PATH -` does: with owners as the
 * container numbers them, and all permissions. Never more than a part of a file is in memory.
 *
 * @param name The container's name.
 * @param source In the container; `/.` at its end is what is in a directory.
 * @param sink Where it goes, such as `Deno.stdout`.
 * @param options `archive` changes nothing.
 *
 * @example Keep a directory
 * ```ts
 * import { archiveFrom, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * using file = await Deno.open(await Deno.makeTempFile(), { write: true });
 * await archiveFrom(container.name, "/etc/passwd", file);
 * ```
 */
export async function archiveFrom(
  name: string,
  source: string,
  sink: ArchiveSink,
  options: CopyOptions = {},
): Promise<CopyResult> {
  checkPath(source);
  const { root } = await openRunning(name, options);
  using _directory = root.directory;
  const side = containerSide(name, root, source);
  const [opened, facts] = openSource(side, options);
  using file = opened;
  const type = typeOf(facts);
  if (!["file", "directory", "link"].includes(type)) {
    throw new FluxError(`${printable(side.shown)} is a ${type}: only files, directories and links can be copied`, {
      path: source,
    });
  }
  const base = baseName(source);
  const archiver = new Archiver(sink, ({ uid, gid }) => [
    toContainer(root.uids, uid) ?? uid,
    toContainer(root.gids, gid) ?? gid,
  ]);
  const isInside = base === undefined || type === "directory" && isContents(source);
  archiver.add(file, facts, isInside ? "." : toName(base));
  archiver.end();
  return archiver.copied;
}

/**
 * Extracts a tar archive into a directory of a running container, as `docker cp - NAME:DIR` does. Never more than a part of
 * a file is in memory.
 *
 * Whatever the archive says, and whatever the container does to its files meanwhile, nothing outside the directory is written:
 * no link is followed. Files belong to the container's root, without set-id bits, but for `archive`. Devices and FIFOs are
 * left out, each with a warning. What was extracted before something goes wrong stays.
 *
 * @param name The container's name.
 * @param source Where it comes from, such as `Deno.stdin`; read to its end.
 * @param directory In the container, and there.
 *
 * @example Put an archive
 * ```ts
 * import { archiveFrom, extractTo, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * using file = await Deno.open(await Deno.makeTempFile(), { read: true, write: true });
 * await archiveFrom(container.name, "/etc/passwd", file);
 * await file.seek(0, Deno.SeekMode.Start);
 * await extractTo(container.name, file, "/tmp");
 * ```
 */
export async function extractTo(
  name: string,
  source: ArchiveSource,
  directory: string,
  options: CopyOptions = {},
): Promise<CopyResult> {
  checkPath(directory);
  const { root } = await openRunning(name, options);
  using _directory = root.directory;
  const side = containerSide(name, root, directory);
  const opened = openInRoot(root.directory.number, directory, ["O_PATH", "O_DIRECTORY"]);
  if (typeof opened === "number") {
    throw failure(`the directory ${printable(side.shown)} can't be opened`, -opened, directory);
  }
  using top = opened;
  checkWritten(top, side);
  const extractor = new Extractor(top, mannerTo(name, root, options));
  return told(extractor.copied, () => extractor.extract(new TarReader(source)));
}
