/**
 * A container's way onto a network of libflux's: an address and ports before it is made, a link and rules while it is
 * compiled and makes its mounts, its name in its neighbours' files when it runs.
 *
 * @module
 */
import { NetworkError } from "./errors.ts";
import { BridgeConnection } from "./network/bridge_connection.ts";
import type { Connection } from "./network/connection.ts";
import { chooseLease } from "./network/lease.ts";
import { ensure, NewNetwork } from "./network/make.ts";
import { connectByPasta, PASTA_HINT } from "./network/pasta.ts";
import { holdPorts } from "./network/publish.ts";
import type { Prepared } from "./prepare.ts";
import { parseAddress } from "./spec/addresses.ts";
import { hasUserNamespace } from "./spec/id_maps.ts";
import { needsNetwork } from "./spec/networks.ts";
import type { RunOptions } from "./spec/options.ts";
import type { Claim } from "./store/claim.ts";
import { checkTool } from "./store/firewall.ts";
import { forgetFlows } from "./store/flows.ts";
import { familiesOf, type Lease, type Network, Networks } from "./store/network.ts";
import type { Store } from "./store/state.ts";
import { warn } from "./warnings.ts";

/** The name of the network of libflux's that a container is to be on; nothing where it is to be on none. */
export function networkOf({ network = "none" }: RunOptions): string | undefined {
  return ["none", "host", "pasta"].includes(network) || network.includes(":") ? undefined : network;
}

/** Whether an address is ::1, however it is written. */
const isLoopback6 = (text: string): boolean => parseAddress(text)?.toHex() === "1".padStart(32, "0");

/** Gives a container a place on the network that it asks for, which is made if need be. */
async function connect(
  store: Store,
  claim: Claim,
  id: string,
  name: string,
  options: RunOptions,
): Promise<BridgeConnection> {
  if (options.ports?.some(({ hostAddress = "" }) => isLoopback6(hostAddress)) === true) {
    throw new NetworkError("no port can be published at ::1, which Linux doesn't translate", {
      hint: "publish it at 127.0.0.1",
    });
  }
  const networks = new Networks(store.root);
  const { ip6, ipv6 = ip6 !== undefined } = options;
  const placed = Promise.withResolvers<BridgeConnection | (() => Promise<BridgeConnection>)>();
  const finished = networks.exclusively(async () => {
    const found = await ensure(networks, name, ipv6);
    // It goes again where the container can't be on it.
    await using fresh = found instanceof NewNetwork ? found : undefined;
    const network = found instanceof NewNetwork ? found.network : found;
    const [lease, leases] = takeAddress(networks, network, claim, id, options);
    const hold = async (): Promise<BridgeConnection> => {
      const held = await holdPorts(options.ports ?? [], familiesOf(network), store);
      return new BridgeConnection(networks, network, lease, leases, held, claim);
    };
    // Who has a port may have to be looked for: not while others wait.
    if (fresh === undefined) return placed.resolve(hold);
    familiesOf(network).forEach(checkTool);
    const connection = await hold();
    let rules: ReturnType<BridgeConnection["announce"]>;
    try {
      rules = connection.announce();
      await fresh.bringUp(Object.fromEntries(rules.map((entry) => [entry.family, entry.rules])));
    } catch (error) {
      connection.heldPorts[Symbol.dispose]();
      throw error;
    }
    // Nobody else sees the network before its rules are set. Meanwhile this container can be compiled, and make its mounts.
    placed.resolve(connection);
    try {
      await fresh.finish();
    } catch (error) {
      await connection.unlink();
      throw error;
    }
    for (const { family, rules: lines } of rules) forgetFlows(family, lines, true);
  });
  finished.catch(placed.reject);
  const made = await placed.promise;
  if (made instanceof BridgeConnection) {
    made.await(finished);
    return made;
  }
  await finished;
  const connection = await made();
  try {
    connection.publish();
    return connection;
  } catch (error) {
    connection.heldPorts[Symbol.dispose]();
    throw error;
  }
}

/** Takes an address for a container; answers it, and all that are taken. To be called while nobody else changes networks. */
function takeAddress(
  networks: Networks,
  network: Network,
  claim: Claim,
  id: string,
  { ip, ip6, macAddress, networkAliases, ports = [] }: RunOptions,
): readonly [Lease, readonly Lease[]] {
  const { name } = network;
  if (ports.length > 0 && network.internal) {
    throw new NetworkError(`the network ${name} is internal: nothing of it can be published`, {
      hint: "leave out --publish, or use another network",
    });
  }
  const leases = networks.leases(name);
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
  return [lease, [...leases, lease]];
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

/** How a container is to be connected. */
export interface ConnectOptions {
  /** Whether it stays when libflux has gone. */
  readonly isDetached: boolean;
  /** Whether it can't be begun once more: then the rules of a network that it got unasked are waited for. */
  readonly isFinal: boolean;
  /** Whether it goes without the network that it would get unasked. */
  readonly isWithout: boolean;
}

/**
 * Connects a container as it is to be; where nobody has asked for a network and this host can make none, it goes without.
 *
 * @param asked What the caller said. @param options The same with what is usual.
 */
export async function connectOr<T extends RunOptions>(
  asked: RunOptions,
  options: T,
  store: Store,
  claim: Claim,
  id: string,
  { isDetached, isFinal, isWithout }: ConnectOptions,
): Promise<readonly [Connection | undefined, T]> {
  const without = [undefined, { ...options, network: "none" }] as const;
  if (isWithout) return without;
  const name = networkOf(options);
  try {
    if (options.network === "pasta") {
      return [await connectByPasta(store, claim, options, { required: needsNetwork(asked), isDetached }), options];
    }
    if (asked.network === undefined && options.network === "none") {
      warn(`the container has no network beyond lo, since this host has no pasta (${PASTA_HINT})`);
    }
    if (name === undefined) return [undefined, options];
    const connection = await connect(store, claim, id, name, options);
    if (isFinal && !needsNetwork(asked)) await connection.ruled();
    return [connection, options];
  } catch (error) {
    if (!isDispensable(asked, error)) throw error;
    warnOf(error);
    return without;
  }
}

/** Whether an error is about a network that nobody has asked for. */
function isDispensable(asked: RunOptions, error: unknown): error is NetworkError {
  return error instanceof NetworkError && !needsNetwork(asked);
}

function warnOf({ message, hint }: NetworkError): void {
  const what = hint === undefined ? message : `${message} (${hint})`;
  warn(`the container has no network beyond lo, since ${what}; --network none says so in advance`);
}

/**
 * Starts a container; where the network that it got unasked fails when all else has been made, once more without one.
 *
 * @param begin Starts it, and leaves nothing behind where that fails.
 */
export async function startOr<T>(asked: RunOptions, begin: (isWithout: boolean) => Promise<T>): Promise<T> {
  try {
    return await begin(false);
  } catch (error) {
    if (!isDispensable(asked, error)) throw error;
    warnOf(error);
    return await begin(true);
  }
}
