/**
 * `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` as they fit a container's network. Pure.
 *
 * @module
 */
import type { RunOptions } from "../spec/options.ts";
import { neighbours } from "../store/hosts.ts";
import type { Lease } from "../store/network.ts";

/** What the host says. */
export interface HostFiles {
  /** `/etc/hosts`. */
  readonly hosts: string;
  /** `/etc/resolv.conf`. */
  readonly resolv: string;
  /** What systemd-resolved writes for those who can't ask it at 127.0.0.53: `/run/systemd/resolve/resolv.conf`. */
  readonly upstream: string;
}

/** A file of the container's. */
export interface NetworkFile {
  readonly path: string;
  readonly content: string;
}

/** A container's place on a network of libflux's. */
export interface Place {
  readonly lease: Lease;
  /** Everybody on the network. */
  readonly leases: readonly Lease[];
  readonly internal: boolean;
}

/** The three files. @param hostname The container's host name. */
export function networkFiles(options: RunOptions, hostname: string, host: HostFiles, place?: Place): NetworkFile[] {
  return [
    { path: "/etc/hostname", content: `${hostname}\n` },
    { path: "/etc/hosts", content: hostsFile(options, hostname, host, place) },
    { path: "/etc/resolv.conf", content: resolvFile(options, host, place) },
  ];
}

const ends = (text: string): string => text === "" || text.endsWith("\n") ? text : `${text}\n`;

function hostsFile({ network, addHosts = [] }: RunOptions, hostname: string, host: HostFiles, place?: Place): string {
  const local = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  const own = place === undefined
    ? `${local}127.0.1.1\t${hostname}\n`
    : local + ownLines(hostname, place.lease) + neighbours(place.leases, place.lease.id);
  const added = addHosts.map(({ name, address }) => `${address}\t${name}\n`).join("");
  // The first line of a name counts.
  return added + (network === "host" ? ends(host.hosts) : own);
}

/** A container knows itself by its host name first. */
function ownLines(hostname: string, { address, ipv6Address, names }: Lease): string {
  const all = [...new Set([hostname, ...names])].join(" ");
  return [address, ipv6Address].filter((one) => one !== undefined).map((one) => `${one}\t${all}\n`).join("");
}

/** Lines of one keyword, as they are. */
const linesOf = (text: string, keyword: string): string[] =>
  text.split("\n").filter((line) => new RegExp(`^${keyword}\\s`).test(line));

const isLoopback = (line: string): boolean => /^nameserver\s+(127\.|::1\s*$)/.test(line);

function resolvFile(options: RunOptions, host: HostFiles, place?: Place): string {
  const { network = "none", dns = [], dnsSearch = [] } = options;
  const beyond = ["host", "pasta"].includes(network) || /^(container|ns):/.test(network) ||
    place?.internal === false;
  if (dns.length === 0 && dnsSearch.length === 0) {
    if (network === "host") return host.resolv;
    if (!beyond) return "# this container has no resolver: give it one with --dns\n";
  }
  // A resolver at the host's loopback is out of reach from another network.
  const own = linesOf(host.resolv, "nameserver");
  const stub = network !== "host" && own.length > 0 && own.every(isLoopback);
  const found = linesOf(stub ? host.upstream : host.resolv, "nameserver");
  const servers = dns.length > 0
    ? dns.map((address) => `nameserver ${address}`)
    : beyond
    ? found.filter((line) => network === "host" || !isLoopback(line))
    : [];
  const search = dnsSearch.length > 0
    // As in docker: "." is none.
    ? dnsSearch.filter((domain) => domain !== ".").slice(0, 1).map(() => `search ${dnsSearch.join(" ")}`)
    : beyond
    ? linesOf(host.resolv, "search")
    : [];
  return [...servers, ...search, ...beyond ? linesOf(host.resolv, "options") : []].map((line) => `${line}\n`).join("");
}
