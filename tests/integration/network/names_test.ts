import { assertEquals } from "@std/assert";
import { command, createNetwork, inspect, refused, serve, who } from "./container.ts";
import { labTest } from "./lab.ts";

labTest("network: /etc/hosts of all containers follow who comes and goes", async () => {
  await using web = await serve([]);
  assertEquals(await web.addressesOf(web.name), [web.address()]);
  {
    await using db = await serve(["--network-alias", "db", "--network-alias=store"]);
    await using cache = await serve(["--network-alias", "cache"]);
    for (const from of [web, db, cache]) {
      for (const [name, to] of [["db", db], ["store", db], [db.name, db], ["cache", cache], [web.name, web]] as const) {
        assertEquals(await from.addressesOf(name), [to.address()], `${name} in ${from.name}`);
      }
    }
    assertEquals(who(await web.ask([["tcp", "store", 80], ["udp", "cache", 80]])), [db.name, cache.name]);
    await db.end();
    assertEquals(await web.addressesOf("db"), []);
    assertEquals(await web.addressesOf(db.name), []);
    assertEquals(await web.addressesOf("cache"), [cache.address()]);
  }
  assertEquals(await web.addressesOf("cache"), []);
  await using db = await serve(["--network-alias", "db"]);
  assertEquals(await web.addressesOf("db"), [db.address()]);
  assertEquals(who(await web.ask([["tcp", "db", 80]])), [db.name]);
});

labTest("network: names have IPv6 addresses too where there are any", async () => {
  await using web = await serve(["--ipv6"]);
  await using db = await serve(["--ipv6", "--network-alias", "db"]);
  await using four = await serve(["--network-alias", "four"]);
  assertEquals((await web.addressesOf("db")).sort(), [...db.addresses].sort());
  // The network has IPv6 by now, and with it whoever is on it.
  assertEquals((await web.addressesOf("four")).sort(), [...four.addresses].sort());
  assertEquals(
    who(await web.ask([["tcp", "db", 80], ["tcp6", "db", 80], ["udp6", "db", 80], ["tcp", "four", 80]])),
    [db.name, db.name, db.name, four.name],
  );
});

labTest("network: an alias that two containers have is either of them", async () => {
  await using one = await serve(["--network-alias", "pool"]);
  {
    await using two = await serve(["--network-alias", "pool"]);
    await using web = await serve([]);
    assertEquals((await web.addressesOf("pool")).sort(), [one.address(), two.address()].sort());
  }
  assertEquals(await one.addressesOf("pool"), [one.address()]);
});

labTest("network: names of one network aren't those of another", async () => {
  await using network = await createNetwork();
  await using inside = await serve(["--network", network.name, "--network-alias", "inside"]);
  await using outside = await serve(["--network-alias", "outside"]);
  await using alone = await serve(["--network", "none"]);
  for (const place of [outside, alone]) {
    assertEquals(await place.addressesOf("inside"), []);
    assertEquals(await place.addressesOf(inside.name), []);
  }
  assertEquals(await inside.addressesOf("outside"), []);
  assertEquals(await inside.addressesOf("inside"), [inside.address()]);
});

labTest("network: lines of --add-host stay, and come before what others are called", async () => {
  await using web = await serve(["--add-host", "db:192.0.2.7", "--add-host", "other:192.0.2.8"]);
  await using _db = await serve(["--network-alias", "db"]);
  assertEquals((await web.addressesOf("db"))[0], "192.0.2.7");
  assertEquals(await web.addressesOf("other"), ["192.0.2.8"]);
  await using _more = await serve([]);
  assertEquals((await web.addressesOf("db"))[0], "192.0.2.7");
  assertEquals((await web.addressesOf("localhost")).sort(), ["127.0.0.1", "::1"]);
});

labTest("network: the host name is found, also one that isn't the container's name", async () => {
  await using web = await serve(["--hostname", "front"]);
  await using db = await serve([]);
  assertEquals(await web.addressesOf("front"), [web.address()]);
  assertEquals(await db.addressesOf(web.name), [web.address()]);
  assertEquals(who(await web.ask([["tcp", "front", 80]])), [web.name]);
});

labTest("network: a container whose libflux was killed is forgotten by the next command", async () => {
  await using web = await serve([]);
  const lost = await serve(["--no-init", "--network-alias", "lost", "-p", "8080:80"]);
  assertEquals(await web.addressesOf("lost"), [lost.address()]);
  await lost.end("SIGKILL");
  await command("ps");
  assertEquals(await web.addressesOf("lost"), []);
  await using again = await serve(["-p", "8080:80"]);
  assertEquals(await web.addressesOf(again.name), [again.address()]);
});

labTest("network: what containers are called is shown", async () => {
  await using db = await serve(["--network-alias", "db", "--network-alias", "store", "-p", "8080:80"]);
  const [{ containers }] = await inspect("bridge");
  assertEquals(containers.map(({ name, aliases, ports }) => [name, [...aliases].sort(), ports]), [
    [db.name, ["db", "store"], [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }]],
  ]);
});

labTest("network: an alias that can't be a name is refused", async () => {
  for (const alias of ["", "a b", "a\tb", "-x", "a/b", "x\n192.0.2.1 bank"]) {
    await refused(["run", "x", "--network", "bridge", `--network-alias=${alias}`, "--", "true"]);
  }
});
