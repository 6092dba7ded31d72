/**
 * A container's way onto a network of libflux's: an address and ports before it is made, a link and rules while it makes
 * its mounts, its name in its neighbours' files when it runs.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import type { Descriptor } from "../ffi/libc.ts";
import { batch, NetlinkError, openNetlink } from "../ffi/netlink.ts";
import type { NetworkNamespace } from "../ffi/network_namespace.ts";
import { findLink, hairpin, newVeth } from "../ffi/rtnetlink.ts";
import { errnoText, NetworkError } from "./errors.ts";
import { familiesOf, indexOf, vethName } from "./network/bridge.ts";
import type { Connection } from "./network/connection.ts";
import type { Place } from "./network/files.ts";
import { chooseLease } from "./network/lease.ts";
import { INSIDE, setInside } from "./network/inside.ts";
import { ensure } from "./network/make.ts";
import { connectByPasta, PASTA_HINT } from "./network/pasta.ts";
import { type HeldPorts, holdPorts } from "./network/publish.ts";
import { putBack } from "./network/put_back.ts";
import { portRules, ruleId } from "./network/rules.ts";
import type { Prepared } from "./prepare.ts";
import { hasUserNamespace } from "./spec/id_maps.ts";
import { needsNetwork } from "./spec/networks.ts";
import { parseAddress } from "./spec/addresses.ts";
import type { RunOptions } from "./spec/options.ts";
import type { PublishedPort } from "./spec/ports.ts";
import { chainsOf, tables } from "./store/chains.ts";
import { hasPorts, restore } from "./store/firewall.ts";
import { forgetFlows } from "./store/flows.ts";
import { hostsFile, tellNeighbours } from "./store/hosts.ts";
import { takeDown } from "./store/leave.ts";
import { type Lease, type Network, Networks } from "./store/network.ts";
import type { NetworkEntry } from "./store/network_entry.ts";
import type { Claim } from "./store/claim.ts";
import type { Store } from "./store/state.ts";
import { readIfThere } from "./store/directory.ts";
import { warn } from "./warnings.ts";

/** The name of the network of libflux's that a container is to be on; nothing where it is to be on none. */
export function networkOf({ network = "none" }: RunOptions): string | undefined {
  return ["none", "host", "pasta"].includes(network) || network.includes(":") ? undefined : network;
}

/** A place on a network. */
class BridgeConnection implements Connection {
  readonly ports: readonly PublishedPort[];

  /** Only {@link connect} makes one. */
  constructor(
    readonly networks: Networks,
    readonly network: Network,
    readonly lease: Lease,
    /** Everybody on the network, this container among them. */
    readonly leases: readonly Lease[],
    readonly heldPorts: HeldPorts,
    readonly claim: Claim,
  ) {
    this.ports = heldPorts.ports;
  }

  get held(): readonly Descriptor[] {
    return this.heldPorts.sockets;
  }

  get place(): Place {
    return { lease: this.lease, leases: this.leases, internal: this.network.internal };
  }

  get shown(): Connection["shown"] {
    const { network: { name }, lease: { address, ipv6Address }, ports } = this;
    const network = { name, address, ...(ipv6Address === undefined ? {} : { ipv6Address }) };
    return { network, ...(ports.length === 0 ? {} : { ports }) };
  }

  /** Has rules for its ports set, which takes its time: from now on, beside all else. */
  publish(): void {
    const rules = this.#rules();
    if (rules.length === 0) return;
    this.claim.ledger.add(...rules);
    this.#published = Promise.all(rules.map((entry) => this.#setRules(entry)));
    // It may fail before anybody waits for it.
    this.#published.catch(() => {});
  }
  #published: Promise<unknown> = Promise.resolve();

  /** Makes link, addresses and routes: what the container needs before its command runs. */
  async attach(namespace: NetworkNamespace): Promise<void> {
    this.claim.ledger.add({ kind: "veth", name: this.#link });
    await this.#makeLink(namespace);
    await this.#published;
  }

  /** The rules of its ports, for each version of IP that has some. */
  #rules(): (NetworkEntry & { readonly kind: "ports" })[] {
    const { lease, network } = this;
    return familiesOf(network).flatMap((family) => {
      const address = family === 4 ? lease.address : lease.ipv6Address;
      if (address === undefined) return [];
      const rules = portRules(this.ports, { address, family, id: lease.id });
      return rules.length === 0
        ? []
        : [{ kind: "ports", family, index: indexOf(network), rules, id: ruleId(lease.id) } as const];
    });
  }

  async #setRules({ family, index, rules }: NetworkEntry & { readonly kind: "ports" }): Promise<void> {
    const text = tables({ nat: rules.map((rule) => `-A ${chainsOf(index).ports} ${rule}`) });
    try {
      await restore(family, text, "publish its ports", this.claim.lock);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      await this.networks.exclusively(async () => {
        // Somebody has wiped libflux's chains.
        if (!await hasPorts(family, index)) await putBack(this.networks, this.network);
        await restore(family, text, "publish its ports", this.claim.lock);
      });
    }
    forgetFlows(family, rules, true);
  }

