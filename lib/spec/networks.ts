/**
 * What a container asks of its network. Pure.
 *
 * @module
 */
import { PermissionError, printable, UsageError } from "../errors.ts";
import { checkNames, isIPv4, isIPv6 } from "./addresses.ts";
import { checkName, type RunOptions } from "./options.ts";
import { checkPorts } from "./ports.ts";

/** The network of root's containers that name none. */
export const DEFAULT_NETWORK = "bridge";

/** The network of an ordinary user's containers that name none. */
const USER_NETWORK = "pasta";

/**
 * The network of containers that name none. Only root may change the host's: for others there is pasta, where it is
 * installed or what they ask for takes it.
 */
export function defaultNetwork(uid: number | null, hasPasta: () => boolean, options: RunOptions): string {
  if (uid === 0) return DEFAULT_NETWORK;
  return needsNetwork(options) || hasPasta() ? USER_NETWORK : "none";
}

/** Whether something was asked for that only a network has. */
export function needsNetwork({ network, ports, ip, ip6, ipv6, macAddress, networkAliases }: RunOptions): boolean {
  return network !== undefined || [ports, ip, ip6, macAddress, networkAliases].some((one) => one !== undefined) ||
    ipv6 === true;
}

/** Throws a {@link PermissionError} where a network takes root and libflux has it not. */
export function checkUsersNetwork({ network = "none" }: RunOptions, uid: number | null): void {
  if (uid === 0 || ["none", "host", "pasta"].includes(network)) return;
  throw new PermissionError(
    network.includes(":")
      ? "joining a network namespace takes root"
      : `the network ${printable(network)} changes this host's network, which takes root`,
    { hint: "use --network pasta, which changes nothing on the host, or run libflux with sudo" },
  );
}

/** Words of `--network` that no network can be called by. */
const WORDS = new Set(["none", "host", "default", "container", "ns", "private", "pasta"]);

/** As of containers (SECURITY.md, rule 5), but for a dash at the beginning: it is a word of the command line. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** Whether a name can be a network's. */
export function isNetworkName(name: string): boolean {
  return NAME.test(name) && !WORDS.has(name);
}

/** Throws a {@link UsageError} unless a name can be a network's. */
export function checkNetworkName(name: string): void {
  if (isNetworkName(name)) return;
  const why = WORDS.has(name) ? "it is a word of --network" : "use at most 63 letters, digits, '_', '.' or '-'";
  throw new UsageError(`"${printable(name)}" can't be a network's name`, { hint: why });
}

/** Throws a {@link UsageError} unless a text names a network. */
export function checkNetwork(text: string): asserts text is NonNullable<RunOptions["network"]> {
  if (text === "none" || text === "host" || text === "pasta" || isNetworkName(text)) return;
  const [, kind, what = ""] = /^(container|ns):(.*)$/s.exec(text) ?? [];
  if (kind === "container") return checkName(what);
  if (kind === "ns" && what.startsWith("/") && !what.includes("\0")) return;
  throw new UsageError(
    `the network is bridge, the name of a network, none, host, pasta, container:NAME or ns:/PATH, not "${
      printable(text)
    }"`,
    { hint: "'libflux network ls' lists the networks; write --network none for none" },
  );
}

/** Whether a text is the address of one network card: six bytes, not of a group (`linux/etherdevice.h`). */
export function isMac(text: string): boolean {
  return /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text) && (parseInt(text.slice(0, 2), 16) & 1) === 0 &&
    /[1-9a-fA-F]/.test(text);
}

const ALIAS = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9_])?$/;

/** Throws a {@link UsageError} that names the first option of a container's network that can't be. */
export function checkNetworkOptions(options: RunOptions): void {
  const { network, ip, ip6, ipv6, macAddress, networkAliases = [], ports = [] } = options;
  if (network !== undefined) checkNetwork(network);
  checkNames(options.addHosts ?? [], options.dns ?? [], options.dnsSearch ?? []);
  if (ip !== undefined && !isIPv4(ip)) throw new UsageError(`"${printable(ip)}" is no IPv4 address`);
  if (ip6 !== undefined && !isIPv6(ip6)) throw new UsageError(`"${printable(ip6)}" is no IPv6 address`);
  if (macAddress !== undefined && !isMac(macAddress)) {
    throw new UsageError(`"${printable(macAddress)}" is no MAC address that a container can have`, {
      hint: "write six bytes such as 02:00:00:12:34:56, the first an even one",
    });
  }
  for (const alias of networkAliases) {
    if (!ALIAS.test(alias)) throw new UsageError(`"${printable(alias)}" can't be the name of a host`);
    if (/^localhost$/i.test(alias)) {
      throw new UsageError(`"${alias}" is every host's name for itself`, { hint: "use another alias" });
    }
  }
  checkPorts(ports);
  const isOwn = network !== undefined && isNetworkName(network) || network === undefined;
  if (isOwn) return;
  const isPasta = network === "pasta";
  const given = Object.entries({
    "a published port (--publish)": ports.length > 0 && !isPasta,
    "an IP address (--ip, --ip6, --ipv6)": ip !== undefined || ip6 !== undefined || ipv6 === true && !isPasta,
    "a MAC address (--mac-address)": macAddress !== undefined,
    "an alias (--network-alias)": networkAliases.length > 0,
  }).find(([, isGiven]) => isGiven);
  if (given === undefined) return;
  throw new UsageError(`${given[0]} needs a network of libflux's, and the network is ${printable(network)}`, {
    hint: network === "host"
      ? "whoever listens inside listens on the host itself"
      : isPasta
      ? "pasta gives the container the host's own address"
      : "leave out --network",
  });
}
