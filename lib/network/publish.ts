/**
 * Ports of the host that containers are reached by: each is held by a socket, as long as its container runs.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { holdPort } from "../../ffi/inet.ts";
import type { Descriptor } from "../../ffi/libc.ts";
import { errnoText, NetworkError, printable } from "../errors.ts";
import { parseAddress } from "../spec/addresses.ts";
import type { PortMapping, PublishedPort } from "../spec/ports.ts";
import type { Family } from "../store/chains.ts";
import type { Store } from "../store/state.ts";
import { holderOf } from "./holder.ts";

/** Ports that are held. */
export interface HeldPorts extends Disposable {
  readonly ports: readonly PublishedPort[];
  /** What holds them. */
  readonly sockets: readonly Descriptor[];
}

/** How often another port is tried where a free one of one family isn't free in the other. */
const TRIES = 32;
const ANY: Readonly<Record<Family, Uint8Array>> = { 4: new Uint8Array(4), 6: new Uint8Array(16) };

/**
 * Holds the host's side of published ports.
 *
 * @param families Those of the network: without IPv6 there is nobody to send its packets on to.
 * @throws {NetworkError} Somebody else has one of them, or the address isn't this host's.
 */
export async function holdPorts(
  mappings: readonly PortMapping[],
  families: readonly Family[],
  store: Store,
): Promise<HeldPorts> {
  using sockets = new DisposableStack();
  const ports: PublishedPort[] = [];
  const all: Descriptor[] = [];
  for (const mapping of mappings) {
    ports.push(await hold(mapping, families, store, (socket) => all.push(sockets.use(socket))));
  }
  const held = sockets.move();
  return { ports, sockets: all, [Symbol.dispose]: () => held.dispose() };
}

async function hold(
  mapping: PortMapping,
  families: readonly Family[],
  store: Store,
  keep: (socket: Descriptor) => void,
): Promise<PublishedPort> {
  const { hostAddress, hostPort = 0, protocol } = mapping;
  const own = hostAddress === undefined ? undefined : parseAddress(hostAddress);
  if (own?.length === 16 && !families.includes(6)) {
    throw new NetworkError(
      `the port ${mapping.containerPort} can't be published at ${hostAddress}: its network has no IPv6`,
      {
        hint: "add --ipv6",
      },
    );
  }
  // Also of a version that the network doesn't have: nobody else shall answer to localhost in its place.
  const addresses = own === undefined ? [ANY[4], ANY[6]] : [own];
  for (let tries = 0;; tries++) {
    const taken: Descriptor[] = [];
    let port = hostPort;
    let errno = 0;
    for (const address of addresses) {
      const held = holdPort(address, port, protocol);
      if (held === -E.EAFNOSUPPORT && address === ANY[6]) continue;
      if (typeof held === "number") {
        errno = -held;
        break;
      }
      taken.push(held.socket);
      port = held.port;
    }
    if (errno === 0) {
      for (const socket of taken) keep(socket);
      return { ...mapping, hostPort: port };
    }
    for (const socket of taken) socket.close();
    if (errno === E.EADDRINUSE && hostPort === 0 && tries < TRIES) continue;
    throw await refusal(mapping, port, errno, store);
  }
}

async function refusal(
  { hostAddress, protocol }: PortMapping,
  port: number,
  errno: number,
  store: Store,
): Promise<NetworkError> {
  const where = hostAddress === undefined ? `${port}/${protocol}` : `${port}/${protocol} of ${printable(hostAddress)}`;
  const options = { step: `hold the port ${where}`, errno };
  if (errno === E.EADDRINUSE) {
    const hint = "use another port, or none before the colon for a free one";
    return new NetworkError(`the port ${where} is in use by ${await holderOf(store, port, protocol)}`, {
      ...options,
      hint,
    });
  }
  if (errno === E.EADDRNOTAVAIL) {
    return new NetworkError(`no port can be published at ${hostAddress}: it is no address of this host`, {
      ...options,
      hint: "'ip addr' lists those it has",
    });
  }
  if (errno === E.EACCES) {
    return new NetworkError(
      `the port ${where} can't be had: ports below that of net.ipv4.ip_unprivileged_port_start are root's`,
      {
        ...options,
        hint: `run it with sudo, or allow it: sysctl net.ipv4.ip_unprivileged_port_start=${port}`,
      },
    );
  }
  const hint = errno === E.EMFILE
    ? "each takes one or two descriptors: publish fewer, or raise 'ulimit -n'"
    : undefined;
  return new NetworkError(`the port ${where} can't be had: ${errnoText(errno)}`, {
    ...options,
    ...(hint === undefined ? {} : { hint }),
  });
}
