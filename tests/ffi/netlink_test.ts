import { assert, assertEquals } from "@std/assert";
import {
  type Attribute,
  decodeAttributes,
  encodeAttributes,
  encodeMessages,
  type Message,
  splitMessages,
} from "../../ffi/netlink.ts";

/** Bytes from hexadecimal digits; blanks are for the reader. */
const hex = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.fromHex(text.replace(/\s/g, ""));
const attributes = (...list: readonly Attribute[]): string => encodeAttributes(list).toHex();
const show = (found: Map<number, Uint8Array>): (readonly [number, string])[] =>
  [...found].map(([type, bytes]) => [type, bytes.toHex()]);
const split = (bytes: Uint8Array<ArrayBuffer>): (readonly [number, number, number, string])[] =>
  [...splitMessages(bytes)].map(({ type, sequence, port, body }) => [type, sequence, port, body.toHex()]);

/** Bytes in the middle of others, which would show if somebody read outside. */
function inside(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytes.length + 64).fill(0x5a);
  all.set(bytes, 32);
  return all.subarray(32, 32 + bytes.length);
}

Deno.test("encodeAttributes() writes length, type and value, padded to four bytes", () => {
  assertEquals(attributes(), "");
  // struct rtattr: rta_len counts itself and the value, not the padding.
  assertEquals(attributes([3, ""]), "05000300" + "00000000");
  assertEquals(attributes([3, "lo"]), "07000300" + "6c6f0000");
  assertEquals(attributes([3, "eth"]), "08000300" + "65746800");
  assertEquals(attributes([3, "eth0"]), "09000300" + "6574683000000000");
  assertEquals(attributes([3, "ü"]), "07000300" + "c3bc0000");
  assertEquals(attributes([4, 1500]), "08000400" + "dc050000");
  assertEquals(attributes([4, 0xffffffff]), "08000400" + "ffffffff");
  assertEquals(attributes([1, new Uint8Array()]), "04000100");
  assertEquals(attributes([1, hex("0a580a570001")]), "0a000100" + "0a580a5700010000");
  assertEquals(attributes([4, 1], [3, "a"]), "0800040001000000" + "0600030061000000");
});

Deno.test("encodeAttributes() nests attributes, and says so in their type", () => {
  assertEquals(attributes([18, []]), "04001280");
  assertEquals(attributes([18, [[1, "veth"]]]), "10001280" + "09000100" + "7665746800000000");
  assertEquals(
    attributes([18, [[2, [[1, hex("ff")]]]]], [4, 2]),
    "10001280" + "0c000280" + "05000100ff000000" + "0800040002000000",
  );
});

Deno.test("encodeMessages() numbers a batch, asks for an answer to each, and begins each at four bytes", () => {
  const message = (attributes: readonly Attribute[], flags = 0): Message => ({
    step: "do it",
    type: 16,
    flags,
    header: hex("00112233"),
    attributes,
  });
  assertEquals(encodeMessages([]).length, 0);
  assertEquals(
    encodeMessages([message([]), message([[3, "eth0"]], 0x600)]).toHex(),
    // struct nlmsghdr: length, type, flags, sequence number, port.
    "14000000" + "1000" + "0500" + "01000000" + "00000000" + "00112233" +
      "20000000" + "1000" + "0506" + "02000000" + "00000000" + "00112233" + "09000300" + "6574683000000000",
  );
});

Deno.test("decodeAttributes() reads what encodeAttributes() writes", () => {
  const written = encodeAttributes([[3, "lo"], [4, 1500], [18, [[1, "bridge"]]], [20, ""]]);
  const read = decodeAttributes(inside(written));
  assertEquals(show(read), [
    [3, "6c6f00"],
    [4, "dc050000"],
    [18, "0b000100" + "62726964676500" + "00"],
    [20, "00"],
  ]);
  const nested = read.get(18) ?? new Uint8Array();
  assertEquals(show(decodeAttributes(nested)), [[1, "62726964676500"]]);
  assertEquals(show(decodeAttributes(encodeAttributes([[4, 1], [4, 2]]))), [[4, "02000000"]]);
});

Deno.test("decodeAttributes() ends at what can't be, and never reads outside", () => {
  const whole = encodeAttributes([[3, "lo"], [4, 7]]);
  for (let length = 0; length <= whole.length; length++) {
    // The last padding isn't missed.
    const expected = length < 7 ? [] : length < 16 ? [[3, "6c6f00"]] : [[3, "6c6f00"], [4, "07000000"]];
    assertEquals(
      show(decodeAttributes(inside(whole.subarray(0, length)))),
      expected as [number, string][],
      `${length}`,
    );
  }
  for (const length of [0, 1, 2, 3, 9, 0x7fff, 0xfffd, 0xffff]) {
    const bad = hex("0000030061000000");
    new DataView(bad.buffer).setUint16(0, length, true);
    assertEquals(show(decodeAttributes(inside(bad))), [], `length ${length}`);
    const after = new Uint8Array([...encodeAttributes([[4, 7]]), ...bad]);
    assertEquals(show(decodeAttributes(inside(after))), [[4, "07000000"]], `length ${length}`);
  }
});

Deno.test("splitMessages() gives the messages of what was read, also where one isn't padded", () => {
  const one = "14000000" + "0200" + "0000" + "01000000" + "2a000000" + "00000000";
  const odd = "11000000" + "0300" + "0200" + "02000000" + "2a000000" + "07";
  assertEquals(split(inside(hex(one + odd + "000000" + one))), [
    [2, 1, 42, "00000000"],
    [3, 2, 42, "07"],
    [2, 1, 42, "00000000"],
  ]);
  assertEquals(split(inside(hex(odd))), [[3, 2, 42, "07"]]);
  assertEquals(split(new Uint8Array()), []);
});

Deno.test("splitMessages() ends at what can't be, and never reads outside", () => {
  const one = hex("14000000" + "0200" + "0000" + "01000000" + "2a000000" + "deadbeef");
  for (let length = 0; length < 40; length++) {
    const bytes = inside(new Uint8Array([...one, ...one]).subarray(0, length));
    assertEquals(split(bytes).length, length < 20 ? 0 : 1, `${length} bytes`);
  }
  for (const length of [0, 1, 15, 21, 24, 0x7fffffff, 0x80000000, 0xfffffffd, 0xffffffff]) {
    const bad = one.slice();
    new DataView(bad.buffer).setUint32(0, length, true);
    assertEquals(split(inside(bad)), [], `length ${length}`);
    assertEquals(split(inside(new Uint8Array([...one, ...bad]))).length, 1, `length ${length}`);
  }
});

Deno.test("decodeAttributes() and splitMessages() come to an end with anything", () => {
  // A generator of numbers that are the same in every run: Numerical Recipes, "ranqd1".
  let state = 1;
  const random = (): number => state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  for (let round = 0; round < 2000; round++) {
    const bytes = new Uint8Array(random() % 64).map(() => random() >> 24 & (round % 2 === 0 ? 0xff : 0x1f));
    const part = inside(bytes);
    const isInside = (found: Uint8Array): boolean =>
      found.buffer === part.buffer && found.byteOffset >= part.byteOffset &&
      found.byteOffset + found.length <= part.byteOffset + part.length;
    for (const found of decodeAttributes(part).values()) assert(isInside(found), bytes.toHex());
    for (const { body } of splitMessages(part)) assert(isInside(body), bytes.toHex());
  }
});
