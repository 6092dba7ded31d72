/**
 * The rules of networks and of published ports, as `iptables-restore` reads them. Pure.
 *
 * @module
 */
import { isIPv6, parseAddress } from "../spec/addresses.ts";
import type { PortMapping, PublishedPort } from "../spec/ports.ts";
import { chainsOf, type Family, jumpsTo, type Lines } from "../store/chains.ts";

/** What rules depend on. */
export interface Ruled {
  /** The N of the bridge `libfluxN`. */
  readonly index: number;
  /** "10.87.0.0/24" */
  readonly subnet: string;
  readonly internal: boolean;
}

/** All bridges of libflux's. */
const ANY_BRIDGE = "libflux+";

/** A network's chains, what is in them, and the jumps to them. */
export function networkRules({ index, subnet, internal }: Ruled, family: Family): Lines {
  const { ports, nat, forward, input } = chainsOf(index);
  const bridge = `libflux${index}`;
  const known = "-m conntrack --ctstate";
  const loopback = family === 4 ? "127.0.0.0/8" : "::1/128";
  const filter = [
    `${forward} -i ${bridge} -o ${bridge} -j ACCEPT`,
    // A socket of IPv6 sends from any address that it likes, without a privilege (IPV6_FREEBIND): answers to it would be
    // let in to whoever has that address.
    `${forward} -i ${bridge} ! -s ${subnet} -j DROP`,
    ...internal ? [`${forward} -i ${bridge} -j DROP`] : [
      `${forward} -o ${bridge} ${known} RELATED,ESTABLISHED -j ACCEPT`,
      // Whether a network may ask for ports that are published by this one is told by its own chain: an internal one may not.
      `${forward} -i ${ANY_BRIDGE} -o ${bridge} ${known} DNAT -j RETURN`,
      `${forward} -o ${bridge} ${known} DNAT -j ACCEPT`,
      // Networks don't see each other, but for published ports.
      `${forward} -i ${bridge} -o ${ANY_BRIDGE} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
      `${forward} -i ${bridge} -j ACCEPT`,
    ],
    // Nobody comes in uncalled, whatever routes others on the host's networks set.
    `${forward} -o ${bridge} -j DROP`,
    // With route_localnet, what listens at the host's loopback would be within reach (CVE-2020-8558).
    `${input} -d ${loopback} ${known} RELATED,ESTABLISHED -j ACCEPT`,
    `${input} -d ${loopback} -j DROP`,
    `${input} -s ${loopback} -j DROP`,
    // Neighbour discovery, before there is an address.
    ...family === 4 ? [] : ["fe80::/10", "::/128"].map((source) => `${input} -s ${source} -j RETURN`),
    `${input} ! -s ${subnet} -j DROP`,
    // The host's own services, a resolver perhaps, would be a way out. Its own questions are answered.
    ...internal
      ? [
        `${input} ${known} RELATED,ESTABLISHED -j ACCEPT`,
        ...family === 4 ? [] : [`${input} -p ipv6-icmp -j RETURN`],
        `${input} -j DROP`,
      ]
      : [],
  ];
  const translated = internal ? [] : [
    `${nat} -s ${subnet} ! -o ${bridge} -j MASQUERADE`,
    // A container that asks for a port that is published by its own network, itself perhaps: the answer has to come back here.
    `${nat} -s ${subnet} -d ${subnet} ${known} DNAT -j MASQUERADE`,
    // And the host itself, by its loopback, which no container could answer to.
    ...family === 4 ? [`${nat} -s ${loopback} -o ${bridge} ${known} DNAT -j MASQUERADE`] : [],
  ];
  const jumps = jumpsTo(index, family);
  const into = (table: "nat" | "filter"): string[] =>
    jumps.filter((jump) => jump.table === table).map(({ rule, first }) => `${first ? "-I" : "-A"} ${rule}`);
  return {
    nat: [`:${ports} - [0:0]`, `:${nat} - [0:0]`, ...translated.map((rule) => `-A ${rule}`), ...into("nat")],
    filter: [`:${forward} - [0:0]`, `:${input} - [0:0]`, ...filter.map((rule) => `-A ${rule}`), ...into("filter")],
  };
}

/** What tells a container's rules from others'. @param id 64 hexadecimal digits. */
export function ruleId(id: string): string {
  return `libflux-${id.slice(0, 12)}`;
}

/** The rules that send what comes to ports of the host on to a container, without their chain. */
export function portRules(
  ports: readonly PublishedPort[],
  { address, family, id }: { readonly address: string; readonly family: Family; readonly id: string },
): string[] {
  const target = (port: number): string => family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
  const isOurs = ({ hostAddress }: PortMapping): boolean =>
    hostAddress === undefined || isAny(hostAddress) === family ||
    !isAny(hostAddress) && (isIPv6(hostAddress) ? 6 : 4) === family;
  return ports.filter(isOurs).map(({ hostAddress, hostPort, containerPort, protocol }) =>
    [
      ...hostAddress === undefined || isAny(hostAddress) ? [] : [`-d ${hostAddress}/${family === 4 ? 32 : 128}`],
      `-p ${protocol} -m ${protocol} --dport ${hostPort} -m comment --comment ${ruleId(id)}`,
      `-j DNAT --to-destination ${target(containerPort)}`,
    ].join(" ")
  );
}

/** The family whose addresses are all meant by an address; nothing where it means itself alone. */
export function isAny(address: string): Family | undefined {
  const bytes = parseAddress(address);
  if (bytes?.every((byte) => byte === 0) !== true) return undefined;
  return bytes.length === 4 ? 4 : 6;
}
