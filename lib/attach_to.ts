/**
 * Attaching to a container in the background: its output comes from its log, and its monitor hands out its input.
 *
 * @module
 */
import { F, SIG } from "../ffi/abi/constants.ts";
import { checked, Descriptor, syscall } from "../ffi/libc.ts";
import { abandon, read, writeAll, writeInBackground } from "../ffi/reactor.ts";
import { rawMode, setWindowSize, windowSize } from "../ffi/terminal.ts";
import { askForDescriptor, openDirectory } from "../ffi/unix_listener.ts";
import type { ControlOptions } from "./control.ts";
import { UsageError } from "./errors.ts";
import { wait } from "./lifecycle.ts";
import { follow } from "./logs/follow.ts";
import { listen } from "./signals.ts";
import { ATTACH_SOCKET } from "./spec/container_files.ts";
import { DETACH_KEYS, DetachFilter, parseDetachKeys } from "./spec/detach_keys.ts";
import { findRunning, openStore } from "./store/open.ts";
import { openProcess } from "./store/process.ts";
import type { State, Store } from "./store/state.ts";
import { setNonBlocking } from "./streams.ts";

/**
 * How to attach to a container.
 *
 * @example Only look on
 * ```ts
 * import { type AttachOptions, attachTo, runDetached, stop } from "@libflux/cli/mod";
 *
 * const look: AttachOptions = { input: false };
 * const { name } = await runDetached({ command: ["sleep", "1"] });
 * const { code } = await attachTo(name, look);
 * console.log(code); // 0
 * ```
 */
export interface AttachOptions extends ControlOptions {
  /** Pass standard input on; true if left out. */
  readonly input?: boolean;
  /** Pass signals on; true if left out, and the container has no terminal. */
  readonly signals?: boolean;
  /** The keys that end it and leave the container alone: "ctrl-p,ctrl-q" if left out; "" for none. */
  readonly detachKeys?: string;
}

/** Signals that are passed on. */
const PROXIED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/**
 * Connects this process's standard streams with those of a container in the background, from now on, until it has ended
 * or the detach keys are typed.
 *
 * @returns Its exit code; `detached` where it goes on without.
 * @throws {NoContainerError} There is none of this name.
 * @throws {UsageError} It runs in the foreground of another libflux.
 *
 * @example See what it shows until its end
 * ```ts
 * import { attachTo, runDetached } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sh", "-c", "sleep 1; exit 3"] });
 * const { code, detached } = await attachTo(name, { input: false });
 * console.log(code, detached); // 3 false
 * ```
 */
export async function attachTo(
  name: string,
  options: AttachOptions = {},
): Promise<{ readonly code?: number; readonly detached: boolean }> {
  const keys = parseDetachKeys(options.detachKeys ?? DETACH_KEYS);
  const store = await openStore(options.root);
  const state = findRunning(store, name);
  if (state.detached !== true) {
    throw new UsageError(`the container ${name} runs in the foreground of another libflux`, {
      hint: "'libflux logs --follow' shows what it writes; containers of 'libflux run --detach' can be attached to",
    });
  }
  const ended = wait(name, options);
  ended.catch(() => {});
  using opened = new DisposableStack();
  const directory = opened.use(openDirectory(store.directory(name)));
  const input = options.input === false ? undefined : await askForDescriptor(directory, ATTACH_SOCKET);
  if (input !== undefined) opened.use(input);
  const over = new AbortController();
  const begin = (): void => void opened.use(new Session(state, input, keys, () => over.abort()));
  if (state.terminal !== true && options.signals !== false) {
    const process = openProcess(state);
    // By its descriptor: by then the name may be another's.
    if (process !== undefined) {
      opened.use(process);
      opened.use(listen(PROXIED, (signal) => void syscall("pidfd_send_signal", process.number, SIG[signal], 0, 0)));
    }
  }
  try {
    await show(store, state, over.signal, begin);
  } catch (error) {
    if (!over.signal.aborted) throw error;
    return { detached: true };
  }
  const { code } = await ended;
  return { detached: false, ...(code === undefined ? {} : { code }) };
}

/**
 * Shows what the container writes from now on, until it has ended.
 *
 * @param begin Called when nothing more of it can be missed: what is typed has its answer shown.
 */
async function show(store: Store, state: State, signal: AbortSignal, begin: () => void): Promise<void> {
  const container = store.directory(state.name);
  // A container without a log keeps what who attaches needs in its own directory.
  const hasLog = store.history.read(state.name)?.id === state.id;
  using directory = openDirectory(hasLog ? store.history.directory(state.name) : container);
  using opened = new DisposableStack();
  const targets = { stdout: opened.use(own(1)), stderr: opened.use(own(2)) };
  const following = follow({ directory, container, selection: { tail: 0 }, signal });
  let next = following.next();
  next.catch(() => {});
  begin();
  for (let one = await next; one.done !== true; one = await next) {
    for (const { stream, data } of one.value) {
      if (stream === "lost") continue;
      if (await writeInBackground(targets[stream].number, data) < 0) return;
    }
    next = following.next();
  }
}

/** A descriptor of our own for the same stream: the program may be waiting for its one too. */
function own(stream: 0 | 1 | 2): Descriptor {
  return new Descriptor(checked("fcntl", stream, F.F_DUPFD_CLOEXEC, 3));
}

/** This process's keyboard and window, as long as it is attached. */
class Session implements Disposable {
  readonly #cleanup = new DisposableStack();

  constructor(state: State, input: Descriptor | undefined, keys: Uint8Array, detached: () => void) {
    const isTerminal = state.terminal === true;
    if (input === undefined) return;
    if (isTerminal && Deno.stdin.isTerminal()) this.#cleanup.use(rawMode(0));
    else if (isTerminal && Deno.stdout.isTerminal()) this.#cleanup.use(rawMode(1, "output"));
    if (isTerminal) this.#followWindow(input);
    const source = own(0);
    this.#cleanup.defer(() => abandon(source));
    setNonBlocking(input);
    passOn(source, input, keys, detached).catch(() => {});
  }

  #followWindow(terminal: Descriptor): void {
    const resize = (less: number): void => {
      const size = windowSize(1) ?? windowSize(0);
      if (size !== undefined) setWindowSize(terminal.number, { ...size, rows: Math.max(1, size.rows - less) });
    };
    this.#cleanup.use(listen(["SIGWINCH"], () => resize(0)));
    // What is on it has to be shown to who has just come: programs draw it again when its size changes.
    resize(1);
    resize(0);
  }

  [Symbol.dispose](): void {
    this.#cleanup.dispose();
  }
}

/** From standard input to the container, until one of them ends, or the keys are typed. */
async function passOn(source: Descriptor, target: Descriptor, keys: Uint8Array, detached: () => void): Promise<void> {
  const filter = new DetachFilter(keys);
  const buffer = new Uint8Array(65536);
  for (;;) {
    const size = await read(source.number, buffer);
    if (size <= 0) return;
    const { passed, isDetached } = filter.take(buffer.subarray(0, size));
    if (passed.length > 0 && await writeAll(target.number, passed) < 0) return;
    if (isDetached) return detached();
  }
}
