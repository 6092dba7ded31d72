/**
 * Reading a log while it is written, until the container has ended.
 *
 * @module
 */
import { E, IN } from "../../ffi/abi/constants.ts";
import { Inotify, isRemoved } from "../../ffi/inotify.ts";
import { type Descriptor, SyscallError } from "../../ffi/libc.ts";
import { FluxError } from "../errors.ts";
import { LOG_FILE } from "../store/history.ts";
import type { LogFile } from "./file.ts";
import { Life } from "./life.ts";
import { type Entry, LogReader, openFiles, type Selection } from "./reader.ts";

/** How often files are looked for anew since they were renamed meanwhile. */
const TRIES = 50;
/** How many events have to come while a record stays torn: one may have been on its way, another tells of the next. */
const TORN = 2;
/** Milliseconds: no timer can be set for longer. */
const LONGEST = 2 ** 31 - 1;

/** A log's directory, watched. */
class Watch {
  /** How often a file was begun since the last was opened. */
  #begun = 0;
  /** Whether something was written since that was last asked. */
  written = false;
  readonly #watch: number;

  constructor(readonly directory: Descriptor, readonly changes: Inotify, readonly life: Life) {
    this.#watch = changes.watch(directory, IN.IN_MODIFY | IN.IN_CREATE | IN.IN_MOVED_TO);
  }

  /** Whether the directory has gone. */
  get removed(): boolean {
    return isRemoved(this.directory);
  }

  /** Takes note of what has happened; answers whether a file was begun since one was opened. */
  look(): boolean {
    for (const { watch, mask, name } of this.changes.take()) {
      this.life.see(watch);
      // Nobody knows what was left out.
      if ((mask & IN.IN_Q_OVERFLOW) !== 0) [this.#begun, this.written] = [Infinity, true];
      if (watch !== this.#watch || name !== LOG_FILE) continue;
      if ((mask & (IN.IN_CREATE | IN.IN_MOVED_TO)) !== 0) this.#begun++;
      if ((mask & IN.IN_MODIFY) !== 0) this.written = true;
    }
    return this.#begun > 0;
  }

  /** Opens what came after a file, and all where there is none; answers whether some were removed before that. */
  open(known?: LogFile): { readonly files: readonly LogFile[]; readonly lost: boolean } {
    for (let tries = 1;; tries++) {
      const before = this.#begun;
      const { files, met } = openFiles(this.directory, known);
      // It has listed the directory at last: whoever begins a file tells of it before he lets anybody do that, though the file
      // can be opened before.
      this.look();
      if (this.#begun === before || tries === TRIES) {
        // Where the known one has gone, so many are new as were begun, if they are still there.
        const fresh = met || known === undefined ? files : files.slice(Math.max(0, files.length - before));
        for (const file of files) if (!fresh.includes(file)) file[Symbol.dispose]();
        const lost = !met && before > files.length;
        this.#begun = 0;
        return { files: fresh, lost };
      }
      for (const file of files) file[Symbol.dispose]();
    }
  }
}

/** How a log is followed. */
export interface FollowOptions {
  /** The log's directory. */
  readonly directory: Descriptor;
  /** The directory of the container, as long as it is there. */
  readonly container: string;
  readonly selection: Selection;
  readonly signal?: AbortSignal;
  /** Whether all is over once the container's first process is this one; it goes on with each next start if left out. */
  readonly isOver?: (pid: number) => boolean;
}

/** Begins to be told of what happens. */
function startWatching(): Inotify {
  try {
    return new Inotify();
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== E.EMFILE) throw error;
    throw new FluxError("the log can't be followed: too many files are watched already", {
      errno: error.errno,
      hint: "follow fewer, or raise fs.inotify.max_user_instances",
      cause: error,
    });
  }
}

/** Something that is waited for, and comes again. */
class Bell {
  #next = Promise.withResolvers<void>();
  ring(): void {
    this.#next.resolve();
  }
  async wait(): Promise<void> {
    await this.#next.promise;
    this.#next = Promise.withResolvers<void>();
  }
}

/**
 * Reads a log as it grows. It ends with the container's life, or its log; after an automatic restart it goes on.
 *
 * Nothing is looked at again and again: the kernel tells when there is something to be read, or the end has come.
 */
export async function* follow(
  { directory, container, selection, signal, isOver: isAnother }: FollowOptions,
): AsyncGenerator<readonly Entry[], void> {
  const bell = new Bell();
  const ring = (): void => bell.ring();
  using changes = startWatching();
  using life = new Life(container, changes, ring, isAnother);
  // Before a file is opened, so that nothing happens unseen.
  const watch = new Watch(directory, changes, life);
  using reader = new LogReader(watch.open().files, selection);
  const { until } = selection;
  const isLate = (): boolean => until !== undefined && Date.now() > until.seconds * 1000 + until.nanoseconds / 1e6;
  using timers = new DisposableStack();
  if (until !== undefined) {
    const wait = Math.min(LONGEST, Math.max(0, until.seconds * 1000 - Date.now() + 1001));
    const timer = setTimeout(ring, wait);
    timers.defer(() => clearTimeout(timer));
  }
  signal?.addEventListener("abort", ring);
  timers.defer(() => signal?.removeEventListener("abort", ring));
  let waiting: Promise<void> | undefined;
  for (let torn = { at: -1, file: reader.current, times: 0 };;) {
    signal?.throwIfAborted();
    const hasBegun = watch.look();
    // Before what there is is read: then that is all.
    const [isOver, isEnough] = [life.isOver() || watch.removed, isLate()];
    if (hasBegun || watch.look()) {
      const { files, lost } = watch.open(reader.current);
      reader.add(files, lost);
    }
    yield* reader.read(isOver ? "final" : torn.times >= TORN ? "search" : "wait");
    if (isOver || isEnough) return;
    const file = reader.current;
    const isTorn = file !== undefined && file.size > file.at;
    const isSame = isTorn && torn.file === file && torn.at === file.at;
    torn = isTorn
      ? { at: file.at, file, times: isSame ? torn.times + Number(watch.written) : 0 }
      : { at: -1, file, times: 0 };
    watch.written = false;
    waiting ??= changes.wait().then(() => {
      waiting = undefined;
      ring();
    });
    await bell.wait();
  }
}
