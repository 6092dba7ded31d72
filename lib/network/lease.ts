/**
 * Addresses of containers.
 *
 * @module
 */
import { NetworkError } from "../errors.ts";
import { formatAddress, parseAddress } from "../spec/addresses.ts";
import type { Lease, Network } from "../store/network.ts";
import { contains, formatSubnet, hostAt, hostIndex, macFor, parseSubnet, type Subnet, usableCount } from "./subnets.ts";

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
      hint: text === undefined
        ? "it has no IPv6"
        : network.temporary && address.includes(":")
        ? `its subnet is ${text}, another one each time: make one that stays, libflux network create NAME --ipv6`
        : `its subnet is ${text}`,
    });
  }
  if (address === network.gateway || address === network.ipv6Gateway) {
    throw new NetworkError(`${address} is the gateway of the network ${network.name}`, {
      hint: `use another of ${text}`,
    });
  }
}

/** An address that was asked for, as all addresses are written: they are compared as texts. */
function asked(text: string, subnet: string | undefined, network: Network, leases: readonly Lease[]): string {
  const bytes = parseAddress(text);
  const address = bytes === undefined ? text : formatAddress(bytes);
  checkWish(subnet, address, network);
  const holder = leases.find((lease) => lease.address === address || lease.ipv6Address === address);
  if (holder === undefined) return address;
  throw new NetworkError(`the address ${address} is in use by the container ${holder.name}`, {
    hint: "use another, or leave it out for one that is free",
  });
}

function full(network: Network, subnet: Subnet): NetworkError {
  return new NetworkError(`every address of the network ${network.name} (${formatSubnet(subnet)}) is in use`, {
    hint: "end some containers, or make another network",
  });
}

/** The lowest address that nobody has. @param isFree Whether the MAC address that goes with it is. */
function free(network: Network, leases: readonly Lease[], isFree: (mac: string) => boolean): string {
  const subnet = parseSubnet(network.subnet);
  const taken = new Set([network.gateway, ...leases.map(({ address }) => address)]);
  for (let index = 1; index <= usableCount(subnet); index++) {
    const address = hostAt(subnet, index);
    if (!taken.has(address) && isFree(macFor(address))) return address;
  }
  throw full(network, subnet);
}

/** That of IPv6 which goes with an address of IPv4; another where somebody has asked for it before. */
function free6(text: string, address: string, network: Network, leases: readonly Lease[]): string {
  const subnet = parseSubnet(text);
  const taken = new Set([network.ipv6Gateway, ...leases.map(({ ipv6Address }) => ipv6Address)]);
  const first = hostIndex(parseSubnet(network.subnet), address) ?? 1;
  for (let offset = 0; offset < usableCount(subnet); offset++) {
    const candidate = hostAt(subnet, (first - 1 + offset) % usableCount(subnet) + 1);
    if (!taken.has(candidate)) return candidate;
  }
  throw full(network, subnet);
}

/** Chooses a container's addresses. @throws {NetworkError} One that it asks for isn't to be had, or none is free. */
export function chooseLease(network: Network, leases: readonly Lease[], wish: LeaseWish): Lease {
  const { ip, ip6 } = wish;
  // The bridge has the one that goes with its address.
  const macs = new Map([[macFor(network.gateway), "the gateway"]]);
  for (const lease of leases) macs.set(lease.macAddress, `the container ${lease.name}`);
  const own = wish.macAddress?.toLowerCase();
  const address = ip === undefined
    ? free(network, leases, (mac) => own !== undefined || !macs.has(mac))
    : asked(ip, network.subnet, network, leases);
  const macAddress = own ?? macFor(address);
  const twin = macs.get(macAddress);
  if (twin !== undefined) {
    throw new NetworkError(`the MAC address ${wish.macAddress ?? macAddress} is in use by ${twin}`, {
      hint: own === undefined ? "use another address, or leave it out" : "use another, or leave it out",
    });
  }
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
    macAddress,
    names: [wish.name, ...wish.aliases ?? []],
  };
}
