/**
 * Constants of netlink: `linux/netlink.h`, `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h`, `linux/veth.h`,
 * `linux/netfilter/nf_tables.h`.
 *
 * @module
 */

/** Address families and what sockets are made of: `linux/socket.h`, `linux/netlink.h`. */
export const AF = { AF_UNSPEC: 0, AF_INET: 2, AF_BRIDGE: 7, AF_INET6: 10, AF_NETLINK: 16 } as const;

/** Protocols of `AF_NETLINK`. */
export const NETLINK = { NETLINK_ROUTE: 0, NETLINK_NETFILTER: 12 } as const;

/** `nlmsg_flags`. */
export const NLM_F = {
  NLM_F_REQUEST: 1,
  NLM_F_ACK: 4,
  NLM_F_DUMP: 0x300,
  NLM_F_EXCL: 0x200,
  NLM_F_CREATE: 0x400,
  NLM_F_APPEND: 0x800,
} as const;

/** `nlmsg_type`: those of answers that tell how it went, and that there is no more. */
export const NLMSG = { NLMSG_ERROR: 2, NLMSG_DONE: 3 } as const;

/** Messages of `NETLINK_ROUTE`. */
export const RTM = {
  RTM_NEWLINK: 16,
  RTM_DELLINK: 17,
  RTM_GETLINK: 18,
  RTM_SETLINK: 19,
  RTM_NEWADDR: 20,
  RTM_GETADDR: 22,
  RTM_NEWROUTE: 24,
} as const;

/** Attributes of a link. */
export const IFLA = {
  IFLA_ADDRESS: 1,
  IFLA_IFNAME: 3,
  IFLA_MTU: 4,
  IFLA_MASTER: 10,
  IFLA_PROTINFO: 12,
  IFLA_LINKINFO: 18,
  IFLA_IFALIAS: 20,
  IFLA_NET_NS_FD: 28,
  IFLA_INFO_KIND: 1,
  IFLA_INFO_DATA: 2,
  IFLA_BRPORT_MODE: 4,
  VETH_INFO_PEER: 1,
} as const;

/** Attributes of an address. */
export const IFA = { IFA_ADDRESS: 1, IFA_LOCAL: 2, IFA_FLAGS: 8, IFA_F_NODAD: 2 } as const;

/** Attributes of a route. */
export const RTA = { RTA_OIF: 4, RTA_GATEWAY: 5 } as const;

/** Where a route is, who has made it, how far it goes, what it does. */
export const RT = { RT_TABLE_MAIN: 254, RTPROT_STATIC: 4, RT_SCOPE_UNIVERSE: 0, RTN_UNICAST: 1 } as const;

/** `NLA_F_NESTED`: an attribute that holds others. */
export const NLA_F_NESTED = 0x8000;

/** `linux/if.h` */
export const IFF_UP = 1;

/** `linux/netfilter/nfnetlink.h`: what begins and ends a batch, `NFNL_MSG_BATCH_*`, and the subsystem that it is for. */
export const NFNL = { BEGIN: 16, END: 17, NFNL_SUBSYS_NFTABLES: 10 } as const;

/** `linux/netfilter.h`: families, hooks and verdicts. */
export const NF = {
  NFPROTO_INET: 1,
  NFPROTO_IPV4: 2,
  NFPROTO_IPV6: 10,
  NF_INET_FORWARD: 2,
  NF_INET_LOCAL_OUT: 3,
  NF_DROP: 0,
} as const;

/** `linux/netfilter/nfnetlink_conntrack.h`: messages and attributes; the flag of a filter by protocol is BIT(CTA_FILTER_*). */
export const CT = {
  IPCTNL_MSG_CT_GET: 1 << 8 | 1,
  IPCTNL_MSG_CT_DELETE: 1 << 8 | 2,
  CTA_TUPLE_ORIG: 1,
  CTA_TUPLE_REPLY: 2,
  CTA_ZONE: 18,
  CTA_FILTER: 25,
  CTA_FILTER_ORIG_FLAGS: 1,
  CTA_FILTER_REPLY_FLAGS: 2,
  CTA_TUPLE_IP: 1,
  CTA_TUPLE_PROTO: 2,
  CTA_IP_V4_SRC: 1,
  CTA_IP_V4_DST: 2,
  CTA_IP_V6_SRC: 3,
  CTA_IP_V6_DST: 4,
  CTA_PROTO_NUM: 1,
  CTA_PROTO_DST_PORT: 3,
  /** Only entries of the protocol that the tuple names. */
  FILTER_PROTO_NUM: 1 << 3,
} as const;

/** `linux/netfilter/nf_tables.h`: messages, attributes and values, each with its own name there. */
export const NFT = {
  NFT_MSG_NEWTABLE: 10 << 8 | 0,
  NFT_MSG_NEWCHAIN: 10 << 8 | 3,
  NFT_MSG_GETCHAIN: 10 << 8 | 4,
  NFT_MSG_NEWRULE: 10 << 8 | 6,
  NFTA_TABLE_NAME: 1,
  NFTA_CHAIN_TABLE: 1,
  NFTA_CHAIN_NAME: 3,
  NFTA_CHAIN_HOOK: 4,
  NFTA_CHAIN_POLICY: 5,
  NFTA_CHAIN_TYPE: 7,
  NFTA_HOOK_HOOKNUM: 1,
  NFTA_HOOK_PRIORITY: 2,
  NFTA_RULE_TABLE: 1,
  NFTA_RULE_CHAIN: 2,
  NFTA_RULE_EXPRESSIONS: 4,
  NFTA_LIST_ELEM: 1,
  NFTA_EXPR_NAME: 1,
  NFTA_EXPR_DATA: 2,
  NFTA_META_DREG: 1,
  NFTA_META_KEY: 2,
  NFT_META_OIF: 5,
  NFT_META_NFPROTO: 15,
  NFTA_PAYLOAD_DREG: 1,
  NFTA_PAYLOAD_BASE: 2,
  NFTA_PAYLOAD_OFFSET: 3,
  NFTA_PAYLOAD_LEN: 4,
  NFT_PAYLOAD_NETWORK_HEADER: 1,
  NFTA_CMP_SREG: 1,
  NFTA_CMP_OP: 2,
  NFTA_CMP_DATA: 3,
  NFT_CMP_EQ: 0,
  NFT_CMP_NEQ: 1,
  NFTA_DATA_VALUE: 1,
  NFTA_DATA_VERDICT: 2,
  NFTA_VERDICT_CODE: 1,
  NFTA_IMMEDIATE_DREG: 1,
  NFTA_IMMEDIATE_DATA: 2,
  NFT_REG_VERDICT: 0,
  NFT_REG_1: 1,
} as const;
