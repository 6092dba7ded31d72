/**
 * Mending networks that somebody else has damaged.
 *
 * @module
 */
import { openNetlink, tryBatch } from "../../ffi/netlink.ts";
import { findLink, setMaster } from "../../ffi/rtnetlink.ts";
import { chainsOf, restore, tables } from "../store/firewall.ts";
import type { Network, Networks } from "../store/network.ts";
import { isAlive } from "../store/process.ts";
import { Store } from "../store/state.ts";
import { familiesOf, indexOf, makeLink, missingSettings, renewRules, vethName, writeDown } from "./bridge.ts";
import { portRules } from "./rules.ts";

/**
 * Puts back whatever somebody else has taken away of a network: settings, bridge, addresses, rules. To be called while nobody
 * else changes any.
 *
 * @param except A container that publishes its ports itself.
 */
export async function putBack(networks: Networks, network: Network, except?: string): Promise<void> {
  const settings = missingSettings(network);
  writeDown(networks, network, settings.entries);
  // Before anybody is let in again.
  await renewRules(networks, network);
  makeLink(networks, network, settings);
  using socket = openNetlink();
  const bridge = findLink(socket, network.bridge)?.index ?? 0;
  const links = networks.addresses(network.name).map(vethName).filter((name) => findLink(socket, name) !== undefined);
  tryBatch(socket, links.map((name) => setMaster(name, bridge)));
  await restorePorts(networks, network, except);
}

/** Publishes the ports of everybody on a network anew, whose chain was emptied. @param except Who does so itself. */
async function restorePorts(networks: Networks, network: Network, except?: string): Promise<void> {
  const store = new Store(networks.root);
  for (const { name, id, address, ipv6Address } of networks.leases(network.name)) {
    const state = store.state(name);
    // The rules of one that has ended are being taken away, by whoever waited for it.
    if (name === except || state?.id !== id || !isAlive(state)) continue;
    for (const family of familiesOf(network)) {
      const own = family === 4 ? address : ipv6Address;
      if (own === undefined) continue;
      const rules = portRules(state.ports ?? [], { address: own, family, id });
      const text = tables({ nat: rules.map((rule) => `-A ${chainsOf(indexOf(network)).ports} ${rule}`) });
      if (text !== "") await restore(family, text, `publish the ports of the container ${name}`, networks.lock);
    }
  }
}
