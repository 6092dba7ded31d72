import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { libflux } from "../support.ts";
import { command, createNetwork, info, refused, serve, twice, who } from "./container.ts";
import { both, type Target } from "./echo.ts";
import { backendTest, labTest } from "./lab.ts";
import { sneakToLoopback } from "./place.ts";

const BOTH = ["-p", "8080:80", "-p", "8080:80/udp"];

backendTest("network: a published port answers everybody, and sees who on other hosts asks", async (lab) => {
  const { here, left, right } = lab;
  await using web = await serve(["--network", "bridge", "--ipv6", ...BOTH]);
  const all = [...left.gateways, ...right.gateways];
  for (const other of [left, right]) {
    const sees = other.addresses.map((from) => `${web.name} ${from}`);
    assertEquals(await other.ask(both(all, 8080)), twice([...sees, ...sees]));
  }
  // From the host itself, by all of its addresses.
  const gateways = await web.gateways();
  assertEquals(who(await here.ask(both(["127.0.0.1", "127.1.2.3"], 8080))), Array(4).fill(web.name));
  assertEquals(who(await here.ask(both([...all, ...gateways], 8080))), Array(12).fill(web.name));
  // From the container itself, which sees no packet that claims to come from its own loopback.
  assertEquals(who(await web.ask(both([...all, ...gateways], 8080))), Array(12).fill(web.name));
  assertEquals(await web.askInVain(both(["127.0.0.1"], 8080)), ["ECONNREFUSED", "ECONNREFUSED"]);
  // From another container, beside the way it has without.
  await using other = await serve(["--network", "bridge", "--ipv6"]);
  assertEquals(who(await other.ask(both([...all, ...gateways], 8080))), Array(12).fill(web.name));
  assertEquals(await other.ask(both(web.addresses, 80)), twice(other.addresses.map((from) => `${web.name} ${from}`)));
  // By now every way has been asked once, and conntrack knows them: nothing may stick.
  assertEquals(who(await left.ask(both(all, 8080))), Array(8).fill(web.name));
});

backendTest("network: a published port of a network that somebody made answers, too", async ({ here, left }) => {
  await using network = await createNetwork("--ipv6", "--subnet", "192.0.2.0/26", "--subnet", "2001:db8:9::/64");
  await using web = await serve(["--network", network.name, ...BOTH]);
  assertEquals(await left.ask(both(left.gateways, 8080)), twice(left.addresses.map((from) => `${web.name} ${from}`)));
  assertEquals(who(await here.ask(both(["127.0.0.1", ...left.gateways], 8080))), Array(6).fill(web.name));
  assertEquals(who(await web.ask(both(left.gateways, 8080))), Array(4).fill(web.name));
});

backendTest("network: only the protocol that is published answers, and what isn't doesn't", async ({ here, left }) => {
  await using web = await serve(["--ipv6", "-p", "8080:80/udp", "--publish=8081:80/tcp"], [80, 81]);
  const ask = async (targets: readonly Target[]): Promise<string[]> => who(await left.askInVain(targets));
  for (const address of left.gateways) {
    assertEquals(await ask([["udp", address, 8080], ["tcp", address, 8081]]), [web.name, web.name], address);
    assertEquals(await ask([["tcp", address, 8080], ["udp", address, 8081]]), ["ECONNREFUSED", "ECONNREFUSED"]);
  }
  assertEquals(await here.askInVain(both(["127.0.0.1"], 81)), ["ECONNREFUSED", "ECONNREFUSED"]);
  // Hosts beside have a route to the container's own addresses: by the host. Still the port isn't theirs.
  for (const answer of await left.askInVain(both(web.addresses, 81))) assertMatch(answer, /^(timeout|E[A-Z]+)$/);
});

labTest("network: the loopback of IPv6 refuses at once, and nothing can be published there", async ({ here }) => {
  await using web = await serve(["--ipv6", "-p", "8080:80"]);
  // So that programs which try both addresses of localhost go on to the other.
  assertEquals(await here.askInVain([["tcp", "::1", 8080]]), ["ECONNREFUSED"]);
  assertEquals(who(await here.ask([["tcp", "127.0.0.1", 8080]])), [web.name]);
  await refused(["run", "failing", "--ipv6", "-p", "[::1]:8081:80", "--", "true"], /::1.*127\.0\.0\.1/);
});

labTest("network: a range of ports is that of the container's, each to its own", async ({ left }) => {
  const [address = ""] = left.gateways;
  const ports = ["80/tcp", "82/tcp", "91/udp"];
  await using web = await serve(["-p", "9000-9002:80-82", "--port", "9100-9101:90-91/udp"], ports);
  const targets = ([["tcp", 9000], ["tcp", 9001], ["tcp", 9002], ["udp", 9100], ["udp", 9101]] as const).map((
    [protocol, port],
  ): Target => [protocol, address, port]);
  assertEquals(
    who(await left.askInVain(targets)),
    [web.name, "ECONNREFUSED", web.name, "ECONNREFUSED", web.name],
  );
  assertEquals((await command("port", web.name)).trimEnd().split("\n").sort(), [
    ...["80/tcp -> 0.0.0.0:9000", "81/tcp -> 0.0.0.0:9001", "82/tcp -> 0.0.0.0:9002"],
    ...["90/udp -> 0.0.0.0:9100", "91/udp -> 0.0.0.0:9101"],
  ]);
});

