import { assertEquals } from "@std/assert";
import { DEBIAN } from "../support.ts";
import { type Container, createNetwork, inspect, refused, serve, who } from "./container.ts";
import { both } from "./echo.ts";
import { labTest } from "./lab.ts";
import { must } from "./place.ts";

const SUBNETS = ["--subnet", "192.0.2.0/28", "--subnet", "2001:db8:9::/64"];

const run = (...flags: readonly string[]): string[] => ["run", "refused", "--image", DEBIAN, ...flags, "--", "true"];

labTest("network: --ip, --ip6 and --mac-address are what the container has", async ({ left }) => {
  await using network = await createNetwork(...SUBNETS);
  const flags = ["--ip", "192.0.2.9", "--ip6", "2001:db8:9::abc", "--mac-address", "02:00:5e:10:20:30"];
  await using web = await serve(["--network", network.name, ...flags, "-p", "8080:80"]);
  assertEquals(web.addresses, ["192.0.2.9", "2001:db8:9::abc"]);
  assertEquals(web.links.find(({ ifname }) => ifname === "eth0")?.address, "02:00:5e:10:20:30");
  const [{ containers, gateway, ipv6Gateway }] = await inspect(network.name);
  assertEquals([gateway, ipv6Gateway], ["192.0.2.1", "2001:db8:9::1"]);
  assertEquals(containers.map(({ address, ipv6Address, macAddress }) => [address, ipv6Address, macAddress]), [
    ["192.0.2.9", "2001:db8:9::abc", "02:00:5e:10:20:30"],
  ]);
  await using other = await serve(["--network", network.name]);
  assertEquals(who(await other.ask([["tcp", web.name, 80], ["tcp6", web.name, 80]])), [web.name, web.name]);
  assertEquals(who(await left.ask([["tcp", left.gateways[0] ?? "", 8080]])), [web.name]);
});

labTest("network: an address that is taken, the gateway's or outside is refused", async () => {
  await using network = await createNetwork(...SUBNETS);
  const flags = ["--network", network.name];
  await using web = await serve([...flags, "--ip", "192.0.2.9", "--ip6", "2001:db8:9::9"]);
  await refused(run(...flags, "--ip", "192.0.2.9"), /192\.0\.2\.9/, new RegExp(web.name));
  await refused(run(...flags, "--ip6", "2001:db8:9::9"), /2001:db8:9::9/, new RegExp(web.name));
  // The same in other words.
  await refused(run(...flags, "--ip6", "2001:0DB8:0009:0::0009"), new RegExp(web.name));
  for (
    const address of ["192.0.2.1", "192.0.2.0", "192.0.2.15", "192.0.2.16", "198.51.100.7", "127.0.0.1", "0.0.0.0"]
  ) {
    await refused(run(...flags, "--ip", address), new RegExp(address.replaceAll(".", "\\.")));
  }
  for (const address of ["2001:db8:9::1", "2001:db8:a::9", "::1", "::"]) {
    await refused(run(...flags, "--ip6", address), new RegExp(address));
  }
  for (const address of ["", "x", "192.0.2", "192.0.2.09", "192.0.2.256", "2001:db8:9::9", "192.0.2.9/28"]) {
    await refused(run(...flags, "--ip", address));
  }
  for (const address of ["", "x", "192.0.2.9", "2001:db8:9::9::", "fe80::1%eth0"]) {
    await refused(run(...flags, "--ip6", address));
  }
  // After all that the first one is as it was, and the address free when it has gone.
  assertEquals(web.addresses, ["192.0.2.9", "2001:db8:9::9"]);
  await web.end();
  await using again = await serve([...flags, "--ip", "192.0.2.9"]);
  assertEquals(again.address(), "192.0.2.9");
});

labTest("network: a hardware address that is taken, a group's or none is refused", async () => {
  await using web = await serve(["--mac-address", "02:00:5e:10:20:30"]);
  await refused(run("--network", "bridge", "--mac-address", "02:00:5E:10:20:30"), new RegExp(web.name));
  for (const address of ["", "x", "02:00:5e:10:20", "02:00:5e:10:20:3g", "01:00:5e:10:20:30", "00:00:00:00:00:00"]) {
    await refused(run("--network", "bridge", "--mac-address", address));
  }
});

labTest("network: addresses are asked for where there is a network to have them", async () => {
  await using four = await createNetwork("--subnet", "192.0.2.0/28");
  await refused(run("--network", four.name, "--ip6", "2001:db8:9::9"));
  for (const network of ["none", "host"]) {
    await refused(run("--network", network, "--ip", "192.0.2.9"), /--ip/);
    await refused(run("--network", network, "--mac-address", "02:00:5e:10:20:30"), /--mac-address/);
    await refused(run("--network", network, "-p", "8080:80"), /port|--publish/);
  }
});

labTest("network: a subnet has as many containers as addresses, and then says so", async () => {
  await using network = await createNetwork("--subnet", "192.0.2.0/29");
  await using started = new AsyncDisposableStack();
  const containers: Container[] = [];
  for (let i = 0; i < 5; i++) containers.push(started.use(await serve(["--network", network.name])));
  assertEquals(
    containers.map((container) => container.address()).sort(),
    [2, 3, 4, 5, 6].map((last) => `192.0.2.${last}`),
  );
  await refused(run("--network", network.name), /192\.0\.2\.0\/29/);
  await containers[2]?.end();
  await using last = await serve(["--network", network.name]);
  assertEquals(last.address(), containers[2]?.address());
});

labTest("network: the MTU of a network is that of its bridge and of its containers", async ({ left }) => {
  await using network = await createNetwork("--mtu", "1400", "--ipv6");
  await using web = await serve(["--network", network.name, "-p", "8080:80"]);
  const [{ mtu, bridge }] = await inspect(network.name);
  assertEquals(mtu, 1400);
  assertEquals(web.links.find(({ ifname }) => ifname === "eth0")?.mtu, 1400);
  assertEquals(JSON.parse(await must("ip", "-j", "link", "show", bridge))[0].mtu, 1400);
  assertEquals(who(await left.ask([["tcp", left.gateways[0] ?? "", 8080]])), [web.name]);
  for (const wrong of ["", "x", "-1", "67", "1279.5", "70000"]) {
    await refused(["network", "create", "wrong", "--ipv6", `--mtu=${wrong}`]);
  }
});

labTest("network: a gateway of one's own is the containers' way out", async ({ left }) => {
  await using network = await createNetwork("--subnet", "192.0.2.0/28", "--gateway", "192.0.2.14");
  await using web = await serve(["--network", network.name]);
  assertEquals(await web.gateways(), ["192.0.2.14"]);
  await using _server = await left.serve("left", [7000]);
  assertEquals(who(await web.ask(both(left.addresses.slice(0, 1), 7000))), ["left", "left"]);
  for (const wrong of ["192.0.2.0", "192.0.2.15", "192.0.2.16", "x", ""]) {
    await refused(["network", "create", "wrong", "--subnet", "192.0.2.16/28", "--gateway", wrong]);
  }
});
