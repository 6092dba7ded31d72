/**
 * Addresses and the subnets they are in.
 *
 * @module
 */

/** The bits of an address, as a number. */
function bits(address: string): bigint {
  if (!address.includes(":")) return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [before = "", after] = address.split("::");
  const words = (text: string | undefined): string[] => text ? text.split(":") : [];
  const middle = Array(8 - words(before).length - words(after).length).fill("0");
  return [...words(before), ...middle, ...words(after)].reduce((sum, word) => sum * 65536n + BigInt(`0x${word}`), 0n);
}

/** Whether an address is in a subnet: `192.0.2.7` is in `192.0.2.0/24`. */
export function isInside(address: string, subnet: string): boolean {
  const [network = "", length = ""] = subnet.split("/");
  if (address.includes(":") !== network.includes(":")) return false;
  const rest = BigInt((network.includes(":") ? 128 : 32) - Number(length));
  return bits(address) >> rest === bits(network) >> rest;
}

/** The address so many after a subnet's own: the first is the gateway's. */
export function nth(subnet: string, number: number): string {
  const [network = ""] = subnet.split("/");
  if (network.includes(":")) return `${network.replace(/::$/, "")}::${number.toString(16)}`;
  const value = bits(network) + BigInt(number);
  return [24n, 16n, 8n, 0n].map((shift) => String(value >> shift & 255n)).join(".");
}
