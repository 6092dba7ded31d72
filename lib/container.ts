/**
 * The life of a container: who calls whom, in which order.
 *
 * @module
 */
import { SIG, type Signal } from "../ffi/abi/constants.ts";
import { type Descriptor, syscall } from "../ffi/libc.ts";
import type { LinkOptions } from "../ffi/link.ts";
import { exitStatus } from "../ffi/spawn.ts";
import { assemble, type AssembleOptions } from "./assemble.ts";
import { measured } from "./make_cgroups.ts";
import type { ContainerStatus } from "./container_status.ts";
import { LaunchError } from "./errors.ts";
import { asFluxError, initError } from "./failure.ts";
import { isOwnHosts, startOr } from "./connect.ts";
import { launch, type Launched, type Timings } from "./launch.ts";
import { allEnded, inTurn, inTurnOrWarn } from "./settle.ts";
import { SessionStreams } from "./session_streams.ts";
import type { RunOptions, TerminalSize } from "./spec/options.ts";
import { thaw } from "./store/cgroup.ts";
import { newsOfEnd, newsOfStart, tell } from "./store/events.ts";
import { killNamespace } from "./store/process.ts";
import { mayBeConfined } from "./selinux.ts";
import { layOut } from "./streams.ts";

export type { ContainerStatus, Signal, Timings };

/**
 * A running container.
 *
 * @example Run a command and read what it writes
 * ```ts
 * import { run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["cat", "/etc/hostname"], name: "web" });
 * console.log(await new Response(container.stdout).text()); // "web"
 * console.log((await container.status).code); // 0
 * ```
 *
 * @example Talk to it
 * ```ts
 * import { run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["tr", "a-z", "A-Z"], stdin: "piped" });
 * const output = new Response(container.stdout).text();
 * const writer = container.stdin.getWriter();
 * await writer.write(new TextEncoder().encode("hello"));
 * await writer.close();
 * console.log(await output); // "HELLO"
 * ```
 */
