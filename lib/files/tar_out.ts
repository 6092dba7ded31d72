/**
 * Writing a tree as an archive, by descriptors: no link is followed, and nothing outside is opened.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import {
  type ByteName,
  type Facts,
  lookAt,
  openName,
  readLink,
  readNames,
  reopen,
  toText,
  typeOf,
} from "../../ffi/files.ts";
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { FluxError, printable } from "../errors.ts";
import { warn } from "../warnings.ts";
import type { Copied } from "./placer.ts";
import { failure, isKernels } from "./root.ts";
import { BLOCK, encodeHeader, padding, type TarEntry } from "./tar_format.ts";

/**
 * Where an archive goes.
 *
 * @example Count its bytes
 * ```ts
 * import { archiveFrom, type ArchiveSink, run } from "@libflux/cli/mod";
 *
 * let size = 0;
 * const sink: ArchiveSink = { writeSync: ({ length }) => (size += length, length) };
 * await using container = await run({ command: ["sleep", "60"] });
 * await archiveFrom(container.name, "/etc/passwd", sink);
 * console.log(size);
 * ```
 */
export interface ArchiveSink {
  /** Writes some of it; answers how much. */
  readonly writeSync: (bytes: Uint8Array) => number;
}

const MOST_LEVELS = 400;
const ROOM = 1 << 18;
/** As tar has it: its records are of so many blocks. */
const RECORD = 20 * BLOCK;
const show = (path: ByteName): string => printable(toText(path));

/** Writes one archive. */
export class Archiver {
  readonly copied: Copied = { files: 0, directories: 0, links: 0, skipped: 0 };
  readonly #room = new Uint8Array(ROOM);
  /** Files with more names than one, and the first of these in the archive. */
  readonly #linked = new Map<string, ByteName>();
  #written = 0;

  /** @param owner How the container numbers who has a file. */
  constructor(
    readonly sink: ArchiveSink,
    readonly owner: (facts: Facts) => readonly [uid: number, gid: number],
  ) {}

  /** Writes an open file, which is open as a path only, and what is in it. @param name In the archive; `.` for what is in it. */
  add(source: Descriptor, facts: Facts, name: ByteName, level = 0): void {
    const entry = this.#entry(facts, name);
    switch (typeOf(facts)) {
      case "directory":
        this.#header({ ...entry, type: "directory", name: `${name}/` });
        this.copied.directories++;
        return this.#inside(source, name, level);
      case "file":
        return this.#file(source, facts, entry);
      case "link": {
        const target = readLink(source.number, "");
        if (typeof target === "number") throw failure(`the link ${show(name)} can't be read`, -target, toText(name));
        this.#header({ ...entry, type: "link", target });
        this.copied.links++;
        return;
      }
      default:
        this.#skip(name, `it is a ${typeOf(facts)}`);
    }
  }

  /** Writes the end of the archive. */
  end(): void {
    const rest = this.#written + 2 * BLOCK;
    this.#write(new Uint8Array(2 * BLOCK + (RECORD - rest % RECORD) % RECORD));
  }

  #entry(facts: Facts, name: ByteName): Omit<TarEntry, "type" | "flag"> {
    const [uid, gid] = this.owner(facts);
    return { name, target: "", mode: facts.mode & 0o7777, uid, gid, modified: facts.modified, size: 0 };
  }

  #skip(path: ByteName, why: string): void {
    this.copied.skipped++;
    warn(`${show(path)} was not copied: ${why}`);
  }

  #inside(source: Descriptor, path: ByteName, level: number): void {
    if (level > MOST_LEVELS) {
      throw new FluxError(`${show(path).slice(0, 60)}… is more than ${MOST_LEVELS} directories deep`, {
        hint: "copy its parts one by one",
      });
    }
    const opened = reopen(source.number, ["O_RDONLY", "O_DIRECTORY"]);
    if (typeof opened === "number") throw failure(`${show(path)} can't be read`, -opened, toText(path));
    using directory = opened;
    const names = readNames(directory.number);
    if (typeof names === "number") throw failure(`${show(path)} can't be read`, -names, toText(path));
    for (const name of names.sort()) {
      const below = `${path}/${name}`;
      const found = openName(directory.number, name, ["O_PATH"]);
      if (typeof found === "number") {
        // Removed, or moved, since the names were read.
        if (found === -E.ENOENT || found === -E.ELOOP) this.#skip(below, "it has gone meanwhile");
        else throw failure(`${show(below)} can't be opened`, -found, toText(below));
        continue;
      }
      using one = found;
      const facts = lookAt(one.number);
      if (typeof facts === "number") throw failure(`${show(below)} can't be looked at`, -facts, toText(below));
      if (isKernels(one.number)) this.#skip(below, "it is the kernel's own");
      else this.add(one, facts, below, level + 1);
    }
  }

  #file(source: Descriptor, facts: Facts, entry: Omit<TarEntry, "type" | "flag">): void {
    const identity = `${facts.filesystem} ${facts.inode}`;
    const first = facts.links > 1 ? this.#linked.get(identity) : undefined;
    if (first !== undefined) {
      this.#header({ ...entry, type: "hardlink", target: first });
      this.copied.links++;
      return;
    }
    const opened = reopen(source.number, ["O_RDONLY"]);
    if (typeof opened === "number") throw failure(`${show(entry.name)} can't be read`, -opened, toText(entry.name));
    using file = opened;
    this.#header({ ...entry, type: "file", size: facts.size });
    for (let left = facts.size; left > 0;) {
      let count = syscall("read", file.number, this.#room, Math.min(left, ROOM));
      if (count < 0) throw failure(`${show(entry.name)} can't be read`, -count, toText(entry.name));
      if (count === 0) {
        // It has become shorter: what was said of it before can't be taken back.
        warn(`${show(entry.name)} has become shorter meanwhile: zeroes stand for what was there`);
        this.#room.fill(0);
        while (left > ROOM) {
          this.#write(this.#room);
          left -= ROOM;
        }
        count = left;
      }
      this.#write(this.#room.subarray(0, count));
      left -= count;
    }
    this.#write(new Uint8Array(padding(facts.size)));
    if (facts.links > 1) this.#linked.set(identity, entry.name);
    this.copied.files++;
  }

  #header(entry: Parameters<typeof encodeHeader>[0]): void {
    for (const block of encodeHeader(entry)) this.#write(block);
  }

  #write(bytes: Uint8Array): void {
    this.#written += bytes.length;
    try {
      for (let done = 0; done < bytes.length;) done += this.sink.writeSync(bytes.subarray(done));
    } catch (error) {
      const why = (error as Error).message.replace(/ \(os error \d+\)$/, "").toLowerCase();
      throw new FluxError(`the archive can't be written: ${why}`, { hint: "write it elsewhere", cause: error });
    }
  }
}