  get #link(): string {
    return vethName(this.lease.address);
  }

  async #makeLink(namespace: NetworkNamespace): Promise<void> {
    const { network, lease } = this;
    using socket = openNetlink();
    const bridge = findLink(socket, network.bridge);
    if (bridge === undefined) {
      throw new NetworkError(`the bridge ${network.bridge} of the network ${network.name} is gone`, {
        hint: "'libflux network reload' makes it again",
      });
    }
    const name = this.#link;
    try {
      const peer = { ...INSIDE, mac: lease.macAddress };
      const ends = { name, bridge: bridge.index, namespace: namespace.namespace.number, peer, mtu: network.mtu };
      batch(socket, [newVeth(ends)]);
      if (this.ports.length > 0 && isFiltered()) batch(socket, [hairpin(name, findLink(socket, name)?.index ?? 0)]);
      await setInside(namespace, network, lease);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      const why = error.errno === E.EOPNOTSUPP ? "this kernel has no veth links" : errnoText(error.errno);
      const { step, errno } = error;
      const hint = "--network none or host does without";
      throw new NetworkError(`could not ${step}: ${why}`, { step, errno, hint, cause: error });
    }
  }

  /** Has the neighbours know it by name, and it those that came meanwhile. @param pid PID 1 of the container. */
  async settle(pid: number, isOwnFile: boolean): Promise<void> {
    const file = isOwnFile ? hostsFile(pid) : undefined;
    await this.networks.exclusively(() => {
      const lease = { ...this.lease, isSettled: true, ...(file === undefined ? {} : { hosts: file }) };
      this.networks.writeLease(this.network.name, lease);
      tellNeighbours(this.networks.leases(this.network.name));
    });
  }

  /** Lets go of the ports. A tool that still sets rules is waited for: who takes them away comes after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#published.catch(() => {});
    this.heldPorts[Symbol.dispose]();
  }
}

/** Whether an address is ::1, however it is written. */
const isLoopback6 = (text: string): boolean => parseAddress(text)?.toHex() === "1".padStart(32, "0");

/** Whether packets that a bridge passes on are shown to the rules of IP, published ports among them. */
function isFiltered(): boolean {
  return readIfThere("/proc/sys/net/bridge/bridge-nf-call-iptables")?.trim() === "1";
}

/** Gives a container a place on the network that it asks for, which is made if need be. */
async function connect(store: Store, claim: Claim, id: string, name: string, options: RunOptions): Promise<Connection> {
  if (options.ports?.some(({ hostAddress = "" }) => isLoopback6(hostAddress)) === true) {
    throw new NetworkError("no port can be published at ::1, which Linux doesn't translate", {
      hint: "publish it at 127.0.0.1",
    });
  }
  const networks = new Networks(store.root);
  const { ip, ip6, macAddress, networkAliases, ipv6 = ip6 !== undefined, ports = [] } = options;
  const [network, leases, lease] = await networks.exclusively(async () => {
    const network = await ensure(networks, name, ipv6);
    if (ports.length > 0 && network.internal) {
      throw new NetworkError(`the network ${name} is internal: nothing of it can be published`, {
        hint: "leave out --publish, or use another network",
      });
    }
    const leases = networks.leases(name);
    try {
      const lease = chooseLease(network, leases, {
        name: claim.name,
        id,
        ...(ip === undefined ? {} : { ip }),
        ...(ip6 === undefined ? {} : { ip6 }),
        ...(macAddress === undefined ? {} : { macAddress }),
        ...(networkAliases === undefined ? {} : { aliases: networkAliases }),
      });
      claim.ledger.add({ kind: "lease", network: name, address: lease.address, id });
      networks.writeLease(name, lease);
      return [network, leases, lease] as const;
    } catch (error) {
      // One that was made for this container alone.
      if (leases.length === 0 && network.temporary) await takeDown(networks, name);
      throw error;
    }
  });
  const held = await holdPorts(ports, familiesOf(network), store);
  const connection = new BridgeConnection(networks, network, lease, [...leases, lease], held, claim);
  connection.publish();
  return connection;
}

/** Whether a container gets a network namespace that libflux makes: in a user namespace it is made with that. */
export function hasOwnNetwork(options: RunOptions): boolean {
  if (hasUserNamespace(options, Deno.uid())) return false;
  return options.network === "none" || options.network === "pasta" || networkOf(options) !== undefined;
}

/** Whether its `/etc/hosts` is the one that libflux has written. */
export function isOwnHosts({ spec }: Prepared): boolean {
  return !(spec.mounts ?? []).some(({ destination }) => destination === "/etc/hosts" || destination === "/etc");
}

/**
 * Connects a container as it is to be; where nobody has asked for a network and this host can make none, it goes without.
 *
 * @param asked What the caller said. @param options The same with what is usual.
 * @param isDetached Whether the container stays when libflux has gone.
 */
export async function connectOr<T extends RunOptions>(
  asked: RunOptions,
  options: T,
  store: Store,
  claim: Claim,
  id: string,
  isDetached: boolean,
): Promise<readonly [Connection | undefined, T]> {
  const name = networkOf(options);
  try {
    if (options.network === "pasta") {
      return [await connectByPasta(store, claim, options, { required: needsNetwork(asked), isDetached }), options];
    }
    if (asked.network === undefined && options.network === "none") {
      warn(`the container has no network beyond lo, since this host has no pasta (${PASTA_HINT})`);
    }
    return [name === undefined ? undefined : await connect(store, claim, id, name, options), options];
  } catch (error) {
    if (needsNetwork(asked) || !(error instanceof NetworkError)) throw error;
    const hint = error.hint === undefined ? "" : ` (${error.hint})`;
    warn(`the container has no network beyond lo, since ${error.message}${hint}; --network none says so in advance`);
    return [undefined, { ...options, network: "none" }];
  }
}
