/**
 * Writes `ffi/routines/assembled.ts`: the native routines as the assemblers make them, so that no process has to
 * assemble them again when it starts; and `lib/logs/linked.ts`: the pump of most containers, linked. Tests see to it that
 * they are the same.
 *
 * @module
 */
import * as aarch64 from "../ffi/routines/aarch64.ts";
import * as x86_64 from "../ffi/routines/x86_64.ts";
import { link } from "../ffi/link.ts";
import { pumpProgram, USUAL_PUMP } from "../lib/logs/pump.ts";
import { ROOT, run } from "./process.ts";

/** The bytes of every routine in hexadecimal digits. */
export function assembleAll(): Record<
  "x86_64" | "aarch64",
  Record<"syscall" | "spawn" | "sequence" | "interpreter", string>
> {
  const hex = ({ syscall, spawn, sequence, interpreter }: typeof x86_64 | typeof aarch64) => ({
    syscall: syscall().assemble().toHex(),
    spawn: spawn().assemble().toHex(),
    sequence: sequence().assemble().toHex(),
    interpreter: interpreter().assemble().toHex(),
  });
  return { x86_64: hex(x86_64), aarch64: hex(aarch64) };
}

/** Where the data of an image begin, and the word that tells how large they are in memory: `ffi/elf.ts`. */
const [DATA_OFFSET, MEMORY_SIZE] = [0x1000, 64 + 56 + 40];

/** The usual pump's data: its program. */
export function linkPump(architecture: "x86_64" | "aarch64"): { readonly data: string; readonly bss: number } {
  const { elf } = link(pumpProgram({ ...USUAL_PUMP, architecture }));
  const data = elf.subarray(DATA_OFFSET);
  return { data: data.toHex(), bss: new DataView(elf.buffer).getUint32(MEMORY_SIZE, true) - data.length };
}

if (import.meta.main) {
  const pump = `${ROOT}/lib/logs/linked.ts`;
  Deno.writeTextFileSync(
    pump,
    `/**
 * What \`deno run -A tasks/assemble.ts\` makes of the usual pump: compiling and linking it takes longer than all else that
 * logging does to a cold start. A test compares this with what the compiler makes.
 *
 * @module
 */

/** The program's data in hexadecimal digits, and how many bytes of zeroes follow. */
export const LINKED = ${JSON.stringify({ x86_64: linkPump("x86_64"), aarch64: linkPump("aarch64") }, null, 2)} as const;
`,
  );
  const file = `${ROOT}/ffi/routines/assembled.ts`;
  Deno.writeTextFileSync(
    file,
    `/**
 * What \`deno run -A tasks/assemble.ts\` makes of the routines beside this file: assembling them takes longer than all else
 * that a cold start does. A test compares these bytes with the assemblers'.
 *
 * @module
 */

/** Hexadecimal digits. */
export const ASSEMBLED = ${JSON.stringify(assembleAll(), null, 2)} as const;
`,
  );
  Deno.exit(await run(Deno.execPath(), ["fmt", "--quiet", file, pump]));
}
