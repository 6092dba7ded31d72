/**
 * An assembler for the few AArch64 instructions that libflux's routines use.
 *
 * Encodings: Arm Architecture Reference Manual for A-profile, C6. Each method also keeps the line that GNU `as` takes,
 * so that tests can compare the bytes.
 *
 * @module
 */
import { type Item, layOut } from "./layout.ts";

/** A general register: 0 to 30 (`x0` …), or `sp` and `xzr`, which share a number. */
export type Register = `x${number}` | "sp" | "xzr";

const CONDITIONS = { eq: 0, ne: 1, hs: 2, lo: 3, mi: 4, pl: 5, hi: 8, ls: 9, ge: 10, lt: 11, gt: 12, le: 13 } as const;

const BRANCH_RANGE = { 14: 2 ** 15, 19: 2 ** 20, 21: 2 ** 20, 26: 2 ** 27 } as const;

/** Collects instructions; {@link AArch64.assemble} gives their bytes. */
export class AArch64 {
  readonly #items: Item[] = [];
  readonly #source: string[] = [];

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
    if (destination === "sp" || source === "sp") {
      this.#emit(`mov ${destination}, ${source}`, 0x91000000 + n(source) * 32 + n(destination));
    } else this.#emit(`mov ${destination}, ${source}`, 0xaa0003e0 + n(source) * 65536 + n(destination));
  }

  /** `destination = value`, which must be from 0 to 2³² − 1. */
  set(destination: Register, value: number): void {
    const [high, lower] = [Math.floor(value / 65536), value % 65536];
    this.#emit(`movz ${destination}, #${lower}`, 0xd2800000 + lower * 32 + n(destination));
    if (high > 0) this.#emit(`movk ${destination}, #${high}, lsl #16`, 0xf2a00000 + high * 32 + n(destination));
  }

  /** `destination = *(u64 *)(base + offset)`, or fewer bits with zeroes above; the offset is a multiple of the size. */
  load(destination: Register, base: Register, offset: number, bits: 8 | 16 | 32 | 64 = 64): void {
    const opcode = { 8: 0x39400000, 16: 0x79400000, 32: 0xb9400000, 64: 0xf9400000 }[bits];
    const name = { 8: "ldrb", 16: "ldrh", 32: "ldr", 64: "ldr" }[bits];
    const target = bits === 64 ? destination : destination.replace("x", "w");
    this.#emit(
      `${name} ${target}, [${base}, #${offset}]`,
      opcode + scaled(offset, bits / 8) * 1024 + n(base) * 32 + n(destination),
    );
  }

  /** `*(u64 *)(base + offset) = source`, or its low byte. */
  store(base: Register, offset: number, source: Register, bits: 8 | 64 = 64): void {
    const text = bits === 64 ? `str ${source}` : `strb ${source.replace("x", "w")}`;
    this.#emit(
      `${text}, [${base}, #${offset}]`,
      (bits === 64 ? 0xf9000000 : 0x39000000) + scaled(offset, bits / 8) * 1024 + n(base) * 32 + n(source),
    );
  }

  /** `destination = a + value`, from 0 to 4095. */
  add(destination: Register, a: Register, value: number): void {
    this.#emit(
      `add ${destination}, ${a}, #${value}`,
      0x91000000 + scaled(value, 1) * 1024 + n(a) * 32 + n(destination),
    );
  }

  /** `destination = a - value`, from 0 to 4095. */
  subtract(destination: Register, a: Register, value: number): void {
    this.#emit(
      `sub ${destination}, ${a}, #${value}`,
      0xd1000000 + scaled(value, 1) * 1024 + n(a) * 32 + n(destination),
    );
  }

  /** `destination = a + b` */
  addRegisters(destination: Register, a: Register, b: Register): void {
    this.#emit(`add ${destination}, ${a}, ${b}`, 0x8b000000 + n(b) * 65536 + n(a) * 32 + n(destination));
  }

  /** `destination = a - b` */
  subtractRegisters(destination: Register, a: Register, b: Register): void {
    this.#emit(`sub ${destination}, ${a}, ${b}`, 0xcb000000 + n(b) * 65536 + n(a) * 32 + n(destination));
  }

  /** `destination = a / b`, without signs and rounded down. */
  divide(destination: Register, a: Register, b: Register): void {
    this.#emit(`udiv ${destination}, ${a}, ${b}`, 0x9ac00800 + n(b) * 65536 + n(a) * 32 + n(destination));
  }

  /** `destination = c - a * b` */
  multiplySubtract(destination: Register, a: Register, b: Register, c: Register): void {
    this.#emit(
      `msub ${destination}, ${a}, ${b}, ${c}`,
      0x9b008000 + n(b) * 65536 + n(c) * 1024 + n(a) * 32 + n(destination),
    );
  }

  /** Compares two registers. */
  compare(a: Register, b: Register): void {
    this.#emit(`cmp ${a}, ${b}`, 0xeb00001f + n(b) * 65536 + n(a) * 32);
  }

  /** Compares a register and a number from −4095 to 4095. */
  compareWith(a: Register, value: number): void {
    if (value < 0) this.#emit(`cmn ${a}, #${-value}`, 0xb100001f + scaled(-value, 1) * 1024 + n(a) * 32);
    else this.#emit(`cmp ${a}, #${value}`, 0xf100001f + scaled(value, 1) * 1024 + n(a) * 32);
  }

  /** Sets the flags of `a & b`. */
  test(a: Register, b: Register): void {
    this.#emit(`tst ${a}, ${b}`, 0xea00001f + n(b) * 65536 + n(a) * 32);
  }

  /** `destination = (a >> first) & (2 ** width - 1)` */
  bits(destination: Register, a: Register, first: number, width: number): void {
    this.#emit(
      `ubfx ${destination}, ${a}, #${first}, #${width}`,
      0xd3400000 + first * 65536 + (first + width - 1) * 1024 + n(a) * 32 + n(destination),
    );
  }

  /** `destination = the address of a label`, wherever the code lies. */
  addressOfLabel(destination: Register, label: string): void {
    this.#relative(`adr ${destination}, ${label}`, label, 21, (distance) => {
      const immediate = distance & 0x1fffff;
      return 0x10000000 + (immediate & 3) * 2 ** 29 + (immediate >>> 2) * 32 + n(destination);
    });
  }

  /** Calls the kernel: the number in x8, arguments in x0 to x5. */
  syscall(): void {
    this.#emit("svc #0", 0xd4000001);
  }

  /** Returns to the caller. */
  return(): void {
    this.#emit("ret", 0xd65f03c0);
  }

  /** Goes to a label. */
  jump(label: string): void {
    this.#relative(`b ${label}`, label, 26, (distance) => 0x14000000 + field(distance, 26));
  }

  /** Goes to the address in a register. */
  jumpTo(a: Register): void {
    this.#emit(`br ${a}`, 0xd61f0000 + n(a) * 32);
  }

  /** Goes to a label if the flags say so. */
  jumpIf(condition: keyof typeof CONDITIONS, label: string): void {
    this.#relative(
      `b.${condition} ${label}`,
      label,
      19,
      (distance) => 0x54000000 + field(distance, 19) * 32 + CONDITIONS[condition],
    );
  }

  /** Goes to a label if a register is zero, or isn't. */
  jumpIfZero(a: Register, label: string, zero = true): void {
    this.#relative(
      `${zero ? "cbz" : "cbnz"} ${a}, ${label}`,
      label,
      19,
      (distance) => (zero ? 0xb4000000 : 0xb5000000) + field(distance, 19) * 32 + n(a),
    );
  }

  /** Goes to a label if a bit (0 to 31, or 63 for the sign) is clear, or is set. */
  jumpIfBit(a: Register, bit: number, label: string, set: boolean): void {
    const opcode = (set ? 0x37000000 : 0x36000000) + (bit > 31 ? 0x80000000 : 0);
    const name = bit > 31 ? a : a.replace("x", "w");
    this.#relative(
      `${set ? "tbnz" : "tbz"} ${name}, #${bit}, ${label}`,
      label,
      14,
      (distance) => opcode + bit % 32 * 2 ** 19 + field(distance, 14) * 32 + n(a),
    );
  }

  /** Puts data between the code; its length must be a multiple of 4. */
  data(bytes: Uint8Array | readonly number[]): void {
    if (bytes.length % 4 !== 0) throw new Error("code must stay aligned");
    this.#source.push(`.byte ${Array.from(bytes).join(", ")}`);
    this.#items.push({ kind: "bytes", bytes: Array.from(bytes) });
  }

  #relative(
    text: string,
    target: string,
    width: keyof typeof BRANCH_RANGE,
    encode: (distance: number) => number,
  ): void {
    this.#source.push(text);
    const fits = (distance: number) => Math.abs(distance) < BRANCH_RANGE[width];
    this.#items.push({ kind: "relative", target, sizes: [4], fits, encode: (distance) => bytesOf(encode(distance)) });
  }

  #emit(text: string, word: number): void {
    this.#source.push(text);
    this.#items.push({ kind: "bytes", bytes: bytesOf(word) });
  }
}

const n = (name: Register): number => name === "sp" || name === "xzr" ? 31 : Number(name.slice(1));
const bytesOf = (word: number): number[] => [0, 8, 16, 24].map((shift) => word >>> shift & 0xff);
const field = (distance: number, width: number): number => (distance >> 2) & (2 ** width - 1);

function scaled(offset: number, unit: number): number {
  if (offset < 0 || offset % unit !== 0 || offset / unit > 4095) throw new Error(`offset ${offset} can't be encoded`);
  return offset / unit;
}
