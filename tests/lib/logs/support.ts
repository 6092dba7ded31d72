/**
 * What tests of reading logs share: random logs, the same each time, and a slow and simple way to read them.
 *
 * @module
 */
import { encodeRecord, type LogRecord, type LogStream } from "../../../lib/logs/format.ts";
import type { Entry } from "../../../lib/logs/reader.ts";
import type { Descriptor } from "../../../ffi/libc.ts";
import { openIfThere } from "../../../lib/logs/life.ts";

/** Numbers that look random: from 0 to below `most`. (mulberry32) */
export function random(seed: number): (most: number) => number {
  let state = seed >>> 0;
  return (most) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * most);
  };
}

const encoder = new TextEncoder();
export const bytes = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** A record with a text. */
export const record = (stream: LogStream, data: string, time = 1_700_000_000_000): LogRecord => ({
  ...{ stream, time },
  data: bytes(data),
});

/** Records of both streams: lines whole, in pieces, several at once, marks among them; the clock goes back sometimes. */
export function randomRecords(next: (most: number) => number, count: number): LogRecord[] {
  let time = 1_700_000_000_000;
  return Array.from({ length: count }, (): LogRecord => {
    time += next(1000) - (next(20) === 0 ? 5000 : 0);
    const size = next(10) === 0 ? next(2000) : next(20);
    const data = Uint8Array.from({ length: size }, () => {
      const kind = next(8);
      return kind === 0 ? 10 : kind === 1 ? 0xf1 : kind === 2 ? next(3) : 97 + next(26);
    });
    return { stream: next(3) === 0 ? "stderr" : "stdout", time, data };
  });
}

/** A directory with files of a log in it, the oldest first. */
export class Log implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "libflux-logs-" });

  constructor(files: readonly (readonly LogRecord[])[] = []) {
    files.forEach((records, index) => this.write(files.length - 1 - index, records));
  }

  /** The path of a file of some age. */
  file(age = 0): string {
    return `${this.path}/log${age === 0 ? "" : `.${age}`}`;
  }

  /** Adds records to a file. */
  write(age: number, records: readonly LogRecord[]): void {
    using file = Deno.openSync(this.file(age), { append: true, create: true });
    for (const record of records) file.writeSync(encodeRecord(record));
  }

  /** Renames the files as the writer does, and begins the next. */
  rotate(most: number): void {
    Deno.writeFileSync(`${this.path}/log.new`, new Uint8Array());
    for (let age = most - 2; age >= 0; age--) {
      try {
        Deno.renameSync(this.file(age), this.file(age + 1));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    Deno.renameSync(`${this.path}/log.new`, this.file());
  }

  open(): Descriptor {
    const opened = openIfThere(this.path);
    if (opened === undefined) throw new Error(`${this.path} can't be opened`);
    return opened;
  }

  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** What each stream shows: the bytes of both, one after the other, each marked by its stream. */
export function flat(entries: Iterable<Pick<Entry, "stream" | "data">>): string {
  let [shown, last] = ["", ""];
  for (const { stream, data } of entries) {
    if (data.length === 0 && stream !== "lost") continue;
    if (stream !== last || stream === "lost") shown += `<${stream}>`;
    last = stream;
    for (const byte of data) shown += String.fromCharCode(byte);
  }
  return shown;
}

/** The last lines, found in the simplest way: all lines, sorted by where they end. */
export function naiveTail(records: readonly LogRecord[], lines: number): LogRecord[] {
  const ends: { readonly stream: LogStream; readonly record: number; readonly byte: number }[] = [];
  records.forEach(({ stream, data }, record) =>
    data.forEach((byte, at) => {
      if (byte === 10) ends.push({ stream, record, byte: at + 1 });
    })
  );
  for (const stream of ["stdout", "stderr"] as const) {
    const record = records.findLastIndex((one) => one.stream === stream && one.data.length > 0);
    const { data } = records[record] ?? { data: new Uint8Array() };
    if (data.length > 0 && data.at(-1) !== 10) ends.push({ stream, record, byte: data.length });
  }
  ends.sort((a, b) => a.record - b.record || a.byte - b.byte);
  const before = ends.slice(0, Math.max(0, ends.length - lines));
  return records.flatMap((one, index) => {
    const last = before.findLast(({ stream }) => stream === one.stream);
    if (last === undefined || last.record < index) return [one];
    return last.record > index ? [] : [{ ...one, data: one.data.slice(last.byte) }];
  });
}
