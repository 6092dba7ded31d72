/**
 * Structures of network devices.
 *
 * @module
 */
import { AF } from "./netlink.ts";

/** `struct ifreq` (`linux/if.h`): the name in 16 bytes, then what is set. */
function linkRequest(name: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name));
  request.set(value, 16);
  return request;
}

/** Brings an Ethernet link up, for SIOCSIFFLAGS: the flags IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST. */
export function ethernetUp(name: string): Uint8Array<ArrayBuffer> {
  return linkRequest(name, new Uint8Array([0x43, 0x10]));
}

/** Brings `lo` up: IFF_UP | IFF_RUNNING. */
export function loopbackUp(): Uint8Array<ArrayBuffer> {
  return linkRequest("lo", new Uint8Array([0x41]));
}

/** `struct sockaddr_in`, `struct sockaddr_in6`. @param address 4 or 16 bytes. */
export function socketAddress(address: Uint8Array, port = 0): Uint8Array<ArrayBuffer> {
  const isIPv6 = address.length === 16;
  const bytes = new Uint8Array(isIPv6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isIPv6 ? AF.AF_INET6 : AF.AF_INET, true);
  view.setUint16(2, port);
  bytes.set(address, isIPv6 ? 8 : 4);
  return bytes;
}

/** Gives a link an address, or its address a netmask: for SIOCSIFADDR, SIOCSIFNETMASK. @param address 4 bytes. */
export function addressRequest(name: string, address: Uint8Array): Uint8Array<ArrayBuffer> {
  return linkRequest(name, socketAddress(address));
}

/** A netmask as 4 bytes. */
export function netmask(prefix: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(4).map((_, at) => 0xff00 >> Math.min(Math.max(prefix - 8 * at, 0), 8) & 0xff);
}

/**
 * `struct rtentry` (`linux/route.h`) of a default route, for SIOCADDRT: after a word destination, gateway and netmask, 16
 * bytes each, then the flags RTF_UP | RTF_GATEWAY.
 */
export function defaultRouteRequest(gateway: Uint8Array): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(120);
  const any = socketAddress(new Uint8Array(4));
  request.set(any, 8);
  request.set(socketAddress(gateway), 24);
  request.set(any, 40);
  request[56] = 3;
  return request;
}
