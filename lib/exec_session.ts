/**
 * A command that has entered a container.
 *
 * @module
 */
import { SIG, type Signal } from "../ffi/abi/constants.ts";
import type { Child } from "../ffi/spawn.ts";
import type { ContainerStatus } from "./container.ts";
import type { TerminalEnds } from "./ends.ts";
import { asFluxError } from "./failure.ts";
import { keepTerminal } from "./keeper.ts";
import { SessionStreams } from "./session_streams.ts";
import type { TerminalSize } from "./spec/options.ts";
import type { Plumbing } from "./streams.ts";

/** What a session is made of. */
export interface SessionParts {
  readonly name: string;
  readonly command: Child;
  readonly plumbing: readonly Plumbing[];
  readonly terminal: TerminalEnds | undefined;
  readonly signal: AbortSignal | undefined;
  readonly created: Date;
  readonly started: Date;
}

/**
 * A command that runs in a container beside its own.
 *
 * @example Ask a container's own tools
 * ```ts
 * import { exec, type ExecSession, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * await using session: ExecSession = await exec(container.name, { command: ["ps"] });
 * console.log(await new Response(session.stdout).text());
 * console.log((await session.status).code); // 0
 * ```
 */
export class ExecSession implements AsyncDisposable {
  /** The container's name. */
  readonly container: string;
  /** The command's process, as the host numbers it. */
  readonly pid: number;
  /** Settles when the command has ended, with the container or before it. */
  readonly status: Promise<ContainerStatus>;
  readonly #parts: SessionParts;
  readonly #streams: SessionStreams;
  #isLeft = false;

  /** Only {@linkcode exec} makes one. */
  constructor(parts: unknown) {
    const own = parts as SessionParts;
    this.#parts = own;
    this.container = own.name;
    this.pid = own.command.pid;
    this.#streams = new SessionStreams("command", own.plumbing, own.terminal);
    this.status = this.#run();
    // Whoever never asks must not be told by an unhandled rejection.
    this.status.catch(() => {});
    const abort = (): void => this.kill("SIGKILL");
    own.signal?.addEventListener("abort", abort, { once: true });
    this.status.finally(() => own.signal?.removeEventListener("abort", abort)).catch(() => {});
    if (own.signal?.aborted === true) abort();
  }

  /** The command's standard input, where it is piped or a terminal. Throws a `TypeError` where it isn't. */
  get stdin(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.stdin;
  }

  /**
   * The command's standard output, where it is piped or a terminal. Throws a `TypeError` where it isn't.
   *
   * It ends with the command, whoever else may still have it: what is there by then can be read at any time afterwards.
   */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.stdout;
  }

  /** The command's standard error, where it is piped; as {@linkcode ExecSession.stdout}. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.stderr;
  }

  /** Whether the command has a terminal in place of three streams. */
  get hasTerminal(): boolean {
    return this.#streams.terminal !== undefined;
  }

  /** Sends a signal to the command. Does nothing once it has ended. */
  kill(signal: Signal = "SIGTERM"): void {
    this.#parts.command.signal(SIG[signal]);
  }

  /** Tells the command's terminal its new size. Throws a {@link UsageError} where that is no size of a terminal. */
  resize(size: TerminalSize): void {
    this.#streams.resize(size);
  }

  /**
   * Leaves the command, and its terminal, to themselves: what it shows from now on is thrown away. Throws a `TypeError`
   * where it has no terminal, and a `FluxError` where no process can be made that keeps it.
   */
  detach(): void {
    const { command, name, terminal } = this.#parts;
    if (terminal === undefined) throw new TypeError("this command has no terminal that it could be left with");
    if (!terminal.master.isOpen) return;
    try {
      keepTerminal(terminal.master, command.pidfd, name);
    } catch (error) {
      throw asFluxError(error);
    }
    this.#isLeft = true;
    this.#streams.finish();
  }

  /** Kills the command if it still runs and wasn't left to itself, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isLeft) return;
    this.kill("SIGKILL");
    await this.status;
  }

  async #run(): Promise<ContainerStatus> {
    const { command, plumbing, created, started } = this.#parts;
    const status = await command.wait();
    const finished = new Date();
    try {
      await Promise.all(plumbing.map(({ ended }) => ended(true)));
      return { ...status, created, started, finished };
    } finally {
      this.#streams.finish();
      command[Symbol.dispose]();
    }
  }
}
