/**
 * The end of containers, and what comes after: stopping, waiting, starting again.
 *
 * @module
 */
import { POLL, SIG, type Signal } from "../ffi/abi/constants.ts";
import { type Descriptor, syscall } from "../ffi/libc.ts";
import { ready, sleep } from "../ffi/reactor.ts";
import type { ControlOptions } from "./control.ts";
import { type DetachedContainer, type DetachedOptions, startDetached } from "./detach.ts";
import { LaunchError, NoContainerError, UsageError } from "./errors.ts";
import { STOPPING_FILE } from "./spec/container_files.ts";
import { checkName } from "./spec/options.ts";
import { thaw, write } from "./store/cgroup.ts";
import { type Ended, openEnd, readEnd } from "./store/ended.ts";
import { lockFile } from "./store/lock.ts";
import { findRunning, openStore } from "./store/open.ts";
import { monitorOf, openProcess } from "./store/process.ts";
import type { State, Store } from "./store/state.ts";

/**
 * How to stop a container.
 *
 * @example Don't wait for it
 * ```ts
 * import { runDetached, stop, type StopOptions } from "@libflux/cli/mod";
 *
 * const atOnce: StopOptions = { time: 0 };
 * const { name } = await runDetached({ command: ["sleep", "60"] });
 * await stop(name, atOnce);
 * ```
 */
export interface StopOptions extends ControlOptions {
  /** Seconds that it has to end by itself before it is killed; what it was started with, or 10, if left out; 0: none. */
  readonly time?: number;
  /** The signal that asks it to end; what it was started with, or SIGTERM, if left out. */
  readonly signal?: Signal;
}

/** Seconds that a container has to end when it was asked to, as docker has it. */
const GRACE = 10;
/** Milliseconds that what was killed, and its monitor, may take to go away. */
const PATIENCE = 20_000;
/** How often what is left of one that has ended is tried to be removed, and milliseconds in between. */
const TRIES = 3;
const PAUSE = 50;
const MOMENT = 2;

/**
 * Ends a container: asks it to by a signal, kills it when its time is over, and waits until the host is clean. It isn't
 * started again by its restart policy.
 *
 * @throws {NoContainerError} There is none of this name.
 * @throws {LaunchError} It can't be ended.
 *
 * @example
 * ```ts
 * import { runDetached, stop } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sleep", "60"] });
 * await stop(name);
 * ```
 */
export async function stop(name: string, options: StopOptions = {}): Promise<void> {
  checkTime(options.time);
  const store = await openStore(options.root);
  checkName(name);
  if (store.state(name) !== undefined) return void await end(store, name, options);
  const record = store.history.read(name);
  if (record === undefined) throw missing(name, store);
  // One that is just renamed has its record by its old name for a moment.
  const renamed = nameOf(store, record.id);
  if (renamed !== undefined) await end(store, renamed, options);
}

/** By what name a container runs; nothing where it doesn't. */
const nameOf = (store: Store, id: string): string | undefined =>
  store.names().find((name) => store.state(name)?.id === id);

/** Throws a {@link UsageError} unless somebody can wait for so many seconds. */
function checkTime(time: number | undefined): void {
  if (time === undefined || Number.isFinite(time) && time >= 0) return;
  throw new UsageError(`a container can't be given ${time} seconds to end`, { hint: "give 0 or more" });
}

function missing(name: string, store: Store): NoContainerError {
  if (store.history.read(name) === undefined) {
    return new NoContainerError(`there is no container ${name}`, { hint: "'libflux ps' lists those that run" });
  }
  return new NoContainerError(`the container ${name} has ended already`, {
    hint: "'libflux ps --all' lists those that have ended",
  });
}

