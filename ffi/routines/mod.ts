/**
 * The native code: all that runs between `clone3` and the command's `execve`.
 *
 * `syscall(nr, a0 … a5)` returns the kernel's result, `-errno` on failure.
 *
 * `spawn(block)` clones a child, which waits for one byte, arranges its descriptors and executes an image. Its block is
 * 22 words of 64 bits:
 *
 * | word | content |
 * | --- | --- |
 * | 0, 1 | address and size of `struct clone_args` |
 * | 2 | descriptor that the child reads one byte from before it goes on; end-of-file ends it |
 * | 3, 4, 5 | descriptor of the image; `argv`; `envp` |
 * | 6 | descriptor to report failure on |
 * | 7, 8 | address and number of the pairs `{u32 source, u32 destination}` for `dup3` |
 * | 9, 10 | room for the caller's signal mask; the mask of all signals |
 * | 11 | room for the byte |
 * | 12, 13 | room for the report: `{stage (1: dup3, 2: execveat), -errno}` |
 * | 14 | address of an empty string |
 * | 15 | descriptor that the child closes first: the other end of word 2's |
 * | 16 | the first descriptor that the image doesn't get, whoever has left it open |
 * | 17 | how many capabilities to keep across the execution, from number 0 on, though the child isn't root; 0: none |
 * | 18, 19 to 21 | for that: the header and the sets of `capset`, with all of them inheritable |
 *
 * `sequence(block)` makes calls in a row on the calling thread, for what one thread does to itself and undoes. Its block:
 * the number of calls before the last; the calls, eight words each (number, six arguments, address for the result or 0).
 * The first that fails ends the row, but the last call is made in any case. Returns 0, or `-errno` of what failed
 * first.
 *
 * The interpreter runs a launch program. At `DATA_ADDRESS`: the address of the first instruction, the report's
 * descriptor, room for the report `{address of the instruction, -errno}`, then the instructions. Each is nine words:
 * operation, flags and masks; syscall number or condition; six operands; address of the result, or of the
 * branch's target. The operations:
 *
 * | number | operation | operands |
 * | --- | --- | --- |
 * | 0 | syscall | its arguments |
 * | 1 | copy | address to copy to, from bytes at what address, how many |
 * | 2 | branch | what is compared with what |
 * | 3 | exit | a wait status |
 * | 4 | add | `a + b − c` is the result |
 * | 5 | find | where to begin to look, where to end, for which byte: its address is the result, or the end |
 *
 * @module
 */
export { INSTRUCTION_SIZE, SEQUENCE_CALL_SIZE } from "./format.ts";
import type { Architecture } from "../abi/syscalls.ts";
import { ASSEMBLED } from "./assembled.ts";

/** The routines of one architecture, as position-independent code. */
export interface Routines {
  readonly syscall: Uint8Array<ArrayBuffer>;
  readonly spawn: Uint8Array<ArrayBuffer>;
  readonly sequence: Uint8Array<ArrayBuffer>;
  readonly interpreter: Uint8Array<ArrayBuffer>;
}

/** The routines for an architecture, as `assembled.ts` keeps them. */
export function routines(architecture: Architecture): Routines {
  const { syscall, spawn, sequence, interpreter } = ASSEMBLED[architecture];
  return {
    syscall: Uint8Array.fromHex(syscall),
    spawn: Uint8Array.fromHex(spawn),
    sequence: Uint8Array.fromHex(sequence),
    interpreter: Uint8Array.fromHex(interpreter),
  };
}
