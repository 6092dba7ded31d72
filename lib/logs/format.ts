/**
 * The format of a log file: records one after the other, each what a stream gave at one time.
 *
 * | offset | size | content |
 * | --- | --- | --- |
 * | 0 | 1 | {@link MARK} |
 * | 1 | 1 | the stream: 1 standard output (or the terminal), 2 standard error; 0: output was lost here, no data follow |
 * | 2 | 2 | 0 |
 * | 4 | 4 | how many bytes of data follow, at most {@link MAX_DATA} |
 * | 8 | 8 | seconds since 1970 |
 * | 16 | 4 | nanoseconds |
 * | 20 | length | the data |
 * | 20 + length | 4 | the length again, so that a file can also be read from its end |
 *
 * All numbers are little-endian. A record is whole or isn't there: one that is torn was the last that was written before a
 * crash. Native code writes it (`writer.ts`), by a handful of instructions: nothing here takes more.
 *
 * @module
 */

/** What every record begins with. */
export const MARK = 0xf1;
/** Bytes before a record's data. */
export const HEADER_SIZE = 20;
/** Bytes after them. */
export const TRAILER_SIZE = 4;
/** The most data of one record: as much as a pipe holds by default. */
export const MAX_DATA = 65536;

/** Where in a header what is. */
export const FIELD = { mark: 0, stream: 1, length: 4, seconds: 8, nanoseconds: 16 } as const;

/** Whose output a record is; `lost` where some couldn't be written. */
export type LogStream = "stdout" | "stderr" | "lost";

/** The streams by their numbers. */
export const STREAMS: readonly LogStream[] = ["lost", "stdout", "stderr"];

/** A record, read. */
export interface LogRecord {
  readonly stream: LogStream;
  /** Milliseconds since 1970, with what is less than one as a fraction. */
  readonly time: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Nanoseconds in a millisecond. */
const NANOSECONDS = 1_000_000;

/** Writes a record as the native code does. Pure; for tests. */
export function encodeRecord({ stream, time, data }: LogRecord): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_SIZE + data.length + TRAILER_SIZE);
  const view = new DataView(bytes.buffer);
  const seconds = Math.floor(time / 1000);
  bytes.set([MARK, STREAMS.indexOf(stream)]);
  view.setUint32(FIELD.length, data.length, true);
  view.setBigInt64(FIELD.seconds, BigInt(seconds), true);
  view.setUint32(FIELD.nanoseconds, Math.round((time - seconds * 1000) * NANOSECONDS), true);
  bytes.set(data, HEADER_SIZE);
  view.setUint32(HEADER_SIZE + data.length, data.length, true);
  return bytes;
}

/**
 * Reads the record that begins at an offset; nothing where there is no whole one. Pure.
 *
 * @returns The record and where the next begins.
 */
export function decodeRecord(
  bytes: Uint8Array<ArrayBuffer>,
  offset = 0,
): { readonly record: LogRecord; readonly end: number } | undefined {
  if (offset + HEADER_SIZE + TRAILER_SIZE > bytes.length || bytes[offset] !== MARK) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const stream = STREAMS[view.getUint8(offset + FIELD.stream)];
  const length = view.getUint32(offset + FIELD.length, true);
  const begin = offset + HEADER_SIZE;
  const end = begin + length + TRAILER_SIZE;
  if (stream === undefined || length > MAX_DATA || end > bytes.length) return undefined;
  if (view.getUint32(begin + length, true) !== length) return undefined;
  const seconds = Number(view.getBigInt64(offset + FIELD.seconds, true));
  const time = seconds * 1000 + view.getUint32(offset + FIELD.nanoseconds, true) / NANOSECONDS;
  return { record: { stream, time, data: bytes.slice(begin, begin + length) }, end };
}
