/**
 * Where the last lines of a log begin.
 *
 * @module
 */
import type { Frame, LogFile } from "./file.ts";

/** A place in a log. */
export interface Place {
  /** Which of the files. */
  readonly file: number;
  /** Where in it the record begins. */
  readonly at: number;
  /** How much of its data comes before. */
  readonly byte: number;
}

/** Where each of the two streams begins to be shown: by its number. */
export type Start = Readonly<Record<number, Place>>;

const BEGIN: Place = { file: 0, at: 0, byte: 0 };
const NEWLINE = 10;

/** What is known of a stream on the way back. */
interface Way {
  /** Whether something of it was met. */
  met: boolean;
  /** Whether a line of it is among the last. */
  chosen: boolean;
  start?: Place;
}

/** Which of two places comes first. */
export function compare(a: Place, b: Place): number {
  return a.file - b.file || a.at - b.at || a.byte - b.byte;
}

/**
 * Finds the last lines, of all streams together, in the order in which they end; one that has no end yet counts.
 *
 * @param files The oldest first.
 * @param accepts Whether a record is to be shown at all.
 */
export function findTail(files: readonly LogFile[], lines: number, accepts: (frame: Frame) => boolean): Start {
  const last = files.length - 1;
  const end: Place = { file: Math.max(0, last), at: files[last]?.size ?? 0, byte: 0 };
  const ways: Record<number, Way> = { 1: { met: false, chosen: false }, 2: { met: false, chosen: false } };
  const all = Object.values(ways);
  let count = 0;
  const close = (): boolean => {
    if (count < lines) return false;
    for (const way of all) if (!way.chosen) way.start ??= end;
    return all.every(({ start }) => start !== undefined);
  };
  let done = close();
  for (let file = last; file >= 0 && !done; file--) {
    const own = files[file];
    if (own === undefined) break;
    for (let frame = own.previous(own.size); frame !== undefined && !done; frame = own.previous(frame.begin)) {
      const way = ways[frame.stream];
      if (way === undefined || way.start !== undefined || frame.data.length === 0 || !accepts(frame)) continue;
      const { data, begin: at } = frame;
      let byte = data.length;
      if (!way.met) {
        way.met = true;
        if (data[byte - 1] !== NEWLINE) {
          count++;
          way.chosen = true;
        }
      }
      while (byte > 0) {
        const newline = data.lastIndexOf(NEWLINE, byte - 1);
        if (newline < 0) break;
        if (count >= lines) {
          // The line that ends here isn't among them; what comes after it in this stream is.
          way.start = { file, at, byte: newline + 1 };
          break;
        }
        count++;
        way.chosen = true;
        byte = newline;
      }
      done = close();
    }
    own.rest();
  }
  return { 1: ways[1]?.start ?? BEGIN, 2: ways[2]?.start ?? BEGIN };
}
