/**
 * Being told when a directory changes, instead of looking again and again.
 *
 * @module
 */
import { IN } from "./abi/constants.ts";
import { checked, Descriptor, syscall } from "./libc.ts";
import { abandon, ready } from "./reactor.ts";
import { statDescriptor } from "./stat.ts";

/** One thing that has happened: `struct inotify_event` (`linux/inotify.h`). */
export interface Change {
  /** Which watch it is of, as {@link Inotify.watch} has answered; -1 where events were dropped (`IN_Q_OVERFLOW`). */
  readonly watch: number;
  /** `IN_*`, or-ed together. */
  readonly mask: number;
  /** What in the directory it happened to; empty where it is the directory itself. */
  readonly name: string;
}

const HEADER = 16;
/** Room for a hundred events or more. */
const ROOM = 1 << 15;
const decoder = new TextDecoder();

/** A queue of what happens in directories. */
export class Inotify implements Disposable {
  readonly #descriptor = new Descriptor(checked("inotify_init1", IN.IN_NONBLOCK | IN.IN_CLOEXEC));
  readonly #buffer = new Uint8Array(ROOM);

  /**
   * Begins to watch a directory, and the one that it is in, where its removal can be seen: the directory itself tells
   * nothing of that as long as somebody has it open.
   *
   * @param directory Its descriptor: it may have been renamed.
   * @param mask `IN_*`.
   * @returns The number of the directory's watch. @throws {SyscallError}
   */
  watch(directory: Descriptor, mask: number): number {
    const path = `/proc/self/fd/${directory.number}`;
    // Not to be found where it is removed already.
    syscall("inotify_add_watch", this.#descriptor.number, `${path}/..`, IN.IN_DELETE | IN.IN_ONLYDIR);
    return checked("inotify_add_watch", this.#descriptor.number, `${path}/.`, mask | IN.IN_ONLYDIR);
  }

  /** What has happened since it was last asked. */
  take(): Change[] {
    const changes: Change[] = [];
    for (;;) {
      const size = syscall("read", this.#descriptor.number, this.#buffer, this.#buffer.length);
      if (size <= 0) return changes;
      const view = new DataView(this.#buffer.buffer);
      for (let at = 0; at + HEADER <= size;) {
        const length = view.getUint32(at + 12, true);
        const name = this.#buffer.subarray(at + HEADER, at + HEADER + length);
        const end = name.indexOf(0);
        changes.push({
          watch: view.getInt32(at, true),
          mask: view.getUint32(at + 4, true),
          name: decoder.decode(end < 0 ? name : name.subarray(0, end)),
        });
        at += HEADER + length;
      }
    }
  }

  /** Waits until something has happened, or until it is closed. */
  async wait(): Promise<void> {
    if (this.#descriptor.isOpen) await ready(this.#descriptor.number);
  }

  /** Ends all watches; who waits goes on. */
  [Symbol.dispose](): void {
    abandon(this.#descriptor);
  }
}

/** Whether an open directory is removed. */
export function isRemoved(directory: Descriptor): boolean {
  const found = statDescriptor(directory.number);
  return typeof found === "number" || found.links === 0;
}
