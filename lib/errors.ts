/**
 * Every way libflux fails, and how it tells.
 *
 * @module
 */
import { printable } from "./errno.ts";
export { errnoText, printable } from "./errno.ts";

/**
 * What an error knows beside its sentence.
 *
 * @example An error of your own
 * ```ts
 * import { type FluxErrorOptions, UsageError } from "@libflux/cli/mod";
 *
 * const options: FluxErrorOptions = { hint: "write 1G" };
 * console.log(new UsageError("that is no size", options).hint);
 * ```
 */
export interface FluxErrorOptions {
  /** What was being done, in words: "mount proc on /proc". */
  readonly step?: string;
  /** What it was done to. */
  readonly path?: string;
  /** The kernel's error number, positive. */
  readonly errno?: number;
  /** What to do about it. */
  readonly hint?: string;
  /** What caused it. */
  readonly cause?: unknown;
}

/**
 * The class of every error that libflux throws on purpose.
 *
 * @example Tell a missing command from other failures
 * ```ts
 * import { CommandNotFoundError, FluxError } from "@libflux/cli/mod";
 *
 * const error: FluxError = new CommandNotFoundError("there is no command nginx in the container");
 * if (error.exitCode !== 127) throw error;
 * ```
 */
export class FluxError extends Error {
  /** The class's own name. */
  override name = "FluxError";
  /** What was being done, in words. */
  readonly step?: string;
  /** What it was done to. */
  readonly path?: string;
  /** The kernel's error number, positive. */
  readonly errno?: number;
  /** What to do about it. */
  readonly hint?: string;
  /** The exit code of a command that fails like this. */
  readonly exitCode: number = 125;

