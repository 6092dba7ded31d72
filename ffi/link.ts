/**
 * Turns a launch program into an ELF image: every string, slot and instruction gets its fixed address.
 *
 * @module
 */
import { type Architecture, syscallNumber } from "./abi/syscalls.ts";
import { DATA_ADDRESS, elfImage } from "./elf.ts";
import type { Condition, Instruction, LaunchProgram, Operand, Reference, SlotAddress } from "./program.ts";
import { INSTRUCTION_SIZE, routines } from "./routines/mod.ts";

/** The descriptor that the interpreter reports a failed instruction on. */
export const REPORT_DESCRIPTOR = 3;

/** Words before the first instruction: its address, the report descriptor, the report buffer. */
const HEADER_SIZE = 32;
const CONDITIONS: Readonly<Record<Condition, number>> = {
  "<": 1,
  "==": 2,
  ">": 4,
  "!=": 5,
  "<=": 3,
  ">=": 6,
  always: 7,
};

/** A linked program. */
export interface Image {
  readonly elf: Uint8Array<ArrayBuffer>;
  readonly program: LaunchProgram;
}

/** Options of {@link link}. */
export interface LinkOptions {
  /** The index of a syscall that shall fail with ENOSYS: how tests see every instruction fail once. */
  readonly failAt?: number;
}

/** Lays out and encodes a program. Pure. */
export function link(program: LaunchProgram, options: LinkOptions = {}): Image {
  const slotsAt = HEADER_SIZE + program.instructions.length * INSTRUCTION_SIZE;
  let end = slotsAt + program.slots * 8;
  const place = (kind: "zeroes" | "other"): void => {
    program.data.forEach((block, index) => {
      if ((block.kind === "zeroes") !== (kind === "zeroes")) return;
      offsets[index] = end;
      const size = block.kind === "bytes"
        ? block.bytes.length
        : block.kind === "zeroes"
        ? block.size
        : block.words.length * 8;
      end = (end + size + 7) & ~7;
    });
  };
  const offsets: number[] = [];
  place("other");
  const fileEnd = end;
  // Zeroes last: they become .bss.
  place("zeroes");

  const data = new Uint8Array(fileEnd);
  const view = new DataView(data.buffer);
  // Both architectures have the lower half first. Most words are small, and this is done some thousand times for every
  // container: no BigInt, no division, and no call where a store does.
  const halves = new Int32Array(data.buffer);
  const word = (offset: number, value: number | bigint): void => {
    if (typeof value === "bigint") return view.setBigUint64(offset, BigInt.asUintN(64, value), true);
    halves[offset >> 2] = value;
    if (value < 0 || value >= 2 ** 32) halves[(offset >> 2) + 1] = Math.floor(value / 2 ** 32);
  };
  const address = (operand: Reference | SlotAddress): number =>
    DATA_ADDRESS +
    (operand.kind === "slotAddress"
      ? slotsAt + operand.slot.index * 8
      : (offsets[operand.block] ?? 0) + operand.offset);
  const lower = (operand: Operand): number | bigint => {
    if (typeof operand !== "object") return operand;
    if (operand.kind === "named") return operand.value;
    if (operand.kind === "slot") return DATA_ADDRESS + slotsAt + operand.index * 8;
    return address(operand);
  };
  const operands = (at: number, args: readonly Operand[]): void => {
    let mask = 0;
    let place = at + 16;
    let bit = 1;
    for (const arg of args) {
      if (typeof arg === "object" && arg.kind === "slot") mask |= bit;
      word(place, lower(arg));
      place += 8;
      bit <<= 1;
    }
    view.setUint8(at + 4, mask);
  };
  const encode = (instruction: Instruction, index: number): void => {
    const at = HEADER_SIZE + index * INSTRUCTION_SIZE;
    switch (instruction.op) {
      case "syscall":
        view.setUint8(at + 1, instruction.optional === true && options.failAt !== index ? 1 : 0);
        view.setUint16(at + 2, options.failAt === index ? 0 : instruction.tolerate ?? 0, true);
        word(at + 8, syscallNumber(options.failAt === index ? "fail" : instruction.name, program.architecture));
        operands(at, instruction.args);
        if (instruction.result !== undefined) word(at + 64, lower(instruction.result));
        break;
      case "copy":
        view.setUint8(at, 1);
        operands(at, [instruction.destination, instruction.source, instruction.width]);
        break;
      case "branch":
        view.setUint8(at, 2);
        word(at + 8, CONDITIONS[instruction.condition]);
        operands(at, [instruction.a, instruction.b]);
        word(at + 64, DATA_ADDRESS + HEADER_SIZE + (program.targets[instruction.target.index] ?? 0) * INSTRUCTION_SIZE);
        break;
      case "exit":
        view.setUint8(at, 3);
        operands(at, [instruction.status]);
        break;
      case "add":
        view.setUint8(at, 4);
        operands(at, [instruction.a, instruction.b, instruction.minus]);
        word(at + 64, lower(instruction.result));
        break;
      case "find":
        view.setUint8(at, 5);
        operands(at, [instruction.from, instruction.limit, instruction.byte]);
        word(at + 64, lower(instruction.result));
    }
  };
  word(0, DATA_ADDRESS + HEADER_SIZE);
  word(8, REPORT_DESCRIPTOR);
  program.instructions.forEach(encode);
  program.data.forEach((block, index) => {
    const at = offsets[index] ?? 0;
    if (block.kind === "bytes") data.set(block.bytes, at);
    if (block.kind === "words") {
      block.words.forEach((value, i) => word(at + i * 8, typeof value === "number" ? value : address(value)));
    }
  });
  return {
    program,
    elf: elfImage({
      architecture: program.architecture,
      text: interpreter(program.architecture),
      data,
      bss: end - fileEnd,
    }),
  };
}

let assembled: { readonly architecture: Architecture; readonly text: Uint8Array } | undefined;

/** The interpreter, assembled once for all containers of a process. */
function interpreter(architecture: Architecture): Uint8Array {
  if (assembled?.architecture !== architecture) assembled = { architecture, text: routines(architecture).interpreter };
  return assembled.text;
}

/** What failed, as a report says it. */
export interface Failure {
  /** The instruction; none where the stub failed before there was a program. */
  readonly instruction: Instruction | undefined;
  /** Its index; -1 for the stub. */
  readonly index: number;
  /** The positive error number. */
  readonly errno: number;
}

/** Reads the 16 bytes that a failing interpreter, or the stub before it, wrote. */
export function decodeReport(image: Image, report: Uint8Array<ArrayBuffer>): Failure {
  const view = new DataView(report.buffer, report.byteOffset);
  const where = Number(view.getBigUint64(0, true));
  // The stub writes its stage, 1 or 2, in place of an address.
  const index = where < DATA_ADDRESS ? -1 : (where - DATA_ADDRESS - HEADER_SIZE) / INSTRUCTION_SIZE;
  return { index, instruction: image.program.instructions[index], errno: -Number(view.getBigInt64(8, true)) };
}
