/**
 * Links, addresses and routes, as messages to the kernel.
 *
 * @module
 */
import { E } from "./abi/constants.ts";
import { AF, IFA, IFF_UP, IFLA, NLM_F, RT, RTA, RTM } from "./abi/netlink.ts";
import type { Descriptor } from "./libc.ts";
import {
  ask,
  type Attribute,
  decodeAttributes,
  dump,
  encodeAttributes,
  type Message,
  NetlinkError,
} from "./netlink.ts";

const CREATE = NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL;

/** `struct ifinfomsg`. @param index Of the link; 0 where its name tells. @param up Left as it is, if left out. */
function linkHeader(index = 0, up?: boolean, family: number = AF.AF_UNSPEC): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(16);
  const view = new DataView(header.buffer);
  view.setUint8(0, family);
  view.setInt32(4, index, true);
  if (up !== undefined) {
    view.setUint32(8, up ? IFF_UP : 0, true);
    view.setUint32(12, IFF_UP, true);
  }
  return header;
}

/** A link layer address as its six bytes. @param text "0a:58:0a:57:00:02" */
function macBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text.replaceAll(":", ""));
}

/** A bridge, not yet up. @param alias What tells whose it is. */
export function newBridge(name: string, mac: string, mtu: number, alias: string): Message[] {
  return [{
    step: `make the bridge ${name}`,
    type: RTM.RTM_NEWLINK,
    flags: CREATE,
    header: linkHeader(),
    attributes: [
      [IFLA.IFLA_IFNAME, name],
      // One of its own: else it takes that of the least of its ports, and changes it as they come and go.
      [IFLA.IFLA_ADDRESS, macBytes(mac)],
      [IFLA.IFLA_MTU, mtu],
      [IFLA.IFLA_LINKINFO, [[IFLA.IFLA_INFO_KIND, "bridge"]]],
    ],
  }, {
    // Not heeded when a link is made.
    step: `mark the bridge ${name}`,
    type: RTM.RTM_SETLINK,
    flags: 0,
    header: linkHeader(),
    attributes: [[IFLA.IFLA_IFNAME, name], [IFLA.IFLA_IFALIAS, alias]],
  }];
}

/** A pair of virtual Ethernet links: one end here, in a bridge, the other, not yet up, in another network namespace. */
export interface Veth {
  /** The name of the end that stays. */
  readonly name: string;
  /** The index of the bridge. */
  readonly bridge: number;
  /** A descriptor of the other network namespace. */
  readonly namespace: number;
  /** Name, index, address and MTU of the end in there. */
  readonly peer: { readonly name: string; readonly index: number; readonly mac: string };
  readonly mtu: number;
}

/** Makes a pair. */
export function newVeth({ name, bridge, namespace, peer, mtu }: Veth): Message {
  const far: readonly Attribute[] = [
    [IFLA.IFLA_IFNAME, peer.name],
    [IFLA.IFLA_ADDRESS, macBytes(peer.mac)],
    [IFLA.IFLA_MTU, mtu],
    [IFLA.IFLA_NET_NS_FD, namespace],
  ];
  const header = linkHeader(peer.index);
  // VETH_INFO_PEER begins with a structure of its own.
  const info = new Uint8Array([...header, ...encodeAttributes(far)]);
  return {
    step: `make the link ${name}`,
    type: RTM.RTM_NEWLINK,
    flags: CREATE,
    header: linkHeader(0, true),
    attributes: [
      [IFLA.IFLA_IFNAME, name],
      [IFLA.IFLA_MTU, mtu],
      [IFLA.IFLA_MASTER, bridge],
      [IFLA.IFLA_LINKINFO, [
        [IFLA.IFLA_INFO_KIND, "veth"],
        [IFLA.IFLA_INFO_DATA, [[IFLA.VETH_INFO_PEER, info]]],
      ]],
    ],
  };
}

/** Brings a link up. */
export function linkUp(name: string, index: number): Message {
  return {
    step: `bring up the link ${name}`,
    type: RTM.RTM_SETLINK,
    flags: 0,
    header: linkHeader(index, true),
    attributes: [],
  };
}

/** Puts a link into a bridge. @param bridge The bridge's index. */
export function setMaster(name: string, bridge: number): Message {
  return {
    step: `put the link ${name} into its bridge`,
    type: RTM.RTM_SETLINK,
    flags: 0,
    header: linkHeader(0, true),
    attributes: [[IFLA.IFLA_IFNAME, name], [IFLA.IFLA_MASTER, bridge]],
  };
}

