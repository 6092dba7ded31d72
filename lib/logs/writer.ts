/**
 * The instructions that write a log: they copy what a stream gives into the log's file, record by record (`format.ts`), and
 * on to whoever else is to have it. They are part of a launch program, so that no JavaScript has to stay for them.
 *
 * @example Log a pipe until it has ended
 * ```ts
 * import { ProgramBuilder } from "../../ffi/program.ts";
 * import { LogWriter } from "./writer.ts";
 *
 * const b = new ProgramBuilder("x86_64");
 * const log = { driver: "file", maxSize: 10_000_000, maxFile: 3 } as const;
 * // Descriptor 8 is the log's directory, 9 its file, as openLog() gives it.
 * const writer = new LogWriter(b, { log, directory: 8, file: 9 });
 * const [next, ended, broken] = [b.place(), b.target(), b.target()];
 * writer.copy({ source: 4, stream: "stdout", tee: 6 }, { ended, broken });
 * b.goto(next, "go on");
 * b.place(ended);
 * b.place(broken);
 * b.exit(0, "end");
 * writer.end();
 * ```
 *
 * @module
 */
import { AT, E, type Named, openFlags, or, POLL, STATX } from "../../ffi/abi/constants.ts";
import type { Operand, ProgramBuilder, Reference, Slot, Target } from "../../ffi/program.ts";
import { LOG_FILE } from "../store/history.ts";
import type { Log } from "../spec/log_options.ts";
import type { Daemon } from "./daemon.ts";
import { FIELD, HEADER_SIZE, type LogStream, MARK, MAX_DATA, STREAMS, TRAILER_SIZE } from "./format.ts";
import { LineSender } from "./lines.ts";
import { Routine } from "./routine.ts";

/** What a log is written with. */
export interface LogWriterOptions {
  readonly log: Pick<Log, "maxSize" | "maxFile">;
  /** The descriptor of the log's directory. */
  readonly directory: Operand;
  /** The number of the descriptor of the log's file, which becomes that of the next one when the log is rotated. */
  readonly file: Operand;
  /** A daemon that gets every line too, and the descriptor of a socket for it, as openDaemon() gives it. */
  readonly daemon?: Daemon & { readonly socket: Operand };
}

/** From where to where. */
export interface CopyOptions {
  /** The descriptor of a pipe or of a terminal's master; one that waits must have something to read. */
  readonly source: Operand;
  readonly stream: Exclude<LogStream, "lost">;
  /** A descriptor that gets the same bytes, all of them, however long that takes; none if left out. */
  readonly tee?: Operand;
}

/** Where to go on, other than below. */
export interface CopyTargets {
  /** Where the source has ended: nobody has its other end any more. */
  readonly ended: Target;
  /** Where nothing can be written to the tee any more; below if left out. */
  readonly broken?: Target;
}

/** What one copy may answer. */
const OUTCOME = { copied: 0, ended: 1, broken: 2 } as const;
/** Bytes of a record beside its data. */
const FRAME = HEADER_SIZE + TRAILER_SIZE;
const CLOCK_REALTIME: Named = { kind: "named", value: 0, text: "CLOCK_REALTIME" };
const SEEK_END: Named = { kind: "named", value: 2, text: "SEEK_END" };
/** A file that isn't the log yet. */
const NEXT_FILE = `${LOG_FILE}.new`;

/**
 * Writes one log. However many streams are copied, what does it is there once.
 *
 * Nothing is lost as long as there is room: who writes is slowed down, not cut. Where there is none, or the disk fails,
 * nobody has to wait: the record is left out as a whole, the file ends where it ended before, and the next record that
 * can be written has one of the stream "lost" before it. A file that is deleted is made anew by the next record.
 */
export class LogWriter {
  readonly #builder: ProgramBuilder;
  readonly #options: LogWriterOptions;
  readonly #routine: Routine;
  readonly #source: Slot;
  readonly #stream: Slot;
  readonly #tee: Slot;
  readonly #outcome: Slot;
  readonly #sender: LineSender | undefined;

  constructor(builder: ProgramBuilder, options: LogWriterOptions) {
    this.#builder = builder;
    this.#options = options;
    this.#routine = new Routine(builder, "copy output");
    this.#source = builder.slot("source");
    this.#stream = builder.slot("stream");
    this.#tee = builder.slot("tee");
    this.#outcome = builder.slot("outcome");
    const { daemon } = options;
    this.#sender = daemon === undefined ? undefined : new LineSender(builder, daemon, daemon.socket);
  }

