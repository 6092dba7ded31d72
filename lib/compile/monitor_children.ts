/**
 * The children of a monitor besides the container's first process: the commands of its health checks, which are born inside
 * the container, and wait for this process to reap them.
 *
 * @module
 */
import { WAIT } from "../../ffi/abi/constants.ts";
import type { ProgramBuilder, Slot, Target } from "../../ffi/program.ts";
import { named } from "./context.ts";
import { MONITOR } from "./monitor_options.ts";

const MSG_DONTWAIT = named(0x40, "MSG_DONTWAIT");
const ENDED = named(WAIT.WEXITED | WAIT.WNOHANG | WAIT.WNOWAIT, "WEXITED|WNOHANG|WNOWAIT");
/** `siginfo_t`, and where `si_pid` is in it. */
const INFO_SIZE = 128;
const INFO_PID = 16;

/** Takes the pid of a command that has announced itself. @param none Where none has. */
export function hearWho(b: ProgramBuilder, command: Slot, none: Target): void {
  const control = b.buffer(32);
  const iov = b.words([b.buffer(8), 8]);
  // struct msghdr: no name, one iov, the control message, no flags; the kernel changes what it says of lengths.
  const message = b.words([0, 0, iov, 1, control, 32, 0]);
  b.copy(b.at(message, 40), b.words([32]), 8, "make room for who it is");
  const size = b.call("recvmsg", [MONITOR.announce, message, MSG_DONTWAIT], "size", {
    label: "hear which process is the command",
    optional: true,
  });
  b.branch(size, "<=", 0, none, "if nobody has said anything, go on there");
  // struct cmsghdr, then struct ucred: the pid first, as this process knows it.
  b.copy(b.addressOf(command), b.at(control, 16), 4, "take its pid");
}

/** Goes on elsewhere where a pid isn't that of a child: it has been reaped, and the pid may be anybody's. */
export function unlessChild(b: ProgramBuilder, pid: Slot, elsewhere: Target): void {
  const seen = b.call("waitid", [named(1, "P_PID"), pid, b.buffer(INFO_SIZE), ENDED, 0], "seen", {
    label: "see that it is a child still",
    optional: true,
  });
  b.branch(seen, "<", 0, elsewhere, "if it isn't, leave its pid alone");
}

/**
 * Reaps what has ended and isn't the container's first process. While no check runs, these are the commands of checks that
 * were killed before they could announce themselves: as long as there is one, the kernel doesn't let the first process go.
 */
export function reapOthers(b: ProgramBuilder, init: Slot): void {
  const [next, none] = [b.target(), b.target()];
  const pid = b.slot("other");
  const info = b.buffer(INFO_SIZE);
  b.place(next);
  b.copy(b.at(info, INFO_PID), b.words([0]), 4, "nobody yet");
  b.syscall("waitid", [named(0, "P_ALL"), 0, info, ENDED, 0], { label: "see who has ended", optional: true });
  b.add(pid, 0, 0, "nobody yet");
  b.copy(b.addressOf(pid), b.at(info, INFO_PID), 4, "take its pid");
  b.branch(pid, "==", 0, none, "if nobody has, go on");
  // Its end is the monitor's to hear, and then there are no others.
  b.branch(pid, "==", init, none, "the container itself is waited for elsewhere");
  b.syscall("wait4", [pid, 0, named(WAIT.WNOHANG, "WNOHANG"), 0], { label: "reap it", optional: true });
  b.goto(next, "look for another");
  b.place(none);
}
