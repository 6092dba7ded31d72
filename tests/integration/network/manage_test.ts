import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { defaultRoot } from "../../../lib/store/directory.ts";
import { BUSYBOX, LIBFLUX, libflux, uniqueName } from "../support.ts";
import { command, createNetwork, inspect, refused, serve, who } from "./container.ts";
import { both } from "./echo.ts";
import { backendTest, type Lab, labTest } from "./lab.ts";
import { execute, must } from "./place.ts";
import { assertNetwork, network } from "./state.ts";
import { isInside } from "./subnet.ts";

labTest("network: 'create', 'ls', 'inspect' and 'rm' agree on what there is", async () => {
  const [a, b] = [uniqueName(), uniqueName()];
  await command("network", "create", a);
  await command("network", "create", b, "--subnet", "192.0.2.0/26", "--internal", "--mtu", "1300");
  const listed = async (): Promise<string[]> =>
    (await command("network", "ls", "--quiet")).split("\n").filter((name) => name === a || name === b).sort();
  assertEquals(await listed(), [a, b].sort());
  const all: readonly { readonly name: string }[] = JSON.parse(await command("network", "ls", "--format", "json"));
  assertEquals(all.map(({ name }) => name).filter((name) => name === a || name === b).sort(), [a, b].sort());
  const table = await command("network", "ls");
  for (const text of [a, b, "192.0.2.0/26"]) assertStringIncludes(table, text);
  const [first, second] = await inspect(a, b);
  assertEquals([first.name, first.internal, first.containers], [a, false, []]);
  assertEquals([second?.subnet, second?.gateway, second?.internal, second?.mtu], [
    "192.0.2.0/26",
    "192.0.2.1",
    true,
    1300,
  ]);
  for (const one of [first, second]) {
    assertMatch(one?.bridge ?? "", /^libflux\d+$/);
    assertMatch(one?.created ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert(Math.abs(Date.now() - Date.parse(one?.created ?? "")) < 60_000);
  }
  assert(first.bridge !== second?.bridge);
  await command("network", "rm", a, b);
  assertEquals(await listed(), []);
});

labTest("network: subnets that nobody has asked for are free ones", async () => {
  await using one = await createNetwork("--ipv6");
  await using two = await createNetwork("--ipv6");
  await using web = await serve(["--ipv6"]);
  const found = await inspect(one.name, two.name, "bridge");
  for (const { subnet, gateway, ipv6Subnet = "", ipv6Gateway = "" } of found) {
    assert(isInside(gateway, subnet) && isInside(ipv6Gateway, ipv6Subnet));
    for (const other of found.filter((network) => network.subnet !== subnet)) {
      assert(!isInside(other.gateway, subnet) && !isInside(gateway, other.subnet), `${subnet}, ${other.subnet}`);
      assert(other.ipv6Subnet !== ipv6Subnet, ipv6Subnet);
    }
  }
  assertEquals(new Set(found.map(({ subnet }) => subnet)).size, 3);
  assert(isInside(web.address(), found[2]?.subnet ?? ""));
});

labTest("network: a network is removed when nobody is in it, and not before", async () => {
  const [used, unused] = [uniqueName(), uniqueName()];
  await command("network", "create", used);
  await command("network", "create", unused);
  {
    await using web = await serve(["--network", used]);
    await refused(["network", "rm", used], new RegExp(web.name));
    await command("network", "prune");
    const names = (await command("network", "ls", "--quiet")).split("\n");
    assertEquals([names.includes(used), names.includes(unused)], [true, false]);
    assertEquals(who(await web.ask(both(web.addresses, 80))), [web.name, web.name]);
  }
  // It stays without containers.
  assertEquals((await inspect(used))[0].containers, []);
  await using again = await serve(["--network", used]);
  assertEquals((await inspect(used))[0].containers.map(({ name }) => name), [again.name]);
  await again.end();
  await command("network", "rm", used);
});

labTest("network: one that can't be removed keeps nobody from the others", async () => {
  const [first, second] = [uniqueName(), uniqueName()];
  await command("network", "create", first);
  await command("network", "create", second);
  const { code, stdout, stderr } = await libflux(["network", "rm", "nobody", first, "nobody-else", second]);
  assertEquals([code, stdout], [125, `${first}\n${second}\n`]);
  assertEquals(stderr, "libflux: there is no network nobody; there is no network nobody-else\n");
});

labTest("network: a damaged record takes nothing from the containers on its network", async () => {
  await using web = await serve([]);
  const path = `${defaultRoot()}/networks/bridge/network.json`;
  const record = Deno.readTextFileSync(path);
  for (const damaged of ["", "garbage", record.slice(0, -10)]) {
    Deno.writeTextFileSync(path, damaged);
    await refused(["run", uniqueName(), "--image", BUSYBOX, "--network", "bridge", "--", "true"], new RegExp(web.name));
  }
  Deno.writeTextFileSync(path, record);
  await using other = await serve([]);
  assertEquals(who(await other.ask(both(web.addresses, 80))), [web.name, web.name]);
});

labTest("network: whichever way leads to the state root, its networks are the same", async () => {
  const before = await network();
  const name = uniqueName();
  await command("network", "create", name);
  const roots = [
    `${defaultRoot()}/.`,
    `${defaultRoot()}/../${defaultRoot().split("/").at(-1)}`,
    `/proc/self/root${defaultRoot()}`,
  ];
  for (const root of roots) {
    await command("network", "reload", "--root", root);
    assertStringIncludes(await command("network", "ls", "--root", root), name);
  }
  await command("network", "rm", name, "--root", roots[0] ?? "");
  await assertNetwork(before);
});

labTest("network: one of another network namespace is left alone, and told", async () => {
  await using network = await createNetwork();
  const before = await must("iptables-save");
  const elsewhere = (...args: readonly string[]) => execute(["unshare", "--net", LIBFLUX, ...args]);
  for (const args of [["network", "rm", network.name], ["run", "x", "--network", network.name, "--", "true"]]) {
    const { code, stderr } = await elsewhere(...args);
    assertEquals(code, 125);
    assertMatch(stderr, /^libflux: the network \S+ is in another network namespace than this process; [^\n]+\n$/);
  }
  for (const args of [["network", "prune"], ["network", "reload"], ["ps"]]) {
    assertEquals((await elsewhere(...args)).code, 0, args.join(" "));
  }
  assertEquals((await must("iptables-save")).replace(/^#.*$/gm, ""), before.replace(/^#.*$/gm, ""));
  await using web = await serve(["--network", network.name]);
  assertEquals(who(await web.ask(both(web.addresses, 80))), [web.name, web.name]);
});

labTest("network: what can't be is told in one sentence", async () => {
  await using network = await createNetwork("--subnet", "192.0.2.0/26");
  const create = (...flags: readonly string[]): string[] => ["network", "create", uniqueName(), ...flags];
  await refused(["network", "create", network.name], new RegExp(network.name));
  await refused(create("--subnet", "192.0.2.32/27"), new RegExp(network.name));
  await refused(create("--subnet", "192.0.0.0/16"), new RegExp(network.name));
  for (const name of ["none", "host", "container:x", "ns:/x", "", "-x", "a b", "a/b", "x".repeat(300)]) {
    await refused(["network", "create", "--", name]);
  }
  for (const subnet of ["", "x", "192.0.2.64", "192.0.2.64/33", "192.0.2.65/26", "192.0.2.64/31", "192.0.2.64/32"]) {
    await refused(create("--subnet", subnet));
  }
  for (const subnet of ["2001:db8::/129", "2001:db8::1/64", "127.0.0.0/8", "224.0.0.0/24", "ff00::/64", "0.0.0.0/0"]) {
    await refused(create("--subnet", subnet));
  }
  await refused(create("--subnet", "192.0.2.64/26", "--subnet", "192.0.2.128/26"));
  for (const [what, ...args] of [["rm", "nobody"], ["inspect", "nobody"], ["frob"], ["rm"], ["rm", "bridge/.."]]) {
    await refused(["network", what ?? "", ...args]);
  }
  await refused(["run", "x", "--network", "nobody", "--", "true"], /nobody/);
});

/** Everything that a network is for. */
async function assertWorks({ here, left }: Lab, web: Awaited<ReturnType<typeof serve>>): Promise<void> {
  assertEquals(who(await left.ask(both(left.gateways, 8080))), Array(4).fill(web.name));
  assertEquals(who(await here.ask(both(["127.0.0.1", ...web.addresses], 8080))), Array(6).fill(web.name));
  assertEquals(who(await web.ask(both(left.addresses, 7000))), Array(4).fill("left"));
}

const FLAGS = ["--network", "bridge", "--ipv6", "-p", "8080:8080", "-p", "8080:8080/udp"];

backendTest("network: 'reload' puts back rules that somebody has wiped away", async (lab) => {
  await using _server = await lab.left.serve("left", [7000]);
  await using web = await serve(FLAGS, [8080]);
  await assertWorks(lab, web);
  for (const program of ["iptables", "ip6tables"]) {
    for (const table of ["filter", "nat", "mangle", "raw"]) {
      await must(program, "-t", table, "-F");
      await must(program, "-t", table, "-X");
    }
    // As those do who wipe: what they want is above all to be strict.
    await must(program, "-P", "FORWARD", "DROP");
  }
  try {
    // What conntrack has seen before it lets pass for a while; a host that hasn't asked yet is out.
    assertEquals(await lab.right.askInVain([["tcp", lab.right.gateways[0] ?? "", 8080]]), ["ECONNREFUSED"]);
    await command("network", "reload");
    await assertWorks(lab, web);
    assertEquals(who(await lab.right.ask(both(lab.right.gateways, 8080))), Array(4).fill(web.name));
    // Once more changes nothing.
    const saved = async (): Promise<string> => (await must("iptables-save")).replace(/\[\d+:\d+\]|^#.*$/gm, "");
    const before = await saved();
    await command("network", "reload");
    assertEquals(await saved(), before);
  } finally {
    for (const program of ["iptables", "ip6tables"]) await must(program, "-P", "FORWARD", "ACCEPT");
  }
});

labTest("network: 'reload' puts back the link and its addresses", async (lab) => {
  await using _server = await lab.left.serve("left", [7000]);
  await using web = await serve(FLAGS, [8080]);
  const damages = [
    "ip link set libflux0 down",
    "ip addr flush dev libflux0",
    "ip link del libflux0",
    "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0",
  ];
  for (const damage of damages) {
    await must("sh", "-c", damage);
    await command("network", "reload");
    await assertWorks(lab, web);
  }
  await using other = await serve(["--ipv6"]);
  assertEquals(who(await other.ask([["tcp", web.name, 8080], ["tcp6", web.name, 8080]])), [web.name, web.name]);
});

labTest("network: 'reload' without networks does nothing", async () => {
  await command("network", "reload");
});

labTest("network: rules wiped away before the end are no hindrance to it", async () => {
  await using _web = await serve(FLAGS, [8080]);
  for (const program of ["iptables", "ip6tables"]) {
    for (const table of ["filter", "nat", "mangle", "raw"]) {
      await must(program, "-t", table, "-F");
      await must(program, "-t", table, "-X");
    }
  }
  await must("ip", "link", "del", "libflux0");
});
