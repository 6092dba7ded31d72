import { assert, assertEquals, assertThrows } from "@std/assert";
import { DATA_ADDRESS, TEXT_ADDRESS } from "../../ffi/elf.ts";
import { decodeReport, type Image, link } from "../../ffi/link.ts";
import { listing } from "../../ffi/listing.ts";
import { ProgramBuilder } from "../../ffi/program.ts";
import { INSTRUCTION_SIZE } from "../../ffi/routines/format.ts";

const DATA_OFFSET = 0x1000;
const HEADER = 32;

/** The words of an instruction, unsigned. */
function words(image: Image, index: number): bigint[] {
  const view = new DataView(image.elf.buffer, DATA_OFFSET + HEADER + index * INSTRUCTION_SIZE);
  return Array.from({ length: 9 }, (_, word) => view.getBigUint64(word * 8, true));
}

const build = (fill: (b: ProgramBuilder) => void): Image => {
  const b = new ProgramBuilder("x86_64");
  fill(b);
  return link(b.build());
};

Deno.test("link() makes an ELF file with code that can't be written and data that can't be executed", () => {
  const { elf } = build((b) => b.exit(0, "end"));
  const view = new DataView(elf.buffer);
  assertEquals([view.getUint32(0), view.getUint16(16, true), view.getUint16(18, true)], [0x7f454c46, 2, 62]);
  assertEquals(view.getUint16(56, true), 3);
  const segments = [0, 1, 2].map((
    index,
  ) => [view.getUint32(64 + index * 56, true), view.getUint32(68 + index * 56, true)]);
  assertEquals(segments, [[1, 5], [1, 6], [0x6474e551, 6]]);
  assertEquals(view.getBigUint64(24, true), BigInt(TEXT_ADDRESS + 64 + 3 * 56));
});

Deno.test("link() encodes operands as numbers, addresses, and slots that are read", () => {
  const image = build((b) => {
    const text = b.string("hello");
    const slot = b.call("getpid", [], "pid", { label: "get the pid" });
    b.syscall("write", [slot, b.at(text, 2), 2 ** 40 + 5, -100, b.addressOf(slot), 5n], { label: "write" });
  });
  const [pid, write] = [words(image, 0), words(image, 1)];
  assertEquals([pid[0], pid[1]], [0n, 39n]);
  const slot = pid[8] ?? 0n;
  assertEquals(write[0], 1n << 32n);
  assertEquals([write[1], write[2], write[4], write[5], write[6], write[7]], [
    1n,
    slot,
    2n ** 40n + 5n,
    2n ** 64n - 100n,
    slot,
    5n,
  ]);
  const at = Number(write[3]) - DATA_ADDRESS + DATA_OFFSET;
  assertEquals(new TextDecoder().decode(image.elf.subarray(at, at + 4)), "llo\0");
});

Deno.test("link() stores a string once, and keeps zeroes out of the file", () => {
  const size = (fill: (b: ProgramBuilder) => void) => build(fill).elf.length;
  const once = size((b) => void b.string("some text"));
  assertEquals(size((b) => [b.string("some text"), b.string("some text")].length), once);
  assertEquals(size((b) => [b.string("some text"), b.buffer(100_000)].length), once);
});

Deno.test("link() resolves branches forwards and backwards", () => {
  const image = build((b) => {
    const end = b.target();
    const loop = b.place();
    b.branch(1, "<", 2, end, "leave");
    b.goto(loop, "again");
    b.place(end);
    b.exit(0, "end");
  });
  const address = (index: number) => BigInt(DATA_ADDRESS + HEADER + index * INSTRUCTION_SIZE);
  assertEquals([words(image, 0)[8], words(image, 1)[8]], [address(2), address(0)]);
  assertEquals([words(image, 0)[1], words(image, 1)[1]], [1n, 7n]);
});

Deno.test("link() makes an instruction fail by an impossible number, tolerated or not", () => {
  const b = new ProgramBuilder("x86_64");
  b.syscall("close", [1], { label: "a", optional: true, tolerate: 9 });
  const plain = words(link(b.build()), 0);
  const failing = words(link(b.build(), { failAt: 0 }), 0);
  assertEquals([plain[0], plain[1]], [1n << 8n | 9n << 16n, 3n]);
  assertEquals([failing[0], failing[1]], [0n, 0xffffn]);
});

Deno.test("build() refuses a branch to nowhere, and a NUL in a string", () => {
  const b = new ProgramBuilder("x86_64");
  b.goto(b.target(), "nowhere");
  assertThrows(() => b.build(), Error, "never placed");
  assertThrows(() => b.string("a\0b"), TypeError, "NUL");
});

Deno.test("decodeReport() finds the instruction, or says that it was the stub", () => {
  const image = build((b) => {
    b.syscall("getpid", [], { label: "first" });
    b.syscall("close", [1], { label: "second" });
  });
  const report = (where: number, errno: number): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(where), true);
    new DataView(bytes.buffer).setBigInt64(8, BigInt(-errno), true);
    return bytes;
  };
  const second = decodeReport(image, report(DATA_ADDRESS + HEADER + INSTRUCTION_SIZE, 9));
  assertEquals([second.index, second.errno, second.instruction?.label], [1, 9, "second"]);
  assertEquals(decodeReport(image, report(2, 8)), { index: -1, instruction: undefined, errno: 8 });
});

Deno.test("listing() reads like C, with one heading for each step", () => {
  const b = new ProgramBuilder("x86_64");
  const fd = b.call("openat", [-100, b.string('a "b"'), 0], "file", { label: "open it" });
  b.syscall("close", [fd], { label: "close it", tolerate: 9 });
  b.require(fd, ">", 0, { label: "see that it was open" });
  b.exit(0, "end");
  assertEquals(
    listing(b.build()),
    `open it\n  1  $file = openat(-100, "a \\"b\\"", 0)\nclose it\n  2  close($file)  // error 9 is passed over\n` +
      `check: see that it was open\n  3  if $file > 0, go to 5\nsee that it was open\n  4  fail\nend\n  5  exit with the wait status 0\n`,
  );
  assert(listing(b.build()) === listing(b.build()));
});
