/**
 * What is known of a container while it is there, and the lock that makes its name its own.
 *
 * @module
 */
import { AT, type Signal } from "../../ffi/abi/constants.ts";
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { sleep } from "../../ffi/reactor.ts";
import { NameInUseError, printable } from "../errors.ts";
import { STOPPING_FILE } from "../spec/container_files.ts";
import { checkName, isName } from "../spec/options.ts";
import type { PublishedPort } from "../spec/ports.ts";
import { checkPrivateDirectory, makePrivateDirectory, readState, writeAtomically } from "./directory.ts";
import { warn } from "../warnings.ts";
import { parseState } from "./parse_state.ts";
import { describeEntry, type Entry, Ledger } from "./ledger.ts";
import { isCurrent, isLocked, lockDirectory, lockFile } from "./lock.ts";
import { completeRename, RENAMING_FILE } from "./naming.ts";
import { newsOfEnd, tell } from "./events.ts";
import { type Ended, openEnd, ranOutOfMemory, readEnd, restartOf } from "./ended.ts";
import { History, historyRoot, readOptions, writeOptions } from "./history.ts";
import { reconcileNetworks } from "./leave.ts";
import { deadlineIn, isAlive, monitorOf } from "./process.ts";

/** `state.json` of a container. */
export interface State {
  readonly name: string;
  /** 64 hexadecimal digits, never used again. */
  readonly id: string;
  /** PID 1 of the container, as the host numbers it. */
  readonly pid: number;
  /** Field 22 of `/proc/PID/stat`. */
  readonly startTime: number;
  readonly image: string;
  readonly command: readonly string[];
  /** ISO 8601, UTC. */
  readonly created: string;
  /** When its command began to run, of one that is detached. */
  readonly started?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its cgroups' directories, v2's and those of v1 by their controllers' names. */
  readonly cgroups: { readonly unified?: string; readonly legacy: Readonly<Record<string, string>> };
  /** The network that it is on, where it is one of libflux's. */
  readonly network?: { readonly name: string; readonly address: string; readonly ipv6Address?: string };
  /** Its ports that the host has as well. */
  readonly ports?: readonly PublishedPort[];
  /** The process that waits for the container. */
  readonly monitor: number;
  /** When that started, as {@link startTime}. */
  readonly monitorStartTime: number;
  /** Whether that is a native monitor's, and no libflux's. */
  readonly detached?: boolean;
  /** Whether its command has a terminal. */
  readonly terminal?: boolean;
  /** The signal that asks it to end; SIGTERM if left out. */
  readonly stopSignal?: Signal;
  /** Seconds that it has to end then. */
  readonly stopTimeout?: number;
  /** How often in a row it was started again by its restart policy. */
  readonly attempts?: number;
  /** Whether it has ended, and is about to be started again by its restart policy. */
  readonly restarting?: boolean;
  readonly bootId: string;
}

/** 128 + SIGKILL */
const KILLED = 137;
/** Milliseconds that a command spends on what others left behind. */
const HURRY = 1_000;
/** Milliseconds between two looks at a lock. */
const MOMENT = 2;

/** All containers below one state root. */
export class Store {
  /** @param root The state root; made when something is first written. @param history Where ended containers are kept. */
  constructor(readonly root: string, readonly history: History = new History(historyRoot(root))) {}

