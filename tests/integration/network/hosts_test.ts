import { assertEquals } from "@std/assert";
import { askFrom, createNetwork, serve, twice } from "./container.ts";
import { both } from "./echo.ts";
import { backendTest } from "./lab.ts";

const IPV6 = ["--network", "bridge", "--ipv6"];

backendTest("network: containers and the host answer each other, by address", async ({ here, left }) => {
  await using web = await serve(IPV6);
  await using db = await serve(IPV6);
  const gateways = await web.gateways();
  await using _server = await here.serve("here", [7000], [...gateways, ...left.gateways]);
  assertEquals(await here.ask(both([...web.addresses, ...db.addresses], 80)), [
    ...twice(gateways.map((from) => `${web.name} ${from}`)),
    ...twice(gateways.map((from) => `${db.name} ${from}`)),
  ]);
  const sees = web.addresses.map((from) => `here ${from}`);
  assertEquals(await web.ask(both([...gateways, ...left.gateways], 7000)), twice([...sees, ...sees]));
  assertEquals(await web.ask(both(db.addresses, 80)), twice(web.addresses.map((from) => `${db.name} ${from}`)));
  assertEquals(await db.ask(both(web.addresses, 80)), twice(db.addresses.map((from) => `${web.name} ${from}`)));
  assertEquals(await web.askInVain(both(db.addresses, 81)), Array(4).fill("ECONNREFUSED"));
});

backendTest("network: other hosts answer a container, and see the host's address", async ({ left, right }) => {
  await using _left = await left.serve("left", [7000]);
  await using _right = await right.serve("right", [7000]);
  const targets = both([...left.addresses, ...right.addresses], 7000);
  const expected = [
    ...twice(left.gateways.map((from) => `left ${from}`)),
    ...twice(right.gateways.map((from) => `right ${from}`)),
  ];
  await using web = await serve(IPV6);
  assertEquals(await web.ask(targets), expected);
  assertEquals(await askFrom(IPV6, targets, 5000), expected);
  // One that came with a network of its own does so too.
  await using own = await createNetwork("--ipv6");
  await using other = await serve(["--network", own.name]);
  assertEquals(await other.ask(targets), expected);
});
