/**
 * The instructions that send a log to a daemon, line by line.
 *
 * A line that isn't finished waits until the rest of it comes, or the stream has ended; one that is too long goes in parts.
 * The daemon slows the container down when it is slow itself. While it is away, lines go into the file only: each is sent to
 * whoever listens at the path by then, so that one that was started again gets the next.
 *
 * @module
 */
import type { Operand, ProgramBuilder, Reference, Slot } from "../../ffi/program.ts";
import { type Daemon, socketAddress } from "./daemon.ts";
import { type LogStream, STREAMS } from "./format.ts";
import { Routine } from "./routine.ts";

/**
 * The most bytes of a line that go in one message: as in docker for the journal, and what rsyslog takes by default for
 * syslog.
 */
export const MAX_LINE = { journald: 16_384, syslog: 8_000 } as const;

const NEWLINE = 10;
const MSG_NOSIGNAL = { kind: "named", value: 0x4000, text: "MSG_NOSIGNAL" } as const;
/** Priorities as in `sys/syslog.h`: what a program writes is information, or an error. */
const PRIORITY: Readonly<Record<Exclude<LogStream, "lost">, number>> = { stdout: 6, stderr: 3 };
const LOG_DAEMON = 3;
/** Of `struct iovec[]`: what is before a line, its length where that is told, the line, what is after it. */
const PART = 16;

/** What each of a container's messages to a daemon begins with. Pure. */
export function messageHead({ driver, name, id }: Daemon, stream: Exclude<LogStream, "lost">): string {
  const priority = PRIORITY[stream];
  // Without a time, which the daemon adds: RFC 3164, 4.3.3.
  if (driver === "syslog") return `<${LOG_DAEMON << 3 | priority}>${name}: `;
  const fields = {
    PRIORITY: priority,
    SYSLOG_IDENTIFIER: name,
    CONTAINER_NAME: name,
    CONTAINER_ID: id.slice(0, 12),
    CONTAINER_ID_FULL: id,
  };
  // Then the message, with its length before it: it may have any bytes.
  return Object.entries(fields).map(([key, value]) => `${key}=${value}\n`).join("") + "MESSAGE\n";
}

/** Sends lines. */
export class LineSender {
  readonly #builder: ProgramBuilder;
  readonly #most: number;
  readonly #socket: Operand;
  readonly #message: Reference;
  readonly #parts: Reference;
  readonly #size: Reference;
  readonly #isJournal: boolean;
  /** For each stream: how much of a line waits, where, and what a message begins with, with its length. */
  readonly #states: readonly Reference[];
  readonly #sending: Routine;
  readonly #state: Slot;
  readonly #waiting: Slot;
  readonly #buffer: Slot;
  readonly #from: Slot;
  readonly #length: Slot;
  readonly #isPart: Slot;

  /** @param socket A descriptor for datagrams. */
  constructor(builder: ProgramBuilder, daemon: Daemon, socket: Operand) {
    const b = this.#builder = builder;
    this.#socket = socket;
    this.#most = MAX_LINE[daemon.driver];
    this.#isJournal = daemon.driver === "journald";
    const text = (content: string): { readonly at: Reference; readonly length: number } => {
      const bytes = new TextEncoder().encode(content);
      return { at: b.bytes(bytes), length: bytes.length };
    };
    this.#states = (["stdout", "stderr"] as const).map((stream) => {
      const head = text(messageHead(daemon, stream));
      return b.words([0, b.buffer(this.#most), head.at, head.length]);
    });
    this.#length = b.slot("length");
    const after = text("\n");
    const part = text("CONTAINER_PARTIAL_MESSAGE=true\n");
    const size = this.#size = b.buffer(8);
    this.#parts = b.words(
      this.#isJournal ? [0, 0, size, 8, 0, 0, after.at, after.length, part.at, part.length] : [0, 0, 0, 0, 0, 0],
    );
    const address = socketAddress(daemon.path);
    // struct msghdr: name, its length, iov, their number, control, its length, flags.
    this.#message = b.words([b.bytes(address), address.length, this.#parts, 0, 0, 0, 0]);
    this.#state = b.slot("state");
    this.#waiting = b.slot("waiting");
    this.#buffer = b.slot("line");
    this.#from = b.slot("from");
    this.#isPart = b.slot("is_part");
    this.#sending = new Routine(b, "send a line");
  }

