/**
 * A network on the host: its bridge, its rules, and the settings of the kernel that it takes.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { batch, type Message, NetlinkError, openNetlink, tryBatch } from "../../ffi/netlink.ts";
import { findLink, linkUp, newAddress, newBridge } from "../../ffi/rtnetlink.ts";
import { errnoText, NetworkError } from "../errors.ts";
import { write } from "../store/cgroup.ts";
import { bootId, readIfThere } from "../store/directory.ts";
import { chainsOf, type Family, type Lines, tables } from "../store/chains.ts";
import { renew, restore } from "../store/firewall.ts";
import { Ledger } from "../store/ledger.ts";
import { ALIAS, aliasEnd } from "../store/link.ts";
import { familiesOf, type Network, type Networks } from "../store/network.ts";
import type { NetworkEntry } from "../store/network_entry.ts";
import { networkRules } from "./rules.ts";
import { macFor, parseAddress, parseSubnet } from "./subnets.ts";
import { allEnded } from "../settle.ts";

/** The N of a bridge `libfluxN`. */
export function indexOf({ bridge }: Pick<Network, "bridge">): number {
  return Number(bridge.slice("libflux".length));
}

/** The host's end of a container's link: called by its address, which nobody else has. */
export function vethName(address: string): string {
  return `lf${parseAddress(address)?.toHex() ?? ""}`;
}

const read = (path: string): string | undefined => readIfThere(`/proc/sys/${path}`)?.trim();

function set(path: string, value: string): void {
  const result = write(`/proc/sys/${path}`, value);
  if (result >= 0) return;
  throw new NetworkError(`/proc/sys/${path} can't be set to ${value}: ${errnoText(-result)}`, {
    path: `/proc/sys/${path}`,
    errno: -result,
    hint: "set it yourself, or use --network none or host",
  });
}

/** What a network sets of the whole host, and whatever else the kernel changes by that: to be set back afterwards. */
export interface Settings {
  /** What they are now; the last is set back first. */
  readonly entries: readonly (NetworkEntry & { readonly kind: "sysctl" })[];
  /** What they are to be. */
  readonly wanted: readonly (readonly [string, string])[];
}

/** The settings of the whole host that a network takes and that aren't so. */
export function missingSettings(network: Network): Settings {
  const needed: (readonly [string, string])[] = network.internal ? [] : [["net/ipv4/ip_forward", "1"]];
  if (!network.internal && network.ipv6Subnet !== undefined) {
    needed.push(["net/ipv6/conf/all/forwarding", "1"]);
    // A host that forwards takes no routes from routers any more, its own default route among them, unless told so.
    for (const name of advertised()) needed.push([`net/ipv6/conf/${name}/accept_ra`, "2"]);
  }
  const wanted = needed.filter(([path, value]) => ![undefined, value].includes(read(path)));
  const changed = wanted.flatMap(([path]) => [...dependents(path), path]);
  return {
    entries: changed.flatMap((path) => {
      const value = read(path);
      return value === undefined ? [] : [{ kind: "sysctl", path, value, bootId: bootId() } as const];
    }),
    wanted,
  };
}

/** What the kernel changes as well when forwarding is switched: inet_forward_change(), addrconf_forward_change(). */
function dependents(path: string): string[] {
  const [, version] = /^net\/(ipv4\/ip_forward|ipv6\/conf\/all\/forwarding)$/.exec(path) ?? [];
  if (version === undefined) return [];
  const all = version.startsWith("ipv4") ? "net/ipv4/conf" : "net/ipv6/conf";
  const links = Array.from(Deno.readDirSync(`/proc/sys/${all}`), ({ name }) => name).filter((name) => name !== "all");
  return [
    ...(all === "net/ipv4/conf" ? ["all", "default"].map((name) => `${all}/${name}/accept_redirects`) : []),
    ...links.map((name) => `${all}/${name}/forwarding`).filter((one) => read(one) === "1"),
  ];
}

const RTF_ADDRCONF = 0x40000;
const RTF_DEFAULT = 0x10000;

/** The links by which routers have told a default route of IPv6. */
function advertised(): string[] {
  const routes = (readIfThere("/proc/net/ipv6_route") ?? "").split("\n").map((line) => line.trim().split(/\s+/));
  const links = routes.filter(([, prefix, , , , , , , flags = "0"]) =>
    prefix === "00" && (parseInt(flags, 16) & (RTF_ADDRCONF | RTF_DEFAULT)) !== 0
  ).map((fields) => fields[9] ?? "");
  return [...new Set(links)].filter((name) => read(`net/ipv6/conf/${name}/accept_ra`) === "1");
}

/** Writes down what a network takes, but for what is written down already. */
export function writeDown(networks: Networks, network: Network, settings: readonly NetworkEntry[]): void {
  const ledger = new Ledger(networks.ledger(network.name));
  const known = new Set(ledger.entries().map((entry) => JSON.stringify(entry)));
  const index = indexOf(network);
  const entries: NetworkEntry[] = [
    ...settings,
    { kind: "bridge", name: network.bridge },
    ...familiesOf(network).map((family) => ({ kind: "chains", family, index }) as const),
  ];
  ledger.add(...entries.filter((entry) => !known.has(JSON.stringify(entry))));
}

