/**
 * Ports of the host that lead into a container, as `--publish` has them. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { formatAddress, isIPv4, isIPv6, isMapped, parseAddress } from "./addresses.ts";
import { isWhole } from "./limits.ts";

/**
 * A port of the host, and the port of the container that it leads to.
 *
 * @example
 * ```ts
 * import type { PortMapping } from "@libflux/cli/mod";
 *
 * const ports: PortMapping[] = [
 *   { hostAddress: "127.0.0.1", hostPort: 8080, containerPort: 80, protocol: "tcp" },
 *   { containerPort: 53, protocol: "udp" }, // at a free port of every address
 * ];
 * console.log(ports.length); // 2
 * ```
 */
export interface PortMapping {
  /** The IP address of the host to listen on; all that it has if left out. */
  readonly hostAddress?: string;
  /** From 1 to 65535; a free one if left out. */
  readonly hostPort?: number;
  /** From 1 to 65535. */
  readonly containerPort: number;
  /** Only this one is forwarded. */
  readonly protocol: "tcp" | "udp";
}

/**
 * A port that is published.
 *
 * @example Which free port was it?
 * ```ts
 * import { list, type PublishedPort, run } from "@libflux/cli/mod";
 *
 * const ports = [{ containerPort: 80, protocol: "tcp" }] as const;
 * await using container = await run({ command: ["sleep", "60"], network: "bridge", ports });
 * const published: readonly PublishedPort[] = (await list()).find(({ name }) => name === container.name)?.ports ?? [];
 * console.log(published[0]?.hostPort);
 * ```
 */
export type PublishedPort = PortMapping & {
  /** From 1 to 65535. */
  readonly hostPort: number;
};

/** 16 bits in the headers of both protocols; 0 is what a caller of bind() says who wants a free one. */
const LAST_PORT = 65535;

const FORM = "write [IP:][HOST:]CONTAINER[/tcp|udp] such as 8080:80";

/** Ports from the first to the last, both included. */
interface Range {
  readonly first: number;
  readonly last: number;
}

/** What {@link parsePublish} takes apart first; a host of "" is a free port. */
interface Parts {
  readonly address?: string;
  readonly host?: string;
  readonly container: string;
}

/**
 * Reads `[IP:][HOST[-LAST]:]CONTAINER[-LAST][/tcp|udp]`, the notation of docker and podman: one mapping for each port of
 * a range. An IPv6 address is in brackets, and comes out as RFC 5952 writes it. Throws a {@link UsageError}.
 */
export function parsePublish(text: string): PortMapping[] {
  const at = text.indexOf("/");
  const protocol = parseProtocol(at < 0 ? undefined : text.slice(at + 1), text);
  const { address, host, container } = split(at < 0 ? text : text.slice(0, at), text);
  const inside = parseRange(container, "container", text);
  const outside = host === undefined || host === "" ? undefined : parseRange(host, "host", text);
  const count = inside.last - inside.first + 1;
  if (outside !== undefined && outside.last - outside.first + 1 !== count) {
    throw new UsageError(
      `"${printable(text)}" has ${
        outside.last - outside.first + 1
      } of the host's ports for ${count} of the container's`,
      { hint: "give ranges of the same length, or leave the host's out for free ports" },
    );
  }
  const hostAddress = address === undefined ? {} : { hostAddress: parseHost(address, text) };
  return Array.from({ length: count }, (_, index) => ({
    ...hostAddress,
    ...(outside === undefined ? {} : { hostPort: outside.first + index }),
    containerPort: inside.first + index,
    protocol,
  }));
}

function parseProtocol(name: string | undefined, text: string): PortMapping["protocol"] {
  const lower = name?.toLowerCase() ?? "tcp";
  if (lower === "tcp" || lower === "udp") return lower;
  const what = lower === ""
    ? `"${printable(text)}" names no protocol after the slash`
    : `"${printable(name ?? "")}" in "${printable(text)}" is no protocol that libflux publishes`;
  throw new UsageError(what, { hint: "end it with /tcp or /udp, or leave that out for tcp" });
}

