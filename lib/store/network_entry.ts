/**
 * What networks have on the host, as ledgers write it down.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { errnoText, NetworkError } from "../errors.ts";
import { isIPv4 } from "../spec/addresses.ts";
import { isNetworkName } from "../spec/networks.ts";
import { write } from "./cgroup.ts";
import { bootId } from "./directory.ts";
import type { Family } from "./chains.ts";
import { removeChains, removePorts } from "./firewall.ts";
import { BRIDGE, isOthersBridge, listedLinks, removeBridge, removeVeth, VETH } from "./link.ts";
import { Networks } from "./network.ts";

/** Something that a network, or a container on it, has. */
export type NetworkEntry =
  /** An address of a container's. */
  | { readonly kind: "lease"; readonly network: string; readonly address: string; readonly id: string }
  /** The link between a container and its bridge. */
  | { readonly kind: "veth"; readonly name: string }
  /** Rules that send published ports on. `index`: the N of the bridge `libfluxN`. */
  | {
    readonly kind: "ports";
    readonly family: Family;
    readonly index: number;
    readonly rules: readonly string[];
    readonly id: string;
  }
  | { readonly kind: "bridge"; readonly name: string }
  /** A network's chains, and the jumps to them. */
  | { readonly kind: "chains"; readonly family: Family; readonly index: number }
  /** A setting of the kernel's, below /proc/sys, and what it was before libflux changed it, in this boot. */
  | { readonly kind: "sysctl"; readonly path: string; readonly value: string; readonly bootId: string };

const isIndex = (value: unknown): boolean =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) < 10_000;
const isFamily = (value: unknown): boolean => value === 4 || value === 6;
const matches = (value: unknown, pattern: RegExp): boolean => typeof value === "string" && pattern.test(value);
/** The whole of what is written for a published port: iptables has words that do more than that. */
const RULE =
  /^(-d [0-9A-Fa-f.:]+\/\d{1,3} )?-p (tcp|udp) -m (tcp|udp) --dport \d{1,5} -m comment --comment libflux-[0-9a-f]{12} -j DNAT --to-destination [0-9a-f.:[\]]+$/;
const SETTING = /^net\/(ipv4|ipv6)\/(?!.*\.\.)[A-Za-z0-9_/.-]+$/;

/** Whether something is an entry of a network's. */
export function isNetworkEntry(entry: Readonly<Record<string, unknown>>): boolean {
  const { kind, name, index, family, rules, id, network, address, path, value, bootId } = entry;
  switch (kind) {
    case "lease":
      return typeof network === "string" && isNetworkName(network) && typeof address === "string" && isIPv4(address) &&
        matches(id, /^[0-9a-f]{64}$/);
    case "veth":
      return matches(name, VETH);
    case "bridge":
      return matches(name, BRIDGE);
    case "ports":
      return isFamily(family) && isIndex(index) && Array.isArray(rules) && rules.every((rule) => matches(rule, RULE)) &&
        matches(id, /^libflux-[0-9a-f]{12}$/);
    case "chains":
      return isFamily(family) && isIndex(index);
    case "sysctl":
      return matches(path, SETTING) && matches(value, /^[0-9]$/) && matches(bootId, /^[0-9a-f-]{36}$/);
    default:
      return false;
  }
}

/** Whether another state root has a network still: it sets back what both need, by a later command of this one. */
export function isAnyNetwork(root: string): boolean {
  return listedLinks().filter((one) => BRIDGE.test(one)).some((name) => isOthersBridge(name, root));
}

/** Whether somebody else has the address of a ledger's container. */
function isHeldByOther(root: string, all: readonly NetworkEntry[]): boolean {
  const networks = new Networks(root);
  return all.some((entry) =>
    entry.kind === "lease" && ![undefined, entry.id].includes(networks.lease(entry.network, entry.address)?.id)
  );
}

/** Rules of published ports. */
type Ports = NetworkEntry & { readonly kind: "ports" };

/**
 * Undoes one. Throws where that can't be done now.
 *
 * @returns False where it has to wait for something that is nobody's fault.
 * @param all The others of its ledger.
 * @param root The state root.
 */
export async function undoNetworkEntry(
  entry: NetworkEntry,
  all: readonly NetworkEntry[],
  root: string,
  leave: (lease: NetworkEntry & { readonly kind: "lease" }, ports: readonly Ports[]) => Promise<void>,
): Promise<boolean | void> {
  switch (entry.kind) {
    case "lease":
      return await leave(entry, all.flatMap((one) => one.kind === "ports" ? [one] : []));
    case "veth":
      // By now it may be the link of somebody who was given the address.
      return isHeldByOther(root, all) ? undefined : await removeVeth(entry.name);
    case "bridge":
      return await removeBridge(entry.name, root);
    case "ports":
      return await removePorts(entry.family, entry.index, entry.rules, entry.id);
    case "chains":
      return await removeChains(entry.family, entry.index);
    case "sysctl":
      if (entry.bootId !== bootId()) return;
      // Set back by the last network that needs it, by whichever command of this root comes after that.
      if (isAnyNetwork(root)) return false;
      setBack(entry);
  }
}

function setBack({ path, value }: NetworkEntry & { readonly kind: "sysctl" }): void {
  const result = write(`/proc/sys/${path}`, value);
  // What a link had is gone with it.
  if (result < 0 && result !== -E.ENOENT) {
    throw new NetworkError(`/proc/sys/${path} can't be set back to ${value}: ${errnoText(-result)}`, {
      errno: -result,
    });
  }
}

/** An entry in words. */
export function describeNetworkEntry(entry: NetworkEntry): string {
  switch (entry.kind) {
    case "lease":
      return `the address ${entry.address}`;
    case "veth":
      return `the link ${entry.name}`;
    case "bridge":
      return `the bridge ${entry.name}`;
    case "ports":
      return "the rules of its published ports";
    case "chains":
      return `the chains LIBFLUX-*-${entry.index}`;
    case "sysctl":
      return `the value ${entry.value} of /proc/sys/${entry.path}`;
  }
}