/** Ends the container that has the name, by whatever name it has meanwhile, and answers the last one. */
async function end(store: Store, asked: string, { time, signal }: StopOptions): Promise<string> {
  let name = asked;
  const first = store.state(name);
  const grace = (time ?? first?.stopTimeout ?? GRACE) * 1000;
  const deadline = performance.now() + grace + PATIENCE;
  using marks = new DisposableStack();
  let marked = false;
  let tries = 0;
  // Not the next of that name: either it has ended then, or somebody has renamed it.
  const isThere = (state: State | undefined): state is State => state !== undefined && state.id === first?.id;
  while (performance.now() < deadline) {
    const state = store.state(name);
    if (!isThere(state)) {
      const renamed = first === undefined ? undefined : nameOf(store, first.id);
      if (renamed === undefined) return name;
      name = renamed;
      continue;
    }
    if (state.detached === true && !marked) {
      mark(store, name, marks);
      marked = true;
      // Until then it may have been started again.
      continue;
    }
    if (state.restarting === true) {
      using waiting = openProcess(state);
      if (waiting !== undefined) syscall("pidfd_send_signal", waiting.number, SIG.SIGKILL, 0, 0);
    } else await terminate(state, SIG[signal ?? state.stopSignal ?? "SIGTERM"], grace);
    await monitorsEnd(store, { ...state, name }, deadline);
    const hasTried = await store.reconcileOne(name);
    if (!isThere(store.state(name))) continue;
    // Nobody has it, and something of it won't go: what, the warning has said.
    if (hasTried && ++tries === TRIES) break;
    await sleep(hasTried ? PAUSE : MOMENT);
  }
  if (!isThere(store.state(name))) return name;
  throw store.isHeld(name)
    ? new LaunchError(`the container ${name} could not be ended`, {
      hint: "a process of it may be waiting for a disk: 'libflux top' shows them",
    })
    : new LaunchError(`the container ${name} has ended, but what is left of it can't be removed`, {
      hint: "the next libflux command tries again",
    });
}

/** Tells the monitor that somebody cleans up in its place, and that it isn't to start the container again: as long as that is there. */
function mark(store: Store, name: string, marks: DisposableStack): void {
  try {
    const file = lockFile(`${store.directory(name)}/${STOPPING_FILE}`);
    // Somebody else is at it already.
    if (typeof file === "object") marks.use(file);
  } catch {
    // It has just gone.
  }
}

/** Lets what is held go on: else it hears nothing. */
function letGoOn({ cgroups: { unified, legacy } }: State): void {
  for (const directory of Object.values(legacy)) thaw(directory);
  if (unified !== undefined) write(`${unified}/cgroup.freeze`, "0");
}

/** Waits for a descriptor, but no longer than some milliseconds; answers whether it was ready. */
async function within(descriptor: Descriptor, milliseconds: number): Promise<boolean> {
  if (milliseconds <= 0) return false;
  return await ready(descriptor.number, POLL.POLLIN, milliseconds) !== 0;
}

/** Asks PID 1 to end, and kills it when it hasn't. */
async function terminate(state: State, signal: number, grace: number): Promise<void> {
  using pidfd = openProcess(state);
  if (pidfd === undefined) return;
  if (grace > 0) {
    syscall("pidfd_send_signal", pidfd.number, signal, 0, 0);
    letGoOn(state);
    if (await within(pidfd, grace)) return;
  }
  letGoOn(state);
  syscall("pidfd_send_signal", pidfd.number, SIG.SIGKILL, 0, 0);
  await within(pidfd, PATIENCE);
}

/** Waits until nobody holds the container's name any more. */
async function monitorsEnd(store: Store, state: State, deadline: number): Promise<void> {
  const { name, id, monitor, detached } = state;
  // What runs one in the foreground may go on for long, and is asked for the name when PID 1 has ended.
  using pidfd = openProcess(detached === true ? monitorOf(state) : state);
  if (pidfd !== undefined) await within(pidfd, deadline - performance.now());
  // Started again, it has the same id, and another monitor.
  const isSame = (now: State | undefined): boolean => now?.id === id && now.monitor === monitor;
  while (performance.now() < deadline && store.isHeld(name) && isSame(store.state(name))) {
    await sleep(MOMENT);
  }
}

/**
 * Sends a signal to a container's command; SIGKILL ends the whole container.
 *
 * @throws {NoContainerError} There is none of this name.
 *
 * @example Have it read its configuration again
 * ```ts
 * import { kill, runDetached, stop } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sh", "-c", "trap : HUP; while :; do sleep 1; done"] });
 * await kill(name, "SIGHUP");
 * await stop(name, { time: 0 });
 * ```
 */
