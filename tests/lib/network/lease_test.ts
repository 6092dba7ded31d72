import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { NetworkError } from "../../../lib/errors.ts";
import { chooseLease, type LeaseWish } from "../../../lib/network/lease.ts";
import type { Lease, Network } from "../../../lib/store/network.ts";

const NETWORK: Network = {
  name: "web",
  bridge: "libflux3",
  subnet: "10.87.3.0/29",
  gateway: "10.87.3.1",
  internal: false,
  mtu: 1500,
  created: "2026-01-01T00:00:00.000Z",
  temporary: true,
  bootId: "boot",
};
const DUAL: Network = { ...NETWORK, ipv6Subnet: "fd00:1::/64", ipv6Gateway: "fd00:1::1" };

const wish = (more: Partial<LeaseWish> = {}): LeaseWish => ({ name: "new", id: "f".repeat(64), ...more });

/** Leases as they are when containers come one after another. */
function fill(network: Network, ...wishes: Partial<LeaseWish>[]): Lease[] {
  const leases: Lease[] = [];
  for (const [index, more] of wishes.entries()) {
    leases.push(chooseLease(network, leases, { name: `c${index}`, id: String(index).repeat(64), ...more }));
  }
  return leases;
}

function refusal(network: Network, leases: readonly Lease[], more: Partial<LeaseWish>, message: string): NetworkError {
  return assertThrows(() => chooseLease(network, leases, wish(more)), NetworkError, message);
}

Deno.test("chooseLease() gives the lowest address that is free, and never the gateway's", () => {
  const leases = fill(NETWORK, {}, {}, {});
  assertEquals(leases.map(({ address }) => address), ["10.87.3.2", "10.87.3.3", "10.87.3.4"]);
  assertEquals(chooseLease(NETWORK, leases.toSpliced(1, 1), wish()).address, "10.87.3.3");
  assertEquals(chooseLease({ ...NETWORK, gateway: "10.87.3.2" }, [], wish()).address, "10.87.3.1");
  assertEquals(fill({ ...NETWORK, gateway: "10.87.3.2" }, {}, {}).map(({ address }) => address), [
    "10.87.3.1",
    "10.87.3.3",
  ]);
});

Deno.test("chooseLease() answers all that the container has", () => {
  assertEquals(chooseLease(NETWORK, [], wish({ aliases: ["a", "b"] })), {
    name: "new",
    id: "f".repeat(64),
    address: "10.87.3.2",
    macAddress: "0a:58:0a:57:03:02",
    names: ["new", "a", "b"],
  });
  assertEquals(chooseLease(DUAL, [], wish({ macAddress: "02:00:00:AB:CD:EF" })), {
    name: "new",
    id: "f".repeat(64),
    address: "10.87.3.2",
    ipv6Address: "fd00:1::2",
    macAddress: "02:00:00:ab:cd:ef",
    names: ["new"],
  });
});

Deno.test("chooseLease() says when a subnet is full, of which broadcast and network aren't given", () => {
  const leases = fill(NETWORK, {}, {}, {}, {}, {});
  assertEquals(leases.at(-1)?.address, "10.87.3.6");
  const error = refusal(NETWORK, leases, {}, "every address of the network web (10.87.3.0/29) is in use");
  assertStringIncludes(error.hint ?? "", "make another network");
  assertEquals(chooseLease(NETWORK, leases.slice(1), wish()).address, "10.87.3.2");
});

Deno.test("chooseLease() gives the address that is asked for, to one", () => {
  const leases = fill(NETWORK, { ip: "10.87.3.5" }, {});
  assertEquals(leases.map(({ address }) => address), ["10.87.3.5", "10.87.3.2"]);
  refusal(NETWORK, leases, { ip: "10.87.3.5" }, "the address 10.87.3.5 is in use by the container c0");
  refusal(NETWORK, leases, { ip: "10.87.3.1" }, "10.87.3.1 is the gateway of the network web");
  for (const ip of ["10.87.3.0", "10.87.3.7", "10.87.3.8", "10.87.2.255", "192.0.2.1"]) {
    const { hint } = refusal(NETWORK, leases, { ip }, `${ip} is no address of the network web`);
    assertEquals(hint, "its subnet is 10.87.3.0/29");
  }
});