  /** Reads once, and passes on what there was; where there was nothing, nothing is done. */
  copy({ source, stream, tee = -1 }: CopyOptions, { ended, broken }: CopyTargets): void {
    const b = this.#builder;
    b.add(this.#source, source, 0, `copy from ${stream}`);
    b.add(this.#stream, STREAMS.indexOf(stream), 0, `copy from ${stream}`);
    b.add(this.#tee, tee, 0, `copy from ${stream}`);
    this.#routine.call();
    b.branch(this.#outcome, "==", OUTCOME.ended, ended, `if ${stream} has ended, go on there`);
    if (broken !== undefined) {
      b.branch(this.#outcome, "==", OUTCOME.broken, broken, `if nobody takes ${stream} any more, go on there`);
    }
  }

  /** Puts what the copies share here, where the program doesn't come by itself. To be called once, after the last copy. */
  end(): void {
    const { maxSize } = this.#options.log;
    const b = this.#builder;
    const label = "read what there is";
    // So that a record, with one before it that says that some were lost, fits into a file.
    const most = maxSize === -1 ? MAX_DATA : Math.min(MAX_DATA, maxSize - 2 * FRAME);
    const buffer = b.buffer(most);
    const size = b.slot("size");
    this.#routine.place((back) => {
      const ended = b.target();
      b.add(this.#outcome, OUTCOME.copied, 0, label);
      b.syscall("read", [this.#source, buffer, most], { label, result: size, optional: true });
      b.branch(size, "==", -E.EAGAIN, back, "if there is nothing, that's all");
      // A terminal's master ends with EIO.
      b.branch(size, "<=", 0, ended, "if there never will be any more, tell");
      this.#write(buffer, size);
      this.#sender?.send(this.#stream, buffer, size);
      const broken = b.target();
      this.#pass(buffer, size, back, broken);
      b.place(ended);
      b.add(this.#outcome, OUTCOME.ended, 0, "tell that it has ended");
      b.place(broken);
      this.#sender?.flush(this.#stream);
    });
    this.#sender?.end();
  }

  /** Writes a record. */
  #write(data: Reference, size: Slot): void {
    const b = this.#builder;
    const { directory, file, log } = this.#options;
    const label = "write a record";
    // clock_gettime writes two words of eight bytes, of which the last four are zeroes and become the data's place.
    const header = b.bytes(new Uint8Array([MARK, ...new Array(HEADER_SIZE + TRAILER_SIZE - 1).fill(0)]));
    const lostRecord = b.bytes(new Uint8Array([MARK, ...new Array(FRAME - 1).fill(0)]));
    // struct iovec[4]: what tells that some was lost, which is left out where none was; then the record.
    const length = b.at(header, FIELD.length);
    const parts = b.words([lostRecord, FRAME, header, HEADER_SIZE, data, 0, length, TRAILER_SIZE]);
    const [first, count, total, lost] = [b.slot("first"), b.slot("parts"), b.slot("total"), b.slot("lost")];
    const [offset, written, descriptor] = [b.slot("offset"), b.slot("written"), b.slot("descriptor")];
    b.syscall("clock_gettime", [CLOCK_REALTIME, b.at(header, FIELD.seconds)], { label, optional: true });
    b.copy(b.at(header, FIELD.stream), b.addressOf(this.#stream), 1, label);
    b.copy(length, b.addressOf(size), 4, label);
    b.copy(b.at(parts, 40), b.addressOf(size), 8, label);
    b.add(first, parts, 16, label);
    b.add(count, 3, 0, label);
    b.add(total, size, FRAME, label);
    const [known, write, failed, done] = [b.target(), b.target(), b.target(), b.target()];
    b.branch(lost, "==", 0, known, "if none was lost before, go on");
    b.copy(b.at(lostRecord, FIELD.seconds), b.at(header, FIELD.seconds), 12, "tell that some was lost");
    b.add(first, parts, 0, "tell that some was lost");
    b.add(count, 4, 0, "tell that some was lost");
    b.add(total, total, FRAME, "tell that some was lost");

    b.place(known);
    const seek = (): void =>
      b.syscall("lseek", [file, 0, SEEK_END], { label: "see how long the log is", result: offset, optional: true });
    seek();
    // struct statx: stx_nlink is its fourth field.
    const status = b.buffer(256);
    const links = b.slot("links");
    const deleted = b.target();
    b.syscall("statx", [file, b.string(""), or(AT, "AT_EMPTY_PATH"), or(STATX, "STATX_NLINK"), status], {
      label: "see whether the log was deleted",
      optional: true,
    });
    b.copy(b.addressOf(links), b.at(status, 16), 4, "see whether the log was deleted");
    b.branch(links, "==", 0, deleted, "if the log was deleted, begin it anew");
    if (log.maxSize !== -1) {
      const end = b.slot("end");
      b.add(end, offset, total, "see whether the record has room");
      b.branch(end, "<=", log.maxSize, write, "if it has, write it");
      b.branch(offset, "==", 0, write, "if it is the first, write it");
      this.#rotate(descriptor, write);
      seek();
      b.goto(write, label);
    }

    b.place(deleted);
    const flags = openFlags(b.architecture, "O_WRONLY", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_CLOEXEC");
    b.syscall("openat", [directory, b.string(LOG_FILE), flags, 0o600], {
      label: "begin the log anew",
      result: descriptor,
      optional: true,
    });
    b.branch(descriptor, "<", 0, failed, "if that can't be, the record is lost");
    this.#replace(descriptor);
    seek();

    b.place(write);
    b.syscall("writev", [file, first, count], { label, result: written, optional: true });
    const whole = b.target();
    b.branch(written, "==", total, whole, "if it is there as a whole, go on");
    b.place(failed);
    b.syscall("ftruncate", [file, offset], { label: "leave no part of a record", optional: true });
    b.add(lost, 1, 0, "remember that it was lost");
    b.goto(done, "go on");
    b.place(whole);
    b.add(lost, 0, 0, "nothing is lost");
    b.place(done);
  }

  /** Begins the next file; goes on with the old one where it can't be. */
  #rotate(descriptor: Slot, write: Target): void {
    const b = this.#builder;
    const { directory, log: { maxFile } } = this.#options;
    // First of all what may fail: whoever has no room for a file keeps the old ones.
    const flags = openFlags(b.architecture, "O_WRONLY", "O_CREAT", "O_TRUNC", "O_APPEND", "O_NOFOLLOW", "O_CLOEXEC");
    b.syscall("openat", [directory, b.string(NEXT_FILE), flags, 0o600], {
      label: "begin the log's next file",
      result: descriptor,
      optional: true,
    });
    b.branch(descriptor, "<", 0, write, "if that can't be, go on with this one");
    const renamed = b.slot("renamed");
    if (maxFile > 1) {
      const label = "rename the log's files";
      const names = Array.from({ length: maxFile }, (_, age) => age === 0 ? LOG_FILE : `${LOG_FILE}.${age}`).reverse();
      const table = b.words(names.map((name) => b.string(name)));
      const [at, from, to] = [b.slot("at"), b.slot("from"), b.slot("to")];
      const [keep, passed] = [b.target(), b.target()];
      b.add(at, table, 0, label);
      const next = b.place();
      b.copy(b.addressOf(to), at, 8, label);
      b.add(at, at, 8, label);
      b.copy(b.addressOf(from), at, 8, label);
      b.syscall("renameat2", [directory, from, directory, to, 0], { label, result: renamed, optional: true });
      b.branch(renamed, "==", -E.ENOENT, passed, "if there was none, go on with the next");
      b.branch(renamed, "<", 0, keep, "if it can't be, keep them all");
      b.place(passed);
      b.branch(at, "<", b.at(table, (maxFile - 1) * 8), next, "go on with the next");
      const all = b.target();
      b.goto(all, label);
      b.place(keep);
      b.syscall("close", [descriptor], { label: "keep this file", optional: true });
      b.goto(write, "go on with this one");
      b.place(all);
    }
    b.syscall("renameat2", [directory, b.string(NEXT_FILE), directory, b.string(LOG_FILE), 0], {
      label: "begin the log's next file",
      optional: true,
    });
    this.#replace(descriptor);
  }

  /** Makes a new descriptor the file's. */
  #replace(descriptor: Slot): void {
    const b = this.#builder;
    const label = "write to that file";
    b.syscall("dup3", [descriptor, this.#options.file, openFlags(b.architecture, "O_CLOEXEC")], {
      label,
      optional: true,
    });
    b.syscall("close", [descriptor], { label, optional: true });
  }

  /** Writes all of it to the tee. */
  #pass(data: Reference, size: Slot, back: Target, broken: Target): void {
    const b = this.#builder;
    const label = "pass the output on";
    const [at, rest, passed] = [b.slot("at"), b.slot("rest"), b.slot("passed")];
    // struct pollfd
    const poll = b.bytes(new Uint8Array([0, 0, 0, 0, POLL.POLLOUT, 0, 0, 0]));
    const [full, refused] = [b.target(), b.target()];
    b.branch(this.#tee, "==", -1, back, "if nobody else is to have it, that's all");
    b.add(at, data, 0, label);
    b.add(rest, size, 0, label);
    const more = b.place();
    b.syscall("write", [this.#tee, at, rest], { label, result: passed, optional: true });
    b.branch(passed, "==", -E.EAGAIN, full, "if it takes none now, wait");
    b.branch(passed, "<=", 0, refused, "if it takes none any more, tell");
    b.add(at, at, passed, label);
    b.add(rest, rest, 0, label, passed);
    b.branch(rest, ">", 0, more, "pass on the rest");
    b.goto(back, "that's all");
    b.place(full);
    b.copy(poll, b.addressOf(this.#tee), 4, "wait until it takes more");
    b.syscall("ppoll", [poll, 1, 0, 0, 8], { label: "wait until it takes more", optional: true });
    b.goto(more, "pass on the rest");
    b.place(refused);
    b.add(this.#outcome, OUTCOME.broken, 0, "tell that nobody takes it");
    b.goto(broken, "that's all");
  }
}
