/**
 * Giving a container another name.
 *
 * @module
 */
import { AT, E } from "../ffi/abi/constants.ts";
import { syscall, SyscallError } from "../ffi/libc.ts";
import type { ControlOptions } from "./control.ts";
import { NameInUseError, NoContainerError, UsageError } from "./errors.ts";
import { checkName } from "./spec/options.ts";
import { writeAtomically } from "./store/directory.ts";
import { eventOf, tell } from "./store/events.ts";
import { tellNeighbours } from "./store/hosts.ts";
import { Networks } from "./store/network.ts";
import { openStore } from "./store/open.ts";
import { isAlive } from "./store/process.ts";
import type { State, Store } from "./store/state.ts";

const RENAME_NOREPLACE = 1;

/**
 * Gives a container in the background, or one that has ended, another name. Its neighbours on a network find it by the new
 * one from then on; its host name stays.
 *
 * @throws {NoContainerError} There is none of this name.
 * @throws {NameInUseError} Another container has the new one.
 * @throws {UsageError} It runs in the foreground of another libflux.
 *
 * @example
 * ```ts
 * import { rename, runDetached, stop } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sleep", "60"] });
 * await rename(name, `${name}-old`);
 * await stop(`${name}-old`, { time: 0 });
 * ```
 */
export async function rename(name: string, to: string, options: ControlOptions = {}): Promise<void> {
  checkName(name);
  checkName(to);
  const store = await openStore(options.root);
  if (name === to) throw new UsageError(`the container ${name} has this name already`);
  const state = store.state(name);
  if (state !== undefined && state.detached !== true) {
    throw new UsageError(`the container ${name} runs in the foreground, and keeps its name`, {
      hint: "containers of 'libflux run --detach' can be renamed",
    });
  }
  if (state === undefined || !isAlive(state)) return await renameEnded(store, name, to);
  if (store.history.read(to) !== undefined) throw inUse(to);
  if (state.restarting === true) {
    throw new UsageError(`the container ${name} is about to be started again`, { hint: "try again in a moment" });
  }
  move(store, name, to);
  writeAtomically(`${store.directory(to)}/state.json`, JSON.stringify({ ...state, name: to }));
  moveRecord(store, name, to);
  await tellNetwork(store, state, to);
  tell(store.root, { ...eventOf(state), type: "renamed", name: to, from: name });
}

/** Moves the directory, whose lock the monitor goes on to hold: so the new name is taken as the old one was. */
function move(store: Store, name: string, to: string): void {
  const [from, there] = [store.directory(name), store.directory(to)];
  const moved = syscall("renameat2", AT.AT_FDCWD, from, AT.AT_FDCWD, there, RENAME_NOREPLACE);
  if (moved === -E.EEXIST) throw inUse(to);
  if (moved < 0) throw new SyscallError("renameat2", -moved, from);
}

const inUse = (name: string): NameInUseError =>
  new NameInUseError(`the name ${name} is in use by another container`, { hint: "use another name" });

function moveRecord(store: Store, name: string, to: string): void {
  const { history } = store;
  const record = history.read(name);
  if (record === undefined) return;
  syscall("renameat2", AT.AT_FDCWD, history.directory(name), AT.AT_FDCWD, history.directory(to), RENAME_NOREPLACE);
  history.write({ ...record, name: to });
}

async function renameEnded(store: Store, name: string, to: string): Promise<void> {
  if (store.history.read(name) === undefined) {
    throw new NoContainerError(`there is no container ${name}`, { hint: "'libflux ps --all' lists them" });
  }
  if (store.history.read(to) !== undefined) throw inUse(to);
  // Both names are taken meanwhile, so that nobody starts one of them.
  await using claims = new AsyncDisposableStack();
  for (const one of [name, to]) {
    const claim = await store.claim(one);
    claims.defer(() => claim.release());
  }
  moveRecord(store, name, to);
}

async function tellNetwork(store: Store, { network, id, name }: State, to: string): Promise<void> {
  if (network === undefined) return;
  const networks = new Networks(store.root);
  await networks.exclusively(() => {
    const lease = networks.lease(network.name, network.address);
    if (lease === undefined || lease.id !== id) return;
    networks.writeLease(network.name, {
      ...lease,
      name: to,
      names: lease.names.map((known) => known === name ? to : known),
    });
    tellNeighbours(networks.leases(network.name));
  });
}
