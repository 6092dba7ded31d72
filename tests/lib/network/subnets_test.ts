import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import {
  chooseSubnet,
  contains,
  formatAddress,
  formatSubnet,
  hostAt,
  hostIndex,
  macFor,
  overlaps,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetOf,
  uniqueLocal,
  usableCount,
} from "../../../lib/network/subnets.ts";

/** A subnet of any size. */
function net(text: string): Subnet {
  const [address = "", prefix] = text.split("/");
  return subnetOf(parseAddress(address) ?? Uint8Array.of(), Number(prefix));
}

Deno.test("subnetOf() clears what comes after the prefix", () => {
  const cleared = {
    "255.255.255.255/0": "0.0.0.0/0",
    "255.255.255.255/1": "128.0.0.0/1",
    "10.87.255.255/20": "10.87.240.0/20",
    "10.87.3.4/24": "10.87.3.0/24",
    "10.87.3.7/31": "10.87.3.6/31",
    "10.87.3.4/32": "10.87.3.4/32",
    "ffff:ffff:ffff:ffff::1/61": "ffff:ffff:ffff:fff8::/61",
    "2001:db8::1/128": "2001:db8::1/128",
    "2001:db8::1/0": "::/0",
  };
  for (const [text, expected] of Object.entries(cleared)) assertEquals(formatSubnet(net(text)), expected);
  const bytes = Uint8Array.of(10, 1, 2, 3);
  subnetOf(bytes, 8);
  assertEquals(formatAddress(bytes), "10.1.2.3");
});

Deno.test("parseSubnet() reads subnets of the sizes that networks of containers have", () => {
  assertEquals(parseSubnet("10.87.0.0/24"), { family: 4, address: "10.87.0.0", prefix: 24 });
  assertEquals(parseSubnet("FD00:1:0::/64"), { family: 6, address: "fd00:1::", prefix: 64 });
  for (const text of ["10.0.0.0/8", "192.168.1.8/29", "fd00:1:2::/48", "2001:db8::7f00/120"]) {
    assertEquals(formatSubnet(parseSubnet(text)), text);
  }
});

Deno.test("parseSubnet() says what is wrong with a text, and what to write", () => {
  const bad: readonly (readonly [string, string, string])[] = [
    ["", "no length after a slash", "10.87.0.0/24"],
    ["10.87.0.0", "no length after a slash", "10.87.0.0/24"],
    ["/24", '"" in "/24" is no IP address', "10.87.0.0/24"],
    ["10.87.0/24", '"10.87.0" in', "10.87.0.0/24"],
    ["[fd00::]/64", "is no IP address", "fd00:1::/64"],
    ["10.87.0.0/", '"" in "10.87.0.0/" is no number of bits', "10.87.0.0/24"],
    ["10.87.0.0/024", '"024" in', "10.87.0.0/24"],
    ["10.87.0.0/-1", '"-1" in', "10.87.0.0/24"],
    ["10.87.0.0/24/24", '"24/24" in', "10.87.0.0/24"],
    ["10.87.0.0/255.255.255.0", '"255.255.255.0" in', "10.87.0.0/24"],
    ["10.87.0.0/24 ", '"24 " in', "10.87.0.0/24"],
    ["0.0.0.0/0", "larger than every private network", "from /8 to /29"],
    ["10.0.0.0/7", "larger than every private network", "from /8 to /29"],
    ["10.87.0.0/30", "too small for a gateway", "from /8 to /29"],
    ["10.87.0.0/33", "too small for a gateway", "from /8 to /29"],
    ["fd00::/47", "larger than a whole site", "from /48 to /120"],
    ["fd00::/121", "fewer than 256 addresses", "from /48 to /120"],
    ["10.87.0.5/24", "is an address in a subnet, and no subnet", "write 10.87.0.0/24"],
    ["10.87.0.8/28", "is an address in a subnet, and no subnet", "write 10.87.0.0/28"],
    ["fd00:1::1/64", "is an address in a subnet, and no subnet", "write fd00:1::/64"],
    ["127.0.0.0/8", "no container can have", "10.87.0.0/24"],
    ["0.0.0.0/8", "no container can have", "10.87.0.0/24"],
    ["169.254.7.0/24", "no container can have", "10.87.0.0/24"],
    ["224.0.0.0/24", "no container can have", "10.87.0.0/24"],
    ["240.0.0.0/8", "no container can have", "10.87.0.0/24"],
    ["::/64", "no container can have", "fd00:1::/64"],
    ["::ffff:0:0/96", "no container can have", "fd00:1::/64"],
    ["fe80::/64", "no container can have", "fd00:1::/64"],
    ["ff02::/64", "no container can have", "fd00:1::/64"],
    ["\x1b[2J", "\\x1b[2J", "10.87.0.0/24"],
  ];
  for (const [text, message, hint] of bad) {
    const error = assertThrows(() => parseSubnet(text), UsageError, message, text);
    assertStringIncludes(error.hint ?? "", hint, text);
  }
});

