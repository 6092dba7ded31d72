/**
 * The flags of `libflux run` that are about the network.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import type { HostEntry } from "../spec/addresses.ts";
import { checkNetwork } from "../spec/networks.ts";
import type { RunOptions } from "../spec/options.ts";
import { parsePublish } from "../spec/ports.ts";
import type { Flag, Parsed } from "./flags.ts";

/** All of them. */
export const NETWORK_FLAGS: readonly Flag[] = [
  {
    name: "network",
    aliases: ["net"],
    value: "bridge|NAME|none|host|pasta|container:NAME|ns:PATH",
    complete: { choices: ["bridge", "none", "host", "pasta", "container:", "ns:"], names: "networks" },
    help:
      "bridge (default for root), a network of yours, only lo, the host's, in user mode by pasta (default for others), another container's, or a namespace's",
  },
  {
    name: "publish",
    short: "p",
    aliases: ["port"],
    value: "[[IP:]PORT:]PORT[/udp]",
    repeated: true,
    help:
      "lead a port of the host to one of the container; ranges such as 8000-8009:8000-8009; no host port: a free one",
  },
  { name: "ip", value: "ADDRESS", help: "its IPv4 address on the network" },
  { name: "ip6", value: "ADDRESS", help: "its IPv6 address on the network" },
  { name: "ipv6", help: "give it an IPv6 address too" },
  { name: "mac-address", value: "MAC", help: "the address of its network card" },
  {
    name: "network-alias",
    value: "NAME",
    repeated: true,
    help: "another name that the others on its network know it by",
  },
  { name: "add-host", value: "NAME:ADDRESS", repeated: true, help: "a line of /etc/hosts" },
  { name: "dns", value: "ADDRESS", repeated: true, help: "a resolver, in place of the host's" },
  { name: "dns-search", value: "DOMAIN", repeated: true, help: "a domain to look up short names in; '.': none" },
];

/** `NAME:ADDRESS`, where the address may have colons of its own. */
function parseHost(text: string): HostEntry {
  const [, name, address] = /^([^:=]+)[:=]\[?(.+?)\]?$/.exec(text) ?? [];
  if (name === undefined || address === undefined) {
    throw new UsageError(`"${printable(text)}" is no line of /etc/hosts`, { hint: "write --add-host db:192.0.2.1" });
  }
  return { name, address };
}

/** The options that they stand for. */
type Names =
  | "network"
  | "ip"
  | "ip6"
  | "ipv6"
  | "macAddress"
  | "networkAliases"
  | "ports"
  | "addHosts"
  | "dns"
  | "dnsSearch";

/** What they mean; what wasn't given is undefined. */
export function readNetworkOptions(flags: Parsed): { readonly [K in Names]: RunOptions[K] | undefined } {
  const network = flags.value("network");
  if (network !== undefined) checkNetwork(network);
  const listOf = <T>(name: string, parse: (text: string) => T): T[] | undefined =>
    flags.values(name).length === 0 ? undefined : flags.values(name).map(parse);
  return {
    network,
    ip: flags.value("ip"),
    ip6: flags.value("ip6"),
    ipv6: flags.on("ipv6"),
    macAddress: flags.value("mac-address"),
    networkAliases: listOf("network-alias", (text) => text),
    ports: listOf("publish", parsePublish)?.flat(),
    addHosts: listOf("add-host", parseHost),
    dns: listOf("dns", (text) => text),
    dnsSearch: listOf("dns-search", (text) => text),
  };
}
