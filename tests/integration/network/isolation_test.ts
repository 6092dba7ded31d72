import { assertEquals, assertMatch } from "@std/assert";
import { createNetwork, inspect, serve, who } from "./container.ts";
import { both } from "./echo.ts";
import { backendTest, labTest } from "./lab.ts";
import { must } from "./place.ts";

const isSilent = (answers: readonly string[]): void => {
  for (const answer of answers) assertMatch(answer, /^(timeout|E[A-Z]+)$/);
};

backendTest("network: containers of two networks can't reach each other", async ({ left }) => {
  await using one = await createNetwork("--ipv6");
  await using two = await createNetwork("--ipv6");
  await using a = await serve(["--network", one.name, "-p", "8080:80"]);
  await using b = await serve(["--network", two.name]);
  await using c = await serve(["--network", "bridge", "--ipv6"]);
  for (const from of [a, b, c]) {
    const others = [a, b, c].filter((other) => other !== from);
    const addresses = others.flatMap((other) => other.addresses);
    // Not even to be refused by them.
    isSilent(await from.askInVain([...both(addresses, 80), ...both(addresses, 81)]));
  }
  // Their own way out is open all the same.
  await using _server = await left.serve("left", [7000]);
  for (const from of [a, b, c]) assertEquals(who(await from.ask(both(left.addresses, 7000))), Array(4).fill("left"));
  const [first, second] = await inspect(one.name, two.name);
  assertEquals([first.name, second?.name], [one.name, two.name]);
  assertEquals(new Set([first.bridge, second?.bridge, "libflux0"]).size, 3);
});

/** A socket of IPv6 that sends to a port of an address from whatever address and port it is told, without any privilege. */
const FORGE = String.raw`
use Socket qw(:all);
my ($from, $from_port, $to, $port) = @ARGV;
socket(my $s, AF_INET6, SOCK_DGRAM, 0) or die "socket: $!";
setsockopt($s, 41, 78, 1) or die "IPV6_FREEBIND: $!";
bind($s, pack_sockaddr_in6($from_port, inet_pton(AF_INET6, $from))) or die "bind: $!";
send($s, "?\n", 0, pack_sockaddr_in6($port, inet_pton(AF_INET6, $to))) for 1 .. 3;
`;

/** A server of UDP that prints whom it hears, and answers. */
const HEAR = String.raw`
use Socket qw(:all);
$| = 1;
socket(my $s, AF_INET6, SOCK_DGRAM, 0) or die "socket: $!";
bind($s, pack_sockaddr_in6($ARGV[0], inet_pton(AF_INET6, '::'))) or die "bind: $!";
alarm 3;
while (my $peer = recv($s, my $text, 999, 0)) {
  my ($error, $host) = getnameinfo($peer, NI_NUMERICHOST, NIx_NOSERV);
  print "$host\n";
  send($s, "answer\n", 0, $peer);
}
`;