Deno.test("contains() tells whether an address is in a subnet", () => {
  const inside = [
    ["10.87.0.0/24", "10.87.0.0"],
    ["10.87.0.0/24", "10.87.0.255"],
    ["10.87.0.128/25", "10.87.0.200"],
    ["0.0.0.0/0", "255.1.2.3"],
    ["10.87.0.7/32", "10.87.0.7"],
    ["fd00:1::/64", "fd00:1::ffff:ffff:ffff:ffff"],
    ["::/0", "fe80::1"],
    ["fd00::1/128", "FD00:0::1"],
  ] as const;
  for (const [subnet, address] of inside) assert(contains(net(subnet), address), `${subnet} ${address}`);
  const outside = [
    ["10.87.0.0/24", "10.87.1.0"],
    ["10.87.0.128/25", "10.87.0.127"],
    ["10.87.0.7/32", "10.87.0.6"],
    ["0.0.0.0/0", "::1"],
    ["::/0", "10.0.0.1"],
    ["fd00:1::/61", "fd00:1:0:8::"],
    ["10.87.0.0/24", "10.87.0.1/24"],
    ["10.87.0.0/24", ""],
  ] as const;
  for (const [subnet, address] of outside) assert(!contains(net(subnet), address), `${subnet} ${address}`);
});

Deno.test("overlaps() tells, whichever way round", () => {
  const cases = [
    ["10.87.0.0/24", "10.87.0.0/24", true],
    ["10.87.0.0/16", "10.87.3.0/24", true],
    ["0.0.0.0/0", "10.87.3.0/24", true],
    ["10.87.0.0/24", "10.87.0.255/32", true],
    ["10.87.0.0/24", "10.87.1.0/24", false],
    ["10.87.0.0/25", "10.87.0.128/25", false],
    ["0.0.0.0/0", "::/0", false],
    ["fd00::/48", "fd00:0:0:1::/64", true],
    ["fd00::/64", "fd00:0:0:1::/64", false],
  ] as const;
  for (const [one, other, expected] of cases) {
    assertEquals([overlaps(net(one), net(other)), overlaps(net(other), net(one))], [expected, expected], one + other);
  }
});

Deno.test("hostAt() and hostIndex() are each other's inverse", () => {
  const places = [
    ["10.87.0.0/24", 0, "10.87.0.0"],
    ["10.87.0.0/24", 255, "10.87.0.255"],
    ["10.87.0.8/29", 7, "10.87.0.15"],
    ["10.0.0.0/8", 256, "10.0.1.0"],
    ["10.0.0.0/8", 2 ** 24 - 1, "10.255.255.255"],
    ["172.16.0.0/12", 0xf_0102, "172.31.1.2"],
    ["0.0.0.0/0", 2 ** 32 - 1, "255.255.255.255"],
    ["10.87.0.9/32", 0, "10.87.0.9"],
    ["fd00:1::/64", 1, "fd00:1::1"],
    ["fd00:1::/64", 2 ** 31 - 1, "fd00:1::7fff:ffff"],
    ["fd00:1::/64", Number.MAX_SAFE_INTEGER, "fd00:1::1f:ffff:ffff:ffff"],
    ["2001:db8::7f00/120", 254, "2001:db8::7ffe"],
    ["2001:db8::4/126", 3, "2001:db8::7"],
    ["2001:db8::1/128", 0, "2001:db8::1"],
  ] as const;
  for (const [subnet, index, address] of places) {
    assertEquals([hostAt(net(subnet), index), hostIndex(net(subnet), address)], [address, index], address);
  }
  for (const index of [-1, 256, 1.5, NaN]) {
    assertThrows(() => hostAt(net("10.87.0.0/24"), index), RangeError, `no address ${index} in 10.87.0.0/24`);
  }
  assertThrows(() => hostAt(net("fd00::/64"), 2 ** 53), RangeError);
  assertEquals(hostIndex(net("10.87.0.0/24"), "10.87.1.0"), undefined);
  assertEquals(hostIndex(net("10.87.0.0/24"), "fd00::1"), undefined);
  assertEquals(hostIndex(net("10.87.0.0/24"), "x"), undefined);
  assertEquals(hostIndex(net("fd00:1::/64"), "fd00:1::20:0:0:0"), undefined);
});

