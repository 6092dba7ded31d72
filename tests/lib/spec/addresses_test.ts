import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import {
  checkNames,
  formatAddress,
  isAddress,
  isIPv4,
  isIPv6,
  isMapped,
  parseAddress,
} from "../../../lib/spec/addresses.ts";

Deno.test("isIPv4() takes four numbers, and none that somebody reads as octal", () => {
  for (const text of ["0.0.0.0", "192.0.2.1", "255.255.255.255"]) assertEquals(isIPv4(text), true, text);
  for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.-4", "a.b.c.d"]) {
    assertEquals(isIPv4(text), false, text);
  }
});

Deno.test("isIPv6() takes what RFC 4291 has", () => {
  const good = [
    "::",
    "::1",
    "2001:db8::1",
    "1:2:3:4:5:6:7:8",
    "FE80::a",
    "::ffff:192.0.2.1",
    "1::8",
    "1:2:3:4:5:6:192.0.2.1",
  ];
  for (const text of good) assertEquals([isIPv6(text), isAddress(text)], [true, true], text);
  const bad = [
    "",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "12345::",
    "g::",
    "192.0.2.1::",
    "fe80::1%eth0",
  ];
  for (const text of [...bad, "1:2:3:4:5:6:7::8", "1.2.3.4"]) assertEquals(isIPv6(text), false, text);
});

Deno.test("parseAddress() gives the bytes of an address, and nothing for what is none", () => {
  assertEquals(parseAddress("192.0.2.1"), Uint8Array.of(192, 0, 2, 1));
  const sixteen = (...head: number[]): Uint8Array => Uint8Array.of(...head, ...new Uint8Array(16 - head.length));
  assertEquals(parseAddress("::"), sixteen());
  assertEquals(parseAddress("FE80::"), sixteen(0xfe, 0x80));
  assertEquals(parseAddress("::1"), sixteen(1).reverse());
  assertEquals(
    parseAddress("1:203:4:5:6:7:8:9abc"),
    Uint8Array.of(0, 1, 2, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0x9a, 0xbc),
  );
  assertEquals(parseAddress("1::ffff:192.0.2.1"), Uint8Array.of(0, 1, ...new Uint8Array(8), 0xff, 0xff, 192, 0, 2, 1));
  for (const text of ["", "1.2.3", "01.2.3.4", ":", ":::", "1::2::3", "fe80::1%eth0", "[::1]", "::1/64", "x"]) {
    assertEquals(parseAddress(text), undefined, text);
  }
});

Deno.test("formatAddress() writes an address as RFC 5952 does", () => {
  const written = {
    "192.0.2.1": "192.0.2.1",
    "::": "::",
    "0:0:0:0:0:0:0:1": "::1",
    "1:0:0:0:0:0:0:0": "1::",
    "2001:0db8::0001": "2001:db8::1",
    "2001:DB8:0:0:1:0:0:1": "2001:db8::1:0:0:1", // the first of two runs
    "2001:db8:0:0:1:0:0:0": "2001:db8:0:0:1::", // the longest
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1", // not one zero alone
    "2001:db8::1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "::ffff:c000:201": "::ffff:192.0.2.1",
    "::c000:201": "::c000:201",
    "1:2:3:4:5:6:7:8": "1:2:3:4:5:6:7:8",
  };
  for (const [text, expected] of Object.entries(written)) {
    assertEquals(formatAddress(parseAddress(text) ?? Uint8Array.of()), expected);
  }
  // A part of a larger buffer.
  assertEquals(
    formatAddress(Uint8Array.from({ length: 20 }, (_, index) => index).subarray(4)),
    "405:607:809:a0b:c0d:e0f:1011:1213",
  );
  assertThrows(() => formatAddress(new Uint8Array(6)), TypeError, "4 or 16 bytes, not 6");
});

Deno.test("isMapped() tells an IPv4 address that is written as IPv6", () => {
  const tell = (text: string): boolean => isMapped(parseAddress(text) ?? Uint8Array.of());
  assertEquals(["::ffff:192.0.2.1", "::ffff:0:0"].map(tell), [true, true]);
  assertEquals(
    ["192.0.2.1", "::1", "::1:ffff:1:2", "64:ff9b::192.0.2.1", "1::ffff:1:2"].map(tell).includes(true),
    false,
  );
});

Deno.test("checkNames() names what is no address and no name", () => {
  checkNames([{ name: "db_1.example", address: "::1" }], ["192.0.2.1"], ["example", "."]);
  assertThrows(() => checkNames([{ name: "db", address: "x" }], [], []), UsageError, '"x" is no IP address');
  assertThrows(() => checkNames([], ["1.2.3"], []), UsageError, '"1.2.3" is no IP address');
  for (const name of ["", "a b", "-a", "a\nb", "."]) {
    assertThrows(() => checkNames([{ name, address: "::1" }], [], []), UsageError, "name of a host");
  }
  assertThrows(() => checkNames([], [], ["a\n"]), UsageError, "name of a host");
});