  get #containers(): string {
    return `${this.root}/containers`;
  }

  /** The directory of a container. */
  directory(name: string): string {
    return `${this.#containers}/${name}`;
  }

  /** The names that have a directory, sorted; what can't be a container's is somebody else's. */
  names(): string[] {
    if (!checkPrivateDirectory(this.root) || !checkPrivateDirectory(this.#containers)) return [];
    return Array.from(Deno.readDirSync(this.#containers)).filter(({ name, isDirectory }) => isDirectory && isName(name))
      .map(({ name }) => name).sort();
  }

  /** What is known of a container; nothing where there is none, or its file is no state. */
  state(name: string): State | undefined {
    return parseState(readState(`${this.directory(name)}/state.json`));
  }

  /** Writes what a container was asked to be, to make it again. */
  writeOptions(name: string, options: object): void {
    writeOptions(this.directory(name), options);
  }

  /** What a container was asked to be; nothing where that isn't known. */
  options(name: string): object | undefined {
    return readOptions(this.directory(name));
  }

  /** Takes a name. Throws a {@link NameInUseError} while another container has it. */
  async claim(name: string, signal?: AbortSignal): Promise<Claim> {
    checkName(name);
    makePrivateDirectory(this.root);
    makePrivateDirectory(this.#containers);
    const directory = this.directory(name);
    const lock = `${directory}/lock`;
    // Longer than anybody takes who cleans up after others.
    const deadline = deadlineIn(HURRY * 2);
    for (;;) {
      signal?.throwIfAborted();
      makePrivateDirectory(directory);
      let file: ReturnType<typeof lockFile>;
      try {
        file = lockFile(lock);
      } catch (error) {
        // Only where nobody has anything in it.
        syscall("unlinkat", AT.AT_FDCWD, directory, AT.AT_REMOVEDIR);
        throw error;
      }
      if (file === "gone") continue;
      if (file === "busy") {
        const state = this.state(name);
        // Without a living monitor it is somebody who cleans up, or who will be told apart in a moment.
        if (performance.now() > deadline || state !== undefined && isAlive(monitorOf(state))) {
          throw this.#inUse(name);
        }
        await sleep(MOMENT);
        continue;
      }
      const hold = lockDirectory(directory);
      if (typeof hold === "string" || !isCurrent(file, lock)) {
        file.close();
        if (typeof hold === "object") hold.close();
        // Somebody gives it another name, or has just lost it.
        else if (performance.now() > deadline) throw this.#inUse(name);
        else await sleep(MOMENT);
        continue;
      }
      const claim = new Claim(name, directory, file, this.history, hold);
      try {
        claim.explain();
        // What a stale one of the same name left. What can't be undone now is tried again when this one ends.
        await claim.clear(deadlineIn(HURRY));
      } catch (error) {
        claim.leave();
        throw error;
      }
      return claim;
    }
  }

  #inUse(name: string): NameInUseError {
    const state = this.state(name);
    const who = state === undefined
      ? "a container that is just being made"
      : `the container ${state.id.slice(0, 12)}, running ${printable(state.command[0] ?? "")} since ${state.created}`;
    return new NameInUseError(`the name ${name} is in use by ${who}`, {
      hint: "use another name, or --replace to end that container first",
    });
  }

  /** Removes what killed monitors left behind; leaves alone what is in use. What won't go doesn't hold up a command. */
  async reconcile(): Promise<void> {
    const deadline = deadlineIn(HURRY);
    for (const name of this.names()) await this.reconcileOne(name, deadline);
    await reconcileNetworks(this.root);
  }

  /** Whether somebody runs, makes or cleans up a container of this name. */
  isHeld(name: string): boolean {
    return checkPrivateDirectory(this.directory(name)) && isLocked(`${this.directory(name)}/lock`);
  }

  /** Removes what is left of one container, if nobody has its name. */
  async reconcileOne(name: string, deadline: number = deadlineIn(HURRY)): Promise<void> {
    const directory = this.directory(name);
    const lock = `${directory}/lock`;
    let file: ReturnType<typeof lockFile>;
    try {
      file = lockFile(lock);
    } catch {
      // Not a container's directory, or not ours to touch.
      return;
    }
    if (typeof file === "string") return;
    const hold = lockDirectory(directory);
    if (typeof hold === "string") return file.close();
    const claim = new Claim(name, directory, file, this.history, hold);
    try {
      if (!isCurrent(file, lock)) return claim.leave();
      this.#completeRename(directory);
      claim.explain();
      await claim.release(deadline);
    } catch (error) {
      // No trouble with one keeps anybody from all the others.
      warn(`what is left of the container ${name} can't be removed: ${error instanceof Error ? error.message : error}`);
      claim.leave();
    }
  }

  /** What a killed 'rename' has left to be done, where this is what is left of one. */
  #completeRename(left: string): void {
    const to = readState(`${left}/${RENAMING_FILE}`);
    if (to === undefined || !isName(to)) return;
    const hold = lockDirectory(this.directory(to));
    // Who has it does so by itself.
    if (typeof hold === "string") return;
    completeRename(this.history, this.directory(to), to);
    hold.close();
  }
}

/** A name that is ours until it is released, or until this process ends. */
export class Claim {
  readonly ledger: Ledger;

  /**
   * Only {@link Store.claim} makes one.
   *
   * @param lock Who has it open has the name.
   * @param hold The lock of the directory itself, of who starts the container or cleans up after it: nobody else renames it
   * meanwhile. A monitor hasn't got it.
   */
  constructor(
    readonly name: string,
    readonly directory: string,
    readonly lock: Descriptor,
    readonly history: History,
    readonly hold: Descriptor,
  ) {
    this.ledger = new Ledger(`${directory}/ledger`);
  }

  /** The state root that it is in. */
  get root(): string {
    return this.directory.slice(0, -`/containers/${this.name}`.length);
  }

  /** Writes what is known of the container. */
  write(state: State): void {
    writeAtomically(`${this.directory}/state.json`, JSON.stringify(state));
  }

  /** Undoes what is in the ledger, and forgets what is known; answers what couldn't be undone. */
  async clear(deadline?: number): Promise<readonly Entry[]> {
    this.settle();
    const left = await this.ledger.undo(deadline);
    this.forget();
    return left;
  }

  /** Removes the files of its directory but for the lock, the ledger and those that are named. */
  forget(others: readonly string[] = []): void {
    for (const name of this.#files()) if (!["lock", "ledger", ...others].includes(name)) this.#unlink(name);
  }

  /** Writes down for later how a container of a monitor's has ended, while its cgroups can still tell; answers how. */
  settle(): Ended | undefined {
    completeRename(this.history, this.directory, this.name);
    const state = parseState(readState(`${this.directory}/state.json`));
    if (this.#ended !== undefined || state?.detached !== true || state.restarting === true) return this.#ended;
    // Its libflux has failed, or was killed, before anybody was told of it.
    if (state.started === undefined) return undefined;
    using file = openEnd(this.directory);
    // A monitor that was killed has said nothing, and has taken the container with it.
    const ended = (file === undefined ? undefined : readEnd(file)) ??
      { code: KILLED, signal: "SIGKILL", finished: new Date() };
    const killed = ended.code !== 0 && ranOutOfMemory(state);
    this.#ended = ended;
    const record = this.history.read(this.name);
    const isKept = record?.id === state.id && !record.remove;
    tell(this.root, ...newsOfEnd(state, { ...ended, outOfMemory: killed }, isKept));
    if (record?.id !== state.id) return ended;
    if (record.remove) this.history.remove(this.name);
    else {
      const { code, signal, finished } = ended;
      const how = { code, ...(signal === undefined ? {} : { signal }), ...(killed ? { outOfMemory: true } : {}) };
      this.history.write({ ...record, ...how, finished: finished.toISOString() });
    }
    return ended;
  }
  #ended: Ended | undefined;

  /** Says in the record of one that was to be started again why it wasn't: to be called by who finds what a killed libflux left. */
  explain(): void {
    const state = parseState(readState(`${this.directory}/state.json`));
    const ended = this.settle();
    const record = this.history.read(this.name);
    if (state?.detached !== true || record?.id !== state.id || record.error !== undefined) return;
    // Somebody has ended it, and says so by this.
    if (isLocked(`${this.directory}/${STOPPING_FILE}`)) return;
    const isBegun = state.restarting === true || state.started === undefined && record.finished !== undefined;
    if (!isBegun && (ended === undefined || restartOf(state, readOptions(this.directory), ended) === undefined)) return;
    this.history.write({ ...record, error: "libflux was killed before it had started it again" });
  }

  /** What is in its directory; nothing once that has gone. */
  #files(): string[] {
    try {
      return Array.from(Deno.readDirSync(this.directory), ({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  #unlink(name: string): void {
    syscall("unlinkat", AT.AT_FDCWD, `${this.directory}/${name}`, 0);
  }

  /**
   * Undoes what is in the ledger, removes the directory, gives the name free. Can be done again.
   *
   * Where something can't be undone, a warning says so, and the directory stays for the next command to try again.
   */
  async release(deadline?: number): Promise<void> {
    const left = await this.clear(deadline);
    if (left.length > 0) {
      warn(
        `${
          left.map(describeEntry).join(" and ")
        } of the container ${this.name} can't be removed yet; the next libflux command tries again`,
      );
      return this.leave();
    }
    // The lock last: as long as it is there and locked, nobody else takes the name.
    this.#unlink("lock");
    // Not empty when somebody has just taken the name: then it is theirs.
    syscall("unlinkat", AT.AT_FDCWD, this.directory, AT.AT_REMOVEDIR);
    this.leave();
  }

  /** Closes its locks: the name goes on to be somebody else's who has them open, or is given free with what is left. */
  leave(): void {
    this.lock.close();
    this.hold.close();
  }
}
