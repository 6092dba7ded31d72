/**
 * Reading a log: its files in their order, as what a container has written.
 *
 * @module
 */
import { E, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall, SyscallError } from "../../ffi/libc.ts";
import { isType, statDescriptor } from "../../ffi/stat.ts";
import type { Moment } from "../spec/moments.ts";
import { LOG_FILE } from "../store/history.ts";
import { type Frame, LogFile, type Patience } from "./file.ts";
import { type LogStream, STREAMS } from "./format.ts";
import { compare, findTail, type Start } from "./tail.ts";

/** A piece of a log. */
export interface Entry extends Moment {
  /** `lost` where output is missing. */
  readonly stream: LogStream;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** What of a log is read. */
export interface Selection {
  readonly since?: Moment;
  readonly until?: Moment;
  /** How many of the last lines; all if left out. */
  readonly tail?: number;
  /** Only this one. */
  readonly stream?: Exclude<LogStream, "lost">;
}

const FLAGS = openFlags(ARCHITECTURE, "O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC").value;
const NOTHING = new Uint8Array(0);

/** Opens a file of the log, if there is one that is a file. */
function openFile(directory: Descriptor, name: string): LogFile | undefined {
  const opened = syscall("openat", directory.number, name, FLAGS, 0);
  if (opened === -E.EMFILE) throw new SyscallError("openat", E.EMFILE, name);
  if (opened < 0) return undefined;
  const descriptor = new Descriptor(opened);
  const found = statDescriptor(opened);
  if (typeof found === "object" && isType(found, "S_IFREG")) return new LogFile(descriptor, found.inode);
  descriptor.close();
  return undefined;
}

/** The ages of the files in a directory, the youngest first; 0 is the one that is written to. */
function ages(directory: Descriptor): number[] {
  // By its descriptor: the directory may have been renamed.
  let names: string[];
  try {
    names = Array.from(Deno.readDirSync(`/proc/self/fd/${directory.number}/.`), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return names.filter((name) => /^log(\.[1-9][0-9]{0,3})?$/.test(name))
    .map((name) => Number(name.slice(LOG_FILE.length + 1))).sort((a, b) => a - b);
}

/** How often files are opened anew since some were renamed meanwhile. */
const TRIES = 50;

/**
 * Opens files of a log, the youngest first, until one is met that is known.
 *
 * In this order none is left out: a rotation meanwhile makes files older, so that one may be met twice, and isn't taken
 * twice. But a name may be free in the middle of a rotation: where it isn't any more, the file that has it now may have been
 * under neither of its names when they were opened.
 *
 * @returns The oldest first, and whether the known one was met.
 */
export function openFiles(
  directory: Descriptor,
  known?: LogFile,
): { readonly files: LogFile[]; readonly met: boolean } {
  let names = ages(directory);
  for (let tries = 1;; tries++) {
    const found = openAges(directory, names, known);
    let later: number[];
    try {
      later = ages(directory);
    } catch (error) {
      closeAll(found.files);
      throw error;
    }
    if (later.join() === names.join() || tries === TRIES) return found;
    closeAll(found.files);
    names = later;
  }
}

function closeAll(files: readonly LogFile[]): void {
  for (const file of files) file[Symbol.dispose]();
}

function openAges(
  directory: Descriptor,
  names: readonly number[],
  known: LogFile | undefined,
): { readonly files: LogFile[]; readonly met: boolean } {
  const files: LogFile[] = [];
  try {
    for (const age of names) {
      const file = openFile(directory, age === 0 ? LOG_FILE : `${LOG_FILE}.${age}`);
      if (file === undefined) continue;
      if (file.inode === known?.inode) {
        file[Symbol.dispose]();
        return { files: files.reverse(), met: true };
      }
      if (files.some(({ inode }) => inode === file.inode)) file[Symbol.dispose]();
      else files.push(file);
    }
  } catch (error) {
    closeAll(files);
    throw error;
  }
  return { files: files.reverse(), met: false };
}

/** Entries that are handed on together: so many bytes of data, or so many entries. */
const BATCH = { bytes: 1 << 18, entries: 4096 } as const;

/** Bytes of memory that small pieces share: each with one of its own would take longer than all else. */
const CHUNK = 1 << 16;

/** Copies bytes to where they stay. */
class Copies {
  #chunk = new Uint8Array(0);
  #used = 0;

  copy(data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (data.length > CHUNK / 8) return data.slice();
    if (this.#used + data.length > this.#chunk.length) [this.#chunk, this.#used] = [new Uint8Array(CHUNK), 0];
    const begin = this.#used;
    this.#chunk.set(data, begin);
    this.#used += data.length;
    return this.#chunk.subarray(begin, this.#used);
  }
}

const isBefore = (a: Moment, b: Moment): boolean =>
  a.seconds < b.seconds || a.seconds === b.seconds && a.nanoseconds < b.nanoseconds;

/** A log that is being read. */
export class LogReader implements Disposable {
  /** Those that aren't read yet, the oldest first; the last is the one that is written to. */
  readonly #files: LogFile[];
  readonly #selection: Selection;
  readonly #start: Start | undefined;
  /** How many files came before those. */
  #passed = 0;
  #lost = false;
  readonly #copies = new Copies();
  #last: Moment = { seconds: 0, nanoseconds: 0 };

  /** @param files From {@link openFiles}; owned from now on. */
  constructor(files: readonly LogFile[], selection: Selection = {}) {
    this.#files = [...files];
    this.#selection = selection;
    if (selection.tail === undefined) return;
    this.#start = findTail(files, selection.tail, (frame) => this.#accepts(frame));
    const first = Object.entries(this.#start)
      .filter(([stream]) => selection.stream === undefined || STREAMS[Number(stream)] === selection.stream)
      .map(([, place]) => place).toSorted(compare)[0];
    for (let skip = first?.file ?? 0; skip > 0; skip--) this.#drop();
    const file = this.#files[0];
    if (file !== undefined) file.at = first?.at ?? 0;
  }

  /** The file that is written to, as far as is known. */
  get current(): LogFile | undefined {
    return this.#files.at(-1);
  }

  /** Goes on with younger files. @param lost Whether there were others before them. */
  add(files: readonly LogFile[], lost: boolean): void {
    this.#lost ||= lost;
    const [first] = files;
    if (first === undefined) return;
    [first.gap, this.#lost] = [this.#lost, false];
    this.#files.push(...files);
  }

  /** Reads what there is, some of it at a time. @param patience With what may not be whole yet in the current file. */
  *read(patience: Patience): Generator<Entry[], void> {
    let [batch, bytes]: [Entry[], number] = [[], 0];
    for (let file = this.#files[0]; file !== undefined;) {
      const isCurrent = this.#files.length === 1;
      const frame = file.next(isCurrent ? patience : "final");
      if (frame !== undefined) this.#last = { seconds: frame.seconds, nanoseconds: frame.nanoseconds };
      if (file.gap) {
        if (this.#isIn(this.#last)) batch.push({ ...this.#last, stream: "lost", data: NOTHING });
        file.gap = false;
      }
      if (frame !== undefined) {
        const entry = this.#entry(frame);
        if (entry !== undefined) {
          batch.push(entry);
          bytes += entry.data.length;
        }
        if (bytes < BATCH.bytes && batch.length < BATCH.entries) continue;
        yield batch;
        [batch, bytes] = [[], 0];
      } else if (isCurrent) break;
      else {
        this.#drop();
        file = this.#files[0];
      }
    }
    if (batch.length > 0) yield batch;
  }

  #drop(): void {
    this.#files.shift()?.[Symbol.dispose]();
    this.#passed++;
  }

  /** Whether a moment is among those that are asked for. */
  #isIn(moment: Moment): boolean {
    const { since, until } = this.#selection;
    return (since === undefined || !isBefore(moment, since)) && (until === undefined || !isBefore(until, moment));
  }

  #accepts(frame: Frame): boolean {
    const { stream } = this.#selection;
    return (stream === undefined || frame.stream === 0 || STREAMS[frame.stream] === stream) && this.#isIn(frame);
  }

  #entry(frame: Frame): Entry | undefined {
    if (!this.#accepts(frame)) return undefined;
    const { seconds, nanoseconds } = frame;
    const stream = STREAMS[frame.stream] ?? "lost";
    const start = this.#start?.[frame.stream];
    const order = start === undefined ? 1 : this.#passed - start.file || frame.begin - start.at;
    if (order < 0) return undefined;
    const data = this.#copies.copy(order === 0 ? frame.data.subarray(start?.byte) : frame.data);
    return data.length === 0 && stream !== "lost" ? undefined : { stream, seconds, nanoseconds, data };
  }

  /** Closes its files. */
  [Symbol.dispose](): void {
    for (const file of this.#files.splice(0)) file[Symbol.dispose]();
  }
}