/** Takes `[IP:][HOST:]CONTAINER` apart. */
function split(ports: string, text: string): Parts {
  const shown = printable(text);
  if (ports === "") throw new UsageError(`"${shown}" names no port`, { hint: FORM });
  if (ports.startsWith("[")) return splitBracketed(ports, text);
  const parts = ports.split(":");
  const [first = "", second = "", third = ""] = parts;
  if (parts.length > 3) {
    const address = parts.slice(0, -2).join(":");
    const bracketed = isIPv6(address) ? `[${address}]:${printable(parts.slice(-2).join(":"))}` : "[::1]:8080:80";
    throw new UsageError(`"${shown}" has more colons than an address and two ports do`, {
      hint: `put an IPv6 address in brackets: ${bracketed}`,
    });
  }
  if (parts.length === 1) return { container: first };
  if (parts.length === 2 && isIPv4(first)) throw oneSided(first, second, text);
  if (first === "") {
    throw new UsageError(`"${shown}" has nothing before its first colon`, {
      hint: "leave the colon out too: 80 is for a free port of every address of the host",
    });
  }
  return parts.length === 2 ? { host: first, container: second } : { address: first, host: second, container: third };
}

/** Takes `[IP]:[HOST]:CONTAINER` apart. */
function splitBracketed(ports: string, text: string): Parts {
  const shown = printable(text);
  const end = ports.indexOf("]");
  const address = ports.slice(1, end);
  const [junk, host, container, ...more] = ports.slice(end + 1).split(":");
  if (end < 0 || junk !== "" || more.length > 0) {
    throw new UsageError(`"${shown}" isn't an address in brackets and two ports`, { hint: "write [::1]:8080:80" });
  }
  if (isIPv4(address)) {
    throw new UsageError(`"${shown}" has an IPv4 address in brackets`, { hint: `write ${address}:8080:80` });
  }
  if (host === undefined || container === undefined) throw oneSided(`[${parseHost(address, text)}]`, host, text);
  return { address, host, container };
}

/** With one port there is no telling whose it is. */
function oneSided(address: string, port: string | undefined, text: string): UsageError {
  const shown = printable(port === undefined || port === "" ? "80" : port);
  return new UsageError(`"${printable(text)}" has an address, and not both of the ports`, {
    hint: `write ${printable(address)}:8080:${shown}, or ${printable(address)}::${shown} for a free port of the host`,
  });
}

/** Whether an address is a group's, everybody's, or one that means something on a single link only. */
function isNobodys([first = 0, second = 0, ...rest]: Uint8Array): boolean {
  if (rest.length === 2) return first >= 224;
  return first === 0xff || first === 0xfe && (second & 0xc0) === 0x80;
}

function parseHost(address: string, text: string): string {
  const bytes = parseAddress(address);
  if (bytes === undefined) {
    throw new UsageError(`"${printable(address)}" in "${printable(text)}" is no IP address`, {
      hint: "write 127.0.0.1:8080:80 or [::1]:8080:80",
    });
  }
  if (!isMapped(bytes)) return formatAddress(bytes);
  throw new UsageError(`"${printable(address)}" in "${printable(text)}" is an IPv4 address written as IPv6`, {
    hint: `write ${bytes.subarray(12).join(".")}`,
  });
}

