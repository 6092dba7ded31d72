import { assertEquals } from "@std/assert";
import { addressRequest, defaultRouteRequest, ethernetUp, loopbackUp, netmask } from "../../../ffi/abi/network.ts";

const ADDRESS = Uint8Array.of(10, 87, 0, 1);
const zeroes = (count: number): string => "00".repeat(count);

Deno.test("ethernetUp() and loopbackUp() are a struct ifreq with the flags after the name", () => {
  // IFF_UP 1, IFF_BROADCAST 2, IFF_RUNNING 0x40, IFF_MULTICAST 0x1000.
  assertEquals(ethernetUp("eth0").toHex(), "65746830" + zeroes(12) + "4310" + zeroes(22));
  assertEquals(loopbackUp().toHex(), "6c6f" + zeroes(14) + "4100" + zeroes(22));
  // The longest name, which has 15 bytes.
  assertEquals(ethernetUp("abcdefghijklmno").toHex(), "6162636465666768696a6b6c6d6e6f" + "00" + "4310" + zeroes(22));
});

Deno.test("addressRequest() is a struct ifreq with a struct sockaddr_in after the name", () => {
  assertEquals(
    addressRequest("eth0", ADDRESS).toHex(),
    "65746830" + zeroes(12) + "0200" + "0000" + "0a570001" + zeroes(16),
  );
});

Deno.test("netmask() sets so many bits", () => {
  const masks = {
    0: "00000000",
    1: "80000000",
    7: "fe000000",
    8: "ff000000",
    9: "ff800000",
    16: "ffff0000",
    20: "fffff000",
    24: "ffffff00",
    29: "fffffff8",
    31: "fffffffe",
    32: "ffffffff",
  };
  for (const [prefix, mask] of Object.entries(masks)) assertEquals(netmask(Number(prefix)).toHex(), mask, prefix);
});

Deno.test("defaultRouteRequest() is a struct rtentry to everywhere by a gateway", () => {
  const any = "0200" + zeroes(14);
  const gateway = "0200" + "0000" + "0a570001" + zeroes(8);
  // RTF_UP 1, RTF_GATEWAY 2.
  assertEquals(defaultRouteRequest(ADDRESS).toHex(), zeroes(8) + any + gateway + any + "0300" + zeroes(62));
});
