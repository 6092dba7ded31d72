/**
 * Attaching to a container in the background: its output comes from its log, and its monitor hands out its input.
 *
 * @module
 */
import { E, F, SIG, type Signal } from "../ffi/abi/constants.ts";
import { checked, Descriptor, syscall } from "../ffi/libc.ts";
import { abandon, writeInBackground } from "../ffi/reactor.ts";
import { askForDescriptor, openDirectory } from "../ffi/unix_listener.ts";
import { AttachedInput } from "./attached_input.ts";
import { type ControlOptions, isPaused } from "./control.ts";
import { LaunchError, UsageError } from "./errors.ts";
import { endOf } from "./lifecycle.ts";
import { follow } from "./logs/follow.ts";
import { onReaderGone } from "./logs/output.ts";
import { listen } from "./signals.ts";
import { ATTACH_SOCKET } from "./spec/container_files.ts";
import { DETACH_KEYS, parseDetachKeys } from "./spec/detach_keys.ts";
import { openEnd } from "./store/ended.ts";
import { findRunning, openStore } from "./store/open.ts";
import { openProcess } from "./store/process.ts";
import type { State, Store } from "./store/state.ts";

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
  /**
   * Pass signals on; true if left out, and the container has no terminal. Otherwise those that would end this process end
   * the attachment, so that its terminal is as before.
   */
  readonly signals?: boolean;
  /**
   * The keys that end it and leave the container alone; "" for none. If left out: "ctrl-p,ctrl-q" where standard input is a
   * terminal, and none where it isn't.
   */
  readonly detachKeys?: string;
}

/** Signals that end an attachment, where they aren't passed on. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
/** Signals that are passed on. */
const PROXIED = [...ENDING, "SIGUSR1", "SIGUSR2"] as const;

/**
 * Connects this process's standard streams with those of a container in the background, from now on, until its command
 * has ended, be it started again or not; until the detach keys are typed; or until nobody reads standard output any more.
 *
 * @returns Its exit code; `detached` where it goes on without, and the signal that has ended the attachment.
 * @throws {NoContainerError} There is none of this name.
 * @throws {LaunchError} It is paused.
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
): Promise<{ readonly code?: number; readonly detached: boolean; readonly signal?: Signal }> {
  // What comes from a file or a pipe may have them in it by chance.
  const keys = parseDetachKeys(options.detachKeys ?? (Deno.stdin.isTerminal() ? DETACH_KEYS : ""));
  const store = await openStore(options.root);
  const state = findAttachable(store, name);
  using opened = new DisposableStack();
  const directory = opened.use(openDirectory(store.directory(name)));
  // What is told there of this start; the next has a file of its own.
  const end = openEnd(store.directory(name));
  if (end !== undefined) opened.use(end);
  const input = options.input === false ? undefined : await askForDescriptor(directory, ATTACH_SOCKET);
  if (input !== undefined) opened.defer(() => abandon(input));
  const over = new AbortController();
  let signal: Signal | undefined;
  const leave = (by?: Signal): void => {
    signal ??= by;
    over.abort();
  };
  const begin = (): void => {
    if (input !== undefined) opened.use(new AttachedInput(input, state.terminal === true, keys, () => leave()));
  };
  if (state.terminal !== true && options.signals !== false) {
    const process = openProcess(state);
    // By its descriptor: by then the name may be another's.
    if (process !== undefined) {
      opened.use(process);
      opened.use(listen(PROXIED, (one) => void syscall("pidfd_send_signal", process.number, SIG[one], 0, 0)));
    }
  } else opened.use(listen(ENDING, leave));
  opened.use(onReaderGone(() => leave()));
  try {
    if (!await show(store, state, over.signal, begin)) leave();
  } catch (error) {
    if (!over.signal.aborted) throw error;
  }
  if (over.signal.aborted) return { detached: true, ...(signal === undefined ? {} : { signal }) };
  const { code } = await endOf(store, state, end);
  return { detached: false, ...(code === undefined ? {} : { code }) };
}

/** Finds a container that somebody can be attached to. */
function findAttachable(store: Store, name: string): State {
  const state = findRunning(store, name);
  if (state.detached !== true) {
    throw new UsageError(`the container ${name} runs in the foreground of another libflux`, {
      hint: "'libflux logs --follow' shows what it writes; containers of 'libflux run --detach' can be attached to",
    });
  }
  if (isPaused(state)) {
    throw new LaunchError(`the container ${name} is paused, and answers nobody until it goes on`, {
      hint: `'libflux unpause ${name}' lets it go on`,
    });
  }
  return state;
}

/**
 * Shows what the container writes from now on, until its command has ended; answers whether anybody still reads it.
 *
 * @param begin Called when nothing more of it can be missed: what is typed has its answer shown.
 */
async function show(store: Store, state: State, signal: AbortSignal, begin: () => void): Promise<boolean> {
  const container = store.directory(state.name);
  // A container without a log keeps what who attaches needs in its own directory.
  const hasLog = store.history.read(state.name)?.id === state.id;
  using directory = openDirectory(hasLog ? store.history.directory(state.name) : container);
  const targets = { stdout: own(1), stderr: own(2) };
  const left = new Promise<number>((resolve) => signal.addEventListener("abort", () => resolve(-E.EINTR)));
  let writing = Promise.resolve(0);
  // What is still being written keeps its descriptor, and a terminal that is stopped nobody else.
  using _ = {
    [Symbol.dispose]: () => void writing.finally(() => Object.values(targets).forEach((one) => one.close())),
  };
  // By its process: what is started again goes on with the name, the id, and the log.
  const isOver = (pid: number): boolean => pid !== state.pid;
  const following = follow({ directory, container, selection: { tail: 0 }, signal, isOver });
  let next = following.next();
  next.catch(() => {});
  begin();
  for (let one = await next; one.done !== true; one = await next) {
    for (const { stream, data } of one.value) {
      if (stream === "lost") continue;
      writing = writeInBackground(targets[stream].number, data);
      if (await Promise.race([writing, left]) < 0) return false;
    }
    next = following.next();
  }
  return true;
}

/** A descriptor of our own for the same stream: the program may be waiting for its one too. */
function own(stream: 1 | 2): Descriptor {
  return new Descriptor(checked("fcntl", stream, F.F_DUPFD_CLOEXEC, 3));
}
