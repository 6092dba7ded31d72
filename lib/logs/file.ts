/**
 * One file of a log, read record by record: from its beginning on, or from its end back. Whatever is in it: it may be
 * damaged, and somebody may write to it meanwhile.
 *
 * @module
 */
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { statDescriptor } from "../../ffi/stat.ts";
import { FIELD, HEADER_SIZE, MARK, MAX_DATA, STREAMS, TRAILER_SIZE } from "./format.ts";

/** A record where it lies. */
export interface Frame {
  /** An index of `STREAMS`. */
  readonly stream: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Where in the file it begins, and ends. */
  readonly begin: number;
  readonly end: number;
  /** Its data, in memory that the next look at the file overwrites. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * What to do where a record has a beginning and no end. `wait`: it is being written, take it later. `search`: look whether
 * there are whole ones behind it. `final`: nobody writes it any more, leave it out.
 */
export type Patience = "wait" | "search" | "final";

/** Bytes that are read at a time: some of the largest records. */
const WINDOW = 1 << 18;
const SECOND = 1_000_000_000;
const FRAME = HEADER_SIZE + TRAILER_SIZE;

/** What is at a place: the length of a record's data, the beginning of one, no record, the file's end. */
type Found = number | "torn" | "damaged" | "end";

/** One file of a log. */
export class LogFile implements Disposable {
  /** Where the next record begins. */
  at = 0;
  /** Whether something was left out before what was read last; to be set back by who has told so. */
  gap = false;
  /** What tells it from others, as long as it is open. */
  readonly inode: bigint;
  readonly #descriptor: Descriptor;
  #buffer = new Uint8Array(0);
  #view = new DataView(this.#buffer.buffer);
  #begin = 0;
  #length = 0;
  #limit = Infinity;

  /** @param descriptor Of a regular file; owned from now on. */
  constructor(descriptor: Descriptor, inode: bigint) {
    [this.#descriptor, this.inode] = [descriptor, inode];
  }

  /** How many bytes it has. */
  get size(): number {
    const found = statDescriptor(this.#descriptor.number);
    return Math.min(this.#limit, typeof found === "number" ? 0 : found.size);
  }

  /** Reads nothing that is written from now on. */
  freeze(): void {
    this.#limit = this.size;
  }

  /** Gives back the memory that it is read with, until it is read again: a log may have a thousand files. */
  rest(): void {
    this.#length = 0;
    this.#buffer = new Uint8Array(0);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** The next whole record; nothing where there is none yet. */
  next(patience: Patience): Frame | undefined {
    let torn: number | undefined;
    for (let at = this.at;;) {
      const found = this.#look(at, false);
      if (typeof found === "number") {
        if (at !== this.at) this.gap = true;
        const frame = this.#frame(at, found);
        this.at = frame.end;
        return frame;
      }
      if (found === "torn" && patience !== "final") {
        torn ??= at;
        if (patience === "wait") return this.#stay(torn);
      }
      if (found === "end" && this.at > 0 && this.size < this.at) {
        // Somebody has emptied it.
        [this.at, this.gap, at, torn] = [0, true, 0, undefined];
        continue;
      }
      if (found === "end") return this.#stay(torn ?? at);
      at = this.#search(at + 1);
    }
  }

  /** Nothing to be had now: what comes is to be read anew, since a record that can't be written whole is taken back. */
  #stay(at: number): undefined {
    if (at !== this.at) [this.at, this.gap] = [at, true];
    this.#length = 0;
  }

  /** The last whole record that ends at a place, or before it; nothing where there is none. */
  previous(end: number): Frame | undefined {
    if (end < FRAME) return undefined;
    this.#see(end - TRAILER_SIZE, TRAILER_SIZE, true);
    const length = this.#view.getUint32(end - TRAILER_SIZE - this.#begin, true);
    const begin = end - FRAME - length;
    if (length <= MAX_DATA && begin >= 0 && this.#look(begin, true) === length) return this.#frame(begin, length);
    for (let at = this.#searchBack(end - 1); at >= 0; at = this.#searchBack(at - 1)) {
      const found = this.#look(at, true);
      if (typeof found === "number" && at + FRAME + found <= end) return this.#frame(at, found);
    }
    return undefined;
  }

  #frame(begin: number, length: number): Frame {
    const at = begin - this.#begin;
    const data = at + HEADER_SIZE;
    return {
      stream: this.#buffer[at + FIELD.stream] ?? 0,
      seconds: Number(this.#view.getBigInt64(at + FIELD.seconds, true)),
      nanoseconds: this.#view.getUint32(at + FIELD.nanoseconds, true),
      begin,
      end: begin + FRAME + length,
      data: this.#buffer.subarray(data, data + length),
    };
  }

  #look(begin: number, backwards: boolean): Found {
    const seen = this.#see(begin, HEADER_SIZE, backwards);
    if (seen === 0) return "end";
    const at = begin - this.#begin;
    const byte = (offset: number): number => this.#buffer[at + offset] ?? 0;
    if (byte(0) !== MARK) return "damaged";
    if (seen < HEADER_SIZE) return "torn";
    const stream = byte(FIELD.stream);
    const length = this.#view.getUint32(at + FIELD.length, true);
    const isHeader = stream < STREAMS.length && byte(2) === 0 && byte(3) === 0 &&
      length <= (stream === 0 ? 0 : MAX_DATA) && this.#view.getUint32(at + FIELD.nanoseconds, true) < SECOND;
    if (!isHeader) return "damaged";
    if (this.#see(begin, FRAME + length, backwards) < FRAME + length) return "torn";
    return this.#view.getUint32(begin - this.#begin + HEADER_SIZE + length, true) === length ? length : "damaged";
  }

  /** Where the next record may begin; the end of the file where there is no such place. */
  #search(from: number): number {
    for (let at = from;;) {
      const seen = this.#see(at, 1, false);
      if (seen === 0) return at;
      const found = this.#buffer.subarray(0, this.#length).indexOf(MARK, at - this.#begin);
      if (found >= 0) return this.#begin + found;
      at = this.#begin + this.#length;
    }
  }

  /** Where the last record may begin that begins before a place or there; -1 where there is no such place. */
  #searchBack(from: number): number {
    for (let at = from; at >= 0;) {
      if (this.#see(at, 1, true) === 0) return -1;
      const found = this.#buffer.lastIndexOf(MARK, at - this.#begin);
      if (found >= 0) return this.#begin + found;
      at = this.#begin - 1;
    }
    return -1;
  }

  /** Has some bytes in the window, read with others behind or before them; answers how many there are. */
  #see(at: number, count: number, backwards: boolean): number {
    const known = this.#begin + this.#length - at;
    if (at >= this.#begin && known >= count) return count;
    if (this.#buffer.length === 0) {
      this.#buffer = new Uint8Array(WINDOW);
      this.#view = new DataView(this.#buffer.buffer);
    }
    this.#begin = backwards ? Math.max(0, at + count - WINDOW) : at;
    this.#length = 0;
    const most = Math.min(WINDOW, this.#limit - this.#begin, backwards ? at + count - this.#begin : WINDOW);
    while (this.#length < most) {
      const rest = this.#buffer.subarray(this.#length, most);
      const read = syscall("pread64", this.#descriptor.number, rest, rest.length, this.#begin + this.#length);
      if (read <= 0) break;
      this.#length += read;
    }
    return Math.max(0, Math.min(count, this.#begin + this.#length - at));
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.#descriptor.close();
  }
}
