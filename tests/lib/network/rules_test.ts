import { assert, assertEquals } from "@std/assert";
import { isAny, networkRules, portRules, ruleId } from "../../../lib/network/rules.ts";
import { tables } from "../../../lib/store/chains.ts";
import type { PublishedPort } from "../../../lib/spec/ports.ts";

const ID = "0123456789abcdef".repeat(4);
const textOf = (...args: Parameters<typeof networkRules>): string => tables(networkRules(...args));
const COMMENT = "-m comment --comment libflux-0123456789ab";

Deno.test("networkRules() makes chains, fills them, and jumps there", () => {
  assertEquals(
    textOf({ index: 3, subnet: "10.87.3.0/24", internal: false }, 4),
    `*nat
:LIBFLUX-PORTS-3 - [0:0]
:LIBFLUX-NAT-3 - [0:0]
-A LIBFLUX-NAT-3 -s 10.87.3.0/24 ! -o libflux3 -j MASQUERADE
-A LIBFLUX-NAT-3 -s 10.87.3.0/24 -d 10.87.3.0/24 -m conntrack --ctstate DNAT -j MASQUERADE
-A LIBFLUX-NAT-3 -s 127.0.0.0/8 -o libflux3 -m conntrack --ctstate DNAT -j MASQUERADE
-A PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-3
-A OUTPUT -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-3
-A POSTROUTING -j LIBFLUX-NAT-3
COMMIT
*filter
:LIBFLUX-FORWARD-3 - [0:0]
:LIBFLUX-INPUT-3 - [0:0]
-A LIBFLUX-FORWARD-3 -i libflux3 -o libflux3 -j ACCEPT
-A LIBFLUX-FORWARD-3 -i libflux3 ! -s 10.87.3.0/24 -j DROP
-A LIBFLUX-FORWARD-3 -o libflux3 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBFLUX-FORWARD-3 -i libflux+ -o libflux3 -m conntrack --ctstate DNAT -j RETURN
-A LIBFLUX-FORWARD-3 -o libflux3 -m conntrack --ctstate DNAT -j ACCEPT
-A LIBFLUX-FORWARD-3 -i libflux3 -o libflux+ -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A LIBFLUX-FORWARD-3 -i libflux3 -j ACCEPT
-A LIBFLUX-FORWARD-3 -o libflux3 -j DROP
-A LIBFLUX-INPUT-3 -d 127.0.0.0/8 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBFLUX-INPUT-3 -d 127.0.0.0/8 -j DROP
-A LIBFLUX-INPUT-3 -s 127.0.0.0/8 -j DROP
-A LIBFLUX-INPUT-3 ! -s 10.87.3.0/24 -j DROP
-I FORWARD -j LIBFLUX-FORWARD-3
-I INPUT -i libflux3 -j LIBFLUX-INPUT-3
COMMIT
`,
  );
});

Deno.test("networkRules() lets nothing out of an internal network, nor in", () => {
  const text = textOf({ index: 3, subnet: "10.87.3.0/24", internal: true }, 4);
  assert(!text.includes("MASQUERADE"));
  assertEquals(text.match(/^-A LIBFLUX-FORWARD.*$/gm), [
    "-A LIBFLUX-FORWARD-3 -i libflux3 -o libflux3 -j ACCEPT",
    "-A LIBFLUX-FORWARD-3 -i libflux3 ! -s 10.87.3.0/24 -j DROP",
    "-A LIBFLUX-FORWARD-3 -i libflux3 -j DROP",
    "-A LIBFLUX-FORWARD-3 -o libflux3 -j DROP",
  ]);
  // The same chains and jumps: they are taken away by the same words.
  const jumps = (internal: boolean): unknown =>
    textOf({ index: 3, subnet: "10.87.3.0/24", internal }, 4).match(/^(:|.* -j LIBFLUX).*$/gm);
  assertEquals(jumps(true), jumps(false));
});

