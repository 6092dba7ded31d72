/**
 * An assembler for the few x86-64 instructions that libflux's routines use.
 *
 * Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. Each method also keeps the line of
 * Intel syntax that GNU `as` takes, so that tests can compare the bytes.
 *
 * @module
 */
import { type Item, layOut } from "./layout.ts";

const REGISTERS = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
] as const;

/** A 64-bit register. */
export type Register = typeof REGISTERS[number];

/** A condition of a jump, and its number in the encoding. */
const CONDITIONS = { b: 2, ae: 3, e: 4, ne: 5, be: 6, a: 7, s: 8, ns: 9, l: 12, ge: 13, le: 14, g: 15 } as const;

/** Operations of two registers, or a register and a number: `[opcode for registers, /digit for numbers]`. */
const ARITHMETIC = {
  add: [0x01, 0],
  or: [0x09, 1],
  and: [0x21, 4],
  sub: [0x29, 5],
  xor: [0x31, 6],
  cmp: [0x39, 7],
} as const;

const isByte = (value: number): boolean => value >= -128 && value <= 127;
const littleEndian = (value: number, size: number): number[] =>
  Array.from({ length: size }, (_, index) => Number(BigInt.asUintN(64, BigInt(value)) >> BigInt(index * 8) & 0xffn));

/** Collects instructions; {@link X86_64.assemble} gives their bytes. */
export class X86_64 {
  readonly #items: Item[] = [];
  readonly #source: string[] = [".intel_syntax noprefix"];

  /** The same program for GNU `as`. */
  get source(): string {
    return this.#source.join("\n") + "\n";
  }

