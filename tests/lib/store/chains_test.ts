import { assertEquals } from "@std/assert";
import { chainsOf, jumpsTo, removalFrom, removalOf, renewal, tables } from "../../../lib/store/chains.ts";
import { ofNetwork, saved } from "./saved.ts";

const BACKENDS = ["nft", "legacy"] as const;
const FAMILIES = [4, 6] as const;
const isPorts = (chain: string): boolean => chain === "LIBFLUX-PORTS-1";

Deno.test("tables() gives each table its lines, and leaves out what has none", () => {
  assertEquals(tables({}), "");
  assertEquals(tables({ nat: [], filter: [] }), "");
  assertEquals(tables({ nat: ["-F A"], filter: [] }), "*nat\n-F A\nCOMMIT\n");
  assertEquals(
    tables({ filter: ["-F A", "-X A"], nat: ["-F B"] }),
    "*filter\n-F A\n-X A\nCOMMIT\n*nat\n-F B\nCOMMIT\n",
  );
});

Deno.test("chainsOf() gives names that aren't each other's beginning with a blank, and that the kernel takes", () => {
  const XT_EXTENSION_MAXNAMELEN = 29;
  for (const name of Object.values(chainsOf(9999))) assertEquals(name.length < XT_EXTENSION_MAXNAMELEN, true, name);
  const all = [1, 10, 11, 100].flatMap((index) => Object.values(chainsOf(index)));
  assertEquals(new Set(all).size, 16);
});

Deno.test("removalOf() takes away each jump, and then each chain once", () => {
  assertEquals(
    removalOf(1, 4),
    `*nat
-D PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-1
-D OUTPUT -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-1
-D POSTROUTING -j LIBFLUX-NAT-1
-F LIBFLUX-PORTS-1
-X LIBFLUX-PORTS-1
-F LIBFLUX-NAT-1
-X LIBFLUX-NAT-1
COMMIT
*filter
-D FORWARD -j LIBFLUX-FORWARD-1
-D INPUT -i libflux1 -j LIBFLUX-INPUT-1
-F LIBFLUX-FORWARD-1
-X LIBFLUX-FORWARD-1
-F LIBFLUX-INPUT-1
-X LIBFLUX-INPUT-1
COMMIT
`,
  );
  for (const family of FAMILIES) {
    const rules = jumpsTo(3, family).map(({ rule }) => `-D ${rule}`);
    const lines = removalOf(3, family).split("\n");
    assertEquals(lines.filter((line) => line.startsWith("-D")), rules);
    assertEquals(
      lines.includes("-D PREROUTING ! -d ::1/128 -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-3"),
      family === 6,
    );
  }
});

Deno.test("removalFrom() takes away a network's jumps and chains, and nothing else", () => {
  for (const family of FAMILIES) {
    const loopback = family === 4 ? "127.0.0.0/8" : "::1/128";
    const expected = `*filter
-D INPUT -i libflux1 -j LIBFLUX-INPUT-1
-D FORWARD -j LIBFLUX-FORWARD-1
-F LIBFLUX-FORWARD-1
-F LIBFLUX-INPUT-1
-X LIBFLUX-FORWARD-1
-X LIBFLUX-INPUT-1
COMMIT
*nat
-D PREROUTING ! -d ${loopback} -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-1
-D OUTPUT -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-1
-D POSTROUTING -j LIBFLUX-NAT-1
-F LIBFLUX-NAT-1
-F LIBFLUX-PORTS-1
-X LIBFLUX-NAT-1
-X LIBFLUX-PORTS-1
COMMIT
`;
    for (const backend of BACKENDS) {
      assertEquals(removalFrom(saved(family, backend), ofNetwork(1)), expected, `${backend} ${family}`);
      // The other network's: with every 1 a 10, but for the order of what is sorted by name.
      const sorted = (text: string): string[] => text.split("\n").sort();
      const other = expected.replaceAll(/(libflux|-)1$/gm, "$110").replaceAll("libflux1 ", "libflux10 ");
      assertEquals(sorted(removalFrom(saved(family, backend), ofNetwork(10))), sorted(other));
      assertEquals(removalFrom(saved(family, backend), ofNetwork(0)), "");
    }
  }
});

