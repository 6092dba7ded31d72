/**
 * The smallest ELF executable that holds an interpreter and its program. Layouts: `man 5 elf`.
 *
 * @module
 */
import type { Architecture } from "./abi/syscalls.ts";

/** Where the code lies. */
export const TEXT_ADDRESS = 0x400000;
/** Where the data lies: congruent to its place in the file modulo every page size, 64 KiB ones included. */
export const DATA_ADDRESS = 0x601000;

const DATA_OFFSET = 0x1000;
const ALIGNMENT = 0x10000;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const MACHINE: Readonly<Record<Architecture, number>> = { x86_64: 62, aarch64: 183 };
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const [READ, WRITE, EXECUTE] = [4, 2, 1];

/** What an image is made of. */
export interface ElfParts {
  readonly architecture: Architecture;
  /** Position-independent code; its first byte is the entry point. */
  readonly text: Uint8Array;
  /** Put at {@link DATA_ADDRESS}. */
  readonly data: Uint8Array;
  /** Bytes of zeroes after the data. */
  readonly bss: number;
}

/** Builds a static executable: code that can't be written, data that can't be executed. */
export function elfImage({ architecture, text, data, bss }: ElfParts): Uint8Array<ArrayBuffer> {
  const headers = HEADER_SIZE + 3 * PROGRAM_HEADER_SIZE;
  if (headers + text.length > DATA_OFFSET) throw new Error("the interpreter is larger than a page");
  const image = new Uint8Array(DATA_OFFSET + data.length);
  const view = new DataView(image.buffer);
  const word = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  // e_ident: ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, MACHINE[architecture], true);
  view.setUint32(20, 1, true);
  word(24, TEXT_ADDRESS + headers);
  word(32, HEADER_SIZE);
  view.setUint16(52, HEADER_SIZE, true);
  view.setUint16(54, PROGRAM_HEADER_SIZE, true);
  view.setUint16(56, 3, true);
  const segments = [
    [PT_LOAD, READ | EXECUTE, 0, TEXT_ADDRESS, headers + text.length, headers + text.length, ALIGNMENT],
    [PT_LOAD, READ | WRITE, DATA_OFFSET, DATA_ADDRESS, data.length, data.length + bss, ALIGNMENT],
    [PT_GNU_STACK, READ | WRITE, 0, 0, 0, 0, 16],
  ] as const;
  segments.forEach(([type, flags, offset, address, fileSize, memorySize, alignment], index) => {
    const at = HEADER_SIZE + index * PROGRAM_HEADER_SIZE;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    [offset, address, address, fileSize, memorySize, alignment].forEach((value, i) => word(at + 8 + i * 8, value));
  });
  image.set(text, headers);
  image.set(data, DATA_OFFSET);
  return image;
}
