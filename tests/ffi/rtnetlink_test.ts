import { assertEquals } from "@std/assert";
import { encodeMessages, type Message } from "../../ffi/netlink.ts";
import {
  defaultRoute,
  deleteLink,
  hairpin,
  linkUp,
  newAddress,
  newBridge,
  newVeth,
  setMaster,
} from "../../ffi/rtnetlink.ts";

/*
 * The bytes are those of the kernel's headers, by hand: `struct nlmsghdr` (length, type, flags, sequence, port),
 * `struct ifinfomsg` (family, padding, device type, index, flags, which of them change), `struct ifaddrmsg` (family, prefix,
 * flags, scope, index), `struct rtmsg` (family, lengths of destination and source, tos, table, protocol, scope, type, flags),
 * and `struct rtattr` (length, type).
 */
const REQUEST_ACK = "0500";
const CREATE_EXCL = "0506";
const UNNUMBERED = "01000000" + "00000000";
const ANY_LINK = "00000000" + "00000000" + "00000000" + "00000000";
const bytes = (...messages: readonly Message[]): string => encodeMessages(messages).toHex();
const text = (word: string, size: number): string => new TextEncoder().encode(word).toHex().padEnd(2 * size, "0");
const address = (...numbers: readonly number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(numbers);

Deno.test("newBridge() makes a bridge of its own address, then marks it", () => {
  assertEquals(
    bytes(...newBridge("libflux0", "0a:58:0a:57:00:01", 1500, "libflux network web")),
    "54000000" + "1000" + CREATE_EXCL + UNNUMBERED + ANY_LINK +
      "0d000300" + text("libflux0", 12) +
      "0a000100" + "0a580a570001" + "0000" +
      "08000400" + "dc050000" +
      "10001280" + "0b000100" + text("bridge", 8) +
      "48000000" + "1300" + REQUEST_ACK + "02000000" + "00000000" + ANY_LINK +
      "0d000300" + text("libflux0", 12) +
      "18001400" + text("libflux network web", 20),
  );
});

Deno.test("newVeth() makes both ends at once, each where it belongs", () => {
  const veth = {
    name: "lf0a570002",
    bridge: 7,
    namespace: 9,
    peer: { name: "eth0", index: 2, mac: "0A:58:0a:57:00:02" },
    mtu: 1400,
  };
  const near = "0f000300" + text("lf0a570002", 12) + "08000400" + "78050000" + "08000a00" + "07000000";
  const far = "09000300" + text("eth0", 8) + "0a000100" + "0a580a570002" + "0000" + "08000400" + "78050000" +
    "08001c00" + "09000000";
  // IFLA_LINKINFO has the kind and the data, the data VETH_INFO_PEER, that a `struct ifinfomsg` of its own: index 2.
  const peer = "3c000100" + "00000000" + "02000000" + "00000000" + "00000000" + far;
  const info = "50001280" + "09000100" + text("veth", 8) + "40000280" + peer;
  const up = "00000000" + "00000000" + "01000000" + "01000000";
  assertEquals(bytes(newVeth(veth)), "90000000" + "1000" + CREATE_EXCL + UNNUMBERED + up + near + info);
});

Deno.test("newAddress() sets an address with its prefix, that of IPv6 without waiting", () => {
  assertEquals(
    bytes(newAddress(3, address(10, 87, 0, 1), 24, "10.87.0.1")),
    "28000000" + "1400" + CREATE_EXCL + UNNUMBERED + "02180000" + "03000000" +
      "08000200" + "0a570001" + "08000100" + "0a570001",
  );
  const ipv6 = address(0xfd, 0, 0, 1, ...new Array<number>(11).fill(0), 1);
  const value = "fd000001000000000000000000000001";
  assertEquals(
    bytes(newAddress(258, ipv6, 64, "fd00:1::1")),
    "48000000" + "1400" + CREATE_EXCL + UNNUMBERED + "0a400000" + "02010000" +
      "14000200" + value + "14000100" + value + "08000800" + "02000000",
  );
});

Deno.test("defaultRoute() sets a route of the main table to everywhere", () => {
  assertEquals(
    bytes(defaultRoute(2, address(10, 87, 0, 1), "10.87.0.1")),
    "2c000000" + "1800" + CREATE_EXCL + UNNUMBERED + "02000000" + "fe040001" + "00000000" +
      "08000500" + "0a570001" + "08000400" + "02000000",
  );
  const ipv6 = address(0xfd, ...new Array<number>(14).fill(0), 1);
  assertEquals(
    bytes(defaultRoute(2, ipv6, "fd00::1")),
    "38000000" + "1800" + CREATE_EXCL + UNNUMBERED + "0a000000" + "fe040001" + "00000000" +
      "14000500" + "fd000000000000000000000000000001" + "08000400" + "02000000",
  );
});

Deno.test("hairpin() changes one setting of a port of a bridge, and not whether it is up", () => {
  assertEquals(
    bytes(hairpin("lf0a570002", 5)),
    "2c000000" + "1300" + REQUEST_ACK + UNNUMBERED + "07000000" + "05000000" + "00000000" + "00000000" +
      "0c000c80" + "05000400" + "01000000",
  );
});

Deno.test("linkUp(), setMaster() and deleteLink() name their link by its name or its index", () => {
  const up = "01000000" + "01000000";
  assertEquals(
    bytes(linkUp("eth0", 2)),
    "20000000" + "1300" + REQUEST_ACK + UNNUMBERED + "00000000" + "02000000" + up,
  );
  assertEquals(
    bytes(setMaster("lf0a570002", 7)),
    "38000000" + "1300" + REQUEST_ACK + UNNUMBERED + "00000000" + "00000000" + up +
      "0f000300" + text("lf0a570002", 12) + "08000a00" + "07000000",
  );
  assertEquals(
    bytes(deleteLink("lf0a570002", 0x01020304)),
    "20000000" + "1100" + REQUEST_ACK + UNNUMBERED + "00000000" + "04030201" + "00000000" + "00000000",
  );
});

Deno.test("every message says in words what it is for", () => {
  const words = [
    ...newBridge("libflux0", "0a:58:0a:57:00:01", 1500, "x"),
    hairpin("lf0a570002", 1),
    linkUp("eth0", 2),
    setMaster("lf0a570002", 1),
    deleteLink("lf0a570002", 1),
    newAddress(1, address(10, 87, 0, 1), 24, "10.87.0.1"),
    defaultRoute(1, address(10, 87, 0, 1), "10.87.0.1"),
  ].map(({ step }) => step);
  assertEquals(words, [
    "make the bridge libflux0",
    "mark the bridge libflux0",
    "let lf0a570002 reach itself by a published port",
    "bring up the link eth0",
    "put the link lf0a570002 into its bridge",
    "remove the link lf0a570002",
    "set the address 10.87.0.1",
    "set the default route by 10.87.0.1",
  ]);
});
