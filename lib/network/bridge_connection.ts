/**
 * A container's place on a network of libflux's: its link, its addresses, the rules of its ports.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import type { Descriptor } from "../../ffi/libc.ts";
import { batch, batchInBackground, NetlinkError, openNetlink } from "../../ffi/netlink.ts";
import type { NetworkNamespace } from "../../ffi/network_namespace.ts";
import { findLink, hairpin, newVeth } from "../../ffi/rtnetlink.ts";
import { errnoText, NetworkError } from "../errors.ts";
import { allEnded } from "../settle.ts";
import type { PublishedPort } from "../spec/ports.ts";
import { tables } from "../store/chains.ts";
import type { Claim } from "../store/claim.ts";
import { readIfThere } from "../store/directory.ts";
import { hasPorts, restore } from "../store/firewall.ts";
import { forgetFlows } from "../store/flows.ts";
import { hostsFile, tellNeighbours } from "../store/hosts.ts";
import { removeVeth } from "../store/link.ts";
import { familiesOf, type Lease, type Network, type Networks } from "../store/network.ts";
import type { NetworkEntry } from "../store/network_entry.ts";
import { indexOf, portLines, vethName } from "./bridge.ts";
import type { Connection } from "./connection.ts";
import type { Place } from "./files.ts";
import { INSIDE, setInside } from "./inside.ts";
import type { HeldPorts } from "./publish.ts";
import { putBack } from "./put_back.ts";
import { portRules, ruleId } from "./rules.ts";

type PortsEntry = NetworkEntry & { readonly kind: "ports" };

/** A place on a network. */
export class BridgeConnection implements Connection {
  readonly ports: readonly PublishedPort[];
  #ruled: Promise<unknown> = Promise.resolve();
  #attached: Promise<void> | undefined;

  /** Only `connect()` makes one. */
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

  /** Writes down the rules of its ports, which somebody is about to set. */
  announce(): readonly PortsEntry[] {
    const rules = this.#rules();
    if (rules.length > 0) this.claim.ledger.add(...rules);
    return rules;
  }

  /** Has rules for its ports set, which takes its time: from now on, beside all else. */
  publish(): void {
    this.await(allEnded(this.announce().map((entry) => this.#setRules(entry))));
  }

  /** Has its command wait for rules that are being set. */
  await(ruled: Promise<unknown>): void {
    this.#ruled = ruled;
    // It may fail before anybody waits for it.
    ruled.catch(() => {});
  }

  /** Waits for them. */
  async ruled(): Promise<void> {
    await this.#ruled;
  }

  begin(namespace: Promise<NetworkNamespace>): void {
    this.claim.ledger.add({ kind: "veth", name: this.#link });
    this.#attached = namespace.then(async (one) => {
      // Whoever launches closes it where that fails, whatever a thread is doing.
      using own = one.duplicate();
      await this.#makeLink(own);
    });
    this.#attached.catch(() => {});
  }

  async attach(namespace: NetworkNamespace): Promise<void> {
    if (this.#attached === undefined) this.begin(Promise.resolve(namespace));
    // Why rules weren't set is also why a link can't be made: its bridge has gone with them.
    await allEnded([this.#ruled, this.#attached]);
  }

  /** Takes its link away where its network goes before it: its address may be another one's then. */
  async unlink(): Promise<void> {
    if (this.#attached === undefined) return;
    await this.#attached.catch(() => {});
    await removeVeth(this.#link);
  }

  /** The rules of its ports, for each version of IP that has some. */
  #rules(): PortsEntry[] {
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

  async #setRules({ family, index, rules }: PortsEntry): Promise<void> {
    const text = tables({ nat: portLines(index, rules) });
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
      await batchInBackground(socket, [newVeth(ends)]);
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

  /** Lets go of the ports. Who still sets rules, or makes the link, is waited for: who takes them away comes after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#ruled, this.#attached]);
    this.heldPorts[Symbol.dispose]();
  }
}

/** Whether packets that a bridge passes on are shown to the rules of IP, published ports among them. */
function isFiltered(): boolean {
  return readIfThere("/proc/sys/net/bridge/bridge-nf-call-iptables")?.trim() === "1";
}
