/**
 * Flows of UDP to published ports, which outlive their rules: a client that goes on sending from the same port would never
 * reach who has come since, nor the host itself after who has gone. (TCP begins anew.)
 *
 * @module
 */
import { NETLINK } from "../../ffi/abi/netlink.ts";
import { type Flow, forget, udpFlows } from "../../ffi/conntrack.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { openNetlink, tryBatch } from "../../ffi/netlink.ts";
import { addresses } from "../../ffi/rtnetlink.ts";
import { parseAddress } from "../spec/addresses.ts";
import type { Family } from "./chains.ts";

/** What rules of published ports send on of UDP, and where to. */
interface Published {
  readonly ports: ReadonlySet<number>;
  readonly target: string;
}

/** Reads rules as `portRules()` writes them; nothing where none is for UDP. Pure. */
export function publishedUdp(rules: readonly string[]): Published | undefined {
  const found = rules.flatMap((rule) => {
    const [, port, address] = /-p udp .*--dport (\d+) .*--to-destination \[?([0-9a-f.:]+?)\]?:\d+$/.exec(rule) ?? [];
    return port === undefined || address === undefined ? [] : [{ port: Number(port), address }];
  });
  const [first] = found;
  if (first === undefined) return undefined;
  return { ports: new Set(found.map(({ port }) => port)), target: parseAddress(first.address)?.toHex() ?? "" };
}

/**
 * Whether a flow goes elsewhere than rules say: past a container that they lead to, or to one that they led to. Pure.
 *
 * @param own The host's addresses, in hexadecimal digits, where the rules are set; nothing where they were taken away.
 */
export function isStale(
  { destination, port, replier }: Pick<Flow, "destination" | "port" | "replier">,
  { ports, target }: Published,
  own: ReadonlySet<string> | undefined,
): boolean {
  if (!ports.has(port)) return false;
  const leadsThere = replier.toHex() === target;
  if (own === undefined) return leadsThere;
  return !leadsThere && (own.has(destination.toHex()) || destination.length === 4 && destination[0] === 127);
}

/**
 * Has the kernel forget the flows that rules make stale. Where it can't, they end by themselves, when the client is silent for
 * half a minute.
 *
 * @param areSet Whether the rules were set just now, or taken away.
 */
export function forgetFlows(family: Family, rules: readonly string[], areSet: boolean): void {
  const published = publishedUdp(rules);
  if (published === undefined) return;
  try {
    const own = areSet ? hostAddresses() : undefined;
    const socket = openNetlink(NETLINK.NETLINK_NETFILTER);
    try {
      const stale = udpFlows(socket, family).filter((flow) => isStale(flow, published, own));
      // Of thousands the answers would fill the socket.
      const STEP = 100;
      for (let at = 0; at < stale.length; at += STEP) {
        tryBatch(socket, stale.slice(at, at + STEP).map((flow) => forget(family, flow)));
      }
    } finally {
      // Whoever closes one waits for rules that are being destroyed.
      socket.closeInBackground().catch(() => {});
    }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}

function hostAddresses(): Set<string> {
  using socket = openNetlink();
  return new Set(addresses(socket).map((address) => address.toHex()));
}
