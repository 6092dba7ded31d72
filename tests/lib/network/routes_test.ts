import { assertEquals } from "@std/assert";
import { parseRoutes, resolverSubnets } from "../../../lib/network/routes.ts";
import { chooseSubnet, formatSubnet } from "../../../lib/network/subnets.ts";

const HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
const route4 = (device: string, destination: string, mask: string, flags = "0001"): string =>
  `${device}\t${destination}\t00000000\t${flags}\t0\t0\t0\t${mask}\t0\t0\t0`.padEnd(127);
const ipv4 = (...lines: string[]): string => [HEAD.padEnd(127), ...lines, ""].join("\n");

const NONE = "0".repeat(32);
const route6 = (destination: string, prefix: string, device = "eth0"): string =>
  `${destination.padEnd(32, "0")} ${prefix} ${NONE} 00 ${NONE} 00000100 00000001 00000000 00000001 ${
    device.padStart(8)
  }`;
const ipv6 = (...lines: string[]): string => lines.map((line) => `${line}\n`).join("");

const routes = (four: string, six = ""): string[] => parseRoutes(four, six).map(formatSubnet);

Deno.test("parseRoutes() reads /proc/net/route", () => {
  const text = ipv4(
    route4("eth0", "00000000", "00000000", "0003"),
    route4("eth0", "000200C0", "00FFFFFF"),
    route4("docker0", "000011AC", "0000FFFF"),
    route4("br-1a2b", "0040570A", "00C0FFFF"),
    route4("wg0", "0502570A", "FFFFFFFF", "0005"),
    route4("*", "0000000A", "000000FF", "0201"),
  );
  assertEquals(routes(text), ["192.0.2.0/24", "172.17.0.0/16", "10.87.64.0/18", "10.87.2.5/32", "10.0.0.0/8"]);
});

Deno.test("parseRoutes() reads /proc/net/ipv6_route", () => {
  const text = ipv6(
    route6("fd00", "40"),
    route6("20010db800000001", "30"),
    route6("fe80", "40"),
    route6("febf", "0a"),
    route6("", "00"),
    route6("20010db8000000010000000000000002", "80", "lo"),
    route6("ff", "08"),
    route6("", "00", "lo"),
  );
  assertEquals(routes("", text), ["fd00::/64", "2001:db8::/48", "2001:db8:0:1::2/128"]);
});

Deno.test("parseRoutes() leaves out multicast, and says what is there twice once", () => {
  const text = ipv4(
    route4("eth0", "000000E0", "000000F0"),
    route4("eth0", "FBFFFFEF", "FFFFFFFF"),
    route4("eth0", "000200C0", "00FFFFFF"),
    route4("wlan0", "000200C0", "00FFFFFF"),
  );
  assertEquals(routes(text, ipv6(route6("fd00", "40"), route6("fd00", "40", "wlan0"))), ["192.0.2.0/24", "fd00::/64"]);
});

Deno.test("parseRoutes() takes the parts that a VPN makes of a default route for one", () => {
  const text = ipv4(
    route4("tun0", "00000000", "00000080", "0003"),
    route4("tun0", "00000080", "00000080", "0003"),
    route4("tun0", "0000080A", "00FFFFFF"),
  );
  const six = ipv6(route6("20", "04", "tun0"), route6("30", "04", "tun0"), route6("fc", "07", "tun0"));
  assertEquals(routes(text, six), ["10.8.0.0/24"]);
  assertEquals(chooseSubnet(parseRoutes(text, six)), { family: 4, address: "10.87.0.0", prefix: 24 });
});

Deno.test("parseRoutes() has nothing of a host without routes, and skips what it can't read", () => {
  assertEquals(routes(""), []);
  assertEquals(routes(ipv4(), "\n"), []);
  assertEquals(
    routes("eth0\nx y z\neth0\tZZZZZZZZ\t0\t0\t0\t0\t0\t00FFFFFF\n", `${NONE}\n${"g".repeat(32)} 40 \n`),
    [],
  );
});

Deno.test("resolverSubnets() has each name server that isn't at the loopback", () => {
  const text = [
    "# nameserver 192.0.2.9",
    "search example",
    "nameserver 10.87.0.1",
    "nameserver\t2001:DB8::53 # trailing",
    "nameserver 127.0.0.53",
    "nameserver 127.1.2.3",
    "nameserver ::1",
    "nameserver 0:0::1",
    "nameserver fe80::1%eth0",
    "nameserver 10.87.0.1",
    "nameserver localhost",
    "nameserver",
    "nameservers 192.0.2.8",
    "options edns0",
  ].join("\n");
  assertEquals(resolverSubnets(text).map(formatSubnet), ["10.87.0.1/32", "2001:db8::53/128", "fe80::1/128"]);
  assertEquals(resolverSubnets(""), []);
  assertEquals(resolverSubnets("nameserver 192.0.2.1\r\n").map(formatSubnet), ["192.0.2.1/32"]);
});
