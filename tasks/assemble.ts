/**
 * Writes `ffi/routines/assembled.ts`: the native routines as the assemblers make them, so that no process has to
 * assemble them again when it starts. A test sees to it that they are the same.
 *
 * @module
 */
import * as aarch64 from "../ffi/routines/aarch64.ts";
import * as x86_64 from "../ffi/routines/x86_64.ts";
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

if (import.meta.main) {
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
  Deno.exit(await run(Deno.execPath(), ["fmt", "--quiet", file]));
}
