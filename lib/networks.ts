/**
 * The networks that containers are on: made, listed, removed, mended.
 *
 * @module
 */
import { NetworkError, PermissionError, printable, UsageError } from "./errors.ts";
import { putBack } from "./network/put_back.ts";
import { make } from "./network/make.ts";
import { script } from "./network/script.ts";
import { checkNetworkName } from "./spec/networks.ts";
import { parseSubnet } from "./network/subnets.ts";
import { isAddress } from "./spec/addresses.ts";
import { isWhole } from "./spec/limits.ts";
import type { PublishedPort } from "./spec/ports.ts";
import { runToolsBy } from "./store/firewall.ts";
import { takeDown } from "./store/leave.ts";
import { describeEntry } from "./store/ledger.ts";
import { type Network, Networks } from "./store/network.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/state.ts";

/**
 * What a network is to be like.
 *
 * @example A network of one's own subnet
 * ```ts
 * import { createNetwork, type NetworkOptions, removeNetwork } from "@libflux/cli/mod";
 *
 * const options: NetworkOptions = { subnets: ["10.99.7.0/24"], ipv6: true };
 * const { gateway } = await createNetwork("example-backend", options);
 * console.log(gateway); // "10.99.7.1"
 * await removeNetwork("example-backend");
 * ```
 */
export interface NetworkOptions {
  /** At most one of IPv4, one of IPv6: "10.99.7.0/24"; free ones if left out. */
  readonly subnets?: readonly string[];
  /** The bridge's own addresses; the first of each subnet if left out. */
  readonly gateways?: readonly string[];
  /** IPv6 too. */
  readonly ipv6?: boolean;
  /** No way out of it, and none in. */
  readonly internal?: boolean;
  /** Bytes of the longest packet; 1500 if left out. */
  readonly mtu?: number;
  /** The state root; `/run/libflux` for root if left out. */
  readonly root?: string;
}

/**
 * A container on a network.
 *
 * @example Who is on the default network?
 * ```ts
 * import { inspectNetwork, type NetworkMember, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"], network: "bridge" });
 * const members: readonly NetworkMember[] = (await inspectNetwork("bridge")).containers;
 * console.log(members.some(({ name }) => name === container.name)); // true
 * ```
 */
export interface NetworkMember {
  /** Its name. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** Its IPv4 address. */
  readonly address: string;
  /** Its IPv6 address, where the network has IPv6. */
  readonly ipv6Address?: string;
  /** That of its network card. */
  readonly macAddress: string;
  /** More names that the others know it by. */
  readonly aliases: readonly string[];
  /** Its ports that the host has as well. */
  readonly ports: readonly PublishedPort[];
}

/**
 * A network, as `libflux network inspect` shows it.
 *
 * @example How many containers does each have?
 * ```ts
 * import { listNetworks, type NetworkInfo } from "@libflux/cli/mod";
 *
 * const networks: NetworkInfo[] = await listNetworks();
 * for (const { name, containers } of networks) console.log(name, containers.length);
 * ```
 */
export interface NetworkInfo {
  /** Its name. */
  readonly name: string;
  /** The name of its bridge on the host. */
  readonly bridge: string;
  /** "10.87.0.0/24" */
  readonly subnet: string;
  /** The bridge's address in it. */
  readonly gateway: string;
  /** That of IPv6, where it has one. */
  readonly ipv6Subnet?: string;
  /** The bridge's address in that. */
  readonly ipv6Gateway?: string;
  /** Whether there is no way out of it. */
  readonly internal: boolean;
  /** Bytes of the longest packet. */
  readonly mtu: number;
  /** When it was made. */
  readonly created: Date;
  /** Whether it goes with the last container that is on it. */
  readonly temporary: boolean;
  /** Who is on it, sorted by name. */
  readonly containers: readonly NetworkMember[];
}

/** Which state root. */
interface Where {
  /** The state root; `/run/libflux` for root if left out. */
  readonly root?: string;
}