export class Container implements AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** 64 hexadecimal digits that no other container ever has. */
  readonly id: string;
  /** PID 1 of the container, as the host numbers it. */
  readonly pid: number;
  /** Settles when the container has ended and the host is clean; a {@linkcode LaunchError} where PID 1 of libflux's failed. */
  readonly status: Promise<ContainerStatus>;
  readonly #parts: Launched;
  readonly #streams: SessionStreams;
  #timings: Timings;

  /** Only {@linkcode run} makes one. */
  constructor(launched: unknown) {
    const own = launched as Launched;
    this.#parts = own;
    this.name = own.prepared.name;
    this.id = own.prepared.id;
    this.pid = own.child.pid;
    this.#timings = own.timings;
    const { capture, plumbing, terminal } = own;
    const tap = (): Descriptor | undefined => terminal === undefined ? undefined : capture?.tap();
    this.#streams = new SessionStreams("container", plumbing, terminal, tap);
    this.status = this.#run();
    // Whoever never asks must not be told by an unhandled rejection.
    this.status.catch(() => {});
    const abort = (): void => this.kill("SIGKILL");
    own.options.signal?.addEventListener("abort", abort, { once: true });
    this.status.finally(() => own.options.signal?.removeEventListener("abort", abort)).catch(() => {});
    if (own.options.signal?.aborted === true) abort();
  }

  /** The command's standard input, where it is piped or a terminal. Throws a `TypeError` where it isn't. */
  get stdin(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.stdin;
  }

  /**
   * The command's standard output, where it is piped or a terminal. Throws a `TypeError` where it isn't.
   *
   * Cancelled, it is gone for the command as well: a pipe is broken, a terminal hangs up (SIGHUP), its input too. What
   * nobody has read when the container ends is kept in memory, which is no more than a pipe holds: it can be read at any
   * time afterwards.
   */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.stdout;
  }

  /** The command's standard error, where it is piped; as {@linkcode Container.stdout}. Throws a `TypeError` where it isn't. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.stderr;
  }

  /** Whether the command has a terminal in place of three streams. */
  get hasTerminal(): boolean {
    return this.#streams.terminal !== undefined;
  }

  /** Where the time went so far. */
  get timings(): Timings {
    return this.#timings;
  }

  /** Sends a signal to the command; SIGKILL ends the whole container. Does nothing once it has ended. */
  kill(signal: Signal = "SIGTERM"): void {
    // A v1 freezer holds even what is to be killed.
    if (signal === "SIGKILL") { for (const directory of Object.values(this.#parts.cgroups.legacy)) thaw(directory); }
    this.#parts.child.signal(SIG[signal]);
  }

  /** Tells the command's terminal its new size. Throws a {@link UsageError} where that is no size of a terminal. */
  resize(size: TerminalSize): void {
    this.#streams.resize(size);
  }

  /** Kills the container if it still runs, and waits until the host is clean. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    // How the container ended is for those who ask for its status.
    await this.status.catch((error) => {
      if (!(error instanceof LaunchError)) throw error;
    });
  }

  /** What is told of it to who follows events. */
  get #who(): Parameters<typeof newsOfEnd>[0] {
    const { prepared: { name, id, spec }, options: { labels = {} } } = this.#parts;
    return { name, id, image: spec.root.path, labels };
  }

  async #run(): Promise<ContainerStatus> {
    const {
      child,
      plumbing,
      status: report,
      lifeline,
      mounts,
      capture,
      claim,
      cgroups,
      namespace,
      connection,
      server,
      created,
      timings,
    } = this.#parts;
    const started = new Date(created.getTime() + timings.create + timings.start);
    let failed: unknown;
    try {
      capture?.keep();
      // What an earlier one of its name has left would be taken for its own.
      if (this.#parts.options.log?.driver === "none") claim.history.remove(claim.name);
      tell(claim.root, ...newsOfStart(this.#who, created));
    } catch (error) {
      failed = error;
      this.kill("SIGKILL");
    }
    const end = await child.wait();
    const finished = new Date();
    const before = performance.now();
    try {
      if (failed !== undefined) throw failed;
      if (namespace !== undefined) await killNamespace(namespace);
      if (capture !== undefined) await this.#streams.drain();
      await Promise.all([...plumbing.map(({ ended }) => ended()), capture?.ended()]);
      // The command's own status; PID 1's where it was killed before it could report; its report where it failed.
      const raw = new Uint8Array(16);
      const size = report === undefined ? 0 : syscall("read", report.number, raw, raw.length);
      if (size === raw.length) {
        capture?.finish(end, { started, finished });
        tell(
          claim.root,
          ...newsOfEnd(this.#who, { ...end, finished }, capture !== undefined && !capture.record.remove),
        );
        throw initError(this.#parts.image, raw);
      }
      const reported = size === 4;
      const status = reported ? exitStatus(new DataView(raw.buffer).getInt32(0, true)) : end;
      const used = measured(cgroups, this.#parts.options, status.code);
      const ended = { ...status, ...used, created, started, finished };
      capture?.finish(ended, ended);
      tell(claim.root, ...newsOfEnd(this.#who, ended, capture !== undefined && !capture.record.remove));
      return ended;
    } catch (error) {
      failed = error;
      throw error;
    } finally {
      // Why the container has failed is what counts.
      const giveBack = failed === undefined ? inTurn : inTurnOrWarn;
      await giveBack(
        () => this.#streams.finish(),
        () => [report, lifeline].forEach((descriptor) => descriptor?.close()),
        () => child[Symbol.dispose](),
        () => cgroups.release(),
        // At the same time.
        () => allEnded([mounts?.closeInBackground(), claim.release(), server?.[Symbol.asyncDispose]()]),
        () => connection?.[Symbol.asyncDispose](),
        () => this.#parts.idLock.close(),
        // Not before: one whose name is held isn't counted as one that has ended.
        () => capture?.trim(),
        () => this.#timings = { ...timings, tearDown: performance.now() - before },
      );
    }
  }
}

/**
 * Runs a command in a container of its own.
 *
 * @returns The container, once its command has been executed.
 * @throws {UsageError} Wrong options.
 * @throws {ImageError} No image, or not one.
 * @throws {NameInUseError} The name belongs to another container.
 * @throws {CommandNotFoundError} The command isn't there.
 * @throws {NotExecutableError} The command is there and can't be executed.
 * @throws {PermissionError} The caller may not make containers.
 * @throws {LaunchError} Any other step of the launch failed.
 *
 * @example Kill it when it takes too long
 * ```ts
 * import { run } from "@libflux/cli/mod";
 *
 * await using container = await run({
 *   command: ["sleep", "60"],
 *   signal: AbortSignal.timeout(1000),
 * });
 * console.log((await container.status).signal); // "SIGKILL"
 * ```
 */
export function run(options: RunOptions): Promise<Container> {
  return start(options);
}

/** {@linkcode run}, with what tests make fail. */
export function start(options: RunOptions, linkOptions: LinkOptions = {}): Promise<Container> {
  return startOr(options, (isWithout) => begin(options, { linkOptions, isWithout }));
}

async function begin(options: RunOptions, how: AssembleOptions): Promise<Container> {
  const assembled = await assemble(options, layOut(options, mayBeConfined(options)), how);
  const { connection, prepared, release } = assembled;
  let launched: Launched;
  try {
    launched = await launch(assembled);
  } catch (error) {
    await inTurnOrWarn(release);
    throw asFluxError(error);
  }
  // What it has is given back by itself from here on.
  const container = new Container(launched);
  try {
    await connection?.settle(container.pid, isOwnHosts(prepared));
    return container;
  } catch (error) {
    await container[Symbol.asyncDispose]();
    throw asFluxError(error);
  }
}