Deno.test("chooseLease() gives an IPv6 address that follows the IPv4 one", () => {
  const leases = fill(DUAL, {}, { ip: "10.87.3.6" }, {});
  assertEquals(leases.map(({ ipv6Address }) => ipv6Address), ["fd00:1::2", "fd00:1::6", "fd00:1::3"]);
  // Where it is the gateway's, or somebody else's, the next one.
  assertEquals(chooseLease({ ...DUAL, ipv6Gateway: "fd00:1::2" }, [], wish()).ipv6Address, "fd00:1::3");
  const asked = fill(DUAL, { ip: "10.87.3.6", ip6: "fd00:1::2" }, {});
  assertEquals(asked.map(({ ipv6Address }) => ipv6Address), ["fd00:1::2", "fd00:1::3"]);
  assertEquals(chooseLease(NETWORK, [], wish()).ipv6Address, undefined);
});

Deno.test("chooseLease() gives the IPv6 address that is asked for, to one, however it is written", () => {
  const leases = fill(DUAL, { ip6: "FD00:1:0::0003" });
  assertEquals(leases[0]?.ipv6Address, "fd00:1::3");
  assertEquals(fill(DUAL, { ip6: "FD00:1:0::0003" }, {}).at(-1)?.ipv6Address, "fd00:1::4");
  for (const ip6 of ["fd00:1::3", "fd00:0001::3"]) refusal(DUAL, leases, { ip6 }, "is in use by the container c0");
  for (const ip6 of ["fd00:1::1", "FD00:1::0:1"]) refusal(DUAL, leases, { ip6 }, "is the gateway of the network web");
  for (const ip6 of ["fd00:1::", "fd00:2::2", "2001:db8::1"]) {
    const { hint } = refusal({ ...DUAL, temporary: false }, leases, { ip6 }, `${ip6} is no address of the network web`);
    assertEquals(hint, "its subnet is fd00:1::/64");
  }
  const temporary = { ...DUAL, temporary: true };
  const { hint = "" } = refusal(temporary, [], { ip6: "fd00:2::2" }, "is no address of the network web");
  assertEquals(hint.includes("another one each time"), true, hint);
  assertEquals(refusal(NETWORK, [], { ip6: "fd00:1::2" }, "is no address").hint, "it has no IPv6");
});

Deno.test("chooseLease() says when no IPv6 address is left for an IPv4 one", () => {
  const network: Network = { ...DUAL, subnet: "10.87.0.0/16", gateway: "10.87.0.1", ipv6Subnet: "fd00:1::/120" };
  const leases: Lease[] = [];
  for (let i = 0; i < 254; i++) leases.push(chooseLease(network, leases, wish({ id: String(i) })));
  assertEquals(new Set(leases.map(({ ipv6Address }) => ipv6Address)).size, 254);
  refusal(network, leases, {}, "every address of the network web (fd00:1::/120) is in use");
});

Deno.test("chooseLease() gives each a MAC address of its own", () => {
  const leases = fill(NETWORK, { macAddress: "02:00:00:00:00:0a" });
  for (const macAddress of ["02:00:00:00:00:0a", "02:00:00:00:00:0A"]) {
    const { hint } = refusal(
      NETWORK,
      leases,
      { macAddress },
      `the MAC address ${macAddress} is in use by the container c0`,
    );
    assertEquals(hint, "use another, or leave it out");
  }
  refusal(NETWORK, fill(NETWORK, {}), { macAddress: "0a:58:0a:57:03:02" }, "is in use by the container c0");
  // The bridge's own, which goes with its address likewise.
  refusal(NETWORK, [], { macAddress: "0A:58:0a:57:03:01" }, "is in use by the gateway");
});

Deno.test("chooseLease() passes over an address whose MAC address somebody has asked for", () => {
  const leases = fill(NETWORK, { ip: "10.87.3.6", macAddress: "0a:58:0a:57:03:02" }, {});
  assertEquals(leases.map(({ address }) => address), ["10.87.3.6", "10.87.3.3"]);
  assertEquals(chooseLease(NETWORK, leases, wish({ macAddress: "02:00:00:00:00:01" })).address, "10.87.3.2");
  refusal(NETWORK, leases, { ip: "10.87.3.2" }, "the MAC address 0a:58:0a:57:03:02 is in use by the container c0");
});
