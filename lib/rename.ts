/**
 * Giving a container another name.
 *
 * @module
 */
import { AT } from "../ffi/abi/constants.ts";
import { syscall, SyscallError } from "../ffi/libc.ts";
import type { ControlOptions } from "./control.ts";
import { NameInUseError, NoContainerError, UsageError } from "./errors.ts";
import { checkName } from "./spec/options.ts";
import { writeAtomically } from "./store/directory.ts";
import { eventOf, tell } from "./store/events.ts";
import { tellNeighbours } from "./store/hosts.ts";
import { Networks } from "./store/network.ts";
import { isLocked } from "./store/lock.ts";
import { completeRename, holdDirectory, RENAMING_FILE } from "./store/naming.ts";
import { openStore } from "./store/open.ts";
import { Claim } from "./store/claim.ts";
import type { State, Store } from "./store/state.ts";

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

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
  if (!check(name, store.state(name))) return await renameEnded(store, name, to);
  // Whoever starts it, or cleans up after it, has this: neither the state nor the record changes below our hands.
  using hold = await holdDirectory(store.directory(name));
  const state = hold === undefined ? undefined : store.state(name);
  if (!check(name, state) || hold === undefined || !isLocked(`${store.directory(name)}/lock`)) {
    hold?.close();
    // Without a monitor nobody else does it.
    await store.reconcileOne(name);
    return await renameEnded(store, name, to);
  }
  await move(store, name, to);
  await tellNetwork(store, state, to);
  tell(store.root, { ...eventOf(state), type: "renamed", name: to, from: name });
}

/** Whether a container is there; throws where it keeps its name. */
function check(name: string, state: State | undefined): state is State {
  if (state === undefined) return false;
  if (state.detached !== true) {
    throw new UsageError(`the container ${name} runs in the foreground, and keeps its name`, {
      hint: "containers of 'libflux run --detach' can be renamed",
    });
  }
  if (state.restarting === true) {
    throw new UsageError(`the container ${name} is about to be started again`, { hint: "try again in a moment" });
  }
  return true;
}

/** Moves the directory, whose lock the monitor goes on to hold: so the new name is taken as the old one was. */
async function move(store: Store, name: string, to: string): Promise<void> {
  if (store.history.read(to) !== undefined) throw inUse(to);
  let claim: Claim;
  try {
    claim = await store.claim(to);
  } catch (error) {
    throw error instanceof NameInUseError ? inUse(to) : error;
  }
  const [from, there] = [store.directory(name), store.directory(to)];
  let owned = claim;
  try {
    if (store.history.read(to) !== undefined) throw inUse(to);
    // Should this process be killed, what it leaves behind tells what is to be done.
    writeAtomically(`${there}/${RENAMING_FILE}`, to);
    // Both names are taken all the time: nobody begins a container, or removes a record, whose name is just changing.
    const moved = syscall("renameat2", AT.AT_FDCWD, from, AT.AT_FDCWD, there, RENAME_EXCHANGE);
    if (moved < 0) throw new SyscallError("renameat2", -moved, from);
    owned = new Claim(name, from, claim.lock, store.history, claim.hold);
    completeRename(store.history, there, to);
  } finally {
    await owned.release();
  }
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
