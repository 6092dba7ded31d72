/**
 * Sockets of the Internet that only hold a port.
 *
 * @module
 */
import { SOCKET } from "./abi/constants.ts";
import { AF } from "./abi/netlink.ts";
import { socketAddress } from "./abi/network.ts";
import { checked, Descriptor, syscall } from "./libc.ts";

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

/**
 * Binds a socket to a port, which nobody else can have as long as it is open.
 *
 * @param address 4 or 16 bytes; all zero for every address of that family.
 * @param port 0 for a free one.
 * @returns The socket and its port; `-errno` where it can't be had.
 */
export function holdPort(
  address: Uint8Array,
  port: number,
  protocol: "tcp" | "udp",
): { readonly socket: Descriptor; readonly port: number } | number {
  const isIPv6 = address.length === 16;
  const type = protocol === "tcp" ? SOCKET.SOCK_STREAM : SOCKET.SOCK_DGRAM;
  const opened = syscall("socket", isIPv6 ? AF.AF_INET6 : AF.AF_INET, type | SOCKET.SOCK_CLOEXEC, 0);
  if (opened < 0) return opened;
  using stack = new DisposableStack();
  const socket = stack.use(new Descriptor(opened));
  if (isIPv6) checked("setsockopt", opened, IPPROTO_IPV6, IPV6_V6ONLY, new Uint8Array([1, 0, 0, 0]), 4);
  // Of TCP, connections that have ended there would keep it from everybody for a minute. Of UDP it would mean something else:
  // that others may have it too.
  const isReused = protocol === "tcp" && port !== 0;
  if (isReused) setReuse(socket, true);
  const wish = socketAddress(address, port);
  const bound = syscall("bind", opened, wish, wish.length);
  if (bound < 0) return bound;
  // Whoever asks from now on is refused, even who doesn't mind others.
  if (isReused) setReuse(socket, false);
  const found = new Uint8Array(28);
  checked("getsockname", opened, found, new Uint8Array([28, 0, 0, 0]));
  stack.move();
  return { socket, port: new DataView(found.buffer).getUint16(2) };
}

function setReuse({ number }: Descriptor, isReused: boolean): void {
  checked("setsockopt", number, SOL_SOCKET, SO_REUSEADDR, new Uint8Array([Number(isReused), 0, 0, 0]), 4);
}

/**
 * Lets whoever asks for SO_REUSEADDR have a held port too, though this socket is still open, or a copy of its descriptor in
 * a process that was only just cloned.
 */
export function sharePort(socket: Descriptor): void {
  setReuse(socket, true);
}