Deno.test("removalFrom() takes away what is left where others have taken a part", () => {
  const without = (pattern: RegExp): string => removalFrom(saved(4, "nft").replaceAll(pattern, ""), ofNetwork(1));
  assertEquals(
    without(/^(:|-A )LIBFLUX.*\n|^-A (FORWARD|INPUT|PREROUTING|OUTPUT) .*\n/gm),
    "*nat\n-D POSTROUTING -j LIBFLUX-NAT-1\nCOMMIT\n",
  );
  assertEquals(
    without(/^-A .*\n|^:LIBFLUX-(NAT|INPUT|FORWARD).*\n/gm),
    "*nat\n-F LIBFLUX-PORTS-1\n-X LIBFLUX-PORTS-1\nCOMMIT\n",
  );
  assertEquals(removalFrom("", ofNetwork(1)), "");
});

Deno.test("removalFrom() takes away the jumps of an administrator's too, to chains that go", () => {
  const text = "*filter\n:MINE - [0:0]\n:LIBFLUX-INPUT-1 - [0:0]\n-A MINE -s 192.0.2.1/32 -j LIBFLUX-INPUT-1\nCOMMIT\n";
  assertEquals(
    removalFrom(text, ofNetwork(1)),
    "*filter\n-D MINE -s 192.0.2.1/32 -j LIBFLUX-INPUT-1\n-F LIBFLUX-INPUT-1\n-X LIBFLUX-INPUT-1\nCOMMIT\n",
  );
});

Deno.test("removalFrom() leaves alone who only talks of a jump", () => {
  const lines = [
    '-A INPUT -j LOG --log-prefix " -j LIBFLUX-INPUT-1 "',
    '-A INPUT -m comment --comment "see -j LIBFLUX-INPUT-1"',
    '-A INPUT -m comment --comment "see -j LIBFLUX-INPUT-1 for more"',
    "-A INPUT -j LIBFLUX-INPUT-10",
    "-A INPUT -j LIBFLUX-INPUT-1-OLD",
    "-P INPUT ACCEPT",
  ];
  assertEquals(removalFrom(["*filter", ...lines, "COMMIT", ""].join("\n"), ofNetwork(1)), "");
});

Deno.test("removalFrom() takes away the rules of one container, and no chain", () => {
  for (const family of FAMILIES) {
    const to = family === 4 ? "10.87.0.2" : "[fd00:1::2]";
    for (const backend of BACKENDS) {
      const comment = "-m comment --comment libflux-aaaaaaaaaaaa";
      assertEquals(
        removalFrom(saved(family, backend), isPorts, "libflux-aaaaaaaaaaaa"),
        `*nat
-D LIBFLUX-PORTS-1 -p tcp -m tcp --dport 8080 ${comment} -j DNAT --to-destination ${to}:80
-D LIBFLUX-PORTS-1 -p udp -m udp --dport 53 ${comment} -j DNAT --to-destination ${to}:53
COMMIT
`,
      );
      assertEquals(removalFrom(saved(family, backend), isPorts, "libflux-cccccccccccc"), "");
    }
  }
});

Deno.test("renewal() makes a network's rules anew, and keeps those of ports", () => {
  const lines = {
    nat: [":LIBFLUX-PORTS-1 - [0:0]", ":LIBFLUX-NAT-1 - [0:0]", "-A POSTROUTING -j LIBFLUX-NAT-1"],
    filter: [":LIBFLUX-FORWARD-1 - [0:0]", "-I FORWARD -j LIBFLUX-FORWARD-1"],
  };
  const there =
    "-p tcp -m tcp --dport 8080 -m comment --comment libflux-aaaaaaaaaaaa -j DNAT --to-destination 10.87.0.2:80";
  const missing =
    "-p tcp -m tcp --dport 808 -m comment --comment libflux-cccccccccccc -j DNAT --to-destination 10.87.0.2:80";
  const jumps = {
    filter: "-D INPUT -i libflux1 -j LIBFLUX-INPUT-1\n-D FORWARD -j LIBFLUX-FORWARD-1\n",
    nat: `-D PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-1
-D OUTPUT -m addrtype --dst-type LOCAL -j LIBFLUX-PORTS-1
-D POSTROUTING -j LIBFLUX-NAT-1
`,
  };
  const renewed = (first: string, nat: string, filter: string): string =>
    `*nat\n${nat}${first}:LIBFLUX-NAT-1 - [0:0]\n-A POSTROUTING -j LIBFLUX-NAT-1\n` +
    `-A LIBFLUX-PORTS-1 ${missing}\nCOMMIT\n*filter\n${filter}${lines.filter.join("\n")}\nCOMMIT\n`;
  for (const backend of BACKENDS) {
    assertEquals(
      renewal(saved(4, backend), 1, lines, [there, missing]),
      renewed("", jumps.nat, jumps.filter),
      backend,
    );
  }
  assertEquals(renewal("", 1, lines, [missing]), renewed(":LIBFLUX-PORTS-1 - [0:0]\n", "", ""));
});