labTest("network: without a subnet of IPv6 there is none, not even by the link's own addresses", async () => {
  const isOff = (bridge: string): string =>
    Deno.readTextFileSync(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`).trim();
  await using network = await createNetwork();
  const [{ bridge }] = await inspect(network.name);
  assertEquals(isOff(bridge), "1");
  await using _one = await serve([]);
  assertEquals(isOff("libflux0"), "1");
  await using two = await serve(["--ipv6"]);
  assertEquals(isOff("libflux0"), "0");
  assertEquals(who(await two.ask(both([two.addresses[1] ?? ""], 80))), [two.name, two.name]);
});

labTest("network: nobody sends from another's address, and so lets nobody in to it", async ({ left, here }) => {
  await using other = await createNetwork("--ipv6");
  await using victim = await serve(["--network", "bridge", "--ipv6"]);
  await using villain = await serve(["--network", other.name]);
  const [, own = ""] = villain.addresses;
  const [, outside = ""] = left.addresses;
  const [, host = ""] = left.gateways;
  for (const [place, to] of [[left, outside], [here, host]] as const) {
    const heard = place.must("sh", "-c", 'perl -e "$1" 9999; exit 0', "sh", HEAR);
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const from of [victim.addresses[1] ?? "", host, outside, "2001:db8:77::7"]) {
      await villain.must("perl", "-e", FORGE, from, "4444", to, "9999");
    }
    await villain.must("perl", "-e", FORGE, own, "4444", to, "9999");
    const from = place === left ? host : own;
    assertEquals([...new Set((await heard).trim().split("\n"))], [from]);
  }
});

backendTest("network: from an internal network there is no way out, and none in from other hosts", async (lab) => {
  const { left, here } = lab;
  await using network = await createNetwork("--internal", "--ipv6");
  const [{ internal, gateway, ipv6Gateway = "" }] = await inspect(network.name);
  assertEquals(internal, true);
  await using web = await serve(["--network", network.name]);
  await using db = await serve(["--network", network.name]);
  const published = ["-p", "8080:80", "-p", "8080:80/udp"];
  await using outside = await serve(["--network", "bridge", "--ipv6", ...published]);
  await using _server = await left.serve("left", [7000]);
  assertEquals(await web.gateways(), []);
  assertEquals(who(await web.ask(both(db.addresses, 80))), Array(4).fill(db.name));
  assertEquals(await web.askInVain(both(left.addresses, 7000)), Array(4).fill("ENETUNREACH"));
  isSilent(await left.askInVain(both(web.addresses, 80)));
  // The host reaches it, and isn't reached: what listens there may know a way out.
  assertEquals(who(await here.ask(both(web.addresses, 80))), Array(4).fill(web.name));
  await using _own = await here.serve("here", [7100]);
  isSilent(await web.askInVain(both([gateway, ipv6Gateway], 7100)));
  // A container that makes a way for itself gets no further, and outside neither.
  await web.network.must("ip", "route", "add", "default", "via", gateway);
  await web.network.must("ip", "-6", "route", "add", "default", "via", ipv6Gateway);
  isSilent(await web.askInVain([...both(left.addresses, 7000), ...both(outside.addresses, 80)]));
  // Nor by what others publish, at the host's own addresses.
  isSilent(await web.askInVain(both([gateway, ipv6Gateway, ...left.gateways], 8080)));
  isSilent(await left.askInVain(both(web.addresses, 80)));
  isSilent(await outside.askInVain(both(web.addresses, 80)));
});

backendTest(
  "network: what isn't published isn't reached from another host that has a route",
  async ({ left, here }) => {
    await using web = await serve(["--network", "bridge", "--ipv6", "-p", "8080:81", "-p", "8080:81/udp"], [80, 81]);
    // The default route of that host leads here already; one to the container's own address can't do more.
    for (const [index, address] of web.addresses.entries()) {
      await left.must("ip", "route", "add", address, "via", left.gateways[index] ?? "");
    }
    isSilent(await left.askInVain(both(web.addresses, 80)));
    assertEquals(who(await left.ask(both(left.gateways, 8080))), Array(4).fill(web.name));
    assertEquals(await left.askInVain(both(left.gateways, 80)), Array(4).fill("ECONNREFUSED"));
    assertEquals(who(await here.ask(both(web.addresses, 80))), Array(4).fill(web.name));
  },
);

labTest("network: hosts beside can't use the host as their router because it is that of containers", async (lab) => {
  const { left, right } = lab;
  await must("iptables", "-P", "FORWARD", "DROP");
  await must("ip6tables", "-P", "FORWARD", "DROP");
  try {
    await using _server = await right.serve("right", [7000]);
    await using _web = await serve(["--ipv6", "-p", "8080:80"]);
    isSilent(await left.askInVain(both(right.addresses, 7000)));
  } finally {
    await must("iptables", "-P", "FORWARD", "ACCEPT");
    await must("ip6tables", "-P", "FORWARD", "ACCEPT");
  }
});