/** What is no rule: settings of the host, the link, its addresses. What is there already stays. */
export function makeLink(networks: Networks, network: Network, { wanted }: Settings): void {
  for (const [path, value] of wanted) set(path, value);
  makeBridge(networks, network);
  // So that a port published at 127.0.0.1 can be sent on.
  if (!network.internal) set(`net/ipv4/conf/${network.bridge}/route_localnet`, "1");
}

/** What publishes ports, in words of `iptables -A CHAIN`, for each version of IP. */
export type PortRules = Readonly<Partial<Record<Family, readonly string[]>>>;

/** A network whose link is there, and whose rules are just being set. */
export interface Begun {
  /** Settles when they are set. */
  readonly ruled: Promise<unknown>;
}

/**
 * Writes down what a network takes, and makes it. To be called while nobody else changes any, which nobody may do either
 * until its rules are set.
 *
 * @param ports Rules that are set at once with its own: a tool takes longer to start than to set a few more.
 */
export async function bringUp(networks: Networks, network: Network, ports: PortRules = {}): Promise<Begun> {
  const settings = missingSettings(network);
  writeDown(networks, network, settings.entries);
  // While the tools run.
  const families = familiesOf(network);
  const ruled = allEnded(families.map((family) => setRules(networks, network, family, ports[family])));
  // Others may have to be waited for before anybody asks how it went.
  ruled.catch(() => {});
  try {
    makeLink(networks, network, settings);
  } catch (error) {
    await ruled.catch(() => {});
    throw error;
  }
  return { ruled };
}

/** Gives a network that is there IPv6 as well. */
export async function addIPv6(networks: Networks, network: Network): Promise<void> {
  const settings = missingSettings(network);
  writeDown(networks, network, settings.entries);
  makeLink(networks, network, settings);
  await setRules(networks, network, 6);
}

function rulesOf(network: Network, family: Family): Lines {
  const subnet = family === 4 ? network.subnet : network.ipv6Subnet ?? "";
  return networkRules({ index: indexOf(network), subnet, internal: network.internal }, family);
}

const stepOf = ({ name }: Network): string => `set the rules of the network ${name}`;

function setRules(
  networks: Networks,
  network: Network,
  family: Family,
  ports: readonly string[] = [],
): Promise<void> {
  const { nat = [], filter = [] } = rulesOf(network, family);
  const text = tables({ nat: [...nat, ...portLines(indexOf(network), ports)], filter });
  return restore(family, text, stepOf(network), networks.lock);
}

/** Rules of ports as `iptables-restore` reads them. @param index The N of the bridge `libfluxN`. */
export function portLines(index: number, rules: readonly string[]): string[] {
  return rules.map((rule) => `-A ${chainsOf(index).ports} ${rule}`);
}

/** Sets a network's rules anew, whatever has become of them. @param ports The rules of ports that are published. */
export function renewRules(
  networks: Networks,
  network: Network,
  family: Family,
  ports: readonly string[],
): Promise<void> {
  return renew(family, indexOf(network), rulesOf(network, family), ports, stepOf(network), networks.lock);
}

/** The link, up, with its addresses. */
function makeBridge(networks: Networks, network: Network): void {
  using socket = openNetlink();
  const { bridge, gateway, mtu, name } = network;
  try {
    const found = findLink(socket, bridge);
    if (found !== undefined && !found.alias.endsWith(aliasEnd(networks.root))) {
      throw new NetworkError(`somebody else has just made a link ${bridge}`, { hint: "try again" });
    }
    if (found === undefined) {
      batch(socket, newBridge(bridge, macFor(gateway), mtu, `${ALIAS}${name}${aliasEnd(networks.root)}`));
      // The bridge asks for containers by its link-local address, which else it doesn't use for the first second, in case
      // somebody else has it: theirs are derived from hardware addresses that libflux has chosen.
      write(`/proc/sys/net/ipv6/conf/${bridge}/accept_dad`, "0");
      // No container tells the host its routes (CVE-2020-13401).
      write(`/proc/sys/net/ipv6/conf/${bridge}/accept_ra`, "0");
    }
    // Without a subnet of IPv6 there are no rules for it, so nothing of it may get through.
    write(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, network.ipv6Subnet === undefined ? "1" : "0");
    const index = findLink(socket, bridge)?.index ?? 0;
    const messages = [linkUp(bridge, index), ...addressesOf(network, index)];
    const errnos = tryBatch(socket, messages);
    const failed = errnos.findIndex((errno) => errno !== 0 && errno !== E.EEXIST);
    if (failed >= 0) throw new NetlinkError(messages[failed]?.step ?? "", errnos[failed] ?? 0);
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    const why = error.errno === E.EOPNOTSUPP ? "this kernel has no bridges" : errnoText(error.errno);
    throw new NetworkError(`could not ${error.step}: ${why}`, { step: error.step, errno: error.errno, cause: error });
  }
}

function addressesOf({ subnet, gateway, ipv6Subnet, ipv6Gateway }: Network, link: number): Message[] {
  return ([[subnet, gateway], [ipv6Subnet, ipv6Gateway]] as const).flatMap(([range, address]) => {
    const bytes = parseAddress(address ?? "");
    if (range === undefined || bytes === undefined) return [];
    return [newAddress(link, bytes, parseSubnet(range).prefix, `${address} of the bridge`)];
  });
}
