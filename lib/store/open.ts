/**
 * Opening a state root, and taking a name from another container.
 *
 * @module
 */
import { sleep } from "../../ffi/reactor.ts";
import { callersPath } from "../caller.ts";
import { NameInUseError, NoContainerError } from "../errors.ts";
import { checkName } from "../spec/options.ts";
import { defaultRoot } from "./directory.ts";
import { History, historyRoot } from "./history.ts";
import { thaw } from "./cgroup.ts";
import { isAlive, killProcess, mountNamespace } from "./process.ts";
import { type State, Store } from "./state.ts";

const reconciled = new Set<string>();

/** Opens a state root, and leaves alone what killed ones left there. */
export function openStoreAsIs(root?: string): Store {
  const own = root === undefined ? undefined : resolved(callersPath(root));
  // The default root is the same one where it is named: so is its history.
  const isDefault = own === undefined || own === resolved(defaultRoot());
  return new Store(own ?? defaultRoot(), new History(historyRoot(isDefault ? undefined : own)));
}

/** Opens a state root; the first time a process does, what killed ones left there is removed. */
export async function openStore(root?: string): Promise<Store> {
  const store = openStoreAsIs(root);
  if (!reconciled.has(store.root)) {
    reconciled.add(store.root);
    try {
      await store.reconcile();
    } catch (error) {
      reconciled.delete(store.root);
      throw error;
    }
  }
  return store;
}

/** Whatever way leads there: bridges are marked with the root that they are of. */
function resolved(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    // Not there yet, or not to be had: who makes it tells. What is above it may be a link all the same.
    const at = path.replace(/\/+$/, "").lastIndexOf("/");
    return at <= 0 ? path : `${resolved(path.slice(0, at))}/${path.slice(at + 1)}`;
  }
}

/**
 * What is known of a container that runs. Throws a {@link NoContainerError} where there is none of this name.
 *
 * Between two starts the process that is named is one of this host's, and whoever entered that would be on this host.
 */
export function findRunning(store: Store, name: string): State {
  checkName(name);
  const state = store.state(name);
  if (state?.restarting === true) {
    throw new NoContainerError(`the container ${name} has ended, and is about to be started again`, {
      hint: `try again in a moment; 'libflux stop ${name}' ends it for good`,
    });
  }
  // Every container has its own mounts: one that hasn't is none, whatever its state says.
  if (state !== undefined && isAlive(state) && mountNamespace(state.pid) !== mountNamespace("self")) return state;
  if (state === undefined && store.history.read(name) !== undefined) {
    throw new NoContainerError(`the container ${name} has ended already`, {
      hint: "'libflux ps --all' lists those that have ended",
    });
  }
  throw new NoContainerError(`there is no container ${name}`, { hint: "'libflux ps' lists those that run" });
}

/** Ends a container whoever runs it, and waits until its name is free, or the signal fires. */
export async function replace(store: Store, name: string, signal?: AbortSignal): Promise<void> {
  const PATIENCE = 10_000;
  const deadline = performance.now() + PATIENCE;
  while (performance.now() < deadline) {
    const state = store.state(name);
    for (const directory of Object.values(state?.cgroups.legacy ?? {})) thaw(directory);
    if (state !== undefined) await killProcess({ pid: state.pid, startTime: state.startTime });
    // Its monitor cleans up; without one it is reclaimed.
    await store.reconcile();
    if (!store.isHeld(name)) return;
    signal?.throwIfAborted();
    await sleep(5);
  }
  throw new NameInUseError(`the container ${name} could not be ended`, { hint: "end the libflux that runs it" });
}
