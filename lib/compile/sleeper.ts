/**
 * A program that waits, and then executes libflux: between the end of a container and its next start.
 *
 * @module
 */
import { type LaunchProgram, ProgramBuilder } from "../../ffi/program.ts";
import { named } from "./context.ts";
import type { Architecture } from "../../ffi/abi/syscalls.ts";

/** What it is told. */
export interface SleeperOptions {
  /** Milliseconds. */
  readonly delay: number;
  /** What to execute then, with which arguments and environment. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** Compiles one. Whatever descriptors it finds open stay so. */
export function sleeperProgram({ delay, path, argv, env }: SleeperOptions, architecture: Architecture): LaunchProgram {
  const b = new ProgramBuilder(architecture);
  const time = b.words([Math.floor(delay / 1000), (delay % 1000) * 1_000_000]);
  b.syscall("ppoll", [0, 0, time, 0, 8], { label: `wait for ${delay} ms` });
  b.syscall("rt_sigprocmask", [named(2, "SIG_SETMASK"), b.buffer(8), 0, 8], { label: "unblock all signals" });
  b.syscall("execve", [b.string(path), b.strings(argv), b.strings(env)], { label: "start the container again", path });
  return b.build();
}