Deno.test("networkRules() has addresses of its own family only", () => {
  const ipv4 = textOf({ index: 3, subnet: "10.87.3.0/24", internal: false }, 4);
  const ipv6 = textOf({ index: 3, subnet: "fd00:1::/64", internal: false }, 6);
  assert(!/ ::|fd00|fe80/.test(ipv4));
  assert(!/ \d+\.\d+/.test(ipv6));
  // The loopback of IPv6 can't be translated, and isn't.
  const same = ipv4.replace(/^-A LIBFLUX-NAT-3 -s 127.*\n/m, "").replace(
    "-A OUTPUT -m",
    "-A OUTPUT ! -d 127.0.0.0/8 -m",
  );
  // Neighbours are looked for before there is an address.
  const early = /^-A LIBFLUX-INPUT-3 -s (fe80::\/10|::\/128) -j RETURN\n/gm;
  assertEquals(ipv6.match(early)?.length, 2);
  const rest = ipv6.replace(early, "");
  assertEquals(rest.replaceAll("::1/128", "127.0.0.0/8").replaceAll("fd00:1::/64", "10.87.3.0/24"), same);
});

Deno.test("ruleId() is the beginning of a container's id", () => assertEquals(ruleId(ID), "libflux-0123456789ab"));

const tcp = (hostPort: number, hostAddress?: string): PublishedPort => ({
  hostPort,
  containerPort: 80,
  protocol: "tcp",
  ...(hostAddress === undefined ? {} : { hostAddress }),
});
const ipv4 = (...ports: PublishedPort[]): string[] => portRules(ports, { address: "10.87.0.2", family: 4, id: ID });
const ipv6 = (...ports: PublishedPort[]): string[] => portRules(ports, { address: "fd00:1::2", family: 6, id: ID });
const TO_4 = "-j DNAT --to-destination 10.87.0.2:80";
const TO_6 = "-j DNAT --to-destination [fd00:1::2]:80";

Deno.test("portRules() sends a port of every address on, by both families", () => {
  assertEquals(ipv4(), []);
  assertEquals(ipv4(tcp(8080)), [`-p tcp -m tcp --dport 8080 ${COMMENT} ${TO_4}`]);
  assertEquals(ipv6(tcp(8080)), [`-p tcp -m tcp --dport 8080 ${COMMENT} ${TO_6}`]);
  assertEquals(ipv4({ hostPort: 53, containerPort: 5353, protocol: "udp" }), [
    `-p udp -m udp --dport 53 ${COMMENT} -j DNAT --to-destination 10.87.0.2:5353`,
  ]);
});

Deno.test("portRules() sends a port of one address on, by its family", () => {
  const rule = (address: string, to: string): string => `-d ${address} -p tcp -m tcp --dport 8080 ${COMMENT} ${to}`;
  assertEquals(ipv4(tcp(8080, "192.0.2.1")), [rule("192.0.2.1/32", TO_4)]);
  assertEquals(ipv6(tcp(8080, "192.0.2.1")), []);
  assertEquals(ipv4(tcp(8080, "2001:db8::1")), []);
  assertEquals(ipv6(tcp(8080, "2001:db8::1")), [rule("2001:db8::1/128", TO_6)]);
  assertEquals(ipv4(tcp(8080, "127.0.0.1")), [rule("127.0.0.1/32", TO_4)]);
  assertEquals(ipv4(tcp(1, "192.0.2.1"), tcp(2, "::1"), tcp(3)).length, 2);
});

Deno.test("portRules() sends a port of a family's every address on, however that is written", () => {
  for (const any of ["0.0.0.0"]) assertEquals([ipv4(tcp(8080, any)), ipv6(tcp(8080, any))], [ipv4(tcp(8080)), []], any);
  for (const any of ["::", "::0", "0:0:0:0:0:0:0:0", "0::", "::0.0.0.0"]) {
    assertEquals([ipv4(tcp(8080, any)), ipv6(tcp(8080, any))], [[], ipv6(tcp(8080))], any);
  }
});

Deno.test("isAny() tells the family whose addresses are all meant", () => {
  assertEquals(["0.0.0.0", "::", "127.0.0.1", "::1", "0.0.0.1", ""].map(isAny), [
    4,
    6,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
