/**
 * Tar archives: headers as POSIX has them (ustar), with GNU's long names and big numbers, which busybox reads as well, and
 * in what is read POSIX's records (pax) too. Pure.
 *
 * @module
 */
import type { ByteName } from "../../ffi/files.ts";
import { FluxError } from "../errors.ts";

/** Bytes of a block: all of an archive is in these. */
export const BLOCK = 512;

/** What an entry is. */
export type TarType = "file" | "hardlink" | "link" | "directory" | "other";

/** One entry of an archive. */
export interface TarEntry {
  readonly type: TarType;
  /** The character that says so. */
  readonly flag: string;
  readonly name: ByteName;
  /** Where a link leads, or what a hard link is another name of. */
  readonly target: ByteName;
  /** Permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, and nanoseconds. */
  readonly modified: readonly [bigint, number];
  /** Bytes of its contents, which follow. */
  readonly size: number;
}

const FLAGS: Readonly<Record<string, TarType>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "link",
  "5": "directory",
};
const FLAG_OF = { file: "0", hardlink: "1", link: "2", directory: "5" } as const;

/** Where each field is: `struct posix_header`. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  flag: [156, 1],
  target: [157, 100],
  magic: [257, 6],
  prefix: [345, 155],
} as const;
type Field = keyof typeof FIELD;

/** An archive that can't be read. */
export function broken(why: string, hint = "it may have been cut off, or be no tar archive"): FluxError {
  return new FluxError(`the archive can't be extracted: ${why}`, { hint });
}

function bytesOf(block: Uint8Array, field: Field): Uint8Array {
  const [start, length] = FIELD[field];
  return block.subarray(start, start + length);
}

/** Bytes as a name; it ends with the first NUL. */
export function nameIn(bytes: Uint8Array): ByteName {
  const end = bytes.indexOf(0);
  return textOf(end < 0 ? bytes : bytes.subarray(0, end));
}

function numberIn(block: Uint8Array, field: Field): bigint {
  const bytes = bytesOf(block, field);
  const first = bytes[0] ?? 0;
  if ((first & 0x80) !== 0) {
    // GNU's: a number of two's complement, whose first bit says that it is one.
    let value = BigInt(first & 0x3f) - ((first & 0x40) === 0 ? 0n : 64n);
    for (const byte of bytes.subarray(1)) value = value << 8n | BigInt(byte);
    return value;
  }
  const [, digits] = /^ *([0-7]*)[ \0]*$/.exec(textOf(bytes)) ?? [];
  if (digits === undefined) throw broken(`the ${field} of an entry is no number`);
  return BigInt(`0o${digits === "" ? "0" : digits}`);
}

/** Bytes as a text of as many characters. */
const textOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

/** A number that counts bytes, or is an id. */
function counted(value: bigint, field: string): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw broken(`the ${field} ${value} of an entry is out of range`);
}

function sumOf(block: Uint8Array, read: (byte: number) => number): number {
  const [start, length] = FIELD.checksum;
  let sum = 0;
  block.forEach((byte, at) => sum += at >= start && at < start + length ? 32 : read(byte));
  return sum;
}

/** Whether a block has nothing but zeroes: the end of an archive. */
export const isZero = (block: Uint8Array): boolean => block.every((byte) => byte === 0);

/** Throws unless a block is a header, by its sum. */
function checkSum(block: Uint8Array): void {
  const sum = Number(numberIn(block, "checksum"));
  // Some old programs have summed up signed bytes.
  if (sum === sumOf(block, (byte) => byte) || sum === sumOf(block, (byte) => byte << 24 >> 24)) return;
  throw broken("it has garbage where an entry should begin");
}

/** What pax records, or GNU's long names, say of the entry after them. */
export type Extras = ReadonlyMap<string, Uint8Array>;

/** Reads a header. @param extras Which go before what it says itself. */
export function parseHeader(block: Uint8Array, extras: Extras): TarEntry {
  checkSum(block);
  const text = (key: string): string | undefined => {
    const value = extras.get(key);
    return value === undefined ? undefined : textOf(value);
  };
  const flag = String.fromCharCode(block[FIELD.flag[0]] ?? 0);
  const own = nameIn(bytesOf(block, "name"));
  // GNU's own format has other things there.
  const prefix = nameIn(bytesOf(block, "magic")) === "ustar" ? nameIn(bytesOf(block, "prefix")) : "";
  const name = text("path") ?? (prefix === "" ? own : `${prefix}/${own}`);
  const number = (key: string, field: Field): number => {
    const value = text(key);
    if (value === undefined) return counted(numberIn(block, field), field);
    if (!/^[0-9]{1,16}$/.test(value)) throw broken(`the ${field} of an entry is no number`);
    return counted(BigInt(value), field);
  };
  const type = FLAGS[flag] ?? "other";
  return {
    // Before POSIX a directory was a file with a slash at its end.
    type: type === "file" && name.endsWith("/") ? "directory" : type,
    flag,
    name,
    target: text("linkpath") ?? nameIn(bytesOf(block, "target")),
    mode: counted(numberIn(block, "mode"), "mode") & 0o7777,
    uid: number("uid", "uid"),
    gid: number("gid", "gid"),
    modified: timeOf(text("mtime")) ?? [timeIn(block), 0],
    // Whatever they say: nothing follows these.
    size: type === "file" || type === "other" ? number("size", "size") : 0,
  };
}

