/**
 * What runs a program about devices as the kernel does: its answer for one device.
 *
 * @module
 */

/** `struct bpf_cgroup_dev_ctx`, with the first word's two halves apart. */
export interface DeviceContext {
  /** 1 for block devices, 2 for character devices. */
  readonly type: number;
  /** Of 1 for mknod, 2 for read and 4 for write. */
  readonly wish: number;
  readonly major: number;
  readonly minor: number;
}

/** Interprets a program. Throws where the kernel would have refused it. */
export function interpret(code: Uint8Array, { type, wish, major, minor }: DeviceContext): number {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const context = [(wish << 16 | type) >>> 0, major, minor];
  // r1 holds the address of the context, which no arithmetic may touch.
  const registers: (number | undefined)[] = Array(11);
  const valueOf = (register: number): number => {
    const value = registers[register];
    if (value === undefined || register === 1) throw new Error(`r${register} has no number`);
    return value;
  };
  for (let at = 0; at < code.length / 8; at++) {
    const [opcode, operands] = [view.getUint8(at * 8), view.getUint8(at * 8 + 1)];
    const [destination, source] = [operands & 15, operands >> 4];
    const [offset, immediate] = [view.getInt16(at * 8 + 2, true), view.getInt32(at * 8 + 4, true)];
    const jump = (holds: boolean): void => {
      if (holds && offset < 0) throw new Error("a jump back");
      if (holds) at += offset;
    };
    if (opcode === 0x61) {
      const word = source === 1 ? context[offset / 4] : undefined;
      if (word === undefined) throw new Error(`a load from r${source}+${offset}`);
      registers[destination] = word;
    } else if (opcode === 0xbc) registers[destination] = valueOf(source);
    else if (opcode === 0xb4) registers[destination] = immediate;
    else if (opcode === 0x54) registers[destination] = (valueOf(destination) & immediate) >>> 0;
    else if (opcode === 0x74) registers[destination] = valueOf(destination) >>> immediate;
    else if (opcode === 0x16) jump(valueOf(destination) === immediate);
    else if (opcode === 0x56) jump(valueOf(destination) !== immediate);
    else if (opcode === 0x46) jump((valueOf(destination) & immediate) !== 0);
    else if (opcode === 0x05) jump(true);
    else if (opcode === 0x95) return valueOf(0);
    else throw new Error(`unknown instruction 0x${opcode.toString(16)}`);
  }
  throw new Error("the program ends without an answer");
}

/** The instructions that nothing leads to: the kernel takes no program that has some. */
export function unreachable(code: Uint8Array): number[] {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const seen = new Set<number>();
  const walk = (at: number): void => {
    if (seen.has(at)) return;
    seen.add(at);
    const [opcode, offset] = [view.getUint8(at * 8), view.getInt16(at * 8 + 2, true)];
    if (opcode === 0x95) return;
    if ([0x05, 0x16, 0x46, 0x56].includes(opcode)) walk(at + 1 + offset);
    if (opcode !== 0x05) walk(at + 1);
  };
  walk(0);
  return Array.from({ length: code.length / 8 }, (_, index) => index).filter((index) => !seen.has(index));
}
