/**
 * The health check of a monitor: runs a command in the container again and again, by a launch program that was compiled
 * beforehand (`exec.ts`), and writes down what comes of it.
 *
 * @module
 */
import { AT, CLONE, CLOSE_RANGE, openFlags, or, SIG } from "../../ffi/abi/constants.ts";
import type { ProgramBuilder, Slot, Target } from "../../ffi/program.ts";
import { type Health, HEALTH_FILE, HEALTH_SIZE, type HealthCheck, healthText } from "../spec/health.ts";
import { named } from "./context.ts";
import { EXEC } from "./exec.ts";
import { hearWho, reapOthers, unlessChild } from "./monitor_children.ts";
import { MONITOR, type MonitorOptions } from "./monitor_options.ts";

/** How the monitor waits for descriptors. */
export interface Watch {
  /** Waits for the descriptor in a slot from now on. */
  begin(what: HealthEvent, descriptor: Slot): void;
  /** Waits for it no longer. */
  end(what: HealthEvent): void;
}

/** What a health check waits for: its time, the process that enters the container, and the command's there. */
export type HealthEvent = "timer" | "starter" | "command";

const CLOCK_MONOTONIC = named(1, "CLOCK_MONOTONIC");
/** No process has so high a pid (PID_MAX_LIMIT). */
const NOBODY = 1 << 30;
/** A wait status: 125. */
const UNKNOWN = 125 << 8;
/** How often, and after how many seconds each time, it is looked for what a failed check has left behind. */
const [SWEEPS, SWEEP] = [10, 0.1];

/** Adds the instructions of a health check. */
export class HealthProgram {
  readonly #timer: Slot;
  readonly #starter: Slot;
  readonly #starterPidfd: Slot;
  readonly #command: Slot;
  readonly #commandPidfd: Slot;
  readonly #group: Slot;
  readonly #failures: Slot;
  readonly #hasSucceeded: Slot;
  readonly #deadline: Slot;
  readonly #isRunning: Slot;
  /** The last command that was killed since nobody waited for it any more. */
  readonly #late: Slot;
  readonly #status: Slot;
  /** How often it is looked for what a check has left behind, before the next. */
  readonly #sweeps: Slot;

  constructor(
    readonly b: ProgramBuilder,
    readonly check: Required<HealthCheck>,
    readonly watch: Watch,
    /** PID 1, and a pidfd of it. */
    readonly init: Slot,
    readonly container: Slot,
    /** Whether the checks are born in {@link MONITOR.cgroup}. */
    readonly hasCgroup: boolean,
    readonly freezer: MonitorOptions["freezer"],
  ) {
    this.#timer = b.slot("health_timer");
    this.#starter = b.slot("health_starter");
    this.#starterPidfd = b.slot("health_starter_pidfd");
    this.#command = b.slot("health_command");
    this.#commandPidfd = b.slot("health_command_pidfd");
    this.#group = b.slot("health_group");
    this.#failures = b.slot("health_failures");
    this.#hasSucceeded = b.slot("health_has_succeeded");
    this.#deadline = b.slot("health_deadline");
    this.#isRunning = b.slot("health_is_running");
    this.#status = b.slot("health_status");
    this.#late = b.slot("health_late");
    this.#sweeps = b.slot("health_sweeps");
  }

