/**
 * Finds a variable of a shared library in an ELF executable that uses it.
 *
 * @module
 */
import { type Architecture, type Elf, ElfError } from "./elf.ts";

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT = { STRTAB: 5, SYMTAB: 6, RELA: 7, RELASZ: 8, STRSZ: 10 } as const;
const GLOB_DAT: Readonly<Record<Architecture, number>> = { x86_64: 6, aarch64: 1025 };
const DYNAMIC_SIZE = 16;
const RELOCATION_SIZE = 24;
const SYMBOL_SIZE = 24;

/** Answers `size` bytes of the executable's file from `offset` on. */
export type ReadAt = (offset: number, size: number) => Uint8Array;

/**
 * Where the dynamic loader puts the address of a library's symbol: the address of a word in memory, as the headers count
 * addresses. Nothing if the executable isn't dynamic or doesn't use the symbol.
 */
export function slotOf(symbol: string, elf: Elf, readAt: ReadAt): number | undefined {
  const dynamic = elf.segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return undefined;
  const table = new Map<number, number>();
  const words = viewOf(readAt(dynamic.offset, dynamic.filesz));
  for (let at = 0; at + DYNAMIC_SIZE <= words.byteLength; at += DYNAMIC_SIZE) {
    table.set(word(words, at), word(words, at + 8));
  }
  const [names, symbols, relocations] = [table.get(DT.STRTAB), table.get(DT.SYMTAB), table.get(DT.RELA)];
  const [namesSize, size] = [table.get(DT.STRSZ), table.get(DT.RELASZ)];
  if (names === undefined || symbols === undefined || relocations === undefined) return undefined;
  if (namesSize === undefined || size === undefined) return undefined;

  const text = new TextDecoder("latin1").decode(readAt(fileOffset(elf, names), namesSize));
  const view = viewOf(readAt(fileOffset(elf, relocations), size));
  for (let at = 0; at + RELOCATION_SIZE <= view.byteLength; at += RELOCATION_SIZE) {
    if (view.getUint32(at + 8, true) !== GLOB_DAT[elf.architecture]) continue;
    const index = view.getUint32(at + 12, true);
    const name = viewOf(readAt(fileOffset(elf, symbols) + index * SYMBOL_SIZE, SYMBOL_SIZE)).getUint32(0, true);
    if (text.startsWith(`${symbol}\0`, name)) return word(view, at);
  }
  return undefined;
}

function fileOffset(elf: Elf, address: number): number {
  const segment = elf.segments.find(({ type, vaddr, filesz }) =>
    type === PT_LOAD && vaddr <= address && address < vaddr + filesz
  );
  if (segment === undefined) throw new ElfError(`address 0x${address.toString(16)} is in no segment`);
  return address - segment.vaddr + segment.offset;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const word = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));
