/**
 * A container's end of its link: what is set in its own network namespace.
 *
 * @module
 */
import { IOCTL } from "../../ffi/abi/constants.ts";
import { addressRequest, defaultRouteRequest, ethernetUp, netmask } from "../../ffi/abi/network.ts";
import { syscall } from "../../ffi/libc.ts";
import { batch, NetlinkError } from "../../ffi/netlink.ts";
import { netlinkIn, type NetworkNamespace } from "../../ffi/network_namespace.ts";
import { defaultRoute, newAddress } from "../../ffi/rtnetlink.ts";
import { parseAddress } from "../spec/addresses.ts";
import type { Lease, Network } from "../store/network.ts";
import { parseSubnet } from "./subnets.ts";

/** Its name and its index: the first after lo. */
export const INSIDE = { name: "eth0", index: 2 } as const;

/** Addresses, and a route by the bridge. Throws a {@link NetlinkError} that tells what was refused. */
export async function setInside(namespace: NetworkNamespace, network: Network, lease: Lease): Promise<void> {
  setIPv4(namespace.socket?.number ?? -1, network, lease);
  if (lease.ipv6Address !== undefined) await setIPv6(namespace, network, lease.ipv6Address);
}

function setIPv4(socket: number, { subnet, gateway, internal }: Network, { address }: Lease): void {
  const call = (step: string, request: number, value: Uint8Array<ArrayBuffer>): void => {
    const result = syscall("ioctl", socket, request, value);
    if (result < 0) throw new NetlinkError(step, -result);
  };
  const [own, way] = [parseAddress(address), parseAddress(gateway)];
  if (own === undefined || way === undefined) return;
  call(`set the address ${address}`, IOCTL.SIOCSIFADDR, addressRequest(INSIDE.name, own));
  const mask = netmask(parseSubnet(subnet).prefix);
  call(`set the netmask of ${address}`, IOCTL.SIOCSIFNETMASK, addressRequest(INSIDE.name, mask));
  call(`bring up ${INSIDE.name}`, IOCTL.SIOCSIFFLAGS, ethernetUp(INSIDE.name));
  // There is no way out of an internal one.
  if (!internal) call(`set the default route by ${gateway}`, IOCTL.SIOCADDRT, defaultRouteRequest(way));
}

/** By netlink: an address of IPv6 that `ioctl` sets isn't used for a second, in case somebody else has it. */
async function setIPv6(namespace: NetworkNamespace, network: Network, address: string): Promise<void> {
  const { ipv6Subnet = "", ipv6Gateway = "", internal } = network;
  const [own, way] = [parseAddress(address), parseAddress(ipv6Gateway)];
  if (own === undefined || way === undefined) return;
  using socket = await netlinkIn(namespace);
  const { prefix } = parseSubnet(ipv6Subnet);
  batch(socket, [
    newAddress(INSIDE.index, own, prefix, address),
    ...internal ? [] : [defaultRoute(INSIDE.index, way, ipv6Gateway)],
  ]);
}
