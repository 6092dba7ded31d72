/**
 * Writes `lib/seccomp/assembled.ts`: the default filter as the compiler makes it, so that no process has to compile it when
 * it starts. A test sees to it that it is the same.
 *
 * @module
 */
import type { Architecture } from "../ffi/abi/syscalls.ts";
import { compileSeccomp } from "../lib/seccomp/compile.ts";
import { defaultProfile } from "../lib/seccomp/default_profile.ts";
import { encodeFilter } from "../lib/seccomp/filter.ts";
import { resolveProfile } from "../lib/seccomp/profile.ts";
import { DEFAULT_CAPABILITIES } from "../lib/spec/defaults.ts";
import { ROOT, run } from "./process.ts";

/** The filter of a container with the default capabilities, in base64. */
export function assembleDefault(architecture: Architecture): string {
  const surroundings = { architecture, kernel: "", capabilities: DEFAULT_CAPABILITIES };
  return encodeFilter(compileSeccomp(resolveProfile(defaultProfile(), surroundings))).toBase64();
}

if (import.meta.main) {
  const file = `${ROOT}/lib/seccomp/assembled.ts`;
  const filters = { x86_64: assembleDefault("x86_64"), aarch64: assembleDefault("aarch64") };
  Deno.writeTextFileSync(
    file,
    `/**
 * What \`deno run -A tasks/seccomp.ts\` makes of the default profile: compiling it takes longer than the rest of a launch
 * program. A test compares these bytes with the compiler's.
 *
 * @module
 */

/** The filter of a container with the default capabilities, in base64. */
export const ASSEMBLED = ${JSON.stringify(filters, null, 2)} as const;
`,
  );
  Deno.exit(await run(Deno.execPath(), ["fmt", "--quiet", file]));
}