async function open({ root }: Where): Promise<{ readonly store: Store; readonly networks: Networks }> {
  const store = await openStore(root);
  return { store, networks: new Networks(store.root) };
}

function needRoot(): void {
  if (Deno.uid() !== 0) {
    throw new PermissionError("changing the host's networks takes root", { hint: "run it with sudo" });
  }
}

function describe(networks: Networks, store: Store, network: Network): NetworkInfo {
  const { bootId: _, created, ...rest } = network;
  const containers = networks.leases(network.name).map(
    ({ hosts: _, isSettled: _settled, names: [name = "", ...aliases], ...lease }) => {
      const state = store.state(name);
      return { ...lease, name, aliases, ports: state?.id === lease.id ? state.ports ?? [] : [] };
    },
  );
  return { ...rest, created: new Date(created), containers: containers.sort((a, b) => a.name < b.name ? -1 : 1) };
}

function find(networks: Networks, name: string): Network {
  checkNetworkName(name);
  const found = networks.read(name);
  if (found !== undefined) return found;
  throw new NetworkError(`there is no network ${name}`, { hint: "'libflux network ls' lists those there are" });
}

/**
 * Does something while nobody else changes networks. Its scripts of `iptables` are dax's: what an administrator types may take
 * the 40 ms that dax takes to load, which no container has to wait for.
 */
function change<T>(networks: Networks, body: () => Promise<T>): Promise<T> {
  return networks.exclusively(() =>
    runToolsBy(async (name, args, input) => {
      const { code, stdout, stderr } = await script(name, args, input);
      return { code, output: code === 0 ? stdout : `${stderr}${stdout}` };
    }, body)
  );
}

/** Bytes: the least that IPv6 takes (RFC 8200, 5) is the least that works with both; the most is the kernel's. */
const MTU = { least: 1280, most: 65_535 } as const;

/**
 * Makes a network, which stays until it is removed, or the host restarts.
 *
 * @throws {UsageError} Something can't be so.
 * @throws {NetworkError} There is one of this name, or its subnet is in use, or the host refuses.
 *
 * @example One without a way out
 * ```ts
 * import { createNetwork, removeNetwork } from "@libflux/cli/mod";
 *
 * const { subnet } = await createNetwork("example-closed", { internal: true });
 * console.log(subnet);
 * await removeNetwork("example-closed");
 * ```
 */
export async function createNetwork(name: string, options: NetworkOptions = {}): Promise<NetworkInfo> {
  checkNetworkName(name);
  for (const subnet of options.subnets ?? []) parseSubnet(subnet);
  for (const gateway of options.gateways ?? []) {
    if (!isAddress(gateway)) {
      throw new UsageError(`"${printable(gateway)}" is no IP address`, { hint: "write 10.99.7.1" });
    }
  }
  if (options.mtu !== undefined && !isWhole(options.mtu, MTU.least, MTU.most)) {
    throw new UsageError(`the MTU is a whole number from ${MTU.least} to ${MTU.most}, not ${options.mtu}`);
  }
  needRoot();
  const { store, networks } = await open(options);
  return await change(networks, async () => {
    if (networks.read(name) !== undefined) {
      throw new NetworkError(`there is a network ${name} already`, {
        hint: "use another name, or remove that one first",
      });
    }
    return describe(networks, store, await make(networks, { ...options, name }));
  });
}

/**
 * Lists networks, sorted by name.
 *
 * @example
 * ```ts
 * import { listNetworks } from "@libflux/cli/mod";
 *
 * console.log((await listNetworks()).map(({ name, subnet }) => `${name} ${subnet}`));
 * ```
 */
export async function listNetworks(where: { readonly root?: string } = {}): Promise<NetworkInfo[]> {
  const { store, networks } = await open(where);
  return networks.names().flatMap((name) => {
    const network = networks.read(name);
    return network === undefined ? [] : [describe(networks, store, network)];
  });
}

