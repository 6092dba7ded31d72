import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { libflux, temporaryDirectory } from "../support.ts";
import { askFrom, Container, inspect, serve } from "./container.ts";
import { both, type Target } from "./echo.ts";
import { backendTest, labTest } from "./lab.ts";
import { must } from "./place.ts";
import { isInside, nth } from "./subnet.ts";
import { mounted } from "./xtables.ts";

const IPV6 = ["--network", "bridge", "--ipv6"];

labTest("network: a container has an address of the bridge's, a route by it, and its MTU", async () => {
  for (const flags of [[], ["--network", "bridge"], ["--net=bridge"]]) {
    await using one = await serve(flags);
    await using two = await serve(flags);
    const [{ bridge, subnet, gateway, mtu, internal, containers }] = await inspect("bridge");
    assertEquals([bridge, internal, mtu], ["libflux0", false, 1500]);
    for (const { name, links, addresses, network } of [one, two]) {
      assertEquals(links.map(({ ifname, mtu }) => [ifname, mtu]), [["lo", 65536], ["eth0", mtu]]);
      assertEquals(addresses.length, 1);
      assert(isInside(addresses[0] ?? "", subnet), `${addresses} in ${subnet}`);
      const known = containers.find((container) => container.name === name);
      assertEquals([known?.address, known?.macAddress], [addresses[0], links[1]?.address]);
      assertMatch(await network.must("ip", "route", "show", "default"), new RegExp(`^default via ${gateway} dev eth0`));
    }
    assertEquals(nth(subnet, 1), gateway);
    assertNotEquals(one.address(), two.address());
    assert((await must("ip", "-o", "addr", "show", "dev", bridge)).includes(` ${gateway}/`));
  }
});

labTest("network: --ipv6 adds an address of the bridge's IPv6 subnet, and a route by it", async () => {
  await using web = await serve(IPV6);
  const [{ gateway, ipv6Subnet = "", ipv6Gateway = "", containers }] = await inspect("bridge");
  assertEquals(web.addresses, [containers[0]?.address ?? "", containers[0]?.ipv6Address ?? ""]);
  assert(isInside(web.address(6), ipv6Subnet), `${web.address(6)} in ${ipv6Subnet}`);
  assert(isInside(ipv6Subnet.split("/")[0] ?? "", "fc00::/7"), `${ipv6Subnet} is a local one`);
  assertEquals(await web.gateways(), [gateway, ipv6Gateway]);
});

labTest("network: the host's resolvers are the container's, without those at its loopback", async () => {
  using directory = temporaryDirectory("/var/tmp");
  const file = `${directory.path}/resolv.conf`;
  const lines = ["127.0.0.1", "198.51.100.2", "::1", "2001:db8:1::2", "127.0.0.53"];
  Deno.writeTextFileSync(file, [...lines.map((line) => `nameserver ${line}`), "search lab.example", ""].join("\n"));
  await using _resolvers = await mounted(file, "/etc/resolv.conf");
  await using web = await serve(IPV6);
  assertEquals(await web.file("/etc/resolv.conf"), [
    ["nameserver", "198.51.100.2"],
    ["nameserver", "2001:db8:1::2"],
    ["search", "lab.example"],
  ]);
});

const byName = (name: string): Target[] =>
  (["tcp", "udp", "tcp6", "udp6"] as const).map((protocol): Target => [protocol, name, 80]);

backendTest("network: containers reach each other by name", async () => {
  await using web = await serve(IPV6);
  await using db = await serve(IPV6);
  for (const [one, other] of [[web, db], [db, web]] as const) {
    const [sees4, sees6] = one.addresses.map((from) => `${other.name} ${from}`);
    assertEquals(await one.ask(byName(other.name)), [sees4, sees4, sees6, sees6]);
  }
  // And a container whose client is its command, from its first moment.
  const answers = await askFrom(IPV6, byName(web.name), 5000);
  assertEquals(answers.map((line) => line.split(" ")[0]), Array(4).fill(web.name));
});

labTest("network: with none there is only lo, and nobody to reach", async ({ here, left }) => {
  await using _server = await here.serve("here", [7000], ["127.0.0.1", ...left.gateways]);
  await using alone = await serve(["--network", "none"]);
  await using web = await serve([]);
  assertEquals(alone.links.map(({ ifname }) => ifname), ["lo"]);
  assertEquals([alone.addresses, await alone.gateways()], [[], []]);
  const [{ gateway }] = await inspect("bridge");
  assertEquals(
    await alone.askInVain(both([...left.gateways, gateway, web.address()], 7000)),
    Array(8).fill("ENETUNREACH"),
  );
  assertEquals(await alone.askInVain(both(["127.0.0.1"], 7000)), ["ECONNREFUSED", "ECONNREFUSED"]);
});

labTest("network: host is the host's own network, and container:NAME another's", async ({ left }) => {
  {
    await using own = await serve(["--network", "host"], ["7000/tcp"]);
    assertEquals(own.links.map(({ ifname }) => ifname).sort(), ["left", "lo", "right"]);
    assertEquals(await left.ask([["tcp", left.gateways[0] ?? "", 7000]]), [`${own.name} ${left.addresses[0]}`]);
  }
  await using web = await serve(["-p", "8080:81"]);
  await using beside = await serve(["--network", `container:${web.name}`], ["81/tcp"]);
  assertEquals(beside.addresses, web.addresses);
  assertEquals(await left.ask([["tcp", left.gateways[0] ?? "", 8080]]), [`${beside.name} ${left.addresses[0]}`]);
});

labTest("network: what isn't the command's own network is gone with the last container, not before", async () => {
  const isThere = async (): Promise<boolean> => (await must("ip", "-o", "link")).includes(": libflux0: ");
  assertEquals(await isThere(), false);
  {
    await using _first = await serve([]);
    {
      await using _second = await serve([]);
    }
    assertEquals(await isThere(), true);
    assertEquals((await libflux(["run", "short", "--", "true"])).code, 0);
    assertEquals(await isThere(), true);
  }
  assertEquals(await isThere(), false);
});

labTest("network: a container ended by itself, by SIGTERM or by SIGKILL leaves no link", async () => {
  const { code } = await libflux(["run", "short", "--network", "bridge", "-p", "8080:80", "--", "false"]);
  assertEquals(code, 1);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await using web = await serve(["-p", "8080:80"]);
    await web.end(signal);
    assertEquals((await must("ip", "-o", "link")).includes("libflux"), false, signal);
  }
  await using web = await Container.start(["-p", "8080:80"], ["sh", "-c", "echo ready; exec sleep 1000"]);
  Deno.kill(web.pid, "SIGKILL");
  assertEquals(await web.end("none"), 137);
});
