/**
 * Rules for a container's own network namespace: what is for a loopback address leaves it by no link.
 *
 * A process that binds its socket to `eth0`, which takes no capability, sends to 127.0.0.1 there. A kernel at the other end
 * drops such a packet. A program that takes packets off a tap and asks its own kernel for a socket, as pasta before 2024
 * does, delivers it to the host's loopback.
 *
 * @module
 */
import { NF, NFNL, NFT, NLM_F } from "./abi/netlink.ts";
import { type Attribute, encodeMessages, type Message } from "./netlink.ts";

const TABLE = "libflux";
const CHAIN = "output";
/** Every network namespace has its `lo` before all other links. */
const LO_INDEX = 1;

/** 32 bits as nf_tables has its own numbers: most significant byte first. */
function big(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** `struct nfgenmsg`. @param resource Of a batch: the subsystem. */
const header = (family: number, resource = 0): Uint8Array<ArrayBuffer> => new Uint8Array([family, 0, 0, resource]);

const message = (
  type: number,
  flags: number,
  attributes: readonly Attribute[],
  head = header(NF.NFPROTO_INET),
): Message => ({
  step: "keep packets for loopback addresses inside",
  type,
  flags,
  header: head,
  attributes,
});

const expression = (name: string, data: readonly Attribute[]): Attribute => [NFT.NFTA_LIST_ELEM, [
  [NFT.NFTA_EXPR_NAME, name],
  [NFT.NFTA_EXPR_DATA, data],
]];

const meta = (key: number): Attribute =>
  expression("meta", [[NFT.NFTA_META_DREG, big(NFT.NFT_REG_1)], [NFT.NFTA_META_KEY, big(key)]]);

const compare = (operator: number, value: Uint8Array): Attribute =>
  expression("cmp", [
    [NFT.NFTA_CMP_SREG, big(NFT.NFT_REG_1)],
    [NFT.NFTA_CMP_OP, big(operator)],
    [NFT.NFTA_CMP_DATA, [[NFT.NFTA_DATA_VALUE, value]]],
  ]);

/** Bytes of the IP header. */
const payload = (offset: number, length: number): Attribute =>
  expression("payload", [
    [NFT.NFTA_PAYLOAD_DREG, big(NFT.NFT_REG_1)],
    [NFT.NFTA_PAYLOAD_BASE, big(NFT.NFT_PAYLOAD_NETWORK_HEADER)],
    [NFT.NFTA_PAYLOAD_OFFSET, big(offset)],
    [NFT.NFTA_PAYLOAD_LEN, big(length)],
  ]);

const DROP = expression("immediate", [
  [NFT.NFTA_IMMEDIATE_DREG, big(NFT.NFT_REG_VERDICT)],
  [NFT.NFTA_IMMEDIATE_DATA, [[NFT.NFTA_DATA_VERDICT, [[NFT.NFTA_VERDICT_CODE, big(NF.NF_DROP)]]]]],
]);

/** Drops what leaves by another link than `lo` with a destination that begins so. */
const rule = (protocol: number, offset: number, destination: Uint8Array): readonly Attribute[] => [
  [NFT.NFTA_RULE_TABLE, TABLE],
  [NFT.NFTA_RULE_CHAIN, CHAIN],
  [NFT.NFTA_RULE_EXPRESSIONS, [
    meta(NFT.NFT_META_OIF),
    compare(NFT.NFT_CMP_NEQ, new Uint8Array(Uint32Array.of(LO_INDEX).buffer)),
    meta(NFT.NFT_META_NFPROTO),
    compare(NFT.NFT_CMP_EQ, new Uint8Array([protocol])),
    payload(offset, destination.length),
    compare(NFT.NFT_CMP_EQ, destination),
    DROP,
  ]],
];

/** Offsets of the destination in both headers; 127.0.0.0/8, and ::1. */
const RULES = [
  rule(NF.NFPROTO_IPV4, 16, new Uint8Array([127])),
  rule(NF.NFPROTO_IPV6, 24, new Uint8Array(16).fill(1, 15)),
] as const;

/**
 * One write to a socket of `NETLINK_NETFILTER` in the namespace: all of it is done, or none. The first answer tells: it is the
 * first message's that was refused, and where none was, that of the last rule alone.
 */
export function loopbackGuard(): Uint8Array<ArrayBuffer> {
  const CREATE = NLM_F.NLM_F_CREATE;
  const before = [
    message(NFNL.BEGIN, 0, [], header(0, NFNL.NFNL_SUBSYS_NFTABLES)),
    message(NFT.NFT_MSG_NEWTABLE, CREATE, [[NFT.NFTA_TABLE_NAME, TABLE]]),
    message(NFT.NFT_MSG_NEWCHAIN, CREATE, [
      [NFT.NFTA_CHAIN_TABLE, TABLE],
      [NFT.NFTA_CHAIN_NAME, CHAIN],
      [NFT.NFTA_CHAIN_HOOK, [
        [NFT.NFTA_HOOK_HOOKNUM, big(NF.NF_INET_LOCAL_OUT)],
        [NFT.NFTA_HOOK_PRIORITY, big(0)],
      ]],
      [NFT.NFTA_CHAIN_TYPE, "filter"],
    ]),
  ];
  const rules = RULES.map((attributes) => message(NFT.NFT_MSG_NEWRULE, CREATE | NLM_F.NLM_F_APPEND, attributes));
  const end = message(NFNL.END, 0, [], header(0, NFNL.NFNL_SUBSYS_NFTABLES));
  const last = rules.at(-1);
  return encodeMessages([...before, ...rules, end].map((one) => one === last ? one : { ...one, quiet: true }));
}