  /** The machine code. */
  assemble(): Uint8Array<ArrayBuffer> {
    return layOut(this.#items);
  }

  /** Marks this place. */
  label(name: string): void {
    this.#source.push(`${name}:`);
    this.#items.push({ kind: "label", name });
  }

  /** `destination = source` */
  move(destination: Register, source: Register): void {
    this.#emit(`mov ${destination}, ${source}`, [...rex(true, source, destination), 0x89, direct(source, destination)]);
  }

  /** `destination = value`, which must be from 0 to 2³² − 1. */
  set(destination: Register, value: number): void {
    if (value === 0) {
      const r = register(destination);
      this.#emit(`xor ${low(destination)}, ${low(destination)}`, [
        ...(r > 7 ? [0x45] : []),
        0x31,
        direct(destination, destination),
      ]);
      return;
    }
    const r = register(destination);
    this.#emit(`mov ${low(destination)}, ${value}`, [
      ...(r > 7 ? [0x41] : []),
      0xb8 | r & 7,
      ...littleEndian(value, 4),
    ]);
  }

  /** `destination = *(u64 *)(base + offset)`, or fewer bits with zeroes above. */
  load(destination: Register, base: Register, offset: number, bits: 8 | 16 | 32 | 64 = 64): void {
    const wide = bits === 64;
    const opcode = bits === 8 ? [0x0f, 0xb6] : bits === 16 ? [0x0f, 0xb7] : [0x8b];
    const text = bits === 8 || bits === 16
      ? `movzx ${low(destination)}, ${bits === 8 ? "byte" : "word"} ptr ${place(base, offset)}`
      : `mov ${wide ? destination : low(destination)}, ${place(base, offset)}`;
    this.#emit(text, [...rex(wide, destination, base), ...opcode, ...memory(register(destination), base, offset)]);
  }

  /** `*(u64 *)(base + offset) = source` */
  store(base: Register, offset: number, source: Register): void {
    this.#emit(`mov ${place(base, offset)}, ${source}`, [
      ...rex(true, source, base),
      0x89,
      ...memory(register(source), base, offset),
    ]);
  }

  /** `*(u8 *)(base + offset) = source`, its low byte */
  storeByte(base: Register, offset: number, source: Register): void {
    // without a prefix, the numbers of rsp to rdi would mean ah to bh
    const prefix = rex(false, source, base);
    const needed = register(source) > 3 && prefix.length === 0 ? [0x40] : prefix;
    this.#emit(`mov byte ptr ${place(base, offset)}, ${lowByte(source)}`, [
      ...needed,
      0x88,
      ...memory(register(source), base, offset),
    ]);
  }

  /** `destination = base + offset` */
  address(destination: Register, base: Register, offset: number): void {
    this.#emit(`lea ${destination}, ${place(base, offset)}`, [
      ...rex(true, destination, base),
      0x8d,
      ...memory(register(destination), base, offset),
    ]);
  }

  /** `destination = the address of a label`, wherever the code lies. */
  addressOfLabel(destination: Register, label: string): void {
    this.#source.push(`lea ${destination}, [rip + ${label}]`);
    this.#items.push({
      kind: "relative",
      target: label,
      sizes: [7],
      fits: () => true,
      encode: (
        distance,
      ) => [
        register(destination) > 7 ? 0x4c : 0x48,
        0x8d,
        (register(destination) & 7) << 3 | 5,
        ...littleEndian(distance - 7, 4),
      ],
    });
  }

  /** Two registers: `cmp` compares them, the others change the first. */
  arithmetic(operation: keyof typeof ARITHMETIC, destination: Register, source: Register): void {
    this.#emit(`${operation} ${destination}, ${source}`, [
      ...rex(true, source, destination),
      ARITHMETIC[operation][0],
      direct(source, destination),
    ]);
  }

  /** A register and a number of 32 signed bits. */
  arithmeticWith(operation: keyof typeof ARITHMETIC, destination: Register, value: number): void {
    const digit = ARITHMETIC[operation][1];
    const r = register(destination);
    const prefix = 0x48 | (r > 7 ? 1 : 0);
    const modrm = 0xc0 | digit << 3 | r & 7;
    // rax has an opcode of its own, which is shorter where the number needs four bytes.
    const code = isByte(value)
      ? [prefix, 0x83, modrm, ...littleEndian(value, 1)]
      : r === 0
      ? [prefix, digit << 3 | 5, ...littleEndian(value, 4)]
      : [prefix, 0x81, modrm, ...littleEndian(value, 4)];
    this.#emit(`${operation} ${destination}, ${value}`, code);
  }

  /** Sets the flags of `a & a`. */
  test(a: Register): void {
    this.#emit(`test ${a}, ${a}`, [...rex(true, a, a), 0x85, direct(a, a)]);
  }

  /** Sets the flags of `a & *(u64 *)(base + offset)`. */
  testWithMemory(a: Register, base: Register, offset: number): void {
    this.#emit(`test ${place(base, offset)}, ${a}`, [
      ...rex(true, a, base),
      0x85,
      ...memory(register(a), base, offset),
    ]);
  }

  /** Sets the flags of a byte in memory and a mask. */
  testByte(base: Register, offset: number, mask: number): void {
    const prefix = register(base) > 7 ? [0x41] : [];
    this.#emit(`test byte ptr ${place(base, offset)}, ${mask}`, [...prefix, 0xf6, ...memory(0, base, offset), mask]);
  }

  /** `register >>= bits`, zeroes coming in. */
  shiftRight(a: Register, bits: number): void {
    const [prefix, modrm] = [0x48 | (register(a) > 7 ? 1 : 0), 0xc0 | 5 << 3 | register(a) & 7];
    // One bit has an opcode of its own.
    this.#emit(`shr ${a}, ${bits}`, bits === 1 ? [prefix, 0xd1, modrm] : [prefix, 0xc1, modrm, bits]);
  }

  /** Divides rdx:rax by a register, without signs: the quotient goes to rax, the remainder to rdx. */
  divide(a: Register): void {
    this.#emit(`div ${a}`, [0x48 | (register(a) > 7 ? 1 : 0), 0xf7, 0xc0 | 6 << 3 | register(a) & 7]);
  }

  /** Copies rcx bytes from rsi to rdi. */
  copyBytes(): void {
    this.#emit("rep movsb", [0xf3, 0xa4]);
  }

  /** Puts a register on the stack. */
  push(a: Register): void {
    this.#emit(`push ${a}`, [...(register(a) > 7 ? [0x41] : []), 0x50 | register(a) & 7]);
  }

  /** Takes a register from the stack. */
  pop(a: Register): void {
    this.#emit(`pop ${a}`, [...(register(a) > 7 ? [0x41] : []), 0x58 | register(a) & 7]);
  }

  /** Calls the kernel: rax and its arguments in rdi, rsi, rdx, r10, r8, r9. */
  syscall(): void {
    this.#emit("syscall", [0x0f, 0x05]);
  }

  /** Returns to the caller. */
  return(): void {
    this.#emit("ret", [0xc3]);
  }

  /** Goes to a label. */
  jump(label: string): void {
    this.#relative(`jmp ${label}`, label, [0xeb], [0xe9]);
  }

  /** Goes to the address in a register. */
  jumpTo(a: Register): void {
    this.#emit(`jmp ${a}`, [...(register(a) > 7 ? [0x41] : []), 0xff, 0xe0 | register(a) & 7]);
  }

  /** Goes to a label if the flags say so. */
  jumpIf(condition: keyof typeof CONDITIONS, label: string): void {
    const number = CONDITIONS[condition];
    this.#relative(`j${condition} ${label}`, label, [0x70 | number], [0x0f, 0x80 | number]);
  }

  /** Puts data between the code. */
  data(bytes: Uint8Array | readonly number[]): void {
    this.#emit(`.byte ${Array.from(bytes).join(", ")}`, Array.from(bytes));
  }

  #relative(text: string, target: string, near: readonly number[], far: readonly number[]): void {
    this.#source.push(text);
    this.#items.push({
      kind: "relative",
      target,
      sizes: [near.length + 1, far.length + 4],
      fits: (distance, size) => size > near.length + 1 || isByte(distance - size),
      encode: (distance, size) =>
        size === near.length + 1
          ? [...near, ...littleEndian(distance - size, 1)]
          : [...far, ...littleEndian(distance - size, 4)],
    });
  }

  #emit(text: string, bytes: readonly number[]): void {
    this.#source.push(text);
    this.#items.push({ kind: "bytes", bytes });
  }
}

