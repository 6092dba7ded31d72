/**
 * Whether a container may still write something: what somebody who follows its log has to know.
 *
 * @module
 */
import { AT, IN, openFlags, POLL } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall } from "../../ffi/libc.ts";
import { type Inotify, isRemoved } from "../../ffi/inotify.ts";
import { abandon, ready } from "../../ffi/reactor.ts";
import { readState } from "../store/directory.ts";
import { monitorOf, openProcess, type ProcessId } from "../store/process.ts";
import { parseState } from "../store/parse_state.ts";

const FLAGS = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;

/** Opens a directory, whatever it is called later; nothing where there is none. */
export function openIfThere(path: string): Descriptor | undefined {
  const opened = syscall("openat", AT.AT_FDCWD, path, FLAGS, 0);
  return opened < 0 ? undefined : new Descriptor(opened);
}

/** A process that was waited for. */
interface Watched {
  readonly id: ProcessId;
  readonly descriptor: Descriptor;
  gone: boolean;
}

const isSame = (one: ProcessId, other: ProcessId | undefined): boolean =>
  one.pid === other?.pid && one.startTime === other.startTime;

/**
 * A container's life, automatic restarts included: over when its directory is removed, or its monitor is killed.
 *
 * Nobody is asked by its lock: taking that, be it for a moment, would get in the way of those who need it.
 */
export class Life implements Disposable {
  readonly #directory: Descriptor | undefined;
  readonly #wake: () => void;
  readonly #watch: number = -1;
  readonly #isAnother: (pid: number) => boolean;
  #monitor: Watched | undefined;
  /** Whether its state may be another than it was. */
  #isNews = true;

  /**
   * @param directory Of the container, as long as it is there.
   * @param changes Tells when there is reason to ask {@link isOver} again.
   * @param wake Called when there is another.
   * @param isAnother Whether a life with this process as its first, which may be one that waits, isn't what is watched.
   */
  constructor(
    directory: string,
    changes: Inotify,
    wake: () => void,
    isAnother: (pid: number) => boolean = () => false,
  ) {
    this.#directory = openIfThere(directory);
    this.#wake = wake;
    this.#isAnother = isAnother;
    if (this.#directory !== undefined) this.#watch = changes.watch(this.#directory, IN.IN_MOVED_TO);
  }

  /** Takes note of a change. @param watch -1 where some were dropped. */
  see(watch: number): void {
    if (watch === this.#watch || watch < 0) this.#isNews = true;
  }

  /** Whether nothing more can come. */
  isOver(): boolean {
    if (this.#directory === undefined || isRemoved(this.#directory)) return true;
    // Not each time: somebody may write ten thousand lines a second.
    if (this.#isNews || this.#monitor?.gone === true) {
      this.#isNews = false;
      const state = parseState(readState(`/proc/self/fd/${this.#directory.number}/state.json`));
      if (state !== undefined && this.#isAnother(state.pid)) return this.#isNews = true;
      const id = state === undefined ? undefined : monitorOf(state);
      if (id !== undefined && !isSame(id, this.#monitor?.id)) this.#await(id);
    }
    // Without a state it is being made, cleaned up or started again: its directory tells what becomes of it.
    return this.#monitor?.gone === true;
  }

  #await(id: ProcessId): void {
    this.#forget();
    const descriptor = openProcess(id);
    if (descriptor === undefined) {
      // Closed already: all that counts is that it has gone.
      const nothing = new Descriptor(-1);
      nothing.close();
      this.#monitor = { id, descriptor: nothing, gone: true };
      return;
    }
    const monitor: Watched = { id, descriptor, gone: false };
    this.#monitor = monitor;
    ready(descriptor.number, POLL.POLLIN).then((events) => {
      if (events === 0) return;
      monitor.gone = true;
      this.#wake();
    });
  }

  #forget(): void {
    if (this.#monitor !== undefined) abandon(this.#monitor.descriptor);
    this.#monitor = undefined;
  }

  /** Waits for nothing any more. */
  [Symbol.dispose](): void {
    this.#forget();
    this.#directory?.close();
  }
}
