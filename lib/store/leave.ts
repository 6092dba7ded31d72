/**
 * What happens to a network when a container goes, and when nobody needs it any more.
 *
 * @module
 */
import { tellNeighbours } from "./hosts.ts";
import { type Entry, Ledger } from "./ledger.ts";
import { Networks } from "./network.ts";

/** Gives an address back; a network that was made for containers alone goes with the last of them. */
export async function leave(
  root: string,
  { network, address, id }: { readonly network: string; readonly address: string; readonly id: string },
): Promise<void> {
  const networks = new Networks(root);
  await networks.exclusively(async () => {
    networks.removeLease(network, address, id);
    if (networks.addresses(network).length > 0) return tellNeighbours(networks.leases(network));
    if (networks.read(network)?.temporary === true) await takeDown(networks, network);
  });
}

/**
 * Undoes a network. To be called while nobody else changes any.
 *
 * @returns What is left, for the next one who tries.
 */
export async function takeDown(networks: Networks, name: string): Promise<readonly Entry[]> {
  const ledger = new Ledger(networks.ledger(name));
  const heir = networks.names().find((other) => other !== name && networks.read(other) !== undefined);
  // What all of them need is set back by the last.
  if (heir !== undefined) ledger.handOver((entry) => entry.kind === "sysctl", new Ledger(networks.ledger(heir)));
  const left = await ledger.undo();
  if (left.length === 0) networks.forget(name);
  return left;
}

/** Undoes networks whose last container was killed with its libflux, and those that were never finished. */
export async function reconcileNetworks(root: string): Promise<void> {
  const networks = new Networks(root);
  const isIdle = (name: string): boolean =>
    networks.read(name)?.temporary !== false && networks.addresses(name).length === 0;
  if (!networks.names().some(isIdle)) return;
  await networks.exclusively(async () => {
    for (const name of networks.names().filter(isIdle)) await takeDown(networks, name);
  });
}
