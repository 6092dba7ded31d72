/**
 * A command's three streams: passed on as they are, piped, or relayed where they are a terminal of the host's, which no
 * container ever gets to hold (CVE-2017-5226); outputs that are logged by way of a pump.
 *
 * @module
 */
import { UsageError } from "./errors.ts";
import { AT, E, F, O } from "../ffi/abi/constants.ts";
import { checked, Descriptor, pipe, syscall } from "../ffi/libc.ts";
import { abandon, forget, read, ready, sleep, writeAll, writeInBackground } from "../ffi/reactor.ts";
import { openReadOnly } from "../ffi/read_only.ts";
import { streamKind } from "../ffi/stream_kind.ts";
import type { Capture } from "./logs/capture.ts";
import type { RunOptions, Stream } from "./spec/options.ts";

/** As much as a pipe holds by default. */
const BUFFER_SIZE = 65536;
const O_NONBLOCK = O.O_NONBLOCK;

/** One stream, before and after the command has started. */
export interface Plumbing {
  /** What the command gets. */
  readonly child: number;
  /** The other end, where it was asked for. */
  readonly ours?: Descriptor;
  /** To be called once the command has its own copy. */
  readonly started: () => void;
  /**
   * To be called when the command has ended; settles when everything it wrote has been passed on.
   *
   * @param areOthers Whether others may have the stream still, who aren't waited for: what is there is passed on.
   */
  readonly ended: (areOthers?: boolean) => Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();

/** How the three streams are laid, when the caller said so and so. */
export type Layout = readonly ("null" | "piped" | "inherited" | "relayed" | "logged" | "kept")[];

/**
 * Decides how to lay the three streams, which a terminal takes the place of; opens nothing.
 *
 * @param isConfined Whether SELinux confines the command. Of files that its label lets nobody use, such as one in its caller's
 * home, the kernel makes its null device: they are relayed.
 */
export function layOut(
  { terminal, log, stdin = "null", stdout = "piped", stderr = "piped" }: Pick<
    RunOptions,
    "terminal" | "log" | "stdin" | "stdout" | "stderr"
  >,
  isConfined: boolean,
): Layout {
  if (terminal !== undefined) return ["null", "null", "null"];
  return [stdin, stdout, stderr].map((stream, index) => {
    const asked = layOutStream(stream, index);
    const how = isConfined && asked === "inherited" ? "relayed" : asked;
    if (index === 0 || how === "piped" || log === undefined || log.driver === "none") return how;
    return how === "null" ? "kept" : "logged";
  });
}

function layOutStream(stream: Stream, index: number): "null" | "piped" | "inherited" | "relayed" {
  if (stream !== "inherit") return stream;
  const kind = streamKind(index);
  // From a directory of the host's its whole tree could be reached (as in CVE-2024-21626).
  if (kind === "directory") {
    throw new UsageError(`${["standard input", "standard output", "standard error"][index]} is a directory`, {
      hint: "containers read and write files, pipes and terminals",
    });
  }
  // The host's /dev/null could be reopened by its path: the container gets its own (SECURITY.md, rule 12).
  if (kind === "null" || kind === "closed") return "null";
  return kind === "terminal" ? "relayed" : "inherited";
}

/** Lays one stream. @param index 0, 1 or 2. @param capture What logs it, if it is an output. */
export function plumb(how: Layout[number], index: number, capture?: Capture): Plumbing {
  if (capture !== undefined && index > 0 && how !== "null") return plumbLogged(how, index, capture);
  if (how === "null") {
    const device = new Descriptor(checked("openat", AT.AT_FDCWD, "/dev/null", O.O_RDWR | O.O_CLOEXEC, 0));
    return { child: device.number, started: () => device.close(), ended: nothing };
  }
  if (how === "inherited") {
    const input = index === 0 ? openReadOnly(index) : undefined;
    return { child: input?.number ?? index, started: () => input?.close(), ended: nothing };
  }
  const ends = pipe();
  using both = new DisposableStack();
  both.use(ends.read);
  both.use(ends.write);
  const [child, ours] = index === 0 ? [ends.read, ends.write] : [ends.write, ends.read];
  // Only our end: the command's must behave as a pipe of a shell does.
  checked("fcntl", ours.number, F.F_SETFL, O_NONBLOCK | (index === 0 ? O.O_WRONLY : O.O_RDONLY));
  const rest = how === "piped" ? { ours, ended: nothing } : index === 0 ? relayIn(ours) : relayOut(ours, index);
  both.move();
  return { child: child.number, started: () => child.close(), ...rest };
}

/** Lays an output that is logged, and goes on to the caller's own, to a pipe, or nowhere. */
function plumbLogged(how: Layout[number], index: number, capture: Capture): Plumbing {
  const stream = index === 1 ? "stdout" : "stderr";
  using opened = new DisposableStack();
  const passed = how === "piped" ? pipe() : undefined;
  for (const end of Object.values(passed ?? {})) opened.use(end);
  if (passed !== undefined) checked("fcntl", passed.read.number, F.F_SETFL, O_NONBLOCK | O.O_RDONLY);
  const child = capture.lay(stream, passed?.write ?? (how === "logged" ? index : undefined));
  opened.move();
  return {
    child: child.number,
    started: () => child.close(),
    ended: nothing,
    ...(passed === undefined ? {} : { ours: passed.read }),
  };
}

/** From a terminal of the host's to a pipe. */
function relayIn(target: Descriptor): Pick<Plumbing, "ended"> {
  // A descriptor of its own: the caller may be waiting for standard input too.
  const source = new Descriptor(checked("fcntl", 0, F.F_DUPFD_CLOEXEC, 3));
  let over = false;
  const relay = async (): Promise<void> => {
    const buffer = new Uint8Array(BUFFER_SIZE);
    for (;;) {
      const size = await read(source.number, buffer);
      if (size <= 0 || over || await writeAll(target.number, buffer.slice(0, size)) < 0) break;
    }
    target.close();
  };
  relay();
  return {
    ended: () => {
      over = true;
      abandon(source);
      abandon(target);
      return Promise.resolve();
    },
  };
}

/** From a pipe to a terminal of the host's. */
function relayOut(source: Descriptor, index: number): Pick<Plumbing, "ended"> {
  // A descriptor of its own: another container may be waiting for the terminal too.
  const target = new Descriptor(checked("fcntl", index, F.F_DUPFD_CLOEXEC, 3));
  let over = false;
  const relay = async (): Promise<void> => {
    const buffer = new Uint8Array(BUFFER_SIZE);
    for (;;) {
      const size = over ? syscall("read", source.number, buffer, buffer.length) : await read(source.number, buffer);
      // Given up in the middle of waiting: what is there by now is still to be read.
      if (size === -E.EBADF && over) continue;
      if (size <= 0 || await writeInBackground(target.number, buffer.slice(0, size)) < 0) break;
    }
    source.close();
    target.close();
  };
  const relayed = relay();
  return {
    ended(areOthers = false) {
      if (areOthers && source.isOpen) {
        over = true;
        forget(source.number);
      }
      return relayed;
    },
  };
}

/** An output of the command's. */
export interface Output {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * To be called when nobody writes any more: takes what the kernel still holds into the stream, which is no more than
   * fits into a pipe, and closes the descriptor. Whoever reads, now or later, gets all of it.
   */
  readonly finish: () => void;
  /** The same, waiting for what a pump still has to pass on, or for one to take what is here. */
  readonly drain: () => Promise<void>;
}

/**
 * What a descriptor gives, as a web stream. It is closed at its end, and when the stream is cancelled.
 *
 * @param cancelled Called when the stream is cancelled.
 * @param tap Gets all that the stream gives, before it gives it; closed at the end.
 */
export function readable(source: Descriptor, cancelled: () => void = () => {}, tap?: Descriptor): Output {
  // A pty answers EIO while nobody has its other end open, which may pass.
  const PAUSE = 20;
  const take = (size: number, buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
    size * 2 < buffer.length ? buffer.slice(0, size) : buffer.subarray(0, size);
  let finish = (): void => {};
  let drain = nothing;
  let draining = false;
  let tapped: Promise<void> | undefined;
  const tapping = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
    if (tap?.isOpen === true && await writeAll(tap.number, bytes) < 0) abandon(tap);
  };
  const end = (): void => {
    source.close();
    if (tap !== undefined) abandon(tap);
  };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      finish = () => {
        if (!source.isOpen) return;
        forget(source.number);
        for (;;) {
          const buffer = new Uint8Array(BUFFER_SIZE);
          const size = syscall("read", source.number, buffer, buffer.length);
          if (size <= 0) break;
          controller.enqueue(take(size, buffer));
        }
        end();
        controller.close();
      };
      drain = async () => {
        if (!source.isOpen) return;
        draining = true;
        forget(source.number);
        await tapped;
        while (source.isOpen) {
          const buffer = new Uint8Array(BUFFER_SIZE);
          const size = syscall("read", source.number, buffer, buffer.length);
          if (size > 0) {
            const bytes = take(size, buffer);
            if (tap !== undefined) await tapping(bytes);
            // Cancelled meanwhile, nobody is to have it.
            if (source.isOpen) controller.enqueue(bytes);
          } else if (size !== -E.EAGAIN || tap !== undefined) break;
          else if (await ready(source.number) === 0) return;
        }
        finish();
      };
    },
    async pull(controller) {
      const buffer = new Uint8Array(BUFFER_SIZE);
      // Cancelled or finished during a pause, its number may be another's by now.
      while (source.isOpen && !draining) {
        if (await ready(source.number) === 0 || !source.isOpen || draining) return;
        const size = syscall("read", source.number, buffer, buffer.length);
        if (size === -E.EAGAIN) continue;
        if (size === -E.EIO) {
          await sleep(PAUSE);
          continue;
        }
        if (size > 0) {
          const bytes = take(size, buffer);
          if (tap !== undefined) await (tapped = tapping(bytes));
          if (source.isOpen) controller.enqueue(bytes);
          return;
        }
        end();
        return controller.close();
      }
    },
    cancel() {
      abandon(source);
      if (tap !== undefined) abandon(tap);
      cancelled();
    },
  }, { highWaterMark: 0 });
  return { stream, finish, drain };
}

