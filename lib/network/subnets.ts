/**
 * Subnets and the addresses in them, as values. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { formatAddress, parseAddress } from "../spec/addresses.ts";
export { formatAddress, parseAddress };

/** Addresses that have their first bits in common. */
export interface Subnet {
  readonly family: 4 | 6;
  /** Its first address, as {@link formatAddress} writes it: no bit after the prefix is set. */
  readonly address: string;
  /** How many bits they have in common: up to 32, or 128. */
  readonly prefix: number;
}

const HINT = "write 10.87.0.0/24 or fd00:1::/64";

/** Prefixes that a network of containers may have, and why not shorter or longer ones. */
const LIMITS = {
  4: { least: 8, most: 29, short: "larger than every private network", long: "too small for a gateway and containers" },
  // RFC 6177: a site is given a /48 at most.
  6: { least: 48, most: 120, short: "larger than a whole site", long: "a network of fewer than 256 addresses" },
} as const;

const bitsOf = (family: 4 | 6): 32 | 128 => family === 4 ? 32 : 128;

/** Bytes of what was parsed before. */
function bytesOf(address: string): Uint8Array<ArrayBuffer> {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new TypeError(`"${printable(address)}" is no IP address`);
  return bytes;
}

/** The subnet of so many bits that has an address, given as 4 or 16 bytes. */
export function subnetOf(address: Uint8Array, prefix: number): Subnet {
  const network = address.map((byte, at) => byte & (0xff00 >> Math.min(Math.max(prefix - 8 * at, 0), 8)));
  return { family: address.length === 4 ? 4 : 6, address: formatAddress(network), prefix };
}

/**
 * Reads a subnet for containers: "10.87.0.0/24", from /8 to /29, or "fd00:1::/64", from /48 to /120.
 *
 * @throws {UsageError} It is none, has bits set after the prefix, another size, or addresses that nobody can be given.
 */
export function parseSubnet(text: string): Subnet {
  const shown = printable(text);
  const at = text.indexOf("/");
  if (at < 0) throw new UsageError(`"${shown}" is no subnet: it has no length after a slash`, { hint: HINT });
  const [address, length] = [text.slice(0, at), text.slice(at + 1)];
  const bytes = parseAddress(address);
  if (bytes === undefined) {
    throw new UsageError(`"${printable(address)}" in "${shown}" is no IP address`, { hint: HINT });
  }
  if (!/^(0|[1-9]\d{0,2})$/.test(length)) {
    throw new UsageError(`"${printable(length)}" in "${shown}" is no number of bits`, { hint: HINT });
  }
  const prefix = Number(length);
  const { least, most, short, long } = LIMITS[bytes.length === 4 ? 4 : 6];
  if (prefix < least || prefix > most) {
    throw new UsageError(`"${shown}" is ${prefix < least ? short : long}`, {
      hint: `give a subnet from /${least} to /${most}`,
    });
  }
  const subnet = subnetOf(bytes, prefix);
  if (isReserved(bytes)) {
    throw new UsageError(
      `"${shown}" is of addresses that no container can have: loopback, multicast or reserved ones`,
      {
        hint: HINT,
      },
    );
  }
  if (subnet.address !== formatAddress(bytes)) {
    throw new UsageError(`"${shown}" is an address in a subnet, and no subnet`, {
      hint: `write ${formatSubnet(subnet)}`,
    });
  }
  return subnet;
}

/**
 * Whether a network is of addresses with another meaning (RFC 6890; RFC 4291, 2.4): this host, loopback, multicast, a
 * link's own. The first byte of IPv4, the first six of IPv6 tell, as prefixes aren't shorter.
 */
function isReserved(address: Uint8Array): boolean {
  const [first = 0, second = 0] = address;
  if (address.length === 4) {
    return first === 0 || first === 127 || first >= 224 || first === 169 && second === 254;
  }
  const isLinkLocal = first === 0xfe && (second & 0xc0) === 0x80;
  return first === 0xff || isLinkLocal || address.subarray(0, 6).every((byte) => byte === 0);
}

/** "10.87.0.0/24" */
export function formatSubnet({ address, prefix }: Subnet): string {
  return `${address}/${prefix}`;
}

/** Whether two addresses of the same length have their first bits in common. */
function agree(one: Uint8Array, other: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let at = 0; at < whole; at++) if (one[at] !== other[at]) return false;
  return (((one[whole] ?? 0) ^ (other[whole] ?? 0)) & (0xff00 >> (bits & 7)) & 0xff) === 0;
}

