/**
 * Making networks, and those that containers need.
 *
 * @module
 */
import { checked } from "../../ffi/libc.ts";
import { openNetlink } from "../../ffi/netlink.ts";
import { addresses } from "../../ffi/rtnetlink.ts";
import { NetworkError, printable, UsageError } from "../errors.ts";
import { formatAddress } from "../spec/addresses.ts";
import { DEFAULT_NETWORK } from "../spec/networks.ts";
import { bootId, readIfThere } from "../store/directory.ts";
import { takeDown } from "../store/leave.ts";
import { ALIAS, aliasEnd, awaitGone, BRIDGE, linkNamed, listedLinks, removeBridge } from "../store/link.ts";
import type { Network, Networks } from "../store/network.ts";
import { warn } from "../warnings.ts";
import { addIPv6, bringUp, type PortRules } from "./bridge.ts";
import { putBack } from "./put_back.ts";
import { firewalls, obstacle } from "./obstacles.ts";
import { parseRoutes, resolverSubnets } from "./routes.ts";
import {
  chooseSubnet,
  formatSubnet,
  hostAt,
  hostIndex,
  overlaps,
  parseSubnet,
  type Subnet,
  uniqueLocal,
  usableCount,
} from "./subnets.ts";

/** Bytes, as Ethernet has them. */
const DEFAULT_MTU = 1500;

/** What a network is to be like. */
export interface NetworkWish {
  readonly name: string;
  /** At most one of each version of IP. */
  readonly subnets?: readonly string[];
  readonly gateways?: readonly string[];
  readonly ipv6?: boolean;
  readonly internal?: boolean;
  readonly mtu?: number;
  readonly temporary?: boolean;
}

/** What other networks have, and what the host's routes and resolvers lie in; and whose it is. */
function takenSubnets(networks: Networks): (readonly [Subnet, string])[] {
  const own = networks.names().flatMap((name) => {
    const network = networks.read(name);
    return [network?.subnet, network?.ipv6Subnet].filter((text) => text !== undefined)
      .map((text) => [parseSubnet(text), `the network ${name} has`] as const);
  });
  const read = (path: string): string => readIfThere(path) ?? "";
  const routes = parseRoutes(read("/proc/net/route"), read("/proc/net/ipv6_route"));
  using socket = openNetlink();
  const hosts = addresses(socket).map((bytes): Subnet => ({
    family: bytes.length === 4 ? 4 : 6,
    address: formatAddress(bytes),
    prefix: bytes.length * 8,
  }));
  return [
    ...own,
    ...hosts.map((address) => [address, "is this host's own"] as const),
    ...routes.map((subnet) => [subnet, "a route of this host has"] as const),
    ...resolverSubnets(read("/etc/resolv.conf")).map((subnet) => [subnet, "the host's resolver is in"] as const),
  ];
}

/** The one of a version of IP; throws where there are two. */
function only<T extends string>(texts: readonly T[], isOurs: (text: T) => boolean, what: string): T | undefined {
  const [first, second] = texts.filter(isOurs);
  if (second !== undefined) {
    throw new UsageError(`a network has one ${what} of each version of IP, not ${first} and ${second}`);
  }
  return first;
}

function gatewayOf(subnet: Subnet, wish: string | undefined): string {
  if (wish === undefined) return hostAt(subnet, 1);
  const index = hostIndex(subnet, wish);
  if (index !== undefined && index >= 1 && index <= usableCount(subnet)) return hostAt(subnet, index);
  throw new UsageError(`the gateway ${wish} is no address of ${formatSubnet(subnet)} that a host can have`, {
    hint: `leave it out for ${hostAt(subnet, 1)}`,
  });
}

function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  checked("getrandom", bytes, count, 0);
  return bytes;
}

/** Waits until bridges have gone that nobody waited for: with them go subnets, and settings of the host are set back. */
async function dismissed(networks: Networks): Promise<void> {
  const used = new Set(networks.names().map((name) => networks.read(name)?.bridge));
  for (const name of listedLinks().filter((one) => BRIDGE.test(one) && !used.has(one))) {
    const alias = linkNamed(name)?.alias;
    if (alias?.endsWith(aliasEnd(networks.root)) === true && !await awaitGone(name)) {
      await removeBridge(name, networks.root);
    }
  }
}

/** A bridge that nobody has. @throws {NetworkError} The default network's is somebody else's. */
function freeBridge(networks: Networks, isDefault: boolean): string {
  const used = new Set(networks.names().map((name) => networks.read(name)?.bridge));
  // The first is the default network's.
  for (let index = isDefault ? 0 : 1; index < 10_000; index++) {
    const bridge = `libflux${index}`;
    if (used.has(bridge)) continue;
    const link = linkNamed(bridge);
    if (link === undefined) return bridge;
    if (isDefault && !link.alias.startsWith(ALIAS)) {
      throw new NetworkError(`there is a link ${bridge} on this host that isn't libflux's`, {
        hint: `rename or remove it: ip link delete ${bridge}`,
      });
    }
  }
  throw new NetworkError("this host has too many networks");
}