  /** Sends the lines that end in what was read. */
  send(stream: Slot, data: Reference, size: Slot): void {
    const b = this.#builder;
    const label = "send lines";
    const [at, end, found] = [b.slot("at"), b.slot("end"), b.slot("found")];
    const [rest, room] = [b.slot("rest"), b.slot("room")];
    const [more, whole, gather, done] = [b.target(), b.target(), b.target(), b.target()];
    this.#select(stream);
    b.add(at, data, 0, label);
    b.add(end, data, size, label);

    b.place(more);
    b.branch(at, ">=", end, done, "after the last, go on");
    b.find(found, NEWLINE, at, end, "look for the end of the line");
    b.add(rest, found, 0, label, at);
    b.add(room, this.#most, 0, label, this.#waiting);
    b.branch(rest, ">", room, gather, "if it is too long, send a part");
    b.branch(found, "==", end, gather, "if it has no end, let it wait");
    b.branch(this.#waiting, "!=", 0, gather, "if its beginning waits, add the rest");
    b.add(this.#from, at, 0, label);
    b.add(this.#length, rest, 0, label);
    b.add(at, found, 1, label);
    b.goto(whole, label);

    b.place(gather);
    const fits = b.target();
    b.add(this.#isPart, 0, 0, label);
    b.branch(rest, "<=", room, fits, "if it fits, take all of it");
    b.add(rest, room, 0, "take as much as fits");
    b.add(this.#isPart, 1, 0, "take as much as fits");
    b.place(fits);
    b.add(this.#from, this.#buffer, this.#waiting, "put it to what waits");
    b.copy(this.#from, at, rest, "put it to what waits");
    b.add(this.#waiting, this.#waiting, rest, "put it to what waits");
    b.add(at, at, rest, "put it to what waits");
    this.#takeWaiting();
    const complete = b.target();
    b.branch(this.#isPart, "==", 0, complete, "if that is all, see whether it is complete");
    this.#sending.call();
    b.add(this.#waiting, 0, 0, label);
    b.goto(more, "go on with the rest of it");
    b.place(complete);
    b.branch(at, "==", end, done, "if it has no end yet, let it wait");
    b.add(at, at, 1, label);

    b.place(whole);
    b.add(this.#isPart, 0, 0, label);
    this.#sending.call();
    b.add(this.#waiting, 0, 0, label);
    b.goto(more, "go on with the next");
    b.place(done);
    b.copy(this.#state, b.addressOf(this.#waiting), 8, "remember what waits");
  }

  /** Sends what waits for the rest of its line, which won't come any more. */
  flush(stream: Slot): void {
    const b = this.#builder;
    const nothing = b.target();
    this.#select(stream);
    b.branch(this.#waiting, "==", 0, nothing, "if no line waits for its end, go on");
    this.#takeWaiting();
    b.add(this.#isPart, 0, 0, "send what is left");
    this.#sending.call();
    b.add(this.#waiting, 0, 0, "send what is left");
    b.copy(this.#state, b.addressOf(this.#waiting), 8, "send what is left");
    b.place(nothing);
  }

  /** Puts what all of it shares here, where the program doesn't come by itself. */
  end(): void {
    const b = this.#builder;
    const label = "send a line";
    const parts = this.#parts;
    const line = b.at(parts, this.#isJournal ? 2 * PART : PART);
    this.#sending.place(() => {
      b.copy(line, b.addressOf(this.#from), 8, label);
      b.copy(b.at(line, 8), b.addressOf(this.#length), 8, label);
      const count = b.slot("parts");
      b.add(count, this.#isJournal ? 4 : 2, 0, label);
      if (this.#isJournal) {
        b.copy(this.#size, b.addressOf(this.#length), 8, label);
        const known = b.target();
        b.branch(this.#isPart, "==", 0, known, "if it is a whole one, say no more");
        b.add(count, 5, 0, "tell that it is a part");
        b.place(known);
      }
      b.copy(b.at(this.#message, 24), b.addressOf(count), 8, label);
      b.syscall("sendmsg", [this.#socket, this.#message, MSG_NOSIGNAL], { label, optional: true });
    });
  }

  /** Looks at what waits of a stream, and at what its messages begin with. */
  #select(stream: Slot): void {
    const b = this.#builder;
    const label = "look at what waits";
    const [first, second] = this.#states;
    if (first === undefined || second === undefined) throw new TypeError("there are two streams");
    const known = b.target();
    b.add(this.#state, first, 0, label);
    b.branch(stream, "==", STREAMS.indexOf("stdout"), known, label);
    b.add(this.#state, second, 0, label);
    b.place(known);
    const field = b.slot("field");
    b.copy(b.addressOf(this.#waiting), this.#state, 8, label);
    b.add(field, this.#state, 8, label);
    b.copy(b.addressOf(this.#buffer), field, 8, label);
    b.add(field, field, 8, label);
    b.copy(this.#parts, field, PART, label);
  }

  /** What waits is what is to be sent. */
  #takeWaiting(): void {
    const b = this.#builder;
    b.add(this.#from, this.#buffer, 0, "take what waits");
    b.add(this.#length, this.#waiting, 0, "take what waits");
  }
}
