/**
 * A name that is taken, and what is known of who has it: what was written down of a container, and how it is cleared away.
 *
 * @module
 */
import { AT } from "../../ffi/abi/constants.ts";
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { STOPPING_FILE } from "../spec/container_files.ts";
import { warn } from "../warnings.ts";
import { readState, writeAtomically } from "./directory.ts";
import { type Ended, openEnd, ranOutOfMemory, readEnd, restartOf } from "./ended.ts";
import { newsOfEnd, tell } from "./events.ts";
import { type ContainerRecord, type History, readOptions } from "./history.ts";
import { describeEntry, type Entry, Ledger } from "./ledger.ts";
import { isLocked } from "./lock.ts";
import { completeRename } from "./naming.ts";
import { parseState } from "./parse_state.ts";
import type { State } from "./state.ts";

/** 128 + SIGKILL */
const KILLED = 137;

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
      this.#record({ ...record, ...how, finished: finished.toISOString() });
    }
    return ended;
  }
  #ended: Ended | undefined;

  /** Writes a record. A full disk, perhaps, keeps nothing of the container on the host. */
  #record(record: ContainerRecord): void {
    try {
      this.history.write(record);
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      warn(`how the container ${this.name} has ended can't be written down: ${why}`);
    }
  }

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
    this.#record({ ...record, error: "libflux was killed before it had started it again" });
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
    try {
      const left = await this.clear(deadline);
      if (left.length > 0) {
        return warn(
          `${
            left.map(describeEntry).join(" and ")
          } of the container ${this.name} can't be removed yet; the next libflux command tries again`,
        );
      }
      // The lock last: as long as it is there and locked, nobody else takes the name.
      this.#unlink("lock");
      // Not empty when somebody has just taken the name: then it is theirs.
      syscall("unlinkat", AT.AT_FDCWD, this.directory, AT.AT_REMOVEDIR);
    } finally {
      this.leave();
    }
  }

  /** Closes its locks: the name goes on to be somebody else's who has them open, or is given free with what is left. */
  leave(): void {
    this.lock.close();
    this.hold.close();
  }
}
