/**
 * What this process, and the one that started it, does with signals.
 *
 * @module
 */
import { SIG, type Signal } from "../ffi/abi/constants.ts";
import { syscall } from "../ffi/libc.ts";
import { readIfThere } from "./store/directory.ts";

/** Numbers of the signals that a process ignores, and that its children would too. @param status `/proc/PID/status`. */
export function ignoredSignals(status: string): number[] {
  const mask = BigInt(`0x${/^SigIgn:\t([0-9a-f]{16})$/m.exec(status)?.[1] ?? "0"}`);
  const ALL = 64;
  return Array.from({ length: ALL }, (_, index) => index + 1).filter((number) =>
    (mask >> BigInt(number - 1) & 1n) === 1n
  );
}

const SIG_IGN = 1;

/**
 * Listens for signals until it is disposed of. Those that this process ignores, as `nohup` has it ignore SIGHUP, stay
 * ignored, by what it executes too.
 */
export function listen(signals: readonly Signal[], listener: (signal: Signal) => void): Disposable {
  const ignored = ignoredSignals(readIfThere("/proc/self/status") ?? "");
  const listeners = signals.filter((signal) => !ignored.includes(SIG[signal]))
    .map((signal) => [signal, () => listener(signal)] as const);
  for (const [signal, own] of listeners) Deno.addSignalListener(signal, own);
  // With the first listener Deno begins to handle SIGHUP, SIGINT and SIGTERM as well, whoever listens for what.
  const action = new Uint8Array(32);
  action[0] = SIG_IGN;
  for (const number of ignored) syscall("rt_sigaction", number, action, 0, 8);
  return {
    [Symbol.dispose]() {
      for (const [signal, own] of listeners) Deno.removeSignalListener(signal, own);
    },
  };
}

/** The signals by their names. */
export const SIGNALS: Readonly<Record<Signal, number>> = SIG;
export type { Signal };
