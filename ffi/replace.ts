/**
 * Becoming another program.
 *
 * @module
 */
import { AT } from "./abi/constants.ts";
import { addressOf, checked, cString } from "./libc.ts";
import { link } from "./link.ts";
import type { LaunchProgram } from "./program.ts";
import { executable } from "./spawn.ts";

/**
 * Executes a launch program in place of this process, whose threads end. Descriptors that aren't close-on-exec stay open.
 *
 * Throws a `SyscallError` where that can't be done.
 */
export function executeInPlace(program: LaunchProgram): never {
  using memfd = executable(link(program).elf);
  const name = cString("libflux-monitor");
  const argv = new Uint8Array(new BigUint64Array([BigInt(addressOf(name)), 0n]).buffer);
  const envp = new Uint8Array(8);
  checked("execveat", memfd.number, "", argv, envp, AT.AT_EMPTY_PATH);
  throw new Error(`${name.length}: nothing follows a successful execution`);
}