/** Whether an address is in a subnet; what is no address isn't. */
export function contains(subnet: Subnet, address: string): boolean {
  const network = bytesOf(subnet.address);
  const bytes = parseAddress(address);
  return bytes !== undefined && bytes.length === network.length && agree(network, bytes, subnet.prefix);
}

/** Whether two subnets have an address in common. */
export function overlaps(one: Subnet, other: Subnet): boolean {
  return one.family === other.family &&
    agree(bytesOf(one.address), bytesOf(other.address), Math.min(one.prefix, other.prefix));
}

/**
 * The address at a place in a subnet: 0 is the network's own.
 *
 * @throws {RangeError} The place is outside.
 */
export function hostAt(subnet: Subnet, index: number): string {
  if (!Number.isSafeInteger(index) || index < 0 || index >= 2 ** (bitsOf(subnet.family) - subnet.prefix)) {
    throw new RangeError(`there is no address ${index} in ${formatSubnet(subnet)}`);
  }
  const bytes = bytesOf(subnet.address);
  // Nothing is carried: no bit after the prefix is set.
  for (let at = bytes.length - 1, rest = index; rest > 0; at--, rest = Math.floor(rest / 256)) {
    bytes[at] = (bytes[at] ?? 0) + rest % 256;
  }
  return formatAddress(bytes);
}

/** The place of an address in a subnet; nothing where it is outside, or further than a number can say. */
export function hostIndex(subnet: Subnet, address: string): number | undefined {
  if (!contains(subnet, address)) return undefined;
  const bytes = bytesOf(address);
  let index = 0;
  for (let at = subnet.prefix >> 3; at < bytes.length; at++) {
    const mask = at === subnet.prefix >> 3 ? 0xff >> (subnet.prefix & 7) : 0xff;
    index = index * 256 + ((bytes[at] ?? 0) & mask);
    if (index > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return index;
}

/**
 * The last place of a subnet that somebody can have, the first being 1: without the broadcast address of IPv4, and at
 * most 2^31 - 1. 0 where there is none.
 */
export function usableCount({ family, prefix }: Subnet): number {
  const size = 2 ** (bitsOf(family) - prefix);
  return family === 4 ? Math.max(size - 2, 0) : Math.min(size - 1, 2 ** 31 - 1);
}

/** Where subnets are taken from if nobody names one: corners of the private ranges that few networks use (RFC 1918). */
const POOLS: readonly Subnet[] = [
  { family: 4, address: "10.87.0.0", prefix: 16 },
  { family: 4, address: "172.29.0.0", prefix: 16 },
  { family: 4, address: "192.168.128.0", prefix: 17 },
];

/** The first and the last address of an IPv4 subnet, as numbers. */
function rangeOf({ address, prefix }: Subnet): readonly [number, number] {
  const first = bytesOf(address).reduce((number, byte) => number * 256 + byte, 0);
  return [first, first + 2 ** (32 - prefix) - 1];
}

/** The first /24 of the pools that overlaps with nothing; nothing where all are taken. */
export function chooseSubnet(taken: readonly Subnet[]): Subnet | undefined {
  const ranges = taken.filter(({ family }) => family === 4).map(rangeOf);
  for (const pool of POOLS) {
    const [start, end] = rangeOf(pool);
    for (let first = start; first < end; first += 256) {
      if (ranges.some(([from, to]) => from <= first + 255 && to >= first)) continue;
      return { family: 4, address: hostAt(pool, first - start), prefix: 24 };
    }
  }
  return undefined;
}

/**
 * A network of one's own, "fdXX:XXXX:XXXX::/64": the first of the site that 5 random bytes name (RFC 4193, 3.2).
 *
 * @throws {TypeError} There aren't 5 bytes.
 */
export function uniqueLocal(random: Uint8Array): Subnet {
  if (random.length !== 5) throw new TypeError(`a unique local network has 5 random bytes, not ${random.length}`);
  return subnetOf(Uint8Array.of(0xfd, ...random, ...new Uint8Array(10)), 64);
}

/**
 * The MAC address that goes with an IPv4 address: "0a:58:" and its four bytes, as CNI's plugins have it, so that a
 * neighbour's cache stays right when an address is given again.
 *
 * @throws {TypeError} It is no IPv4 address.
 */
export function macFor(address: string): string {
  const bytes = bytesOf(address);
  if (bytes.length !== 4) throw new TypeError(`"${printable(address)}" is no IPv4 address`);
  return Array.of(0x0a, 0x58, ...bytes).map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