function parseRange(part: string, whose: string, text: string): Range {
  const shown = printable(text);
  if (part === "") throw new UsageError(`"${shown}" names no port of the ${whose}`, { hint: FORM });
  const found = /^(\d+)(?:-(\d+))?$/.exec(part);
  if (found === null) {
    throw new UsageError(`"${printable(part)}" in "${shown}" is neither a port of the ${whose} nor a range`, {
      hint: "write 8080, or 8000-8009 for ten of them",
    });
  }
  const [, from = "", to = from] = found;
  const wrong = [from, to].find((port) => !isWhole(Number(port), 1, LAST_PORT));
  if (wrong !== undefined) {
    throw new UsageError(`the port ${wrong} of the ${whose} in "${shown}" isn't from 1 to ${LAST_PORT}`, {
      hint: Number(wrong) === 0 && whose === "host"
        ? "leave it out for a free port: write 80, or 127.0.0.1::80"
        : "write a number from 1 to 65535",
    });
  }
  const [first, last] = [Number(from), Number(to)];
  if (first > last) {
    throw new UsageError(`the range "${part}" in "${shown}" runs backwards`, { hint: `write ${last}-${first}` });
  }
  return { first, last };
}

/** Addresses that stand for all of their kind. */
const ANY: readonly string[] = ["0.0.0.0", "::"];

/** Whether two listeners would be in each other's way; both addresses as {@link formatAddress} writes them. */
function overlap(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return true;
  if (one.includes(":") !== other.includes(":")) return false;
  return one === other || ANY.includes(one) || ANY.includes(other);
}

/**
 * Throws a {@link UsageError} that names the first field that can't be, or two mappings that ask for the same port of
 * the host. Takes time in proportion to their number: a range can have 65535.
 */
export function checkPorts(ports: readonly PortMapping[]): void {
  const asked = new Map<string, { readonly address: string | undefined; readonly mapping: PortMapping }[]>();
  for (const [index, mapping] of ports.entries()) {
    const { hostAddress, hostPort, containerPort, protocol } = mapping;
    for (const [field, port] of [["hostPort", hostPort ?? 1], ["containerPort", containerPort]] as const) {
      if (isWhole(port, 1, LAST_PORT)) continue;
      throw new UsageError(`ports[${index}].${field} is a whole number from 1 to ${LAST_PORT}, not ${port}`, {
        ...(field === "hostPort" ? { hint: "leave it out for a free port" } : {}),
      });
    }
    if (protocol !== "tcp" && protocol !== "udp") {
      throw new UsageError(`ports[${index}].protocol is tcp or udp, not "${printable(String(protocol))}"`);
    }
    const bytes = hostAddress === undefined ? undefined : parseAddress(hostAddress);
    if (hostAddress !== undefined && (bytes === undefined || isMapped(bytes))) {
      throw new UsageError(`ports[${index}].hostAddress is an IP address, not "${printable(hostAddress)}"`, {
        hint: bytes === undefined ? "write 127.0.0.1 or ::1" : `write ${bytes.subarray(12).join(".")}`,
      });
    }
    if (bytes !== undefined && isNobodys(bytes)) {
      throw new UsageError(`no port can be published at ${hostAddress}: it is no address that a host has to itself`, {
        hint: "leave it out for every address of this host; 'ip addr' lists those it has",
      });
    }
    if (hostPort === undefined) continue;
    const address = bytes === undefined ? undefined : formatAddress(bytes);
    const key = `${hostPort}/${protocol}`;
    const before = asked.get(key) ?? [];
    const other = before.find((one) => overlap(one.address, address))?.mapping;
    if (other !== undefined) {
      const both = [other, mapping].map((one) => formatPort({ ...one, hostPort }));
      throw new UsageError(`the host's port ${key} is asked for twice, by ${both.join(" and ")}`, {
        hint: "give one of them another port, or each an address of its own",
      });
    }
    asked.set(key, [...before, { address, mapping }]);
  }
}

/** As `ps` shows it: "0.0.0.0:8080->80/tcp", "[::1]:8080->80/tcp". */
export function formatPort(
  { hostAddress = "0.0.0.0", hostPort, containerPort, protocol }: PortMapping & { readonly hostPort: number },
): string {
  const address = hostAddress.includes(":") ? `[${hostAddress}]` : hostAddress;
  return `${address}:${hostPort}->${containerPort}/${protocol}`;
}