/**
 * Tells of one network.
 *
 * @throws {NetworkError} There is none of this name.
 *
 * @example
 * ```ts
 * import { inspectNetwork, NetworkError } from "@libflux/cli/mod";
 *
 * await inspectNetwork("nowhere").catch((error) => {
 *   if (!(error instanceof NetworkError)) throw error;
 * });
 * ```
 */
export async function inspectNetwork(name: string, where: { readonly root?: string } = {}): Promise<NetworkInfo> {
  const { store, networks } = await open(where);
  return describe(networks, store, find(networks, name));
}

/** Does something with each, and throws at the end what has gone wrong: one keeps nobody from the others. */
async function forEach(all: readonly Network[], body: (network: Network) => Promise<void>): Promise<void> {
  const failures: NetworkError[] = [];
  for (const network of all) {
    try {
      await body(network);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined) return;
  const message = failures.map((failure) => failure.message).join("; ");
  throw new NetworkError(message, { ...(first.hint === undefined ? {} : { hint: first.hint }) });
}

/** Removes one. To be called while nobody else changes any. */
async function remove(networks: Networks, network: Network): Promise<void> {
  const left = (await takeDown(networks, network.name)).filter(({ kind }) => kind !== "sysctl");
  if (left.length === 0) return;
  throw new NetworkError(`${left.map(describeEntry).join(" and ")} of the network ${network.name} can't be removed`, {
    hint: "the warning before tells why: try again when that is mended",
  });
}

/**
 * Removes a network that nobody is on.
 *
 * @throws {NetworkError} There is none of this name, or a container is on it.
 *
 * @example
 * ```ts
 * import { createNetwork, removeNetwork } from "@libflux/cli/mod";
 *
 * await createNetwork("example-short");
 * await removeNetwork("example-short");
 * ```
 */
export async function removeNetwork(name: string, where: { readonly root?: string } = {}): Promise<void> {
  needRoot();
  const { networks } = await open(where);
  await change(networks, async () => {
    const network = find(networks, name);
    const members = networks.leases(name).map((lease) => lease.name).sort();
    if (members.length > 0) {
      throw new NetworkError(`the network ${name} is in use by ${members.join(", ")}`, { hint: "end them first" });
    }
    await remove(networks, network);
  });
}

/**
 * Removes every network that nobody is on.
 *
 * @returns Their names.
 * @throws {NetworkError} Some of them can't be removed: all others were.
 *
 * @example
 * ```ts
 * import { pruneNetworks } from "@libflux/cli/mod";
 *
 * console.log(await pruneNetworks({ root: "/tmp/libflux-example" })); // []
 * ```
 */
export async function pruneNetworks(where: { readonly root?: string } = {}): Promise<string[]> {
  needRoot();
  const { networks } = await open(where);
  return await change(networks, async () => {
    const idle = networks.names().flatMap((name) => {
      const network = networks.addresses(name).length > 0 || networks.isElsewhere(name)
        ? undefined
        : networks.read(name);
      return network ?? [];
    });
    await forEach(idle, (network) => remove(networks, network));
    return idle.map(({ name }) => name);
  });
}

/**
 * Puts back what somebody else has taken away: rules of networks and published ports, as a restarted firewall does, bridges
 * and their addresses, settings of the kernel.
 *
 * @returns The names of all networks.
 *
 * @example After the firewall was restarted
 * ```ts
 * import { reloadNetworks } from "@libflux/cli/mod";
 *
 * console.log(await reloadNetworks()); // ["bridge"]
 * ```
 */
export async function reloadNetworks(where: { readonly root?: string } = {}): Promise<string[]> {
  needRoot();
  const { networks } = await open(where);
  return await change(networks, async () => {
    const here = networks.names().flatMap((name) => networks.isElsewhere(name) ? [] : networks.read(name) ?? []);
    await forEach(here, (network) => putBack(networks, network));
    return here.map(({ name }) => name);
  });
}
