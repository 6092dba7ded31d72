/**
 * Edits a 64-bit little-endian ELF executable: adds a segment without moving a byte of what is there.
 *
 * Numbers and layouts: `man 5 elf`.
 *
 * @module
 */

const PT_LOAD = 1;
const PT_NOTE = 4;
const PF_X = 1;
const PF_R = 4;
const EM = { x86_64: 62, aarch64: 183 } as const;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;

/** The architectures that can be packed, as `Deno.build.arch` names them. */
export type Architecture = keyof typeof EM;

/** One program header. */
export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

/** What the packer has to know of an executable. */
export interface Elf {
  readonly architecture: Architecture;
  readonly entry: number;
  readonly headersOffset: number;
  readonly segments: readonly Segment[];
}

/** Raised for a file that can't be packed. */
export class ElfError extends Error {
  override readonly name = "ElfError";
}

/** Reads the headers from the first kilobytes of a file. */
export function readElf(bytes: Uint8Array): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE || view.getUint32(0) !== 0x7f454c46) throw new ElfError("not an ELF file");
  if (view.getUint16(4) !== 0x0201) throw new ElfError("not a 64-bit little-endian ELF file");
  const machine = view.getUint16(18, true);
  const architecture = machine === EM.x86_64 ? "x86_64" : machine === EM.aarch64 ? "aarch64" : undefined;
  if (architecture === undefined) throw new ElfError(`unknown machine ${machine}`);
  const headersOffset = Number(view.getBigUint64(32, true));
  if (view.getUint16(54, true) !== PROGRAM_HEADER_SIZE) throw new ElfError("unknown size of program headers");
  const count = view.getUint16(56, true);
  if (headersOffset + count * PROGRAM_HEADER_SIZE > bytes.length) throw new ElfError("program headers are far away");
  const segments = Array.from({ length: count }, (_, index): Segment => {
    const at = headersOffset + index * PROGRAM_HEADER_SIZE;
    const word = (offset: number) => Number(view.getBigUint64(at + offset, true));
    return {
      type: view.getUint32(at, true),
      flags: view.getUint32(at + 4, true),
      offset: word(8),
      vaddr: word(16),
      filesz: word(32),
      memsz: word(40),
      align: word(48),
    };
  });
  return { architecture, entry: Number(view.getBigUint64(24, true)), headersOffset, segments };
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** Where a new segment goes: in the file, and in memory. */
export interface Placement {
  readonly offset: number;
  readonly vaddr: number;
  readonly align: number;
}

/** The place for a segment after everything else, in a file of `fileSize` bytes. */
export function placeSegment(elf: Elf, fileSize: number): Placement {
  // aarch64 kernels may have pages of 64 KiB
  const align = elf.architecture === "aarch64" ? 0x10000 : 0x1000;
  const end = Math.max(...elf.segments.map(({ vaddr, memsz }) => vaddr + memsz));
  return { offset: alignUp(fileSize, align), vaddr: alignUp(end, align), align };
}

/**
 * The first bytes of the file, changed: a `PT_NOTE`, which only tools read, gives its place to a readable and
 * executable `PT_LOAD`, and the entry point moves there.
 *
 * @param head The bytes that `readElf` read; not changed.
 * @param placement Where the new segment is.
 * @param size Its length in bytes.
 */
export function addSegment(head: Uint8Array, placement: Placement, size: number): Uint8Array<ArrayBuffer> {
  const elf = readElf(head);
  const note = elf.segments.findIndex(({ type }) => type === PT_NOTE);
  if (note < 0) throw new ElfError("no PT_NOTE to replace");
  const kept = elf.segments.filter((_, index) => index !== note);
  const added: Segment = { ...placement, type: PT_LOAD, flags: PF_R | PF_X, filesz: size, memsz: size };
  const result = new Uint8Array(head);
  const view = new DataView(result.buffer);
  // loadable segments have to be in the order of their addresses, so the new one goes last
  [...kept, added].forEach((segment, index) => {
    const at = elf.headersOffset + index * PROGRAM_HEADER_SIZE;
    view.setUint32(at, segment.type, true);
    view.setUint32(at + 4, segment.flags, true);
    const words = [segment.offset, segment.vaddr, segment.vaddr, segment.filesz, segment.memsz, segment.align];
    words.forEach((word, position) => view.setBigUint64(at + 8 + position * 8, BigInt(word), true));
  });
  view.setBigUint64(24, BigInt(placement.vaddr), true);
  return result;
}