  /**
   * Makes one.
   *
   * @param message One sentence without a full stop: what, where and why.
   * @param options What else is known.
   */
  constructor(message: string, options: FluxErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    if (options.step !== undefined) this.step = options.step;
    if (options.path !== undefined) this.path = options.path;
    if (options.errno !== undefined) this.errno = options.errno;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/**
 * Wrong options: nothing was done.
 *
 * @example Tell the user what to correct
 * ```ts
 * import { run, UsageError } from "@libflux/cli/mod";
 *
 * try {
 *   await run({ command: ["true"], workdir: "relative" });
 * } catch (error) {
 *   if (!(error instanceof UsageError)) throw error;
 *   console.error(`${error.message}; ${error.hint}`);
 * }
 * ```
 */
export class UsageError extends FluxError {
  /** The class's own name. */
  override name = "UsageError";
}

/**
 * The image isn't there, or isn't one.
 *
 * @example Which image was it?
 * ```ts
 * import { ImageError, run } from "@libflux/cli/mod";
 *
 * try {
 *   await run({ image: "/no/such/image", command: ["true"] });
 * } catch (error) {
 *   if (!(error instanceof ImageError)) throw error;
 *   console.error(error.path); // "/no/such/image"
 * }
 * ```
 */
export class ImageError extends FluxError {
  /** The class's own name. */
  override name = "ImageError";
}

/**
 * The name belongs to another container.
 *
 * @example Use another name
 * ```ts
 * import { NameInUseError, run } from "@libflux/cli/mod";
 *
 * await using first = await run({ name: "worker", command: ["sleep", "60"] });
 * const second = await run({ name: "worker", command: ["true"] }).catch((error) => {
 *   if (error instanceof NameInUseError) return run({ name: "worker-2", command: ["true"] });
 *   throw error;
 * });
 * console.log(first.name, second.name, (await second.status).code);
 * ```
 */
export class NameInUseError extends FluxError {
  /** The class's own name. */
  override name = "NameInUseError";
}

/**
 * The caller or this host may not do what was asked.
 *
 * @example Somebody else can write to the state root
 * ```ts
 * import { PermissionError, run } from "@libflux/cli/mod";
 *
 * try {
 *   await run({ command: ["true"], root: "/tmp" });
 * } catch (error) {
 *   if (!(error instanceof PermissionError)) throw error;
 *   console.error(error.message);
 * }
 * ```
 */
export class PermissionError extends FluxError {
  /** The class's own name. */
  override name = "PermissionError";
}

/**
 * A step of the launch program failed; the container never started.
 *
 * @example Which step was it?
 * ```ts
 * import { LaunchError, run } from "@libflux/cli/mod";
 *
 * try {
 *   await run({ command: ["true"], mounts: [{ destination: "/etc", type: "bind", source: "/etc/passwd" }] });
 * } catch (error) {
 *   if (!(error instanceof LaunchError)) throw error;
 *   console.error(error.step, error.errno); // "bind /etc/passwd on /etc", 20
 * }
 * ```
 */
export class LaunchError extends FluxError {
  /** The class's own name. */
  override name = "LaunchError";
}

/**
 * The command is there and can't be executed: exit code 126.
 *
 * @example Why not?
 * ```ts
 * import { NotExecutableError, run } from "@libflux/cli/mod";
 *
 * try {
 *   await run({ command: ["/etc/passwd"] });
 * } catch (error) {
 *   if (!(error instanceof NotExecutableError)) throw error;
 *   console.error(error.message, error.exitCode);
 * }
 * ```
 */
export class NotExecutableError extends FluxError {
  /** The class's own name. */
  override name = "NotExecutableError";
  /** The exit code of a command that fails like this. */
  override readonly exitCode: number = 126;
}

/**
 * The command isn't there: exit code 127.
 *
 * @example Is it installed in the image?
 * ```ts
 * import { CommandNotFoundError, run } from "@libflux/cli/mod";
 *
 * try {
 *   await run({ command: ["no-such-command"] });
 * } catch (error) {
 *   if (!(error instanceof CommandNotFoundError)) throw error;
 *   console.error(error.message, error.exitCode);
 * }
 * ```
 */
export class CommandNotFoundError extends FluxError {
  /** The class's own name. */
  override name = "CommandNotFoundError";
  /** The exit code of a command that fails like this. */
  override readonly exitCode: number = 127;
}

/**
 * There is no container of this name.
 *
 * @example
 * ```ts
 * import { NoContainerError, pause } from "@libflux/cli/mod";
 *
 * try {
 *   await pause("nobody");
 * } catch (error) {
 *   if (!(error instanceof NoContainerError)) throw error;
 *   console.log(error.message);
 * }
 * ```
 */
export class NoContainerError extends FluxError {
  /** The class's own name. */
  override name = "NoContainerError";
}

/**
 * A limit that this host can't enforce.
 *
 * @example
 * ```ts
 * import { LimitError, run } from "@libflux/cli/mod";
 *
 * try {
 *   await using _container = await run({ command: ["true"], limits: { cpusetCpus: "4000" } });
 * } catch (error) {
 *   if (!(error instanceof LimitError)) throw error;
 *   console.log(error.message);
 * }
 * ```
 */
export class LimitError extends FluxError {
  /** The class's own name. */
  override name = "LimitError";
}

/**
 * systemd makes no scope for a container that was to have one.
 *
 * @example
 * ```ts
 * import { run, ScopeError } from "@libflux/cli/mod";
 *
 * const options = { command: ["true"], cgroupManager: "systemd" } as const;
 * const container = await run(options).catch((error) => {
 *   if (error instanceof ScopeError) return run({ ...options, cgroupManager: "cgroupfs" });
 *   console.log(error.message); // where systemd isn't PID 1
 * });
 * await container?.status;
 * ```
 */
export class ScopeError extends LimitError {
  /** The class's own name. */
  override name = "ScopeError";
}

/**
 * A container's network can't be made, or a network can't be changed.
 *
 * @example
 * ```ts
 * import { NetworkError, removeNetwork } from "@libflux/cli/mod";
 *
 * try {
 *   await removeNetwork("backend");
 * } catch (error) {
 *   if (!(error instanceof NetworkError)) throw error;
 *   console.log(error.message); // there is no network backend
 * }
 * ```
 */
export class NetworkError extends FluxError {
  /** The class's own name. */
  override name = "NetworkError";
}

/** An error for a person: one line, and with `debug` all that is known. */
export function describe(error: unknown, debug = false): string {
  const lines: string[] = [];
  if (error instanceof FluxError) {
    // Whatever a path or a name has in it: an error must not be able to drive a terminal.
    lines.push(printable(`libflux: ${error.message}${error.hint === undefined ? "" : `; ${error.hint}`}`));
  } else if (error instanceof Error) {
    lines.push(`libflux: this is a bug in libflux, please report it: ${error.name}: ${error.message}`);
  } else lines.push(`libflux: ${error}`);
  if (debug && error instanceof Error) {
    if (error.stack !== undefined) lines.push(error.stack);
    if (error.cause !== undefined) lines.push(describe(error.cause, true));
  }
  return lines.join("\n");
}
