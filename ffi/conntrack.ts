/**
 * Flows of UDP that the kernel remembers: it sends each of their packets where it has sent the first, whatever rules there
 * are since.
 *
 * @module
 */
import { AF, CT } from "./abi/netlink.ts";
import type { Descriptor } from "./libc.ts";
import { decodeAttributes, dump, type Message } from "./netlink.ts";

/** A flow. Addresses are 4 or 16 bytes. */
export interface Flow {
  /** Where its packets were sent, before any translation. */
  readonly destination: Uint8Array;
  readonly port: number;
  /** Who answers. */
  readonly replier: Uint8Array;
  /** What tells it from all others: attributes as the kernel has them. */
  readonly key: readonly (readonly [number, Uint8Array])[];
}

const IPPROTO_UDP = 17;
const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array();

const header = (family: 4 | 6): Uint8Array => new Uint8Array([family === 4 ? AF.AF_INET : AF.AF_INET6, 0, 0, 0]);

/** All flows of UDP. Throws a {@linkcode NetlinkError} where the kernel remembers none, or doesn't tell. */
export function udpFlows(netfilter: Descriptor, family: 4 | 6): Flow[] {
  const flags = [[CT.CTA_FILTER_ORIG_FLAGS, CT.FILTER_PROTO_NUM], [CT.CTA_FILTER_REPLY_FLAGS, 0]] as const;
  return dump(netfilter, {
    step: "list the flows of UDP",
    type: CT.IPCTNL_MSG_CT_GET,
    flags: 0,
    header: header(family),
    // Before Linux 5.8 all flows are told.
    attributes: [
      [CT.CTA_TUPLE_ORIG, [[CT.CTA_TUPLE_PROTO, [[CT.CTA_PROTO_NUM, new Uint8Array([IPPROTO_UDP])]]]]],
      [CT.CTA_FILTER, flags],
    ],
  }).flatMap((body) => flowOf(body.subarray(4)) ?? []);
}

function flowOf(bytes: Uint8Array<ArrayBuffer>): Flow | undefined {
  const attributes = decodeAttributes(bytes);
  const part = (tuple: number, which: number): Map<number, Uint8Array<ArrayBuffer>> =>
    decodeAttributes(decodeAttributes(attributes.get(tuple) ?? EMPTY).get(which) ?? EMPTY);
  const protocol = part(CT.CTA_TUPLE_ORIG, CT.CTA_TUPLE_PROTO);
  if (protocol.get(CT.CTA_PROTO_NUM)?.[0] !== IPPROTO_UDP) return undefined;
  const sent = part(CT.CTA_TUPLE_ORIG, CT.CTA_TUPLE_IP);
  const answered = part(CT.CTA_TUPLE_REPLY, CT.CTA_TUPLE_IP);
  const [high = 0, low = 0] = protocol.get(CT.CTA_PROTO_DST_PORT) ?? [];
  const key = [CT.CTA_TUPLE_ORIG, CT.CTA_ZONE].flatMap((type) => {
    const value = attributes.get(type);
    return value === undefined ? [] : [[type, value.slice()] as const];
  });
  return {
    destination: sent.get(CT.CTA_IP_V4_DST) ?? sent.get(CT.CTA_IP_V6_DST) ?? EMPTY,
    port: high << 8 | low,
    replier: answered.get(CT.CTA_IP_V4_SRC) ?? answered.get(CT.CTA_IP_V6_SRC) ?? EMPTY,
    key,
  };
}

/** Has the kernel forget a flow: its next packet is the first of another. */
export function forget(family: 4 | 6, { key }: Flow): Message {
  return {
    step: "forget a flow of UDP",
    type: CT.IPCTNL_MSG_CT_DELETE,
    flags: 0,
    header: header(family),
    attributes: key.map(([type, value]) => [type, value] as const),
  };
}
