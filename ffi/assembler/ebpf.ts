/**
 * The few instructions of eBPF that programs of libflux's have (`Documentation/bpf/standardization/instruction-set.rst`).
 *
 * @module
 */

/** Registers: what a program answers, what it is called with, and others of its own. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5;

/** One instruction. */
export interface Instruction {
  readonly opcode: number;
  readonly destination?: Register;
  readonly source?: Register;
  /** Of a load in bytes; of a jump in instructions, counted from the next. */
  readonly offset?: number;
  readonly immediate?: number;
}

/** Class, width and operation together, as in `linux/bpf.h` and `linux/bpf_common.h`; all work on 32 bits. */
export const OPCODE = {
  /** `destination = *(u32 *)(source + offset)` */
  load: 0x61,
  /** `destination = source` */
  copy: 0xbc,
  /** `destination = immediate` */
  set: 0xb4,
  /** `destination &= immediate` */
  and: 0x54,
  /** `destination >>= immediate` */
  shiftRight: 0x74,
  /** `if (destination == immediate) goto offset` */
  jumpIfEqual: 0x16,
  /** `if (destination != immediate) goto offset` */
  jumpUnlessEqual: 0x56,
  /** `if (destination & immediate) goto offset` */
  jumpIfAny: 0x46,
  /** `goto offset` */
  jump: 0x05,
  /** `return r0` */
  exit: 0x95,
} as const;

/** The size of an instruction in bytes. */
export const INSTRUCTION_SIZE = 8;

/** `struct bpf_insn[]`, little-endian as both architectures are. */
export function assemble(instructions: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ opcode, destination = 0, source = 0, offset = 0, immediate = 0 }, index) => {
    const at = index * INSTRUCTION_SIZE;
    view.setUint8(at, opcode);
    view.setUint8(at + 1, destination | source << 4);
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, immediate, true);
  });
  return bytes;
}
