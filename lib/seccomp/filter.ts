/**
 * Classic BPF, written from its end to its beginning: all jumps go forward, so that what one leads to is there already.
 *
 * @module
 */

/** `linux/bpf_common.h`: the instructions that a filter is made of. */
export const BPF = {
  LD_W_ABS: 0x20,
  AND_K: 0x54,
  JA: 0x05,
  JEQ: 0x15,
  JGT: 0x25,
  JGE: 0x35,
  RET: 0x06,
} as const;

/** One instruction: code, what to skip if it holds and if it doesn't, operand. */
export type FilterInstruction = readonly [code: number, then: number, otherwise: number, k: number];

/** What a conditional jump can skip: it has eight bits for it. */
const REACH = 255;

/** A filter in the making. A position counts instructions from the end. */
export class FilterBuilder {
  readonly #code: FilterInstruction[] = [];
  readonly #returns = new Map<number, number>();
  readonly #relays = new Map<number, number>();

  #push(...instruction: FilterInstruction): number {
    return this.#code.push(instruction) - 1;
  }

  /** How much an instruction that comes next would skip to get to a position. */
  #distance(position: number): number {
    return this.#code.length - position - 1;
  }

  /** A verdict; one that is near enough is used again. */
  verdict(value: number): number {
    const known = this.#returns.get(value);
    // Some room, since what jumps there comes later.
    if (known !== undefined && this.#distance(known) < REACH / 2) return known;
    const made = this.#push(BPF.RET, 0, 0, value);
    this.#returns.set(value, made);
    return made;
  }

  /** A place within reach from which it goes on at `target`. */
  #relay(target: number): number {
    const known = this.#relays.get(target);
    if (known !== undefined && this.#distance(known) < REACH) return known;
    const made = this.#push(BPF.JA, 0, 0, this.#distance(target));
    this.#relays.set(target, made);
    return made;
  }

  /** A condition on the accumulator. */
  branch(code: number, k: number, then: number, otherwise: number): number {
    if (then === otherwise) return then;
    // Each may become a relay once, and moves the other one away by one.
    for (let round = 0; round < 4; round++) {
      if (this.#distance(then) > REACH) then = this.#relay(then);
      else if (this.#distance(otherwise) > REACH) otherwise = this.#relay(otherwise);
      else break;
    }
    return this.#push(code, this.#distance(then), this.#distance(otherwise), k);
  }

  #before(next: number): void {
    if (this.#distance(next) !== 0) this.#push(BPF.JA, 0, 0, this.#distance(next));
  }

  /** Loads a word of `struct seccomp_data`, then goes on. */
  load(offset: number, next: number): number {
    this.#before(next);
    return this.#push(BPF.LD_W_ABS, 0, 0, offset);
  }

  /** Masks the accumulator, then goes on. */
  mask(k: number, next: number): number {
    this.#before(next);
    return this.#push(BPF.AND_K, 0, 0, k);
  }

  /** The filter that begins at a position, which must be the last one made. */
  build(): FilterInstruction[] {
    return this.#code.toReversed();
  }
}

/** `struct sock_filter`, eight bytes each. */
export function encodeFilter(filter: readonly FilterInstruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(filter.length * 8);
  const view = new DataView(bytes.buffer);
  filter.forEach(([code, then, otherwise, k], index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, then);
    view.setUint8(index * 8 + 3, otherwise);
    view.setUint32(index * 8 + 4, k, true);
  });
  return bytes;
}
