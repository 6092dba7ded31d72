import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { checkNames, isAddress, isIPv4, isIPv6 } from "../../../lib/spec/addresses.ts";

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

Deno.test("checkNames() names what is no address and no name", () => {
  checkNames([{ name: "db_1.example", address: "::1" }], ["192.0.2.1"], ["example", "."]);
  assertThrows(() => checkNames([{ name: "db", address: "x" }], [], []), UsageError, '"x" is no IP address');
  assertThrows(() => checkNames([], ["1.2.3"], []), UsageError, '"1.2.3" is no IP address');
  for (const name of ["", "a b", "-a", "a\nb", "."]) {
    assertThrows(() => checkNames([{ name, address: "::1" }], [], []), UsageError, "name of a host");
  }
  assertThrows(() => checkNames([], [], ["a\n"]), UsageError, "name of a host");
});