Deno.test("usableCount() is the last place that somebody can have", () => {
  const counts = {
    "10.87.0.0/24": 254,
    "10.87.0.0/29": 6,
    "10.0.0.0/8": 2 ** 24 - 2,
    "10.87.0.0/31": 0,
    "10.87.0.0/32": 0,
    "fd00::/120": 255,
    "fd00::/64": 2 ** 31 - 1,
    "fd00::/97": 2 ** 31 - 1,
    "fd00::/98": 2 ** 30 - 1,
    "fd00::/128": 0,
  };
  for (const [text, count] of Object.entries(counts)) {
    assertEquals(usableCount(net(text)), count, text);
    if (count > 0) assert(contains(net(text), hostAt(net(text), count)));
  }
});

Deno.test("chooseSubnet() takes the first /24 that is free", () => {
  const choose = (...taken: string[]): string | undefined => {
    const subnet = chooseSubnet(taken.map(net));
    return subnet === undefined ? undefined : formatSubnet(subnet);
  };
  assertEquals(choose(), "10.87.0.0/24");
  assertEquals(choose("10.87.0.0/24", "10.87.1.0/24"), "10.87.2.0/24");
  assertEquals(choose("10.87.1.0/24"), "10.87.0.0/24");
  assertEquals(choose("10.87.0.255/32", "10.87.1.0/32"), "10.87.2.0/24");
  assertEquals(choose("10.87.0.0/22", "::/0", "10.86.0.0/16"), "10.87.4.0/24");
  assertEquals(choose("10.87.0.0/17", "10.87.128.0/18", "10.87.192.0/18"), "172.29.0.0/24");
  assertEquals(choose("10.0.0.0/8"), "172.29.0.0/24");
  assertEquals(choose("10.0.0.0/8", "172.16.0.0/12"), "192.168.128.0/24");
  assertEquals(choose("10.0.0.0/8", "172.16.0.0/12", "192.168.128.0/18"), "192.168.192.0/24");
  assertEquals(choose("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), undefined);
  assertEquals(choose("0.0.0.0/0"), undefined);
});

Deno.test("chooseSubnet() can be asked until nothing is left, and never gives the same twice", () => {
  const taken: Subnet[] = [];
  for (let subnet = chooseSubnet(taken); subnet !== undefined; subnet = chooseSubnet(taken)) {
    assertEquals(parseSubnet(formatSubnet(subnet)), subnet);
    taken.push(subnet);
  }
  assertEquals(new Set(taken.map(formatSubnet)).size, 256 + 256 + 128);
  assertEquals(formatSubnet(taken.at(-1) ?? net("::/0")), "192.168.255.0/24");
});

Deno.test("uniqueLocal() makes a network of 40 random bits", () => {
  assertEquals(formatSubnet(uniqueLocal(Uint8Array.of(0x12, 0x34, 0x56, 0x78, 0x9a))), "fd12:3456:789a::/64");
  assertEquals(uniqueLocal(new Uint8Array(5)), { family: 6, address: "fd00::", prefix: 64 });
  assertEquals(parseSubnet("fdff:ffff:ffff::/64"), uniqueLocal(new Uint8Array(5).fill(0xff)));
  assertThrows(() => uniqueLocal(new Uint8Array(4)), TypeError, "5 random bytes, not 4");
});

Deno.test("macFor() is CNI's address for an IPv4 address", () => {
  assertEquals(macFor("10.87.0.255"), "0a:58:0a:57:00:ff");
  assertEquals(macFor("0.0.0.0"), "0a:58:00:00:00:00");
  for (const text of ["fd00::1", "10.87.0", ""]) assertThrows(() => macFor(text), TypeError);
});
