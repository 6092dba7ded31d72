/**
 * A program that keeps the terminal of a command whose user has left: without anybody at its other end the terminal would
 * hang up, and without anybody who reads, the command would wait.
 *
 * @module
 */
import { E, or, POLL, PR } from "../../ffi/abi/constants.ts";
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { type LaunchProgram, ProgramBuilder } from "../../ffi/program.ts";

/** The descriptors that a keeper finds open. */
export const KEEPER = {
  report: 3,
  /** The terminal's master, which doesn't block. */
  terminal: 4,
  /** A pidfd of the command. */
  command: 5,
} as const;

const BUFFER_SIZE = 65536;
/** Nanoseconds after which a terminal that nobody has open is looked at again: somebody may open it anew. */
const PAUSE = 100_000_000;

/** Compiles a keeper: it throws away what the terminal shows, and ends with the command. */
export function keeperProgram(architecture: Architecture): LaunchProgram {
  const b = new ProgramBuilder(architecture);
  b.syscall("close_range", [0, 2, 0], { label: "close the caller's streams" });
  b.syscall("chdir", [b.string("/")], { label: "leave the caller's directory" });
  b.syscall("setsid", [], { label: "leave the caller's terminal", optional: true });
  b.syscall("prctl", [or(PR, "PR_SET_NAME"), b.string("libflux-keeper"), 0, 0, 0], {
    label: "take a name",
    optional: true,
  });
  // struct pollfd[]
  const polls = new Uint8Array(16);
  const view = new DataView(polls.buffer);
  [-1, KEEPER.command].forEach((descriptor, index) => {
    view.setInt32(index * 8, descriptor, true);
    view.setUint16(index * 8 + 4, POLL.POLLIN, true);
  });
  const polled = b.bytes(polls);
  const number = (value: number) => b.bytes(new Uint8Array(new Int32Array([value]).buffer));
  const [terminal, nothing] = [number(KEEPER.terminal), number(-1)];
  const [pause, forEver] = [b.words([b.words([0, PAUSE])]), b.words([0])];
  const [timeout, events] = [b.slot("timeout"), b.slot("events")];
  const [hungUp, end] = [b.target(), b.target()];
  const buffer = b.buffer(BUFFER_SIZE);

  const next = b.place();
  const size = b.call("read", [KEEPER.terminal, buffer, BUFFER_SIZE], "size", {
    label: "throw away what is shown",
    optional: true,
  });
  b.branch(size, "==", -E.EIO, hungUp, "if nobody has it open, wait a moment");
  b.copy(polled, terminal, 4, "watch the terminal");
  b.copy(b.addressOf(timeout), forEver, 8, "wait as long as that takes");
  const wait = b.place();
  b.syscall("ppoll", [polled, 2, timeout, 0, 8], { label: "wait for more, or the end" });
  b.copy(b.addressOf(events), b.at(polled, 14), 2, "look at the command");
  b.branch(events, "!=", 0, end, "if it has ended, end");
  b.goto(next, "go on");
  b.place(hungUp);
  b.copy(polled, nothing, 4, "watch the terminal no longer");
  b.copy(b.addressOf(timeout), pause, 8, "wait for a moment");
  b.goto(wait, "wait");
  b.place(end);
  b.exit(0, "end");
  return b.build();
}
