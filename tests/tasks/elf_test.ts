import { assertEquals, assertThrows } from "@std/assert";
import { slotOf } from "../../tasks/packer/dynamic.ts";
import { addSegment, ElfError, placeSegment, readElf, type Segment } from "../../tasks/packer/elf.ts";
import { segmentBytes } from "../../tasks/packer.ts";

const [PT_LOAD, PT_DYNAMIC, PT_NOTE] = [1, 2, 4];
const MACHINE = { x86_64: 62, aarch64: 183 } as const;

const segment = (type: number, at: number, size: number, flags = 4): Segment => ({
  type,
  flags,
  offset: at,
  vaddr: at,
  filesz: size,
  memsz: size,
  align: 0x1000,
});

/** A file of 8 KiB with these program headers. */
function elf(segments: readonly Segment[], architecture: keyof typeof MACHINE = "x86_64"): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8192);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = new DataView(bytes.buffer);
  view.setUint16(18, MACHINE[architecture], true);
  view.setBigUint64(24, 0x1234n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  segments.forEach(({ type, flags, offset, vaddr, filesz, memsz, align }, index) => {
    const at = 64 + index * 56;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    [offset, vaddr, vaddr, filesz, memsz, align].forEach((word, i) =>
      view.setBigUint64(at + 8 + i * 8, BigInt(word), true)
    );
  });
  return bytes;
}

const SEGMENTS = [segment(PT_NOTE, 0x300, 0x20), segment(PT_LOAD, 0, 0x1000, 5), segment(PT_LOAD, 0x1000, 0x800, 6)];

Deno.test("readElf() reads back the headers that are there", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const read = readElf(elf(SEGMENTS, architecture));
    assertEquals(read, { architecture, entry: 0x1234, headersOffset: 64, segments: SEGMENTS });
  }
});

Deno.test("readElf() says what it can't read", () => {
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = elf(SEGMENTS);
    bytes[at] = value;
    return bytes;
  };
  const cases = [
    [changed(0, 0), "not an ELF file"],
    [elf([]).subarray(0, 63), "not an ELF file"],
    [changed(4, 1), "not a 64-bit little-endian"],
    [changed(5, 2), "not a 64-bit little-endian"],
    [changed(18, 3), "unknown machine 3"],
    [changed(54, 32), "unknown size of program headers"],
    [changed(57, 1), "program headers are far away"],
    [changed(33, 0xff), "program headers are far away"],
    [changed(39, 0xff), "program headers are far away"],
  ] as const;
  for (const [bytes, says] of cases) assertThrows(() => readElf(bytes), ElfError, says);
});

Deno.test("readElf() takes bytes from the middle of a larger buffer", () => {
  const bytes = new Uint8Array(16384);
  bytes.set(elf(SEGMENTS), 100);
  assertEquals(readElf(bytes.subarray(100)), readElf(elf(SEGMENTS)));
});

Deno.test("placeSegment() goes behind the file and behind memory, on a page of the largest size there may be", () => {
  const bss = { ...segment(PT_LOAD, 0x2000, 0x10), memsz: 0x5001 };
  const cases = [
    ["x86_64", 8192, { offset: 0x2000, vaddr: 0x8000, align: 0x1000 }],
    ["x86_64", 8193, { offset: 0x3000, vaddr: 0x8000, align: 0x1000 }],
    ["aarch64", 8193, { offset: 0x10000, vaddr: 0x10000, align: 0x10000 }],
  ] as const;
  for (const [architecture, size, expected] of cases) {
    assertEquals(placeSegment(readElf(elf([...SEGMENTS, bss], architecture)), size), expected);
  }
});

