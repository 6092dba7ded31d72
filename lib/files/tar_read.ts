/**
 * Reading a tar archive from beginning to end, as what it is: something that anybody may have made.
 *
 * @module
 */
import { FluxError } from "../errors.ts";
import { BLOCK, broken, isZero, nameIn, padding, parseHeader, parseRecords, type TarEntry } from "./tar_format.ts";

/**
 * Where an archive comes from.
 *
 * @example Extract one that has nothing in it
 * ```ts
 * import { type ArchiveSource, extractTo, run } from "@libflux/cli/mod";
 *
 * const ends = [new Uint8Array(512), new Uint8Array(512)];
 * const source: ArchiveSource = {
 *   readSync: (bytes) => {
 *     const end = ends.pop();
 *     if (end !== undefined) bytes.set(end);
 *     return end === undefined ? null : end.length;
 *   },
 * };
 * await using container = await run({ command: ["sleep", "60"] });
 * await extractTo(container.name, source, "/tmp");
 * ```
 */
export interface ArchiveSource {
  /** Reads what there is, at most as much as there is room; nothing at the end. */
  readonly readSync: (bytes: Uint8Array) => number | null;
}

const ROOM = 1 << 18;
/** Bytes: no name is longer, but for what else stands in an extended header. */
const MOST_EXTENDED = 1 << 20;
/** Bytes after the end of an archive that are read, so that who writes it isn't killed: tar fills up its records. */
const MOST_FILLING = 1 << 20;
const GZIP = [0x1f, 0x8b];

/** Reads the entries of an archive; the contents of each have to be read, or are passed over. */
export class TarReader {
  readonly #source: ArchiveSource;
  readonly #room = new Uint8Array(ROOM);
  #start = 0;
  #end = 0;
  /** Of the contents of the last entry, and what fills up its last block. */
  #left = 0;
  #filling = 0;
  #isBegun = false;

  /** @param source Read from to its end. */
  constructor(source: ArchiveSource) {
    this.#source = source;
  }

  /** At most so many bytes, which are good until more is asked for; none at the end. */
  #take(most: number): Uint8Array<ArrayBuffer> {
    if (this.#start === this.#end) {
      [this.#start, this.#end] = [0, 0];
      this.#end = this.#read(this.#room);
    }
    const bytes = this.#room.subarray(this.#start, Math.min(this.#end, this.#start + most));
    this.#start += bytes.length;
    return bytes;
  }

  #read(room: Uint8Array): number {
    try {
      return this.#source.readSync(room) ?? 0;
    } catch (error) {
      throw new FluxError(`the archive can't be read: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  /** So many bytes, and no fewer. */
  #whole(size: number, what: string): Uint8Array {
    const whole = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const part = this.#take(size - at);
      if (part.length === 0) throw broken(`it ends in the middle of ${what}`);
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  /** The next block; nothing where the archive ends without saying so. */
  #block(): Uint8Array | undefined {
    const first = this.#take(BLOCK);
    if (first.length === 0) return undefined;
    const block = new Uint8Array(BLOCK);
    block.set(first);
    if (!this.#isBegun && GZIP.every((byte, at) => block[at] === byte)) {
      throw broken("it is compressed", "put 'gzip --decompress |' before it");
    }
    this.#isBegun = true;
    if (first.length < BLOCK) block.set(this.#whole(BLOCK - first.length, "a header"), first.length);
    return block;
  }

  /** The next entry; nothing at the end. */
  next(): TarEntry | undefined {
    while (this.#left > 0) this.contents();
    this.#whole(this.#filling, "a file");
    this.#filling = 0;
    const once = new Map<string, Uint8Array>();
    for (;;) {
      const block = this.#block();
      if (block === undefined) {
        throw broken(this.#isBegun ? "it ends before it says so" : "nothing has come");
      }
      if (isZero(block)) {
        this.#finish();
        return undefined;
      }
      const { flag, size } = parseHeader(block, new Map());
      if ("xgLK".includes(flag)) {
        if (size > MOST_EXTENDED) throw broken(`an extended header of it has ${size} bytes`);
        const bytes = this.#whole(size + padding(size), "an extended header").subarray(0, size);
        if (flag === "L" || flag === "K") {
          once.set(flag === "L" ? "path" : "linkpath", trimmed(bytes));
        } else for (const [key, value] of parseRecords(bytes)) (flag === "g" ? this.#global : once).set(key, value);
        continue;
      }
      const extras = new Map([...this.#global, ...once]);
      const entry = parseHeader(block, extras);
      if (flag === "S" || extras.keys().some((key) => key.startsWith("GNU.sparse."))) {
        throw broken("a file in it has holes", "make it without --sparse");
      }
      this.#left = entry.size;
      this.#filling = padding(entry.size);
      return entry;
    }
  }
  readonly #global = new Map<string, Uint8Array>();

  /** More of the last entry's contents, good until the next call; empty at their end. */
  contents(): Uint8Array<ArrayBuffer> {
    if (this.#left === 0) return new Uint8Array();
    const bytes = this.#take(this.#left);
    if (bytes.length === 0) throw broken("it ends in the middle of a file");
    this.#left -= bytes.length;
    return bytes;
  }

  #finish(): void {
    for (let most = MOST_FILLING; most > 0;) {
      const { length } = this.#take(most);
      if (length === 0) return;
      most -= length;
    }
  }
}

/** A long name as its bytes, without the NUL at its end. */
const trimmed = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, nameIn(bytes).length);
