import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { both } from "./echo.ts";
import { labTest } from "./lab.ts";
import { execute, must, sneakToLoopback } from "./place.ts";
import { assertNetwork, network } from "./state.ts";
import { BACKENDS, breakCommands, useBackend, withoutCommands, xtables } from "./xtables.ts";

labTest("network: the lab's hosts reach the host and it them, and see who asks", async ({ here, left, right }) => {
  await using _here = await here.serve("here", [7000], [...left.gateways, "127.0.0.1", "::1"]);
  await using _left = await left.serve("left", [7000]);
  assertEquals(
    await here.ask(both([...left.addresses, "127.0.0.1", "::1"], 7000)),
    ["198.51.100.1", "2001:db8:1::1"].flatMap((from) => [`left ${from}`, `left ${from}`]).concat(
      ["here 127.0.0.1", "here 127.0.0.1", "here ::1", "here ::1"],
    ),
  );
  assertEquals(
    await left.ask(both(left.gateways, 7000)),
    left.addresses.flatMap((from) => [`here ${from}`, `here ${from}`]),
  );
  assertEquals(
    await right.ask(both(left.gateways, 7000)),
    right.addresses.flatMap((from) => [`here ${from}`, `here ${from}`]),
  );
  assertEquals(await left.askInVain(both(left.gateways, 7001)), Array(4).fill("ECONNREFUSED"));
});

labTest("network: the lab's hosts reach each other only when the host forwards", async ({ left, right }) => {
  await using _server = await left.serve("left", ["7000/tcp", "7000/udp"]);
  assertEquals(await right.askInVain(both(left.addresses.slice(0, 1), 7000)), ["timeout", "timeout"]);
  await must("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  const forwarded = await right.ask(both(left.addresses, 7000));
  await must("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0");
  assertEquals(forwarded, right.addresses.flatMap((from) => [`left ${from}`, `left ${from}`]));
});

labTest("network: the lab's hosts can ask for the host's loopback", async ({ here, left }) => {
  await using _server = await here.serve("here", [7000], ["127.0.0.1"]);
  await sneakToLoopback(left, "wire", left.gateways[0] ?? "");
  assertEquals(await left.askInVain(both(["127.0.0.1"], 7000)), ["timeout", "timeout"]);
  // As careless as the host would have to be.
  await must("sysctl", "-qw", "net.ipv4.conf.left.route_localnet=1");
  assertEquals(await left.ask(both(["127.0.0.1"], 7000)), ["here 198.51.100.2", "here 198.51.100.2"]);
  await must("sysctl", "-qw", "net.ipv4.conf.left.route_localnet=0");
});

labTest("network: the lab sees links, addresses, routes, settings and rules that are left", async () => {
  const before = await network();
  const undo: readonly (readonly [string, string])[] = [
    ["ip link add foreign type bridge", "ip link del foreign"],
    ["ip addr add 192.0.2.1/32 dev lo", "ip addr del 192.0.2.1/32 dev lo"],
    ["ip -6 route add unreachable 2001:db8:3::/64", "ip -6 route del unreachable 2001:db8:3::/64"],
    ["sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.ipv4.ip_forward=0"],
    ...BACKENDS.flatMap((backend) =>
      ["iptables", "ip6tables"].map((program) => xtables(backend, program).join(" ")).flatMap((command) =>
        [
          [`${command} -A FORWARD -j ACCEPT`, `${command} -D FORWARD -j ACCEPT`],
          [`${command} -t nat -N FOREIGN`, `${command} -t nat -X FOREIGN`],
          [`${command} -P FORWARD DROP`, `${command} -P FORWARD ACCEPT`],
        ] as const
      )
    ),
  ];
  for (const [does, undoes] of undo) {
    await must("sh", "-c", does);
    assertEquals(JSON.stringify(await network()) === JSON.stringify(before), false, does);
    await must("sh", "-c", undoes);
    await assertNetwork(before);
  }
});

labTest("network: the lab has each implementation of iptables, one that fails, and none", async () => {
  for (const backend of BACKENDS) {
    await using _backend = await useBackend(backend);
    const shown = backend === "nft" ? "nf_tables" : "legacy";
    for (const command of ["iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore"]) {
      assertStringIncludes(await must(command, "-V"), `(${shown})`);
    }
  }
  {
    await using broken = await breakCommands("*-restore", 2);
    for (const expected of [[0, ""], [2, "iptables-restore: the lab has broken this\n"], [0, ""]]) {
      const { code, stderr } = await execute(["iptables-restore", "-V"]);
      assertEquals([code, stderr], expected);
    }
    assertEquals(broken.calls(), 3);
    await must("iptables", "-V");
  }
  {
    await using _none = await withoutCommands();
    await assertRejects(() => execute(["iptables", "-V"]), Deno.errors.NotFound);
  }
  await must("iptables", "-V");
});