const register = (name: Register): number => REGISTERS.indexOf(name);

/** The lower half of a register. */
const low = (name: Register): string => register(name) > 7 ? `${name}d` : `e${name.slice(1)}`;

/** The lowest byte of a register. */
function lowByte(name: Register): string {
  if (register(name) > 7) return `${name}b`;
  return name.endsWith("x") ? `${name[1]}l` : `${name.slice(1)}l`;
}

const place = (base: Register, offset: number): string =>
  `[${base}${offset < 0 ? offset : offset > 0 ? `+${offset}` : ""}]`;

/** The prefix that tells 64 bits and registers above 7; none where it would say nothing. */
function rex(wide: boolean, reg: Register, rm: Register): number[] {
  const bits = (wide ? 8 : 0) | (register(reg) > 7 ? 4 : 0) | (register(rm) > 7 ? 1 : 0);
  return bits === 0 ? [] : [0x40 | bits];
}

const direct = (reg: Register, rm: Register): number => 0xc0 | (register(reg) & 7) << 3 | register(rm) & 7;

/** ModRM for `[base + offset]`, with the SIB byte that rsp and r12 need. */
function memory(reg: number, base: Register, offset: number): number[] {
  const r = register(base) & 7;
  const sib = r === 4 ? [0x24] : [];
  const mod = offset === 0 && r !== 5 ? 0 : isByte(offset) ? 1 : 2;
  return [mod << 6 | (reg & 7) << 3 | r, ...sib, ...littleEndian(offset, mod === 0 ? 0 : mod === 1 ? 1 : 4)];
}