/** Seconds that the kernel can be given: more would come to it as some other time. */
function timeIn(block: Uint8Array): bigint {
  const seconds = numberIn(block, "mtime");
  if (BigInt.asIntN(64, seconds) === seconds) return seconds;
  throw broken(`the time ${seconds} of an entry is out of range`);
}

/** A time of pax: seconds with a fraction. */
function timeOf(text: string | undefined): [bigint, number] | undefined {
  if (text === undefined) return undefined;
  const [, sign, seconds, fraction = ""] = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(text) ?? [];
  if (seconds === undefined) throw broken("the time of an entry is no number");
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (sign !== "-") return [BigInt(seconds), nanoseconds];
  return nanoseconds === 0 ? [-BigInt(seconds), 0] : [-BigInt(seconds) - 1n, 1e9 - nanoseconds];
}

/** What of them is read; all else is nothing to who extracts files. */
const KEYS = /^(?:path|linkpath|size|uid|gid|mtime|GNU\.sparse\.(?:major|map|size))$/;

/** Reads pax records: `LENGTH KEY=VALUE\n`. */
export function parseRecords(bytes: Uint8Array): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length;) {
    const blank = bytes.indexOf(32, at);
    const digits = blank < 0 || blank - at > 9 ? "" : String.fromCharCode(...bytes.subarray(at, blank));
    const end = at + Number(digits);
    const equals = bytes.indexOf(61, blank);
    const isRecord = /^[0-9]+$/.test(digits) && equals > blank && equals < end && end <= bytes.length &&
      bytes[end - 1] === 10;
    if (!isRecord) throw broken("an extended header of it is garbage");
    const key = new TextDecoder().decode(bytes.subarray(blank + 1, equals));
    const value = bytes.subarray(equals + 1, end - 1);
    if (["path", "linkpath"].includes(key) && value.includes(0)) throw broken("a name in it has a NUL byte");
    if (KEYS.test(key)) found.set(key, value);
    at = end;
  }
  return found;
}

function put(block: Uint8Array, field: Field, text: string): void {
  for (let i = 0; i < text.length; i++) block[FIELD[field][0] + i] = text.charCodeAt(i);
}

function putNumber(block: Uint8Array, field: Field, value: bigint): void {
  const [start, length] = FIELD[field];
  const digits = value.toString(8);
  if (value >= 0n && digits.length < length) return put(block, field, digits.padStart(length - 1, "0"));
  let rest = value;
  for (let at = start + length - 1; at >= start; at--, rest >>= 8n) block[at] = Number(rest & 0xffn);
  block[start] = (block[start] ?? 0) | 0x80;
}

/** A name in two parts, as ustar has it; nothing where it doesn't fit. */
function split(name: ByteName): readonly [prefix: ByteName, name: ByteName] | undefined {
  if (name.length <= FIELD.name[1]) return ["", name];
  // The slash between them stands in neither.
  const at = name.indexOf("/", name.length - FIELD.name[1] - 1);
  return at <= 0 || at > FIELD.prefix[1] || at >= name.length - 1 ? undefined : [name.slice(0, at), name.slice(at + 1)];
}

function header(entry: Omit<TarEntry, "type">, [prefix, name]: readonly [ByteName, ByteName]): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  put(block, "name", name);
  putNumber(block, "mode", BigInt(entry.mode));
  putNumber(block, "uid", BigInt(entry.uid));
  putNumber(block, "gid", BigInt(entry.gid));
  putNumber(block, "size", BigInt(entry.size));
  putNumber(block, "mtime", entry.modified[0]);
  put(block, "flag", entry.flag);
  put(block, "target", entry.target.slice(0, FIELD.target[1]));
  // The version follows it.
  put(block, "magic", "ustar\x0000");
  put(block, "prefix", prefix);
  put(block, "checksum", `${sumOf(block, (byte) => byte).toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Zeroes after so many bytes, up to the next block. */
export const padding = (size: number): number => (BLOCK - size % BLOCK) % BLOCK;

/** GNU's entry for a name that has no room in the header after it. */
function long(flag: "L" | "K", name: ByteName): Uint8Array<ArrayBuffer>[] {
  const size = name.length + 1;
  const contents = new Uint8Array(size + padding(size));
  for (let i = 0; i < name.length; i++) contents[i] = name.charCodeAt(i);
  const entry = { flag, name, target: "", mode: 0o644, uid: 0, gid: 0, modified: [0n, 0] as const, size };
  return [header(entry, ["", "././@LongLink"]), contents];
}

/** What stands before an entry's contents. */
export function encodeHeader(entry: Omit<TarEntry, "flag"> & { readonly type: keyof typeof FLAG_OF }): Uint8Array<
  ArrayBuffer
>[] {
  const parts = split(entry.name);
  return [
    ...entry.target.length > FIELD.target[1] ? long("K", entry.target) : [],
    ...parts === undefined ? long("L", entry.name) : [],
    header({ ...entry, flag: FLAG_OF[entry.type] }, parts ?? ["", entry.name.slice(0, FIELD.name[1])]),
  ];
}
