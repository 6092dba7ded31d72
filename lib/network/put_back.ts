/**
 * Mending networks that somebody else has damaged.
 *
 * @module
 */
import { openNetlink, tryBatch } from "../../ffi/netlink.ts";
import { findLink, setMaster } from "../../ffi/rtnetlink.ts";
import type { Family } from "../store/chains.ts";
import { removePorts } from "../store/firewall.ts";
import { forgetFlows } from "../store/flows.ts";
import { familiesOf, type Lease, type Network, type Networks } from "../store/network.ts";
import { isAlive } from "../store/process.ts";
import { Store } from "../store/state.ts";
import { indexOf, makeLink, missingSettings, renewRules, vethName, writeDown } from "./bridge.ts";
import { portRules, ruleId } from "./rules.ts";

/**
 * Puts back whatever somebody else has taken away of a network: settings, bridge, addresses, rules. To be called while nobody
 * else changes any.
 */
export async function putBack(networks: Networks, network: Network): Promise<void> {
  const settings = missingSettings(network);
  writeDown(networks, network, settings.entries);
  // Before anybody is let in again.
  for (const family of familiesOf(network)) await putRulesBack(networks, network, family);
  makeLink(networks, network, settings);
  using socket = openNetlink();
  const bridge = findLink(socket, network.bridge)?.index ?? 0;
  const links = networks.addresses(network.name).map(vethName).filter((name) => findLink(socket, name) !== undefined);
  tryBatch(socket, links.map((name) => setMaster(name, bridge)));
}

async function putRulesBack(networks: Networks, network: Network, family: Family): Promise<void> {
  const store = new Store(networks.root);
  const members = networks.leases(network.name).filter((lease) => isPublished(store, lease))
    .map((lease) => ({ lease, rules: rulesOf(store, lease, family) }));
  await renewRules(networks, network, family, members.flatMap(({ rules }) => rules));
  for (const { rules } of members) forgetFlows(family, rules, true);
  // Whoever has ended meanwhile may have looked for its rules before they were there again.
  for (const { lease, rules } of members.filter(({ lease }) => !isPublished(store, lease))) {
    if (rules.length > 0) await removePorts(family, indexOf(network), rules, ruleId(lease.id));
  }
}

/** Whether the rules of a container's ports are to be there: those of one that is just starting, it sets itself. */
function isPublished(store: Store, { name, id, isSettled }: Lease): boolean {
  const state = store.state(name);
  return isSettled === true && state?.id === id && isAlive(state);
}

function rulesOf(store: Store, { name, id, address, ipv6Address }: Lease, family: Family): string[] {
  const own = family === 4 ? address : ipv6Address;
  return own === undefined ? [] : portRules(store.state(name)?.ports ?? [], { address: own, family, id });
}
