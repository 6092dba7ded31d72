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
    `open it\n  1  $file = openat(-100, "a \\"b\\"", 0)\nclose it\n  2  close($file)  // EBADF is passed over\n` +
      `check: see that it was open\n  3  if $file > 0, go to 5\nsee that it was open\n  4  fail\nend\n  5  exit with the wait status 0\n`,
  );
  assert(listing(b.build()) === listing(b.build()));
});

const machineWord = (elf: Uint8Array<ArrayBuffer>, at: number): number =>
  Number(new DataView(elf.buffer).getBigUint64(at, true));

Deno.test("link() makes the same data for both architectures, and each its own headers and numbers", () => {
  const image = (architecture: "x86_64" | "aarch64"): Image => {
    const b = new ProgramBuilder(architecture);
    b.syscall("openat", [-100, b.string("/a")], { label: "open" });
    return link(b.build());
  };
  const [intel, arm] = [image("x86_64"), image("aarch64")];
  const machine = ({ elf }: Image) => new DataView(elf.buffer).getUint16(18, true);
  assertEquals([machine(intel), machine(arm)], [62, 183]);
  assertEquals([words(intel, 0)[1], words(arm, 0)[1]], [257n, 56n]);
  assertEquals(words(intel, 0).slice(2), words(arm, 0).slice(2));
});

Deno.test("link() puts segments where kernels with pages of 4 and of 64 KiB can map them", () => {
  const { elf } = build((b) => void b.buffer(100_000));
  for (const index of [0, 1]) {
    const at = 64 + index * 56;
    const [offset, address, alignment] = [
      machineWord(elf, at + 8),
      machineWord(elf, at + 16),
      machineWord(elf, at + 48),
    ];
    assertEquals([offset % 0x10000, alignment], [address % 0x10000, 0x10000]);
  }
  const [fileSize, memorySize] = [machineWord(elf, 120 + 32), machineWord(elf, 120 + 40)];
  assertEquals([fileSize, memorySize >= fileSize + 100_000], [elf.length - DATA_OFFSET, true]);
});

Deno.test("link() keeps the program behind its header: where it begins, and where it reports", () => {
  const { elf } = build((b) => b.exit(0, "end"));
  assertEquals([machineWord(elf, DATA_OFFSET), machineWord(elf, DATA_OFFSET + 8)], [DATA_ADDRESS + HEADER, 3]);
});

Deno.test("link() gives every slot eight bytes of its own, zeroes to begin with", () => {
  const image = build((b) => {
    const [one, two] = [b.slot("one"), b.slot("two")];
    b.syscall("ppoll", [b.addressOf(one), b.addressOf(two), one, two], { label: "slots" });
  });
  const [one, two] = words(image, 0).slice(2);
  assertEquals([Number(two) - Number(one), words(image, 0)[0]], [8, 0b1100n << 32n]);
  assertEquals([words(image, 0)[4], words(image, 0)[5]], [one, two]);
  assertEquals(machineWord(image.elf, DATA_OFFSET + Number(one) - DATA_ADDRESS), 0);
});

Deno.test("link() stores words of every size, and references as addresses", () => {
  const numbers = [0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 32 + 7, -(2 ** 32) - 7, 2 ** 53 - 1, -(2 ** 53) + 1];
  const image = build((b) => {
    const text = b.string("text");
    b.syscall("close", [b.words([...numbers, b.at(text, 1)])], { label: "words" });
  });
  const at = Number(words(image, 0)[2]) - DATA_ADDRESS + DATA_OFFSET;
  assertEquals(at % 8, 0);
  const view = new DataView(image.elf.buffer, at);
  assertEquals(numbers.map((_, index) => Number(view.getBigInt64(index * 8, true))), numbers);
  const text = Number(view.getBigUint64(numbers.length * 8, true)) - DATA_ADDRESS + DATA_OFFSET;
  assertEquals(new TextDecoder().decode(image.elf.subarray(text, text + 4)), "ext\0");
});

Deno.test("link() keeps operands of every size, as numbers and as BigInt", () => {
  const operands = [0xffffffff, 2 ** 32, -1, -(2 ** 40), 2n ** 63n, -1n];
  const image = build((b) => b.syscall("prctl", operands, { label: "operands" }));
  assertEquals(words(image, 0).slice(2, 8), operands.map((operand) => BigInt.asUintN(64, BigInt(operand))));
});

Deno.test("link() writes nothing of one instruction into its neighbours, and nothing of bytes beside them", () => {
  const image = build((b) => {
    const bytes = b.bytes(new Uint8Array([1, 2, 3]));
    b.copy(b.buffer(8), bytes, 3, "copy");
    b.exit(256, "end");
  });
  const [copy, exit] = [words(image, 0), words(image, 1)];
  assertEquals([copy[0], copy[1], copy.slice(4)], [1n, 0n, [3n, 0n, 0n, 0n, 0n]]);
  assertEquals([exit[0], exit[1], exit[2], exit.slice(3)], [3n, 0n, 256n, [0n, 0n, 0n, 0n, 0n, 0n]]);
  const at = Number(copy[3]) - DATA_ADDRESS + DATA_OFFSET;
  assertEquals([...image.elf.subarray(at, at + 8)], [1, 2, 3, 0, 0, 0, 0, 0]);
});

Deno.test("link() lets exactly the instruction fail that a test names, and leaves the program as it is", () => {
  const b = new ProgramBuilder("x86_64");
  for (const label of ["a", "b", "c"]) b.syscall("close", [1], { label, optional: true });
  const before = JSON.stringify(b.build());
  const image = link(b.build(), { failAt: 1 });
  assertEquals([0, 1, 2].map((index) => words(image, index)[1]), [3n, 0xffffn, 3n]);
  assertEquals([image.program.instructions.length, JSON.stringify(b.build())], [3, before]);
  assertEquals(link(b.build(), { failAt: 99 }).elf, link(b.build()).elf);
});

Deno.test("decodeReport() reads a report that lies anywhere in a buffer, and one that makes no sense", () => {
  const image = build((b) => b.syscall("getpid", [], { label: "only" }));
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer, 5);
  view.setBigUint64(0, BigInt(DATA_ADDRESS + HEADER), true);
  view.setBigInt64(8, -13n, true);
  const { index, errno, instruction } = decodeReport(image, bytes.subarray(5, 21));
  assertEquals([index, errno, instruction?.label], [0, 13, "only"]);
  view.setBigUint64(0, BigInt(DATA_ADDRESS + HEADER + 1000 * INSTRUCTION_SIZE), true);
  assertEquals(decodeReport(image, bytes.subarray(5, 21)).instruction, undefined);
});
