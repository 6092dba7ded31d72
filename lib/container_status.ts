/**
 * How a container ended.
 *
 * @module
 */
import type { Signal } from "../ffi/abi/constants.ts";
import type { Usage } from "./cgroups/usage.ts";

/**
 * How a container ended.
 *
 * @example How did it end?
 * ```ts
 * import { type ContainerStatus, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sh", "-c", "exit 3"] });
 * const status: ContainerStatus = await container.status;
 * console.log(status.code, status.signal, status.finished.getTime() - status.started.getTime()); // 3 undefined …
 * ```
 */
export interface ContainerStatus {
  /** The command's exit code, or 128 + the number of the signal that killed it. */
  readonly code: number;
  /** The signal that killed it. */
  readonly signal?: Signal;
  /** Whether it failed, and the kernel had killed it or a process of it because there was no memory left below the limit. */
  readonly outOfMemory?: boolean;
  /** What it used, where {@linkcode RunOptions.measure} asked for it and cgroups tell, and where it was killed. */
  readonly usage?: Usage;
  /** When it was asked for. */
  readonly created: Date;
  /** When the command began to run. */
  readonly started: Date;
  /** When it had ended. */
  readonly finished: Date;
}
