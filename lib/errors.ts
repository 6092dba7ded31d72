/**
 * Every way libflux fails, and how it tells.
 *
 * @module
 */

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

/** `asm-generic/errno-base.h` and `asm-generic/errno.h`: names and meanings of the numbers that syscalls of libflux give. */
const ERRNO: Readonly<Record<number, readonly [string, string]>> = {
  1: ["EPERM", "operation not permitted"],
  2: ["ENOENT", "no such file or directory"],
  3: ["ESRCH", "no such process"],
  4: ["EINTR", "interrupted"],
  5: ["EIO", "input/output error"],
  6: ["ENXIO", "no such device or address"],
  7: ["E2BIG", "arguments or environment too long"],
  8: ["ENOEXEC", "not an executable format"],
  9: ["EBADF", "bad file descriptor"],
  10: ["ECHILD", "no child process"],
  11: ["EAGAIN", "a resource limit is reached"],
  12: ["ENOMEM", "out of memory"],
  13: ["EACCES", "permission denied"],
  14: ["EFAULT", "bad address"],
  16: ["EBUSY", "busy"],
  17: ["EEXIST", "exists already"],
  18: ["EXDEV", "on another filesystem"],
  19: ["ENODEV", "not supported by this kernel"],
  20: ["ENOTDIR", "not a directory"],
  21: ["EISDIR", "is a directory"],
  22: ["EINVAL", "invalid argument"],
  23: ["ENFILE", "too many open files on this system"],
  24: ["EMFILE", "too many open files"],
  26: ["ETXTBSY", "the file is being written to"],
  27: ["EFBIG", "file too large"],
  28: ["ENOSPC", "no space left, or a kernel limit (user.max_*_namespaces, fs.mount-max) is reached"],
  30: ["EROFS", "read-only filesystem"],
  31: ["EMLINK", "too many links"],
  32: ["EPIPE", "broken pipe"],
  34: ["ERANGE", "out of range"],
  36: ["ENAMETOOLONG", "name too long"],
  38: ["ENOSYS", "not implemented by this kernel"],
  39: ["ENOTEMPTY", "directory not empty"],
  40: ["ELOOP", "too many symbolic links, or a symbolic link where none is allowed"],
  75: ["EOVERFLOW", "value too large"],
  80: ["ELIBBAD", "damaged library or loader"],
  87: ["EUSERS", "too many users or namespaces"],
  95: ["EOPNOTSUPP", "operation not supported"],
  116: ["ESTALE", "stale file handle"],
  122: ["EDQUOT", "disk quota exceeded"],
  129: ["EKEYREJECTED", "key rejected"],
};

/** An error number in words: "no such file or directory (ENOENT)". */
export function errnoText(errno: number): string {
  const known = ERRNO[errno];
  return known === undefined ? `error ${errno}` : `${known[1]} (${known[0]})`;
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;

/** A text with control characters shown as escapes: an error message must not be able to drive a terminal. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
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
