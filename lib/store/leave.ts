/**
 * What happens to a network when a container goes, and when nobody needs it any more.
 *
 * @module
 */
import { sleep } from "../../ffi/reactor.ts";
import { tellNeighbours } from "./hosts.ts";
import { type Entry, Ledger } from "./ledger.ts";
import { removePorts, standBy } from "./firewall.ts";
import { bootId } from "./directory.ts";
import { forgetFlows } from "./flows.ts";
import { dismissBridge, isOthersBridge } from "./link.ts";
import { familiesOf, Networks } from "./network.ts";
import { isAnyNetwork, type NetworkEntry } from "./network_entry.ts";

/** What a container has on a network. */
interface Membership {
  readonly network: string;
  readonly address: string;
  readonly id: string;
}

/**
 * Gives an address back, after the rules of its published ports were taken away; a network that was made for containers alone
 * goes with the last of them, its rules with it.
 */
export async function leave(
  root: string,
  { network, address, id }: Membership,
  ports: readonly (NetworkEntry & { readonly kind: "ports" })[],
): Promise<void> {
  const networks = new Networks(root);
  networks.checkHere(network);
  const isOwn = (): boolean => [undefined, id].includes(networks.lease(network, address)?.id);
  const isAlone = (): boolean =>
    networks.read(network)?.temporary === true && networks.addresses(network).every((one) => one === address) &&
    isOwn();
  // Others may have come or gone until the lock is had; most often they haven't.
  const found = networks.read(network);
  using _tools = standBy(found !== undefined && (ports.length > 0 || isAlone()) ? familiesOf(found) : []);
  const isGone = await networks.exclusively(async () => {
    if (!isAlone()) return false;
    networks.removeLease(network, address, id);
    return (await takeDown(networks, network, true)).length === 0;
  });
  if (isGone) return ports.forEach(({ family, rules }) => forgetFlows(family, rules, false));
  // Not while others wait, nor after somebody else can have the address.
  for (const entry of ports) await removePorts(entry.family, entry.index, entry.rules, entry.id);
  await networks.exclusively(async () => {
    networks.removeLease(network, address, id);
    if (networks.addresses(network).length > 0) return tellNeighbours(networks.leases(network));
    if (networks.read(network)?.temporary === true) await takeDown(networks, network);
  });
}

/**
 * Undoes a network. To be called while nobody else changes any.
 *
 * @param isHurried Whether somebody waits for the end of a container: that of its bridge isn't waited for then.
 * @returns What is left, for the next one who tries.
 */
export async function takeDown(networks: Networks, name: string, isHurried = false): Promise<readonly Entry[]> {
  networks.checkHere(name);
  // Half of a network is none: whoever wants it makes it anew.
  networks.forgetRecord(name);
  const ledger = new Ledger(networks.ledger(name));
  const heir = networks.names().find((other) =>
    other !== name && networks.read(other)?.internal === false && !networks.isElsewhere(other)
  );
  // What all of them need is set back by the last.
  if (heir !== undefined) ledger.handOver((entry) => entry.kind === "sysctl", new Ledger(networks.ledger(heir)));
  // By now another state root may have a bridge of that number, and chains. Asked first: who removes a bridge keeps the
  // kernel from answering.
  const bridge = ledger.entries().find((entry) => entry.kind === "bridge");
  const isOthers = bridge !== undefined && isOthersBridge(bridge.name, networks.root);
  let done: ReadonlySet<unknown> = new Set();
  const undoing = ledger.undo(undefined, (entry) => done.has(entry) || isOthers && entry.kind === "chains");
  // While the tool runs that takes the chains away: they are undone first.
  try {
    if (isHurried) done = dismiss(ledger.entries(), networks.root);
  } catch (error) {
    await undoing.catch(() => {});
    throw error;
  }
  const left = await undoing;
  if (left.length === 0) networks.forget(name);
  return left;
}

/** Leaves bridge and settings to somebody who isn't waited for; answers what that is. */
function dismiss(entries: readonly Entry[], root: string): ReadonlySet<unknown> {
  const bridge = entries.find((entry) => entry.kind === "bridge");
  if (bridge === undefined) return new Set();
  const isCurrent = (entry: Entry): entry is Entry & { readonly kind: "sysctl" } =>
    entry.kind === "sysctl" && entry.bootId === bootId();
  const settings = isAnyNetwork(root) ? [] : entries.filter(isCurrent).toReversed();
  dismissBridge(bridge.name, root, settings.map(({ path, value }) => [path, value]));
  return new Set([bridge, ...settings]);
}

/** Milliseconds that a command waits for others who change networks, though it needs none itself. */
const HURRY = 3_000;
const MOMENT = 10;

/** Undoes networks whose last container was killed with its libflux, and those that were never finished. */
export async function reconcileNetworks(root: string): Promise<void> {
  const networks = new Networks(root);
  const isIdle = (name: string): boolean =>
    networks.read(name)?.temporary !== false && networks.addresses(name).length === 0 && !networks.isElsewhere(name);
  if (!networks.names().some(isIdle)) return;
  // A killed libflux's tool may be about to end. Whoever takes longer isn't waited for: the next command looks again.
  const deadline = performance.now() + HURRY;
  while (!networks.isIdle) {
    if (performance.now() > deadline) return;
    await sleep(MOMENT);
  }
  await networks.exclusively(async () => {
    for (const name of networks.names().filter(isIdle)) await takeDown(networks, name);
  });
}