/** What there is to be, before anything is. */
function plan(networks: Networks, wish: NetworkWish): Network {
  const { name, internal = false, mtu = DEFAULT_MTU, temporary = false } = wish;
  const subnets = (wish.subnets ?? []).map((text) => formatSubnet(parseSubnet(text)));
  const isIPv6 = (text: string): boolean => text.includes(":");
  const own = only(subnets, (text) => !isIPv6(text), "subnet");
  const own6 = only(subnets, isIPv6, "subnet");
  const gateway = only(wish.gateways ?? [], (text) => !isIPv6(text), "gateway");
  const gateway6 = only(wish.gateways ?? [], isIPv6, "gateway");
  const bridge = freeBridge(networks, name === DEFAULT_NETWORK);
  const taken = takenSubnets(networks);
  for (const text of subnets) {
    const [clash, who] = taken.find(([one]) => overlaps(one, parseSubnet(text))) ?? [];
    if (clash === undefined) continue;
    throw new NetworkError(`the subnet ${text} overlaps ${formatSubnet(clash)}, which ${who}`, {
      hint: "use another, or leave out --subnet for one that is free",
    });
  }
  const subnet = own === undefined ? chooseSubnet(taken.map(([one]) => one)) : parseSubnet(own);
  if (subnet === undefined) {
    throw new NetworkError("every private subnet that libflux knows is in use on this host", {
      hint: "make a network with one of yours: libflux network create NAME --subnet CIDR",
    });
  }
  if (gateway !== undefined && own === undefined) throw new UsageError("--gateway takes a --subnet that it is in");
  const wants6 = wish.ipv6 === true || own6 !== undefined;
  if (gateway6 !== undefined && own6 === undefined) throw new UsageError("--gateway takes a --subnet that it is in");
  const subnet6 = !wants6 ? undefined : own6 === undefined ? uniqueLocal(randomBytes(5)) : parseSubnet(own6);
  return {
    name,
    bridge,
    subnet: formatSubnet(subnet),
    gateway: gatewayOf(subnet, gateway),
    ...(subnet6 === undefined ? {} : { ipv6Subnet: formatSubnet(subnet6), ipv6Gateway: gatewayOf(subnet6, gateway6) }),
    internal,
    mtu,
    created: new Date().toISOString(),
    temporary,
    bootId: bootId(),
  };
}

/** A network in the making: at its end it goes again, unless it was finished. */
export class NewNetwork implements AsyncDisposable {
  #ruled: Promise<unknown> = Promise.resolve();
  #isFinished = false;

  /** Only {@link begin} makes one. */
  constructor(readonly networks: Networks, readonly network: Network) {}

  /** Makes its link, and has its rules set, with those of ports: {@link finish} waits for that. */
  async bringUp(ports?: PortRules): Promise<void> {
    this.#ruled = (await bringUp(this.networks, this.network, ports)).ruled;
  }

  /** Waits until its rules are set, and lets everybody know of it. */
  async finish(): Promise<Network> {
    const { networks, network } = this;
    await this.#ruled;
    networks.write(network);
    const needed = obstacle(network.bridge, firewalls());
    if (needed !== undefined) warn(`the network ${network.name} has a firewall in its way: ${needed}`);
    this.#isFinished = true;
    return network;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isFinished) return;
    await this.#ruled.catch(() => {});
    try {
      await takeDown(this.networks, this.network.name);
    } catch (error) {
      // Why it isn't finished is what counts.
      const why = error instanceof Error ? error.message : error;
      warn(`what was made of the network ${this.network.name} can't be removed yet: ${why}`);
    }
  }
}

/** Makes a network, whole or not at all. To be called while nobody else changes any. */
export async function make(networks: Networks, wish: NetworkWish): Promise<Network> {
  await using fresh = await begin(networks, wish);
  await fresh.bringUp();
  return await fresh.finish();
}

/** Chooses what a network is to be like, and makes room for what is known of it. To be called while nobody else changes any. */
async function begin(networks: Networks, wish: NetworkWish): Promise<NewNetwork> {
  networks.checkHere(wish.name);
  // What is left of one that was never finished, or of the last boot.
  if (networks.names().includes(wish.name) && networks.read(wish.name) === undefined) {
    // Whoever hasn't settled was killed with who made it: nobody else makes it now.
    const members = networks.leases(wish.name).filter(({ isSettled }) => isSettled === true).map((lease) => lease.name);
    if (members.length > 0) {
      throw new NetworkError(
        `what is known of the network ${wish.name} is damaged, and it is in use by ${members.join(", ")}`,
        {
          hint: "end them first: the network is made anew then",
        },
      );
    }
    await takeDown(networks, wish.name);
  }
  await dismissed(networks);
  const network = plan(networks, wish);
  networks.prepare(network.name);
  return new NewNetwork(networks, network);
}

/**
 * The network that a container is to be on: a new one where it is the default one and isn't there yet, mended where somebody
 * has removed its bridge. To be called while nobody else changes any.
 *
 * @throws {NetworkError} There is none of this name, or it can't be made.
 */
export async function ensure(networks: Networks, name: string, ipv6: boolean): Promise<Network | NewNetwork> {
  networks.checkHere(name);
  const found = networks.read(name);
  if (found === undefined) {
    if (name === DEFAULT_NETWORK) return await begin(networks, { name, ipv6, temporary: true });
    throw new NetworkError(`there is no network ${printable(name)}`, {
      hint: `make it with 'libflux network create ${printable(name)}'; 'libflux network ls' lists those there are`,
    });
  }
  if (linkNamed(found.bridge)?.kind !== "bridge") await putBack(networks, found);
  if (!ipv6 || found.ipv6Subnet !== undefined) return found;
  if (!found.temporary) {
    throw new NetworkError(`the network ${name} has no IPv6`, {
      hint: "make one that has: libflux network create NAME --ipv6",
    });
  }
  const subnet6 = uniqueLocal(randomBytes(5));
  const widened = { ...found, ipv6Subnet: formatSubnet(subnet6), ipv6Gateway: hostAt(subnet6, 1) };
  await addIPv6(networks, widened);
  networks.write(widened);
  return widened;
}
