/**
 * What the stub's program needs of a processor, so that it is written once for both.
 *
 * @module
 */
import type { SyscallName } from "../../../ffi/abi/syscalls.ts";

/**
 * The program's registers. Calls of the kernel keep all but `result`, which is what the kernel answers; `loader` is what
 * the program's entry point expects to find in a register: see {@link Machine.begin}.
 */
export type Register = "stack" | "loader" | "memory" | "a" | "b" | "c" | "result";

/** An argument of a call: a number, a register other than `result`, a label's address, or a place in `memory`. */
export type Argument = number | Register | { readonly label: string } | { readonly memory: number };

/** A processor. Numbers are below 2³¹ where nothing else is said. */
export interface Machine {
  /** Marks this place. */
  label(name: string): void;
  /** Puts data between the code; its length must be a multiple of 4. */
  data(bytes: Uint8Array): void;
  /** The first instruction: keeps what the loader wants to run at exit; the kernel's zero where there is no loader. */
  begin(): void;
  /** The last one: goes on so many bytes before the label `start`, with what `begin` has kept. */
  enter(distance: number): void;

  /** `destination = value` */
  set(destination: Register, value: number): void;
  /** `destination = the label's address`, less so many bytes. */
  address(destination: Register, label: string, less?: number): void;
  /** `destination = source + value`, from −4095 to 4095. */
  add(destination: Register, source: Register, value: number): void;
  /** `destination += source` */
  addRegister(destination: Register, source: Register): void;
  /** `destination -= source` */
  subtractRegister(destination: Register, source: Register): void;
  /** `destination = *(base + offset)`, zeroes above. */
  load(destination: Register, base: Register, offset: number, bits?: 8 | 16 | 32 | 64): void;
  /** `*(base + offset) = source`, or its low byte. */
  store(base: Register, offset: number, source: Register, bits?: 8 | 64): void;
  /** `destination = (source >> first) & (2 ** width - 1)` */
  bits(destination: Register, source: Register, first: number, width: number): void;
  /** `result = result / 10`, and the remainder to another register. */
  divideByTen(remainder: Register): void;

  /** Goes to a label. */
  jump(label: string): void;
  /** Compares without signs, `=`, `!=` and `<`, and goes to a label if it is so. */
  jumpIf(a: Register, relation: "=" | "!=" | "<", b: number | Register, label: string): void;
  /** Goes to a label if the kernel has answered with an error. */
  jumpIfError(label: string): void;
  /** Calls the kernel. */
  call(name: SyscallName, ...args: readonly Argument[]): void;
}
