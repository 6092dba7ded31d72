import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DEBIAN, libflux } from "../support.ts";
import { command, refused, serve, who } from "./container.ts";
import { both } from "./echo.ts";
import { backendTest, labTest } from "./lab.ts";
import { must } from "./place.ts";
import { assertNetwork, network } from "./state.ts";
import { breakCommands, withoutCommands } from "./xtables.ts";

const RUN = ["run", "failing", "--image", DEBIAN, "--network", "bridge", "--ipv6", "-p", "8080:80", "--", "true"];

labTest("network: iptables-restore that fails is told, and the host is clean", async () => {
  const before = await network();
  await using broken = await breakCommands("*-restore");
  await refused(RUN, /the lab has broken this/);
  assert(broken.calls() > 0);
  await assertNetwork(before);
});

labTest("network: iptables that always fails is told, and the host is clean", async () => {
  const before = await network();
  await using broken = await breakCommands("*");
  await refused(RUN, /the lab has broken this/);
  assert(broken.calls() > 0);
  await assertNetwork(before);
});

labTest("network: rules that iptables can't take away are told, and go with the next command", async () => {
  const before = await network();
  await using web = await serve([]);
  {
    await using _broken = await breakCommands("*");
    await web.end();
  }
  assertStringIncludes(await must("iptables-save"), "LIBFLUX-NAT-0");
  await command("ps");
  await assertNetwork(before);
});

labTest("network: whichever call of iptables fails, the host is clean", async () => {
  const before = await network();
  let failed = 0;
  for (let only = 1; only <= 40; only++) {
    let calls: number;
    let code: number;
    let stderr: string;
    {
      await using broken = await breakCommands("*", only);
      ({ code, stderr } = await libflux(RUN));
      calls = broken.calls();
    }
    if (code !== 0) {
      failed++;
      assertEquals(code, 125, `call ${only}`);
      assertMatch(stderr, /^libflux: [^\n]+\n$/, `call ${only}`);
    }
    // One that fails while everything is taken away leaves it to the next libflux.
    await command("ps");
    await assertNetwork(before);
    if (calls < only) break;
    assert(only < 40, "libflux calls iptables more than 40 times");
  }
  assert(failed > 0, "none of the calls was needed");
});

backendTest("network: a link of somebody else's that is called libflux0 is told, and left alone", async () => {
  await must("ip", "link", "add", "libflux0", "type", "veth", "peer", "name", "foreign");
  const before = await network();
  await refused(RUN, /libflux0/);
  await assertNetwork(before);
  await command("network", "reload");
  await assertNetwork(before);
  await must("ip", "link", "del", "libflux0");
});

labTest("network: a bridge of somebody else's that is called libflux0 is told, and left alone", async () => {
  await must("ip", "link", "add", "libflux0", "type", "bridge");
  await must("ip", "addr", "add", "192.0.2.1/24", "dev", "libflux0");
  const before = await network();
  await refused(RUN, /libflux0/);
  await assertNetwork(before);
  await must("ip", "link", "del", "libflux0");
});

labTest("network: a host without iptables is told what it lacks, and is clean", async () => {
  const before = await network();
  await using _none = await withoutCommands();
  await refused(RUN, /iptables/);
  await assertNetwork(before);
  // What needs no rules needs no iptables.
  for (const name of ["none", "host"]) {
    const args = ["run", "simple", "--image", DEBIAN, "--network", name, "--", "echo", "hello"];
    assertEquals(await command(...args), "hello\n");
  }
});

labTest("network: a failure beside a running container is none of that container's", async ({ left }) => {
  await using web = await serve(["--ipv6", "-p", "8081:80", "-p", "8081:80/udp"]);
  const before = await network();
  {
    await using _broken = await breakCommands("*-restore");
    await refused(RUN, /the lab has broken this/);
  }
  await assertNetwork(before);
  {
    // Perhaps somebody has just wiped all rules: so it is tried once more.
    await using _broken = await breakCommands("*-restore", 1);
    assertEquals((await libflux(RUN)).code, 0);
  }
  await assertNetwork(before);
  assertEquals(who(await left.ask(both(left.gateways, 8081))), Array(4).fill(web.name));
});

labTest("network: a command that can't be executed leaves no network", async () => {
  const { code, stderr } = await libflux([...RUN.slice(0, -1), "/nonexistent"]);
  assertEquals(code, 127);
  assertMatch(stderr, /^libflux: [^\n]+\n$/);
  const wrong = await libflux(["run", "failing", "--image", "/nonexistent", "-p", "8080:80", "--", "true"]);
  assertEquals(wrong.code, 125);
  assertStringIncludes(wrong.stderr, "/nonexistent");
});

labTest("network: --publish is shown by 'explain', which changes nothing", async () => {
  const before = await network();
  const { code, stdout } = await libflux(["explain", ...RUN]);
  assertEquals(code, 0);
  assertMatch(stdout, /8080/);
  await assertNetwork(before);
});
