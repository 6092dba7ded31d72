/**
 * What is known of a container while it is there, and the lock that makes its name its own.
 *
 * @module
 */
import { AT, type Signal } from "../../ffi/abi/constants.ts";
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { sleep } from "../../ffi/reactor.ts";
import { NameInUseError, printable } from "../errors.ts";
import { checkName, isName } from "../spec/options.ts";
import type { PublishedPort } from "../spec/ports.ts";
import { checkPrivateDirectory, makePrivateDirectory, readState } from "./directory.ts";
import { warn } from "../warnings.ts";
import { parseState } from "./parse_state.ts";
import { isCurrent, isLocked, isOrphaned, lockDirectory, lockFile, sign } from "./lock.ts";
import { completeRename, RENAMING_FILE } from "./naming.ts";
import { Claim } from "./claim.ts";
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

/** Milliseconds that a command spends on what others left behind. */
const HURRY = 1_000;
/** Milliseconds between two looks at a lock. */
const MOMENT = 2;

function warnOf(name: string, error: unknown): void {
  warn(`what is left of the container ${name} can't be removed: ${error instanceof Error ? error.message : error}`);
}

/** Locks a container's directory for who has locked the file in it; closes that where it throws. */
function lockBeside(file: Descriptor, directory: string): ReturnType<typeof lockDirectory> {
  try {
    return lockDirectory(directory);
  } catch (error) {
    file.close();
    throw error;
  }
}

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
      const hold = lockBeside(file, directory);
      if (typeof hold === "string" || !isCurrent(file, lock)) {
        file.close();
        if (typeof hold === "object") hold.close();
        // Somebody gives it another name, or has just lost it.
        else if (performance.now() > deadline) throw this.#inUse(name);
        else await sleep(MOMENT);
        continue;
      }
      sign(file);
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

  /** Removes what is left of one container, if nobody has its name; answers whether it could try. */
  async reconcileOne(name: string, deadline: number = deadlineIn(HURRY)): Promise<boolean> {
    const directory = this.directory(name);
    const lock = `${directory}/lock`;
    let locks: readonly [file: Descriptor, hold: Descriptor] | undefined;
    try {
      locks = await this.#take(name, deadline);
    } catch (error) {
      warnOf(name, error);
      return false;
    }
    if (locks === undefined) return false;
    const [file, hold] = locks;
    sign(file);
    const claim = new Claim(name, directory, file, this.history, hold);
    try {
      if (!isCurrent(file, lock)) {
        claim.leave();
        return false;
      }
      this.#completeRename(directory);
      claim.explain();
      await claim.release(deadline);
    } catch (error) {
      // No trouble with one keeps anybody from all the others.
      warnOf(name, error);
      claim.leave();
    }
    return true;
  }

  /** Takes both locks of a name, if nobody has them who lives; those that a killed libflux's children have are waited for. */
  async #take(name: string, deadline: number): Promise<readonly [file: Descriptor, hold: Descriptor] | undefined> {
    const directory = this.directory(name);
    const isLeft = (): boolean => {
      const state = this.state(name);
      return isOrphaned(`${directory}/lock`) && (state === undefined || !isAlive(monitorOf(state)));
    };
    for (;;) {
      let file: ReturnType<typeof lockFile>;
      try {
        file = lockFile(`${directory}/lock`);
      } catch {
        // Not a container's directory, or not ours to touch.
        return undefined;
      }
      const hold = typeof file === "string" ? file : lockBeside(file, directory);
      if (typeof file === "object" && typeof hold === "object") return [file, hold];
      if (typeof file === "object") file.close();
      if (hold === "gone" || performance.now() > deadline || !isLeft()) return undefined;
      await sleep(MOMENT);
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