Deno.test("addSegment() gives the note's place to the new segment, last, and moves the entry point there", () => {
  const head = elf(SEGMENTS);
  const before = head.slice();
  const placement = { offset: 0x2000, vaddr: 0x9000, align: 0x1000 };
  const changed = addSegment(head, placement, 777);
  const READ_EXECUTE = 5;
  assertEquals(readElf(changed), {
    architecture: "x86_64",
    entry: 0x9000,
    headersOffset: 64,
    segments: [...SEGMENTS.slice(1), { ...placement, type: PT_LOAD, flags: READ_EXECUTE, filesz: 777, memsz: 777 }],
  });
  assertEquals(head, before);
  // Nothing but the entry point and the headers is touched.
  const headersEnd = 64 + SEGMENTS.length * 56;
  assertEquals(changed.subarray(headersEnd), head.subarray(headersEnd));
  assertEquals([changed.subarray(0, 24), changed.subarray(32, 64)], [head.subarray(0, 24), head.subarray(32, 64)]);
});

Deno.test("addSegment() keeps loadable segments in the order of their addresses", () => {
  const head = elf([segment(PT_LOAD, 0, 0x1000), segment(PT_NOTE, 0x300, 0x20), segment(PT_LOAD, 0x1000, 0x800)]);
  const { segments } = readElf(addSegment(head, placeSegment(readElf(head), head.length), 1));
  assertEquals(segments.map(({ type, vaddr }) => [type, vaddr]), [[1, 0], [1, 0x1000], [1, 0x2000]]);
});

Deno.test("addSegment() replaces one note of several", () => {
  const head = elf([...SEGMENTS, segment(PT_NOTE, 0x400, 0x20)]);
  const { segments } = readElf(addSegment(head, placeSegment(readElf(head), head.length), 1));
  assertEquals(segments.filter(({ type }) => type === PT_NOTE).map(({ offset }) => offset), [0x400]);
});

Deno.test("segmentBytes() puts the bundle right behind the stub", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const placement = { offset: 0x10000, vaddr: 0x20000, align: 0x1000 };
    const bundle = new TextEncoder().encode("the bundle");
    const bytes = segmentBytes({ architecture, entry: 0x1234 }, placement, bundle);
    assertEquals(new TextDecoder().decode(bytes.subarray(-bundle.length)), "the bundle");
    const longer = segmentBytes({ architecture, entry: 0x1234 }, placement, new Uint8Array(bundle.length + 5));
    assertEquals(longer.length - bytes.length, 5);
  }
});

/** A dynamic executable that uses two symbols; the type of the relocation of `environ` as given. */
function dynamic(architecture: keyof typeof MACHINE, relocation: number): Uint8Array<ArrayBuffer> {
  const [names, symbols, relocations, table] = [0x500, 0x600, 0x700, 0x800];
  const bytes = elf([segment(PT_LOAD, 0, 0x1000), segment(PT_DYNAMIC, table, 96)], architecture);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("\0environment\0environ\0"), names);
  view.setUint32(symbols + 24, 1, true);
  view.setUint32(symbols + 48, 13, true);
  const words = (at: number, list: readonly number[]): void =>
    list.forEach((word, index) => view.setBigUint64(at + index * 8, BigInt(word), true));
  // DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ, DT_NULL
  words(table, [5, names, 6, symbols, 7, relocations, 8, 48, 10, 21, 0, 0]);
  words(relocations, [0x3000, 0, 0, 0x3008, 0, 0]);
  [1, 2].forEach((symbol, index) => {
    view.setUint32(relocations + index * 24 + 8, relocation, true);
    view.setUint32(relocations + index * 24 + 12, symbol, true);
  });
  return bytes;
}

Deno.test("slotOf() finds the word of a symbol by its whole name, by the relocation of each architecture", () => {
  for (const [architecture, relocation] of [["x86_64", 6], ["aarch64", 1025]] as const) {
    const slot = (symbol: string, bytes: Uint8Array): number | undefined =>
      slotOf(symbol, readElf(bytes), (offset, size) => bytes.subarray(offset, offset + size));
    const bytes = dynamic(architecture, relocation);
    assertEquals([slot("environ", bytes), slot("environment", bytes)], [0x3008, 0x3000]);
    assertEquals([slot("env", bytes), slot("other", bytes)], [undefined, undefined]);
    assertEquals(slot("environ", dynamic(architecture, 7)), undefined);
    assertEquals(slot("environ", elf(SEGMENTS, architecture)), undefined);
  }
});