const END_OF_TRANSMISSION = new Uint8Array([4]);
/** Bytes after which a terminal begins a new line: newline, return, and an end that was sent before. */
const LINE_ENDS = [10, 13, 4];

/**
 * What a non-blocking descriptor takes, as a web stream. A reader that has gone is a `BrokenPipe` of the write.
 *
 * @param kind A terminal's end is a character that must be typed; the other end of a pipe sees when it is closed.
 */
export function writable(
  target: Descriptor,
  kind: "pipe" | "terminal" = "pipe",
): WritableStream<Uint8Array<ArrayBuffer>> {
  let last = 10;
  const send = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
    // A closed one's number may be another's by now.
    if (!target.isOpen || await writeAll(target.number, bytes) < 0) {
      throw new Deno.errors.BrokenPipe("the command has closed its standard input");
    }
    last = bytes.at(-1) ?? last;
  };
  return new WritableStream({
    write: send,
    async close() {
      if (kind === "terminal" && target.isOpen) {
        // After part of a line the first only hands over that part.
        const times = LINE_ENDS.includes(last) ? 1 : 2;
        for (let i = 0; i < times; i++) await send(END_OF_TRANSMISSION).catch(() => {});
      }
      abandon(target);
    },
    abort() {
      abandon(target);
    },
  });
}

/** A second descriptor for the same open file. */
export function duplicate(descriptor: Descriptor): Descriptor {
  return new Descriptor(checked("fcntl", descriptor.number, F.F_DUPFD_CLOEXEC, 3));
}

/** Makes an open file non-blocking. */
export function setNonBlocking(descriptor: Descriptor): void {
  checked("fcntl", descriptor.number, F.F_SETFL, syscall("fcntl", descriptor.number, F.F_GETFL, 0) | O_NONBLOCK);
}
