/**
 * The code that a packed executable runs before deno's own first instruction. It writes the bundle, which lies right
 * behind it in memory, into a memory file, puts `run … /proc/self/fd/N` between the program's name and its arguments
 * and a few variables into the environment, hides from deno what isn't meant for it, and goes on to where deno would
 * have started. Where deno would die of what it finds, it says so in one sentence.
 *
 * It uses no stack but for these. What the stack holds at that moment: System V ABI, AMD64 supplement,
 * 3.4.1, figure 3.9, and the same for AArch64.
 *
 * @module
 */
import { AArch64 } from "../../ffi/assembler/aarch64.ts";
import { X86_64 } from "../../ffi/assembler/x86_64.ts";
import { aarch64 } from "./stub/aarch64.ts";
import { STRINGS, type StubOptions } from "./stub/content.ts";
import { writeProgram } from "./stub/program.ts";
import { x86_64 } from "./stub/x86_64.ts";

export type { StubOptions };

/** Assembles the stub. */
export function assembleStub(options: StubOptions): Uint8Array<ArrayBuffer> {
  return stubCode(options).assemble();
}

/** The stub before it is assembled, so that tests can compare it with GNU `as`. */
export function stubCode(options: StubOptions): X86_64 | AArch64 {
  const { address, entry, bundleSize, environ = 0 } = options;
  if (Math.max(entry, environ) >= address) throw new RangeError(`the stub at ${address} isn't behind all else`);
  if (bundleSize >= 2 ** 31) throw new RangeError(`a bundle of ${bundleSize} bytes is too large`);
  const code = options.architecture === "x86_64" ? new X86_64() : new AArch64();
  writeProgram(code instanceof X86_64 ? x86_64(code) : aarch64(code), options);
  for (const [label, text] of STRINGS) {
    const bytes = new TextEncoder().encode(`${text}\0`);
    // AArch64 wants whole words
    const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    padded.set(bytes);
    code.label(label);
    code.data(padded);
  }
  code.label("bundle");
  return code;
}