/** Lets a port of a bridge send back where it has received: a container that asks for its own published port. */
export function hairpin(name: string, index: number): Message {
  return {
    step: `let ${name} reach itself by a published port`,
    type: RTM.RTM_SETLINK,
    flags: 0,
    header: linkHeader(index, undefined, AF.AF_BRIDGE),
    attributes: [[IFLA.IFLA_PROTINFO, [[IFLA.IFLA_BRPORT_MODE, new Uint8Array([1])]]]],
  };
}

/** Removes a link, and with a veth its other end. By its index: another may have its name by then. */
export function deleteLink(name: string, index: number): Message {
  return {
    step: `remove the link ${name}`,
    type: RTM.RTM_DELLINK,
    flags: 0,
    header: linkHeader(index),
    attributes: [],
  };
}

/** Gives a link an address. @param address 4 or 16 bytes. */
export function newAddress(link: number, address: Uint8Array<ArrayBuffer>, prefix: number, text: string): Message {
  const header = new Uint8Array(8);
  const isIPv6 = address.length === 16;
  header.set([isIPv6 ? AF.AF_INET6 : AF.AF_INET, prefix]);
  new DataView(header.buffer).setUint32(4, link, true);
  return {
    step: `set the address ${text}`,
    type: RTM.RTM_NEWADDR,
    flags: CREATE,
    header,
    attributes: [
      [IFA.IFA_LOCAL, address],
      [IFA.IFA_ADDRESS, address],
      // libflux gives no address twice: waiting a second to see whether somebody else has it would be for nothing.
      ...(isIPv6 ? [[IFA.IFA_FLAGS, IFA.IFA_F_NODAD] as const] : []),
    ],
  };
}

/** Sends whatever has no other route to a gateway. @param gateway 4 or 16 bytes. */
export function defaultRoute(link: number, gateway: Uint8Array<ArrayBuffer>, text: string): Message {
  const family = gateway.length === 16 ? AF.AF_INET6 : AF.AF_INET;
  return {
    step: `set the default route by ${text}`,
    type: RTM.RTM_NEWROUTE,
    flags: CREATE,
    header: new Uint8Array([
      ...[family, 0, 0, 0, RT.RT_TABLE_MAIN, RT.RTPROT_STATIC, RT.RT_SCOPE_UNIVERSE, RT.RTN_UNICAST, 0, 0, 0, 0],
    ]),
    attributes: [[RTA.RTA_GATEWAY, gateway], [RTA.RTA_OIF, link]],
  };
}

/** The addresses that this network namespace has: 4 or 16 bytes each. */
export function addresses(socket: Descriptor): Uint8Array[] {
  return dump(socket, {
    step: "list the addresses",
    type: RTM.RTM_GETADDR,
    flags: 0,
    header: new Uint8Array(8),
    attributes: [],
  }).flatMap((body) => {
    const attributes = decodeAttributes(body.subarray(8));
    return attributes.get(IFA.IFA_LOCAL) ?? attributes.get(IFA.IFA_ADDRESS) ?? [];
  });
}

/** A link of this network namespace. */
export interface Link {
  readonly index: number;
  /** What tells whose it is; empty where nothing does. */
  readonly alias: string;
  /** "bridge", "veth"; empty for hardware. */
  readonly kind: string;
}

/** Looks for a link; nothing where there is none of this name. @throws {NetlinkError} The kernel doesn't tell. */
export function findLink(socket: Descriptor, name: string): Link | undefined {
  const step = `look for the link ${name}`;
  const answer = ask(socket, {
    step,
    type: RTM.RTM_GETLINK,
    flags: 0,
    header: linkHeader(),
    attributes: [[IFLA.IFLA_IFNAME, name]],
  });
  if (answer === E.ENODEV) return undefined;
  if (typeof answer === "number") throw new NetlinkError(step, answer);
  const attributes = decodeAttributes(answer.subarray(16));
  const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes).replace(/\0.*$/s, "");
  const info = attributes.get(IFLA.IFLA_LINKINFO);
  return {
    index: new DataView(answer.buffer, answer.byteOffset).getInt32(4, true),
    alias: text(attributes.get(IFLA.IFLA_IFALIAS)),
    kind: info === undefined ? "" : text(decodeAttributes(info).get(IFLA.IFLA_INFO_KIND)),
  };
}
