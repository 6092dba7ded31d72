/**
 * What runs a filter as the kernel does: its verdict on a call.
 *
 * @module
 */

/** `struct seccomp_data` */
export interface Call {
  readonly nr: number;
  readonly audit: number;
  readonly args: readonly bigint[];
}

type Filter = readonly (readonly [number, number, number, number])[];

/** The words of `struct seccomp_data`, on a little-endian machine. */
function words({ nr, audit, args }: Call): number[] {
  const halves = [0, 1, 2, 3, 4, 5].flatMap((index) => {
    const arg = BigInt.asUintN(64, args[index] ?? 0n);
    return [Number(arg & 0xffffffffn), Number(arg >> 32n)];
  });
  return [nr >>> 0, audit, 0, 0, ...halves];
}

/** Interprets a filter. Throws where the kernel would have refused it. */
export function interpret(filter: Filter, call: Call): number {
  const data = words(call);
  let accumulator = 0;
  for (let at = 0; at < filter.length; at++) {
    const [code, then, otherwise, k] = filter[at] ?? [0, 0, 0, 0];
    const jump = (holds: boolean): void => void (at += holds ? then : otherwise);
    if (code === 0x20) {
      const word = data[k / 4];
      if (word === undefined) throw new Error(`a load from ${k}`);
      accumulator = word;
    } else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x25) jump(accumulator > k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else if (code === 0x06) return k;
    else throw new Error(`unknown instruction 0x${code.toString(16)}`);
  }
  throw new Error("the filter ends without a verdict");
}

/** The instructions of `struct sock_filter[]`. */
export function decode(bytes: Uint8Array): Filter {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, index) =>
    [
      view.getUint16(index * 8, true),
      view.getUint8(index * 8 + 2),
      view.getUint8(index * 8 + 3),
      view.getUint32(index * 8 + 4, true),
    ] as const);
}

/** A generator of numbers that are the same on every run (xorshift). */
export function random(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
