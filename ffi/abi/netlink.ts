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

/** Messages of nf_tables, after `NFNL_SUBSYS_NFTABLES`, their attributes, and values of those. */
export const NFT = {
  NFT_MSG_GETCHAIN: 10 << 8 | 4,
  NFTA_CHAIN_TABLE: 1,
  NFTA_CHAIN_HOOK: 4,
  NFTA_CHAIN_POLICY: 5,
  NFTA_HOOK_HOOKNUM: 1,
  NF_INET_FORWARD: 2,
  NF_DROP: 0,
} as const;
