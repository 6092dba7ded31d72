import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Firewalls, firewalls, obstacle } from "../../../lib/network/obstacles.ts";

const NONE: Firewalls = { chains: [], zones: "", ufw: "" };
const told = (more: Partial<Firewalls>, bridge = "libflux1"): string => obstacle(bridge, { ...NONE, ...more }) ?? "";

Deno.test("obstacle() has nothing to say of a host without a firewall, or of one that lets pass", () => {
  assertEquals(obstacle("libflux1", NONE), undefined);
  assertEquals(obstacle("libflux1", { ...NONE, chains: [{ family: 1, table: "mine", drops: false }] }), undefined);
  assertEquals(obstacle("libflux1", { ...NONE, ufw: "ENABLED=no\n" }), undefined);
});

Deno.test("obstacle() passes over the policy of iptables, where libflux's own rule comes first", () => {
  for (const family of [2, 10]) assertEquals(told({ chains: [{ family, table: "filter", drops: true }] }), "");
  // A table of this name that isn't of iptables.
  assertStringIncludes(told({ chains: [{ family: 1, table: "filter", drops: true }] }), "the table filter of nftables");
});

Deno.test("obstacle() names a table of nftables that drops what is forwarded", () => {
  assertEquals(
    told({ chains: [{ family: 1, table: "a", drops: false }, { family: 1, table: "mine", drops: true }] }),
    "the table mine of nftables drops what is forwarded: accept iifname and oifname libflux1 in it",
  );
});

Deno.test("obstacle() says what firewalld and ufw need, until they know the bridge", () => {
  const chains = [{ family: 1, table: "firewalld", drops: false }];
  assertStringIncludes(told({ chains }), "--zone=trusted --add-interface=libflux1, then firewall-cmd --reload");
  assertStringIncludes(told({ chains, zones: '<interface name="libflux10"/>' }), "--add-interface=libflux1,");
  assertEquals(told({ chains, zones: '<zone>\n  <interface name="libflux1"/>\n</zone>' }), "");
  const enabled = "# comment\nENABLED=yes\n";
  assertEquals(told({ ufw: enabled }), "ufw keeps containers from this host's own services: ufw allow in on libflux1");
  assertEquals(told({ ufw: `${enabled}-A ufw-user-input -i libflux1 -j ACCEPT\n` }), "");
});

Deno.test("obstacle() doesn't take a rule of another bridge's for this one's", () => {
  const ufw =
    "ENABLED=yes\n### tuple ### allow any any 0.0.0.0/0 any 0.0.0.0/0 in_libflux10\n-A ufw-user-input -i libflux10 -j ACCEPT\n";
  assertStringIncludes(told({ ufw }), "ufw allow in on libflux1");
  assertEquals(told({ ufw }, "libflux10"), "");
});

Deno.test("obstacle() tells of several in one sentence", () => {
  const chains = [{ family: 1, table: "firewalld", drops: true }];
  assertEquals(told({ chains, ufw: "ENABLED=yes" }).split("; ").length, 3);
});

Deno.test("firewalls() looks at any host without an error", () => {
  const { chains, zones, ufw } = firewalls();
  assertEquals([Array.isArray(chains), typeof zones, typeof ufw], [true, "string", "string"]);
});
