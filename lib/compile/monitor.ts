/**
 * The monitor of a detached container: the third program of ARCHITECTURE.md. It clones PID 1, whose parent it is; keeps
 * what must be held as long as the container runs; moves its output into the log; and at the end executes libflux once,
 * which cleans up.
 *
 * All signals but SIGKILL are blocked in it, as the stub has left them. Killed, it takes the container with it.
 *
 * @module
 */
import { AT, CLONE, E, openFlags, or, PR, SIG } from "../../ffi/abi/constants.ts";
import { type LaunchProgram, ProgramBuilder, type Reference, type Slot, type Target } from "../../ffi/program.ts";
import { LogWriter } from "../logs/writer.ts";
import { EXIT, EXIT_FILE, STOPPING_FILE } from "../spec/container_files.ts";
import { named } from "./context.ts";
import { becomeContainer } from "./monitor_child.ts";
import { HealthProgram } from "./monitor_health.ts";
import { handOut, takeTerminal } from "./monitor_input.ts";
import { MONITOR, type MonitorOptions, MonitorWord } from "./monitor_options.ts";

/** The entries of the `pollfd` array, by their places. */
const POLLED = {
  ...{ stdout: 0, stderr: 1, child: 2, attach: 3, talk: 4, console: 5 },
  ...{ timer: 6, starter: 7, command: 8 },
} as const;
const POLLFD_SIZE = 8;
const POLLIN = 1;
/** As many reads as a pipe of the largest size that a user may give it takes, of a log with the smallest files. */
const MOST_ROUNDS = 1200;

/** Compiles a monitor. */
export function monitorProgram(options: MonitorOptions): LaunchProgram {
  return new Monitor(options).compile();
}

class Monitor {
  readonly #b: ProgramBuilder;
  readonly #pid: Slot;
  readonly #pidfd: Slot;
  /** Whether libflux has had its say. */
  readonly #heard: Slot;
  readonly #polled: Reference;
  /** -1, to be put where a descriptor isn't waited for any more. */
  readonly #nothing: Reference;

  constructor(readonly options: MonitorOptions) {
    this.#b = new ProgramBuilder(options.architecture);
    this.#pid = this.#b.slot("pid");
    this.#pidfd = this.#b.slot("pidfd");
    this.#heard = this.#b.slot("heard");
    const { terminal } = options;
    const descriptors = [
      terminal ? -1 : MONITOR.stdout,
      terminal ? -1 : MONITOR.stderr,
      -1,
      MONITOR.attach,
      MONITOR.talk,
      terminal ? MONITOR.console : -1,
      ...[-1, -1, -1],
    ];
    const polled = new Uint8Array(descriptors.length * POLLFD_SIZE);
    const view = new DataView(polled.buffer);
    descriptors.forEach((descriptor, index) => {
      view.setInt32(index * POLLFD_SIZE, descriptor, true);
      view.setUint16(index * POLLFD_SIZE + 4, POLLIN, true);
    });
    this.#polled = this.#b.bytes(polled);
    this.#nothing = this.#b.bytes(new Uint8Array(4).fill(0xff));
  }

  compile(): LaunchProgram {
    const b = this.#b;
    b.syscall("prctl", [or(PR, "PR_SET_NAME"), b.string("libflux-monitor"), 0, 0, 0], {
      label: "take a name of its own",
    });
    b.syscall("chdir", [b.string("/")], { label: "leave the working directory" });
    b.syscall("setsid", [], { label: "leave the terminal" });
    this.#clone();
    this.#watch();
    return b.build();
  }

