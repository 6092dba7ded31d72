import { assertEquals } from "@std/assert";
import { createNetwork, serve, who } from "./container.ts";
import { both } from "./echo.ts";
import { backendTest } from "./lab.ts";
import { must } from "./place.ts";
import { network } from "./state.ts";
import type { Backend } from "./xtables.ts";

const PROGRAMS = ["iptables", "ip6tables"] as const;

const policies = (): Promise<string[]> =>
  Promise.all(PROGRAMS.map(async (program) => (await must(program, "-S", "FORWARD")).split("\n")[0] ?? ""));

/** A firewall that forwards nothing, as long as the variable lasts. */
async function strict(): Promise<AsyncDisposable> {
  for (const program of PROGRAMS) await must(program, "-P", "FORWARD", "DROP");
  return {
    [Symbol.asyncDispose]: async () => {
      for (const program of PROGRAMS) await must(program, "-P", "FORWARD", "ACCEPT");
    },
  };
}

backendTest("network: a FORWARD policy of DROP stays, and what belongs to containers passes", async (lab) => {
  const { here, left } = lab;
  await using _strict = await strict();
  await using _server = await left.serve("left", [7000]);
  {
    await using web = await serve(["--ipv6", "-p", "8080:80", "-p", "8080:80/udp"]);
    await using db = await serve(["--ipv6"]);
    assertEquals(await policies(), ["-P FORWARD DROP", "-P FORWARD DROP"]);
    assertEquals(who(await left.ask(both(left.gateways, 8080))), Array(4).fill(web.name));
    assertEquals(who(await here.ask(both(["127.0.0.1", ...left.gateways], 8080))), Array(6).fill(web.name));
    assertEquals(who(await web.ask(both(left.gateways, 8080))), Array(4).fill(web.name));
    assertEquals(who(await db.ask(both(left.gateways, 8080))), Array(4).fill(web.name));
    assertEquals(who(await db.ask(both(web.addresses, 80))), Array(4).fill(web.name));
    assertEquals(who(await web.ask(both(left.addresses, 7000))), Array(4).fill("left"));
  }
  await using own = await createNetwork("--ipv6");
  await using web = await serve(["--network", own.name, "-p", "8080:80"]);
  assertEquals(who(await left.ask([["tcp", left.gateways[0] ?? "", 8080]])), [web.name]);
  assertEquals(who(await web.ask(both(left.addresses, 7000))), Array(4).fill("left"));
  await web.end();
  assertEquals(await policies(), ["-P FORWARD DROP", "-P FORWARD DROP"]);
});

backendTest("network: rules of others stay as and where they are", async ({ left }, backend) => {
  const lines = [
    "-N FOREIGN",
    "-A FOREIGN -p tcp --dport 4000 -j RETURN",
    "-A FORWARD -p tcp --dport 4001 -j FOREIGN",
    "-A INPUT -p tcp --dport 4002 -j REJECT",
    "-t nat -A PREROUTING -p tcp --dport 4003 -j REDIRECT --to-ports 4004",
    "-t nat -A POSTROUTING -p tcp --dport 4005 -j MASQUERADE",
  ];
  for (const program of PROGRAMS) for (const line of lines) await must(program, ...line.split(" "));
  const before = (await network()).rules;
  /** What is others' of the rules there are now. */
  const foreign = async (): Promise<string[]> => {
    const found = (await network()).rules;
    return Object.entries(found).flatMap(([which, rules]) => rules.filter((rule) => before[which]?.includes(rule)));
  };
  try {
    {
      await using web = await serve(["--ipv6", "-p", "8080:80"]);
      assertEquals(await foreign(), Object.values(before).flat());
      assertEquals(who(await left.ask([["tcp", left.gateways[0] ?? "", 8080]])), [web.name]);
      assertEquals(used((await network()).rules, before), [backend]);
    }
    assertEquals((await network()).rules, before);
  } finally {
    for (const program of PROGRAMS) {
      for (const line of lines.slice(1).toReversed()) await must(program, ...line.replace("-A ", "-D ").split(" "));
      await must(program, "-X", "FOREIGN");
    }
  }
});

/** The implementations in which there is more than there was. */
function used(now: Readonly<Record<string, readonly string[]>>, before: typeof now): Backend[] {
  const more = Object.keys(now).filter((which) => (now[which]?.length ?? 0) > (before[which]?.length ?? 0));
  return (["nft", "legacy"] as const).filter((backend) => more.some((which) => which.startsWith(`${backend} `)));
}
