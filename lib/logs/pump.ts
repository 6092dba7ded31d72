/**
 * A program that passes a command's output on and logs it, for a container in the foreground: a process of a few pages
 * between the command and whoever called libflux.
 *
 * @module
 */
import { POLL } from "../../ffi/abi/constants.ts";
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { elfImage } from "../../ffi/elf.ts";
import { link, REPORT_DESCRIPTOR } from "../../ffi/link.ts";
import { type LaunchProgram, ProgramBuilder } from "../../ffi/program.ts";
import { routines } from "../../ffi/routines/mod.ts";
import { DEFAULT_LOG, type Log } from "../spec/log_options.ts";
import type { Daemon } from "./daemon.ts";
import { LINKED } from "./linked.ts";
import { LogWriter } from "./writer.ts";

/** The descriptors that a pump finds open. */
export const PUMP = {
  report: REPORT_DESCRIPTOR,
  /** What the command writes, and where it goes on to. */
  stdout: { source: 4, tee: 6 },
  stderr: { source: 5, tee: 7 },
  /** The log's directory, and its file. */
  directory: 8,
  file: 9,
  /** A socket for the daemon that is to have it too. */
  socket: 10,
} as const;

/** What there is to pass on. */
export interface PumpOptions {
  readonly architecture: Architecture;
  readonly log: Pick<Log, "maxSize" | "maxFile">;
  readonly daemon?: Daemon;
  /** The streams, and whether each goes on to somebody. */
  readonly streams: readonly { readonly stream: "stdout" | "stderr"; readonly hasTee: boolean }[];
}

/** What most containers in the foreground are logged by. */
export const USUAL_PUMP: Omit<PumpOptions, "architecture"> = {
  log: { maxSize: DEFAULT_LOG.maxSize, maxFile: DEFAULT_LOG.maxFile },
  streams: [{ stream: "stdout", hasTee: true }, { stream: "stderr", hasTee: true }],
};

/** An executable image of a pump. */
export function pumpImage(options: PumpOptions): Uint8Array<ArrayBuffer> {
  const { architecture, ...rest } = options;
  if (JSON.stringify(rest) !== JSON.stringify(USUAL_PUMP)) return link(pumpProgram(options)).elf;
  const { data, bss } = LINKED[architecture];
  return elfImage({ architecture, text: routines(architecture).interpreter, data: Uint8Array.fromHex(data), bss });
}

/**
 * Compiles a pump. It ends when every stream has ended.
 *
 * One whose reader has gone is closed, so that who writes to it is told as if there were no pump: by SIGPIPE. All signals
 * have been blocked by the spawn stub, but those that nobody can block.
 */
export function pumpProgram({ architecture, log, daemon, streams }: PumpOptions): LaunchProgram {
  const b = new ProgramBuilder(architecture);
  const { directory, file, socket } = PUMP;
  const writer = new LogWriter(b, {
    ...{ log, directory, file },
    ...(daemon === undefined ? {} : { daemon: { ...daemon, socket } }),
  });
  b.syscall("close_range", [0, 2, 0], { label: "close the caller's streams" });
  b.syscall("chdir", [b.string("/")], { label: "leave the caller's directory" });
  const PR_SET_NAME = 15;
  b.syscall("prctl", [PR_SET_NAME, b.string("libflux-pump")], { label: "take a name", optional: true });
  // struct pollfd[]: each stream's source, then its tee, of which only the end is of interest.
  const polls = new Uint8Array(streams.length * 16);
  const view = new DataView(polls.buffer);
  streams.forEach(({ stream, hasTee }, index) => {
    view.setInt32(index * 16, PUMP[stream].source, true);
    view.setUint16(index * 16 + 4, POLL.POLLIN, true);
    view.setInt32(index * 16 + 8, hasTee ? PUMP[stream].tee : -1, true);
  });
  const polled = b.bytes(polls);
  const nobody = b.bytes(new Uint8Array(4).fill(0xff));
  const [open, events] = [b.slot("open"), b.slot("events")];
  const end = b.target();
  b.add(open, streams.length, 0, "count the streams");
  const wait = b.place();
  b.syscall("ppoll", [polled, streams.length * 2, 0, 0, 8], { label: "wait for output" });
  streams.forEach(({ stream, hasTee }, index) => {
    const { source, tee } = PUMP[stream];
    const [quiet, over, next] = [b.target(), b.target(), b.target()];
    b.copy(b.addressOf(events), b.at(polled, index * 16 + 6), 2, `look at ${stream}`);
    b.branch(events, "==", 0, quiet, "if there is nothing, see whether anybody waits for it");
    writer.copy({ source, stream, ...(hasTee ? { tee } : {}) }, { ended: over, broken: over });
    b.goto(next, "go on");
    b.place(quiet);
    b.copy(b.addressOf(events), b.at(polled, index * 16 + 14), 2, `look at the reader of ${stream}`);
    b.branch(events, "==", 0, next, "if it is there, go on");
    b.place(over);
    for (const [number, at] of [[source, 0], [tee, 8]] as const) {
      b.syscall("close", [number], { label: `close ${stream}`, optional: true });
      b.copy(b.at(polled, index * 16 + at), nobody, 4, `close ${stream}`);
    }
    b.add(open, open, -1, "count the streams");
    b.branch(open, "==", 0, end, "after the last, end");
    b.place(next);
  });
  b.goto(wait, "wait for more");
  b.place(end);
  b.exit(0, "end");
  writer.end();
  return b.build();
}