export async function kill(name: string, signal: Signal = "SIGKILL", options: ControlOptions = {}): Promise<void> {
  const store = await openStore(options.root);
  checkName(name);
  // As with docker, it isn't started again: whoever kills it wants it to be gone.
  if (signal === "SIGKILL" && store.state(name)?.detached === true) return void await end(store, name, { time: 0 });
  const state = findRunning(store, name);
  using pidfd = openProcess(state);
  if (pidfd === undefined) return;
  if (signal === "SIGKILL") letGoOn(state);
  syscall("pidfd_send_signal", pidfd.number, SIG[signal], 0, 0);
}

/**
 * Waits until a container has ended, and isn't started again.
 *
 * @returns How it has ended; no code where nobody has written that down: its libflux was killed, or keeps no record.
 * @throws {NoContainerError} There is none of this name, and none that has ended.
 *
 * @example
 * ```ts
 * import { runDetached, wait } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sh", "-c", "exit 3"] });
 * console.log((await wait(name)).code); // 3
 * ```
 */
export async function wait(
  name: string,
  options: ControlOptions = {},
): Promise<{ readonly code?: number; readonly signal?: string }> {
  const store = await openStore(options.root);
  checkName(name);
  const id = store.state(name)?.id ?? store.history.read(name)?.id;
  if (id === undefined) throw missing(name, store);
  let ended: Ended | undefined;
  for (;;) {
    const state = store.state(name);
    if (state === undefined || state.id !== id || !store.isHeld(name)) break;
    using file = openEnd(store.directory(name));
    await monitorsEnd(store, { ...state }, Infinity);
    ended = file === undefined ? ended : readEnd(file) ?? ended;
  }
  await store.reconcileOne(name);
  const record = store.history.read(name);
  const { code, signal } = ended ?? (record?.id === id ? record : {});
  return { ...(code === undefined ? {} : { code }), ...(signal === undefined ? {} : { signal }) };
}

/**
 * How one start of a container has ended, of which nothing more is to be heard: once the host is clean, or it waits to be
 * started again.
 *
 * @param file From {@link openEnd}, while it ran.
 */
export async function endOf(
  store: Store,
  state: State,
  file: Descriptor | undefined,
): Promise<{ readonly code?: number }> {
  const { name, id, pid } = state;
  if (store.state(name)?.pid === pid) await monitorsEnd(store, state, Infinity);
  await store.reconcileOne(name);
  const record = store.history.read(name);
  const ended = (file === undefined ? undefined : readEnd(file)) ?? (record?.id === id ? record : undefined);
  return ended?.code === undefined ? {} : { code: ended.code };
}

/**
 * Stops a container if it runs, and starts it again with the same options, name and log.
 *
 * @throws {NoContainerError} There is none of this name, and none that has ended.
 * @throws {UsageError} It runs in the foreground of another libflux.
 *
 * @example
 * ```ts
 * import { restart, runDetached, stop } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sleep", "60"] });
 * await restart(name, { time: 0 });
 * await stop(name, { time: 0 });
 * ```
 */
export async function restart(name: string, options: StopOptions = {}): Promise<DetachedContainer> {
  checkTime(options.time);
  const store = await openStore(options.root);
  checkName(name);
  const state = store.state(name);
  if (state !== undefined && state.detached !== true) {
    throw new UsageError(`the container ${name} runs in the foreground, and can't be started again from elsewhere`, {
      hint: "containers of 'libflux run --detach' can",
    });
  }
  // Before it is stopped: with its directory it is gone.
  const wish = state === undefined ? store.history.options(name) : store.options(name);
  const id = state?.id ?? store.history.read(name)?.id;
  if (id !== undefined && wish === undefined) {
    throw new UsageError(`the container ${name} has ended in the foreground, and can't be started again`, {
      hint: "containers of 'libflux run --detach' can; 'libflux run' starts it anew",
    });
  }
  if (wish === undefined || id === undefined) throw missing(name, store);
  const last = state === undefined ? name : await end(store, name, options);
  const restarts = store.history.read(last)?.restarts ?? 0;
  const claim = await store.claim(last);
  return await startDetached(
    { ...wish as DetachedOptions, name: last },
    { claim, id, store, attempts: 0, restarts },
  );
}