  /** Before the monitor's loop. */
  prepare(): void {
    const { b } = this;
    const TFD_CLOEXEC = named(0o2000000, "TFD_CLOEXEC");
    b.syscall("timerfd_create", [CLOCK_MONOTONIC, TFD_CLOEXEC], {
      label: "make a timer for the health check",
      result: this.#timer,
    });
    this.watch.begin("timer", this.#timer);
    // Nobody, until there is one: 0 would be any child of this process's own group.
    b.add(this.#late, NOBODY, 0, "no command is late yet");
    b.add(this.#command, NOBODY, 0, "no command runs yet");
    b.add(this.#deadline, this.#now(), Math.ceil(this.check.startPeriod), "when failures begin to count");
    this.#arm(this.check.interval);
  }

  /** It is time for a check; or one has taken too long. */
  onTimer(): void {
    const { b } = this;
    const [start, done] = [b.target(), b.target()];
    b.syscall("read", [this.#timer, b.buffer(8), 8], { label: "hear the timer", optional: true });
    b.branch(this.#isRunning, "==", 0, start, "if no check runs, begin one");
    // What is killed is seen to end.
    for (const pidfd of [this.#commandPidfd, this.#starterPidfd]) this.#kill(pidfd);
    this.#killGroup();
    b.goto(done, "wait for its end");
    b.place(start);
    this.#endLate();
    reapOthers(b, this.init);
    const [rest, check] = [b.target(), b.target()];
    b.branch(this.#sweeps, "==", 0, check, "if nothing was left behind, go on");
    b.add(this.#sweeps, this.#sweeps, 0, "look once less", 1);
    b.branch(this.#sweeps, "==", 0, rest, "that was the last time");
    this.#arm(SWEEP);
    b.goto(done, "look again soon");
    b.place(check);
    this.#whenHeld(rest);
    this.#start();
    b.goto(done, "wait for its end");
    b.place(rest);
    this.#arm(this.check.interval);
    b.place(done);
  }

  /** The process that enters the container has ended: with 0 once the command runs there. */
  onStarter(): void {
    const { b } = this;
    const [done, failed] = [b.target(), b.target()];
    this.#reap("starter", this.#starter, this.#starterPidfd);
    hearWho(b, this.#command, failed);
    b.syscall("pidfd_open", [this.#command, 0], {
      label: "watch the command",
      result: this.#commandPidfd,
      optional: true,
    });
    b.branch(this.#commandPidfd, "<", 0, failed, "if it can't be watched, the check has failed");
    this.watch.begin("command", this.#commandPidfd);
    b.branch(this.#status, "==", 0, done, "wait for its end");
    // Killed in the middle, it has left a command behind.
    this.#kill(this.#commandPidfd);
    this.#killGroup();
    b.goto(done, "wait for its end");
    b.place(failed);
    this.#hasFailed();
    b.add(this.#sweeps, SWEEPS, 0, "it may have left a command that has said nothing");
    this.#arm(SWEEP);
    b.place(done);
  }

  #kill(pidfd: Slot): void {
    this.b.syscall("pidfd_send_signal", [pidfd, named(SIG.SIGKILL, "SIGKILL"), 0, 0], {
      label: "kill a check that takes too long",
      optional: true,
    });
  }

  /** And what it has started, which would eat into the container's processes: it has a session of its own. */
  #killGroup(): void {
    const { b } = this;
    b.add(this.#group, 0, 0, "the command's process group", this.#command);
    b.syscall("kill", [this.#group, named(SIG.SIGKILL, "SIGKILL")], {
      label: "kill what the check has started",
      optional: true,
    });
  }

  /** Ends what announced itself after its check had been given up: a child of this process, whose pid is nobody else's. */
  #endLate(): void {
    const { b } = this;
    const [next, none] = [b.target(), b.target()];
    const WNOHANG = named(1, "WNOHANG");
    b.place(next);
    // That of the last time: it counts as one of the container's processes until it is reaped.
    b.syscall("wait4", [this.#late, 0, WNOHANG, 0], { label: "reap a late command", optional: true });
    hearWho(b, this.#command, none);
    unlessChild(b, this.#command, next);
    b.syscall("kill", [this.#command, named(SIG.SIGKILL, "SIGKILL")], { label: "end a late command", optional: true });
    this.#killGroup();
    b.add(this.#late, this.#command, 0, "reap it next time");
    b.add(this.#command, NOBODY, 0, "no command runs");
    b.goto(next, "look for another");
    b.place(none);
  }

  /** The command has ended. */
  onCommand(): void {
    const { b } = this;
    const [failed, done] = [b.target(), b.target()];
    this.#reap("command", this.#command, this.#commandPidfd);
    b.add(this.#command, NOBODY, 0, "its pid may be another's from now on");
    b.branch(this.#status, "!=", 0, failed, "if it has failed, so has the check");
    b.add(this.#failures, 0, 0, "all is well");
    b.add(this.#hasSucceeded, 1, 0, "all is well");
    this.#tell("healthy");
    this.#rest();
    b.goto(done, "go on");
    b.place(failed);
    this.#hasFailed();
    b.place(done);
  }

  /** When the container has ended. */
  stop(): void {
    const { b } = this;
    for (const what of ["timer", "starter", "command"] as const) this.watch.end(what);
    const none = b.target();
    b.branch(this.#isRunning, "==", 0, none, "if no check runs, go on");
    b.syscall("pidfd_send_signal", [this.#starterPidfd, named(SIG.SIGKILL, "SIGKILL"), 0, 0], {
      label: "end the check",
      optional: true,
    });
    b.place(none);
  }

  #start(): void {
    const { b } = this;
    const pidfd = b.buffer(8);
    const flags = CLONE.CLONE_PIDFD + (this.hasCgroup ? CLONE.CLONE_INTO_CGROUP : 0);
    const cgroup = this.hasCgroup ? MONITOR.cgroup : 0;
    const args = b.words([flags, pidfd, 0, 0, SIG.SIGCHLD, 0, 0, 0, 0, 0, cgroup]);
    const CLONE_ARGS_SIZE = 88;
    const parent = b.target();
    const failed = b.target();
    const done = b.target();
    // Not like vfork: in a container that is held it would hold the monitor as well.
    b.syscall("clone3", [args, CLONE_ARGS_SIZE], {
      label: "make a process for the health check",
      result: this.#starter,
      optional: true,
    });
    b.branch(this.#starter, "!=", 0, parent, "in the monitor, go on below");
    this.#becomeCheck();

    b.place(parent);
    b.branch(this.#starter, "<", 0, failed, "if there is none, the check has failed");
    b.copy(b.addressOf(this.#starterPidfd), pidfd, 4, "remember it");
    b.add(this.#commandPidfd, -1, 0, "there is no command yet");
    b.add(this.#isRunning, 1, 0, "a check runs");
    this.watch.begin("starter", this.#starterPidfd);
    this.#arm(this.check.timeout);
    b.goto(done, "wait for its end");
    b.place(failed);
    this.#hasFailed();
    b.place(done);
  }

  /** No check of a container that is held: none of its processes would do anything. */
  #whenHeld(rest: Target): void {
    const { b, freezer } = this;
    if (freezer === undefined) return;
    const meaning = { path: freezer.path, label: "see whether the container is held", optional: true };
    const flags = openFlags(b.architecture, "O_RDONLY", "O_CLOEXEC");
    const file = b.call("openat", [AT.AT_FDCWD, b.string(freezer.path), flags, 0], "file", meaning);
    const text = b.buffer(16);
    b.syscall("read", [file, text, 1], meaning);
    b.syscall("close", [file], meaning);
    const first = b.slot("first");
    b.copy(b.addressOf(first), text, 1, meaning.label);
    b.branch(first, "==", freezer.held, rest, "if it is, look again later");
  }

  #becomeCheck(): void {
    const { b } = this;
    b.syscall("dup3", [MONITOR.announced, EXEC.announce, 0], { label: "take the way to the monitor", optional: true });
    b.syscall("dup3", [this.container, EXEC.container, 0], { label: "take the container", optional: true });
    b.syscall("close_range", [EXEC.container + 1, named(0xffffffff, "~0"), or(CLOSE_RANGE, "CLOSE_RANGE_CLOEXEC")], {
      label: "give it no more",
      optional: true,
    });
    const [argv, envp] = [b.strings(["libflux-exec"]), b.strings([])];
    b.syscall("execveat", [MONITOR.health, b.string(""), argv, envp, or(AT, "AT_EMPTY_PATH")], {
      label: "enter the container",
      optional: true,
    });
    b.exit(named(UNKNOWN, "125"), "end");
  }

  #reap(what: HealthEvent, pid: Slot, pidfd: Slot): void {
    const { b } = this;
    this.watch.end(what);
    // Four bytes are written: the rest stays as it is.
    b.add(this.#status, UNKNOWN, 0, "not known yet");
    b.syscall("wait4", [pid, b.addressOf(this.#status), 0, 0], { label: `reap the check's ${what}`, optional: true });
    b.syscall("close", [pidfd], { label: `watch the check's ${what} no longer`, optional: true });
    b.add(pidfd, -1, 0, "there is none");
  }

  #hasFailed(): void {
    const { b, check } = this;
    const [counts, rest] = [b.target(), b.target()];
    b.branch(this.#hasSucceeded, "!=", 0, counts, "after a success every failure counts");
    b.branch(this.#now(), "<", this.#deadline, rest, "in the start period none does");
    b.place(counts);
    b.add(this.#failures, this.#failures, 1, "one more has failed");
    b.branch(this.#failures, "<", check.retries, rest, "if there were too few in a row, go on");
    this.#tell("unhealthy");
    b.place(rest);
    this.#rest();
  }

  #rest(): void {
    this.b.add(this.#isRunning, 0, 0, "no check runs");
    this.#arm(this.check.interval);
  }

  /** Seconds since boot. */
  #now(): Slot {
    const { b } = this;
    const time = b.buffer(16);
    const now = b.slot("now");
    b.syscall("clock_gettime", [CLOCK_MONOTONIC, time], { label: "ask for the time", optional: true });
    b.copy(b.addressOf(now), time, 8, "in seconds");
    return now;
  }

  #arm(seconds: number): void {
    const { b } = this;
    // struct itimerspec: no repetition, then when.
    const whole = Math.floor(seconds);
    const time = b.words([0, 0, whole, Math.round((seconds - whole) * 1e9)]);
    b.syscall("timerfd_settime", [this.#timer, 0, time, 0], { label: `set the timer to ${seconds} s` });
  }

  #tell(health: Health): void {
    const { b } = this;
    const flags = openFlags(b.architecture, "O_WRONLY", "O_NOFOLLOW", "O_CLOEXEC");
    const file = b.call("openat", [MONITOR.directory, b.string(HEALTH_FILE), flags, 0], "file", {
      label: "open what says how it is",
      optional: true,
    });
    b.syscall("write", [file, b.string(healthText(health)), HEALTH_SIZE], {
      label: `write that it is ${health}`,
      optional: true,
    });
    b.syscall("close", [file], { label: "close it", optional: true });
  }
}