labTest("network: without a host port a free one is taken, another for each", async ({ left }) => {
  const [address = ""] = left.gateways;
  const flags = ["-p", "80", "-p", "80/udp", "-p", "81-82", "-p", "198.51.100.1::83"];
  await using one = await serve(flags, [80, 81, 82, 83]);
  await using two = await serve(flags, [80, 81, 82, 83]);
  const seen = new Set<string>();
  for (const { name } of [one, two]) {
    const { ports = [] } = await info(name);
    assertEquals(ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`).sort(), [
      ...["80/tcp", "80/udp", "81/tcp", "82/tcp", "83/tcp"],
    ]);
    for (const { hostPort, protocol } of ports) {
      assert(hostPort >= 1024 && hostPort <= 65535, String(hostPort));
      seen.add(`${hostPort}/${protocol}`);
      const kind = protocol === "udp" ? "udp" : "tcp";
      assertEquals(await left.ask([[kind, address, hostPort]]), [`${name} ${left.addresses[0]}`]);
    }
  }
  assertEquals(seen.size, 10);
});

labTest("network: a port that is published at one address answers only there", async ({ here, left, right }) => {
  const flags = ["-p", "203.0.113.1:8080:80", "-p", "[2001:db8:2::1]:8080:80", "-p", "127.0.0.1:8081:80"];
  await using web = await serve(["--ipv6", ...flags], ["80/tcp"]);
  const tcp = (addresses: readonly string[], port: number): Target[] =>
    addresses.map((address): Target => ["tcp", address, port]);
  assertEquals(who(await right.ask(tcp(right.gateways, 8080))), [web.name, web.name]);
  assertEquals(who(await left.ask(tcp(right.gateways, 8080))), [web.name, web.name]);
  assertEquals(who(await here.ask(tcp([...right.gateways], 8080))), [web.name, web.name]);
  assertEquals(who(await here.ask(tcp(["127.0.0.1"], 8081))), [web.name]);
  const elsewhere = [
    ...tcp([...left.gateways, "127.0.0.1"], 8080),
    ...tcp([...left.gateways, ...right.gateways], 8081),
  ];
  assertEquals(await here.askInVain(elsewhere), Array(7).fill("ECONNREFUSED"));
  const reachable = elsewhere.filter(([, address]) => address !== "127.0.0.1");
  assertEquals(await left.askInVain(reachable), Array(6).fill("ECONNREFUSED"));
  assertEquals((await command("port", web.name)).trimEnd().split("\n").sort(), [
    ...["80/tcp -> 127.0.0.1:8081", "80/tcp -> 203.0.113.1:8080", "80/tcp -> [2001:db8:2::1]:8080"],
  ]);
});

backendTest("network: the host's loopback stays its own, whoever sends there", async ({ here, left }) => {
  await using _server = await here.serve("here", [7000], ["127.0.0.1"]);
  await using web = await serve(["--network", "bridge", "-p", "127.0.0.1:8080:80", "-p", "8081:80"]);
  await using bad = await serve(["--network", "bridge"]);
  const [gateway = ""] = await bad.gateways();
  await sneakToLoopback(bad.network, "eth0", gateway);
  await sneakToLoopback(left, "wire", left.gateways[0] ?? "");
  // What the host needs for its own way by 127.0.0.1 to the container must be no way in for others (CVE-2020-8558).
  for (const place of [bad.network, left]) {
    for (const answer of await place.askInVain([...both(["127.0.0.1"], 7000), ["tcp", "127.0.0.1", 8080]])) {
      assertMatch(answer, /^(timeout|E[A-Z]+)$/);
    }
  }
  assertEquals(who(await here.ask([["tcp", "127.0.0.1", 8080], ["tcp", "127.0.0.1", 8081]])), [web.name, web.name]);
});

labTest("network: 'port' and 'ps' show what is published", async () => {
  await using web = await serve(["-p", "8080:80", "-p", "127.0.0.1:8053:53/udp"]);
  await using none = await serve([]);
  const lines = ["53/udp -> 127.0.0.1:8053", "80/tcp -> 0.0.0.0:8080"];
  assertEquals((await command("port", web.name)).trimEnd().split("\n").sort(), lines);
  assertEquals(await command("port", web.name, "80"), "0.0.0.0:8080\n");
  assertEquals(await command("port", web.name, "53/udp"), "127.0.0.1:8053\n");
  assertEquals(await command("port", none.name), "");
  const { address, ports } = await info(web.name);
  assertEquals(address, web.address());
  assertEquals([...ports ?? []].sort((a, b) => a.containerPort - b.containerPort), [
    { hostAddress: "127.0.0.1", hostPort: 8053, containerPort: 53, protocol: "udp" },
    { hostPort: 8080, containerPort: 80, protocol: "tcp" },
  ]);
  assertEquals((await info(none.name)).ports ?? [], []);
  const table = await command("ps");
  for (const port of ["0.0.0.0:8080->80/tcp", "127.0.0.1:8053->53/udp"]) assertStringIncludes(table, port);
  for (
    const [args, says] of [[["nobody"], "nobody"], [[web.name, "81"], "81"], [[web.name, "80/udp"], "80"]] as const
  ) {
    const { code, stderr } = await libflux(["port", ...args]);
    assertEquals(code, 125);
    assertMatch(stderr, /^libflux: [^\n]+\n$/);
    assertStringIncludes(stderr, says);
  }
});
