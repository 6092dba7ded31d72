/**
 * Addresses and names of the Internet, as options have them. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/**
 * A name of `/etc/hosts` and its address.
 *
 * @example
 * ```ts
 * import { type HostEntry, run } from "@libflux/cli/mod";
 *
 * const addHosts: HostEntry[] = [{ name: "db", address: "192.0.2.7" }];
 * await using container = await run({ command: ["getent", "hosts", "db"], addHosts });
 * console.log(await new Response(container.stdout).text());
 * ```
 */
export interface HostEntry {
  /** "db", "db.example" */
  readonly name: string;
  /** IPv4 or IPv6. */
  readonly address: string;
}

/** Whether a text is an IPv4 address: four decimal numbers without leading zeroes, which some read as octal. */
export function isIPv4(text: string): boolean {
  return /^(\d{1,3})(\.\d{1,3}){3}$/.test(text) &&
    text.split(".").every((part) => Number(part) <= 255 && String(Number(part)) === part);
}

/** Whether a text is an IPv6 address (RFC 4291, 2.2), without a zone. */
export function isIPv6(text: string): boolean {
  const [before = "", after, ...more] = text.split("::");
  if (more.length > 0) return false;
  // The last 32 bits may be written as IPv4.
  const groups = (part: string, last: boolean): number => {
    if (part === "") return 0;
    const all = part.split(":");
    const tail = all.at(-1) ?? "";
    const mixed = last && isIPv4(tail);
    const words = mixed ? all.slice(0, -1) : all;
    return words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word)) ? words.length + (mixed ? 2 : 0) : NaN;
  };
  if (after === undefined) return groups(before, true) === 8;
  return groups(before, false) + groups(after, true) <= 7;
}

/** Whether a text is an IP address. */
export function isAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}

/** The bytes of an IP address in network order, 4 or 16 of them; nothing where the text is none. */
export function parseAddress(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text)) return undefined;
  const [before = "", after = ""] = text.split("::");
  const tail = octets(after);
  const bytes = new Uint8Array(16);
  bytes.set(octets(before));
  bytes.set(tail, bytes.length - tail.length);
  return bytes;
}

/** The bytes of one side of `::`. */
function octets(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((word) => {
    if (word.includes(".")) return word.split(".").map(Number);
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 0xff];
  });
}

/**
 * An address of 4 or 16 bytes as text: the one that RFC 5952 has for it.
 *
 * @throws {TypeError} It has another number of bytes.
 */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new TypeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const words = Array.from({ length: 8 }, (_, index) => view.getUint16(2 * index));
  // The longest run of zeroes is left out, the first of several; a single zero isn't.
  let [start, length] = [0, 1];
  for (let at = 0; at < words.length; at++) {
    let run = 0;
    while (words[at + run] === 0) run++;
    if (run > length) [start, length] = [at, run];
  }
  const hex = words.map((word) => word.toString(16));
  if (length === 1) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** Whether an address is an IPv4 one in IPv6's clothes: `::ffff:0:0/96` (RFC 4291, 2.5.5.2). */
export function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff &&
    bytes[11] === 0xff;
}

const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?$/;

/** Throws a {@link UsageError} that names the first entry, resolver or domain that can't be. */
export function checkNames(
  entries: readonly HostEntry[],
  resolvers: readonly string[],
  domains: readonly string[],
): void {
  for (const address of [...entries.map((entry) => entry.address), ...resolvers]) {
    if (isAddress(address)) continue;
    throw new UsageError(`"${printable(address)}" is no IP address`, { hint: "write 192.0.2.1 or 2001:db8::1" });
  }
  for (const name of [...entries.map((entry) => entry.name), ...domains.filter((domain) => domain !== ".")]) {
    if (!NAME.test(name)) throw new UsageError(`"${printable(name)}" can't be the name of a host or a domain`);
  }
}
