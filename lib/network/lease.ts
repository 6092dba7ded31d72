/**
 * Addresses of containers.
 *
 * @module
 */
import { NetworkError } from "../errors.ts";
import { parseAddress } from "../spec/addresses.ts";
import type { Lease, Network } from "../store/network.ts";
import { contains, formatSubnet, hostAt, hostIndex, macFor, parseSubnet, usableCount } from "./subnets.ts";

/** What a container is to have on its network. */
export interface LeaseWish {
  readonly name: string;
  readonly id: string;
  readonly ip?: string;
  readonly ip6?: string;
  readonly macAddress?: string;
  readonly aliases?: readonly string[];
}

/** Throws unless an address of a subnet can be a container's. */
function checkWish(text: string | undefined, address: string, network: Network): void {
  const subnet = text === undefined ? undefined : parseSubnet(text);
  const index = subnet === undefined ? undefined : hostIndex(subnet, address);
  if (
    subnet === undefined || !contains(subnet, address) || index === undefined || index < 1 ||
    index > usableCount(subnet)
  ) {
    throw new NetworkError(`${address} is no address of the network ${network.name}`, {
      hint: text === undefined ? "it has no IPv6" : `its subnet is ${text}`,
    });
  }
  if (address === network.gateway || address === network.ipv6Gateway) {
    throw new NetworkError(`${address} is the gateway of the network ${network.name}`, {
      hint: `use another of ${text}`,
    });
  }
}

function isSame(one: string, other: string): boolean {
  return String(parseAddress(one)) === String(parseAddress(other));
}

/** An address that was asked for. */
function asked(address: string, subnet: string | undefined, network: Network, leases: readonly Lease[]): string {
  checkWish(subnet, address, network);
  const holder = leases.find(({ address: one, ipv6Address = one }) =>
    isSame(one, address) || isSame(ipv6Address, address)
  );
  if (holder === undefined) return address;
  throw new NetworkError(`the address ${address} is in use by the container ${holder.name}`, {
    hint: "use another, or leave it out for one that is free",
  });
}

/** The lowest address that nobody has. */
function free(network: Network, leases: readonly Lease[]): string {
  const subnet = parseSubnet(network.subnet);
  const taken = new Set([network.gateway, ...leases.map(({ address }) => address)]);
  for (let index = 1; index <= usableCount(subnet); index++) {
    const address = hostAt(subnet, index);
    if (!taken.has(address)) return address;
  }
  throw new NetworkError(`every address of the network ${network.name} (${formatSubnet(subnet)}) is in use`, {
    hint: "end some containers, or make another network",
  });
}

/** That of IPv6 which goes with an address of IPv4; another where somebody has asked for it before. */
function free6(text: string, address: string, network: Network, leases: readonly Lease[]): string {
  const subnet = parseSubnet(text);
  const taken = new Set([network.ipv6Gateway, ...leases.map(({ ipv6Address }) => ipv6Address)]);
  const first = hostIndex(parseSubnet(network.subnet), address) ?? 1;
  for (let offset = 0;; offset++) {
    const candidate = hostAt(subnet, (first - 1 + offset) % usableCount(subnet) + 1);
    if (!taken.has(candidate)) return candidate;
  }
}

/** Chooses a container's addresses. @throws {NetworkError} One that it asks for isn't to be had, or none is free. */
export function chooseLease(network: Network, leases: readonly Lease[], wish: LeaseWish): Lease {
  const { ip, ip6, macAddress } = wish;
  const twin = leases.find((lease) => lease.macAddress === macAddress?.toLowerCase());
  if (twin !== undefined) {
    throw new NetworkError(`the MAC address ${macAddress} is in use by the container ${twin.name}`, {
      hint: "use another, or leave it out",
    });
  }
  const address = ip === undefined ? free(network, leases) : asked(ip, network.subnet, network, leases);
  const ipv6Address = ip6 !== undefined
    ? asked(ip6, network.ipv6Subnet, network, leases)
    : network.ipv6Subnet === undefined
    ? undefined
    : free6(network.ipv6Subnet, address, network, leases);
  return {
    name: wish.name,
    id: wish.id,
    address,
    ...(ipv6Address === undefined ? {} : { ipv6Address }),
    macAddress: macAddress?.toLowerCase() ?? macFor(address),
    names: [wish.name, ...wish.aliases ?? []],
  };
}
