/**
 * The end of a detached container, which its monitor executes libflux for: cleans up, and starts it again where its restart
 * policy says so.
 *
 * @module
 */
import { ARCHITECTURE, Descriptor } from "../ffi/libc.ts";
import { executeInPlace } from "../ffi/replace.ts";
import { callersVariable } from "./caller.ts";
import { sleeperProgram } from "./compile/sleeper.ts";
import { type DetachedOptions, startDetached } from "./detach.ts";
import { FluxError, LaunchError } from "./errors.ts";
import { MONITOR } from "./compile/monitor_options.ts";
import { ownEnvironment, ownProgram } from "./program.ts";
import type { Restart } from "./spec/restart.ts";
import { bootId } from "./store/directory.ts";
import { STOPPING_FILE } from "./spec/container_files.ts";
import { restartOf } from "./store/ended.ts";
import { newsOfEnd, tell } from "./store/events.ts";
import { OPTIONS_FILE } from "./store/history.ts";
import { isCurrent, isLocked, isOurs, sign } from "./store/lock.ts";
import { Claim } from "./store/claim.ts";
import type { State, Store } from "./store/state.ts";
import { completeRename, holdDirectory } from "./store/naming.ts";
import { startTime } from "./store/process.ts";
import { trim } from "./store/trim.ts";

/** What a container that is started again goes on with. */
interface Waiting {
  readonly state: State;
  readonly restart: Restart;
}

function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

/** Takes the name that the monitor has held, and that this process holds by now. */
async function inherit(store: Store): Promise<Claim> {
  const hold = await holdDirectory(`/proc/self/fd/${MONITOR.directory}/.`);
  const path = linkOf(`/proc/self/fd/${MONITOR.directory}`);
  const name = path.slice(path.lastIndexOf("/") + 1);
  const lock = new Descriptor(MONITOR.lock);
  // By its descriptor: it may have been renamed before, and isn't from here on. Whoever else opens the lock hasn't got it.
  if (hold === undefined || path !== store.directory(name) || !isCurrent(lock, `${path}/lock`) || !isOurs(lock)) {
    throw new LaunchError("only a container's monitor calls 'finish'", {
      hint: "'libflux stop' ends a container, and 'libflux rm' removes what is kept of it",
    });
  }
  completeRename(store.history, path, name);
  sign(lock);
  return new Claim(name, path, lock, store.history, hold);
}

/** Finishes the container whose monitor has become this process. */
export async function finish(store: Store): Promise<void> {
  const claim = await inherit(store);
  const state = store.state(claim.name);
  const options = store.options(claim.name) as DetachedOptions | undefined;
  if (state?.restarting === true && options !== undefined && !isStopping(claim)) {
    return await startAgain(store, claim, state, options);
  }
  const ended = claim.settle();
  // One whose libflux was killed before it had done its part was never started: nobody was told its name.
  const hasStarted = state?.started !== undefined;
  const restart = ended === undefined || state === undefined || !hasStarted
    ? undefined
    : restartOf(state, options, ended);
  if (restart !== undefined && state !== undefined && options !== undefined && !isStopping(claim)) {
    const left = await claim.ledger.undo();
    // Without a moment in which nothing is known of it: who stops it now finds what is to be stopped.
    writeWaiting(claim, { state, restart });
    // What is told of a container that runs.
    claim.forget(["state.json", OPTIONS_FILE, STOPPING_FILE]);
    if (left.length === 0 && !isStopping(claim)) wait(store, options, restart);
  }
  await claim.release();
  await trim(store);
}

/** Whether somebody is ending it, and wants it not to be started again. */
function isStopping({ directory }: Claim): boolean {
  return isLocked(`${directory}/${STOPPING_FILE}`);
}

/** Writes down that it waits to be started again. */
function writeWaiting(claim: Claim, { state, restart }: Waiting): void {
  const { name, id, image, command, created, labels } = state;
  const started = startTime(Deno.pid) ?? 0;
  claim.write({
    ...{ name, id, image, command, created, labels },
    pid: Deno.pid,
    startTime: started,
    cgroups: { legacy: {} },
    monitor: Deno.pid,
    monitorStartTime: started,
    detached: true,
    restarting: true,
    attempts: restart.attempt,
    bootId: bootId(),
  });
}

/** Waits without JavaScript: becomes a few instructions that execute libflux when it is time. */
function wait(store: Store, options: DetachedOptions, restart: Restart): never {
  const program = ownProgram();
  const root = options.root === undefined ? [] : ["--root", store.root];
  return executeInPlace(sleeperProgram({
    delay: restart.delay,
    path: program.path,
    argv: [program.path, ...program.args, "finish", ...root],
    env: ownEnvironment(callersVariable),
  }, ARCHITECTURE));
}

async function startAgain(store: Store, claim: Claim, state: State, options: DetachedOptions): Promise<void> {
  const restarts = (store.history.read(claim.name)?.restarts ?? 0) + 1;
  const record = store.history.read(claim.name);
  try {
    await startDetached(
      { ...options, name: claim.name },
      { claim, id: state.id, store, attempts: state.attempts ?? 1, restarts },
    );
  } catch (error) {
    // Nobody is there to be told. As docker has it: an end of its own, with the code that a first start would have had.
    const [code, finished] = [error instanceof FluxError ? error.exitCode : 125, new Date()];
    const message = error instanceof Error ? error.message : "";
    tell(store.root, ...newsOfEnd(state, { code, finished, error: message }, record !== undefined));
    // By now the name may be another one's.
    if (record !== undefined && store.history.read(claim.name)?.id === state.id) {
      const { signal: _signal, outOfMemory: _killed, ...rest } = record;
      store.history.write({ ...rest, code, finished: finished.toISOString(), error: message });
    }
    throw error;
  }
}