  /** What the stub of `ffi/spawn.ts` does elsewhere. */
  #clone(): void {
    const b = this.#b;
    const { options } = this;
    const pidfd = b.buffer(8);
    const args = b.words([
      Number(BigInt(options.flags) | BigInt(CLONE.CLONE_PIDFD)),
      pidfd,
      ...[0, 0, SIG.SIGCHLD, 0, 0, 0, 0, 0],
      options.hasCgroup ? MONITOR.cgroup : 0,
    ]);
    const parent = b.target();
    const CLONE_ARGS_SIZE = 88;
    b.syscall("clone3", [args, CLONE_ARGS_SIZE], { label: "make the container's namespaces", result: this.#pid });
    b.branch(this.#pid, "!=", 0, parent, "in the monitor, go on below");
    becomeContainer(b, options);

    b.place(parent);
    b.copy(b.addressOf(this.#pidfd), pidfd, 4, "remember the container's first process");
    b.copy(b.at(this.#polled, POLLED.child * POLLFD_SIZE), pidfd, 4, "watch it");
    b.syscall("write", [MONITOR.talk, b.addressOf(this.#pid), 4], { label: "tell libflux its pid" });
    // Only what was given: another number may be that of the descriptor which the kernel has just made.
    const cgroup = options.hasCgroup && options.health === undefined ? [MONITOR.cgroup] : [];
    // Whatever is the container's would keep its pipes open, and its end from being seen.
    for (
      const [first, last] of ranges([
        MONITOR.gate,
        MONITOR.image,
        ...cgroup,
        ...options.descriptors.map(([here]) => here),
      ])
    ) {
      b.syscall("close_range", [first, last, 0], { label: "close what is the container's" });
    }
  }

  #watch(): void {
    const b = this.#b;
    const { terminal, sharesPids, log, daemon } = this.options;
    const writer = new LogWriter(b, {
      ...{ directory: MONITOR.logs, file: MONITOR.log, log },
      ...(daemon === undefined ? {} : { daemon: { ...daemon, socket: MONITOR.daemon } }),
    });
    const [next, ended, finished, abort] = [b.target(), b.target(), b.target(), b.target()];
    const [timeout, rounds] = [b.slot("timeout"), b.slot("rounds")];
    const health = this.#health();
    health?.prepare();

    b.place(next);
    const COUNT = Object.keys(POLLED).length;
    const ready = b.call("ppoll", [this.#polled, COUNT, timeout, 0, 8], "ready", { label: "wait for something to do" });
    b.branch(ready, "==", 0, finished, "if all has been read that there was, finish");
    this.#when("stdout", () => this.#record(writer, "stdout"));
    if (!terminal) this.#when("stderr", () => this.#record(writer, "stderr"));
    this.#when("console", () => {
      this.#forget("console");
      takeTerminal(b, b.at(this.#polled, POLLED.stdout * POLLFD_SIZE));
    });
    this.#when("attach", () => handOut(b));
    this.#when("talk", () => this.#listen(abort));
    if (health !== undefined) {
      this.#when("starter", () => health.onStarter());
      this.#when("command", () => health.onCommand());
      this.#when("timer", () => health.onTimer());
    }
    if (sharesPids) {
      // A pipe holds no more than this many reads give, and whoever goes on writing is nobody to wait for.
      const more = b.target();
      b.branch(timeout, "==", 0, more, "as long as it runs, go on");
      b.add(rounds, rounds, 1, "count what is read after its end");
      b.branch(rounds, ">", MOST_ROUNDS, finished, "whoever still writes is nobody to wait for");
      b.place(more);
    }
    this.#when("child", () => b.goto(ended, "it has ended"));
    b.goto(next, "wait for more");

    b.place(ended);
    this.#hearOut(abort);
    for (const what of ["child", "attach", "talk", "console"] as const) this.#forget(what);
    health?.stop();
    const atOnce = b.words([b.buffer(16)]);
    b.copy(b.addressOf(timeout), atOnce, 8, "wait no longer");
    b.goto(next, "read what is left");

    b.place(finished);
    this.#finish();

    b.place(abort);
    b.syscall("pidfd_send_signal", [this.#pidfd, named(SIG.SIGKILL, "SIGKILL"), 0, 0], {
      label: "end the container",
      optional: true,
    });
    b.syscall("wait4", [this.#pid, 0, 0, 0], { label: "reap it", optional: true });
    b.exit(0, "leave the rest to libflux");
    writer.end();
  }

  #health(): HealthProgram | undefined {
    const { health, hasCgroup, freezer } = this.options;
    if (health === undefined) return undefined;
    const b = this.#b;
    const watch = {
      begin: (what: keyof typeof POLLED, descriptor: Slot): void =>
        b.copy(b.at(this.#polled, POLLED[what] * POLLFD_SIZE), b.addressOf(descriptor), 4, `watch ${what}`),
      end: (what: keyof typeof POLLED): void => this.#forget(what),
    };
    return new HealthProgram(b, health, watch, this.#pid, this.#pidfd, hasCgroup, freezer);
  }

  /** Adds what is to be done when a descriptor is ready. */
  #when(what: keyof typeof POLLED, body: () => void): void {
    const b = this.#b;
    const events = b.slot(`${what}_events`);
    const after = b.target();
    b.copy(b.addressOf(events), b.at(this.#polled, POLLED[what] * POLLFD_SIZE + 6), 2, `look at ${what}`);
    b.branch(events, "==", 0, after, "if there is nothing, go on");
    body();
    b.place(after);
  }

  /** Waits for it no longer. */
  #forget(what: keyof typeof POLLED): void {
    const b = this.#b;
    b.copy(b.at(this.#polled, POLLED[what] * POLLFD_SIZE), this.#nothing, 4, `watch ${what} no longer`);
  }

  #record(writer: LogWriter, stream: "stdout" | "stderr"): void {
    const b = this.#b;
    const [end, done] = [b.target(), b.target()];
    writer.copy({ source: MONITOR[stream], stream }, { ended: end });
    b.goto(done, "go on");
    b.place(end);
    this.#forget(stream);
    b.place(done);
  }

  /** What has ended before libflux has had its say may be its to tell: a launch that has failed. */
  #hearOut(abort: Target): void {
    const b = this.#b;
    const heard = b.target();
    b.branch(this.#heard, "!=", 0, heard, "if libflux has had its say, go on");
    this.#listen(abort);
    b.place(heard);
  }

  /** Hears from libflux; where that is gone before it has done its part, there shall be no container. */
  #listen(abort: Target): void {
    const b = this.#b;
    const said = b.buffer(8);
    const done = b.target();
    b.syscall("read", [MONITOR.talk, said, 1], { label: "hear from libflux", optional: true });
    this.#forget("talk");
    b.syscall("close", [MONITOR.talk], { label: "have heard" });
    b.add(this.#heard, 1, 0, "have heard");
    const word = b.slot("word");
    b.copy(b.addressOf(word), said, 1, "what it says");
    b.branch(word, "==", MonitorWord.stop, abort, "if it has failed, stop");
    b.branch(word, "==", MonitorWord.go, done, "if its part is done, go on");
    b.syscall("pidfd_send_signal", [this.#pidfd, named(SIG.SIGKILL, "SIGKILL"), 0, 0], {
      label: "end what libflux has left behind",
      optional: true,
    });
    b.place(done);
  }

  /** Those that have come meanwhile, and would end libflux now, are forgotten: an ignored signal doesn't wait. */
  #unblockSignals(): void {
    const b = this.#b;
    const LAST = 64;
    const number = b.slot("signal");
    // struct kernel_sigaction: SIG_IGN, SIG_DFL.
    for (const [action, label] of [[[1, 0, 0, 0], "ignore"], [[0, 0, 0, 0], "no longer ignore"]] as const) {
      if (label !== "ignore") {
        b.syscall("rt_sigprocmask", [named(2, "SIG_SETMASK"), b.buffer(8), 0, 8], { label: "unblock all signals" });
      }
      b.add(number, 1, 0, "begin with the first signal");
      const next = b.place();
      b.syscall("rt_sigaction", [number, b.words(action), 0, 8], { label: `${label} every signal`, optional: true });
      b.add(number, number, 1, "go on with the next");
      b.branch(number, "<=", LAST, next, "until there is none");
    }
  }

  #finish(): void {
    const b = this.#b;
    const { init, architecture, argv, env } = this.options;
    const record = b.bytes(new Uint8Array(EXIT.size));
    const status = b.slot("status");
    b.syscall("wait4", [this.#pid, b.addressOf(status), 0, 0], { label: "reap the container", optional: true });
    b.copy(b.at(record, EXIT.status), b.addressOf(status), 8, "note how it ended");
    if (init) {
      const size = b.call("read", [MONITOR.status, b.at(record, EXIT.report), 16], "size", {
        label: "read how the command ended",
        optional: true,
      });
      b.copy(b.at(record, EXIT.reportSize), b.addressOf(size), 8, "note whether it was told");
    }
    b.syscall("clock_gettime", [0, b.at(record, EXIT.seconds)], { label: "note when" });
    const flags = openFlags(architecture, "O_WRONLY", "O_CREAT", "O_NOFOLLOW", "O_CLOEXEC");
    const file = b.call("openat", [MONITOR.directory, b.string(EXIT_FILE), flags, named(0o600, "0600")], "file", {
      label: "write down how it ended",
      optional: true,
    });
    b.syscall("write", [file, record, EXIT.size], { label: "write it", optional: true });
    b.syscall("close", [file], { label: "close it", optional: true });
    const alone = b.target();
    const LOCK_EX_NB = named(6, "LOCK_EX|LOCK_NB");
    const reading = openFlags(architecture, "O_RDONLY", "O_NOFOLLOW", "O_CLOEXEC");
    const other = b.call("openat", [MONITOR.directory, b.string(STOPPING_FILE), reading, 0], "other", {
      label: "see whether somebody else cleans up",
      optional: true,
    });
    b.branch(other, "<", 0, alone, "if nobody wants to, go on");
    const locked = b.call("flock", [other, LOCK_EX_NB], "locked", {
      label: "see whether they still do",
      optional: true,
    });
    b.branch(locked, "!=", -E.EAGAIN, alone, "if they have gone, go on");
    b.exit(0, "leave it to them");
    b.place(alone);
    // Descriptors stay open across the execution that aren't marked: the name is held without a gap.
    b.syscall("close_range", [MONITOR.logs, MONITOR.program - 1, 0], {
      label: "close what isn't needed",
      optional: true,
    });
    b.syscall("close_range", [MONITOR.program + 1, named(0xffffffff, "~0"), 0], { label: "close the rest" });
    this.#unblockSignals();
    b.syscall("fcntl", [MONITOR.program, 2, 1], { label: "let it close itself" });
    b.syscall("execveat", [MONITOR.program, b.string(""), b.strings(argv), b.strings(env), or(AT, "AT_EMPTY_PATH")], {
      label: "have libflux clean up",
      optional: true,
    });
    b.exit(0, "the next command will");
  }
}

/** Numbers in a row, as `[first, last]`. */
function ranges(numbers: readonly number[]): (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last[1] + 1 === number) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}
