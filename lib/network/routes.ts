/**
 * Which networks the host knows already: a subnet for containers must not hide one of them. Pure.
 *
 * @module
 */
import { formatAddress, formatSubnet, parseAddress, type Subnet, subnetOf } from "./subnets.ts";

/**
 * Below it, a route is a part of a default route: VPNs put 0.0.0.0/1 and 128.0.0.0/1, or 2000::/4 and fc00::/7, before
 * the host's own. Counted as networks, they would leave no subnet for containers.
 */
const LEAST_PREFIX = 8;

/**
 * The subnets that are routed, each once.
 *
 * Default routes and those of multicast and, in IPv6, of link-local addresses are left out. Routes that refuse are not:
 * somebody keeps these addresses from being used.
 *
 * @param ipv4 `/proc/net/route`, or nothing.
 * @param ipv6 `/proc/net/ipv6_route`, or nothing.
 */
export function parseRoutes(ipv4: string, ipv6: string): Subnet[] {
  const routed = [...ipv4.split("\n").map(routeOf4), ...ipv6.split("\n").map(routeOf6)];
  return distinct(routed.filter((subnet) => subnet !== undefined && subnet.prefix >= LEAST_PREFIX));
}

/** Bytes from pairs of hexadecimal digits. */
const fromHex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** `fib_route_seq_show()`, `net/ipv4/fib_trie.c`: device, destination, gateway, flags, three counts, mask, … */
function routeOf4(line: string): Subnet | undefined {
  const fields = line.trim().split(/\s+/);
  const [destination = "", mask = ""] = [fields[1], fields[7]];
  // The line of headings.
  if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return undefined;
  // A number of the machine, which is little-endian.
  const [address, bits] = [fromHex(destination).reverse(), fromHex(mask).reverse()];
  const [first = 0] = address;
  if (first >= 224 && first < 240) return undefined;
  // The kernel has only masks of ones and then zeroes.
  return subnetOf(address, bits.reduce((count, byte) => count + byte.toString(2).replaceAll("0", "").length, 0));
}

/** `rt6_info_route()`, `net/ipv6/route.c`: destination, its prefix in hexadecimal, source, … */
function routeOf6(line: string): Subnet | undefined {
  const found = /^([0-9a-f]{32}) ([0-9a-f]{2}) /.exec(line);
  if (found === null) return undefined;
  const address = fromHex(found[1] ?? "");
  const [first = 0, second = 0] = address;
  const isLinkLocal = first === 0xfe && (second & 0xc0) === 0x80;
  return first === 0xff || isLinkLocal ? undefined : subnetOf(address, Number.parseInt(found[2] ?? "", 16));
}

/** The addresses of a resolv.conf's name servers, each as a subnet of its own, without those of the host's loopback. */
export function resolverSubnets(resolv: string): Subnet[] {
  return distinct(
    resolv.split("\n").map((line) => {
      // A link-local one has its device after a percent sign.
      const address = parseAddress(/^nameserver\s+([^\s%]+)/.exec(line)?.[1] ?? "");
      const isLoopback = address?.length === 4
        ? address[0] === 127
        : address !== undefined && formatAddress(address) === "::1";
      return address === undefined || isLoopback ? undefined : subnetOf(address, 8 * address.length);
    }),
  );
}

function distinct(subnets: readonly (Subnet | undefined)[]): Subnet[] {
  return [...new Map(subnets.filter((one) => one !== undefined).map((one) => [formatSubnet(one), one])).values()];
}
