/**
 * Leaving a command's terminal to a process that keeps it.
 *
 * @module
 */
import { ARCHITECTURE, type Descriptor, pipe } from "../ffi/libc.ts";
import { link } from "../ffi/link.ts";
import { executable, spawn } from "../ffi/spawn.ts";
import { KEEPER, keeperProgram } from "./compile/keeper.ts";

/**
 * Starts a keeper, which has a copy of the terminal as long as the command runs. Throws a `SyscallError`.
 *
 * @param command A pidfd.
 * @param name Whose terminal it is, for `ps`.
 */
export function keepTerminal(master: Descriptor, command: Descriptor, name: string): void {
  const report = pipe();
  using reading = report.read;
  using writing = report.write;
  using image = executable(link(keeperProgram(ARCHITECTURE)).elf);
  const keeper = spawn({
    executable: image,
    argv: ["libflux-keeper", name],
    flags: 0,
    report: writing.number,
    descriptors: [
      [writing.number, KEEPER.report],
      [master.number, KEEPER.terminal],
      [command.number, KEEPER.command],
    ],
  });
  // It ends a moment after the command, which this process waits for, too.
  keeper.wait().then(() => keeper[Symbol.dispose](), () => {});
  reading.close();
}
