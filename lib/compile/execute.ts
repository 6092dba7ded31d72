/**
 * Step 10: the command, or a PID 1 that runs it, forwards signals to it and reaps what it leaves behind.
 *
 * @module
 */
import { or, PR, SIG } from "../../ffi/abi/constants.ts";
import { DEFAULT_PATH } from "../spec/defaults.ts";
import { CHILD, type Context, named } from "./context.ts";
import { commandLimits } from "./credentials.ts";
import { enterLabel, keepLabel, keepsLabel } from "./labels.ts";
import { newSession } from "./terminal.ts";

const DEFAULT_UMASK = 0o022;

/** Runs the command in place of the interpreter. */
export function execute(context: Context): void {
  const { builder: b } = context;
  commandLimits(context);
  resetSignals(context);
  const umask = context.spec.process.user.umask ?? DEFAULT_UMASK;
  b.syscall("umask", [named(umask, `0${umask.toString(8)}`)], {
    label: "set the file mode mask",
    field: "process.user.umask",
  });
  b.syscall("close_range", [3, named(0xffffffff, "~0"), named(4, "CLOSE_RANGE_CLOEXEC")], {
    label: "close every descriptor but the three streams",
    field: "process",
  });
  const { args = [], env = [] } = context.spec.process;
  const command = args[0] ?? "";
  const argv = b.strings(args);
  const envp = b.strings(env);
  const path = env.find((entry) => entry.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
  const candidates = command.includes("/")
    ? [command]
    : path.split(":").map((directory) => `${directory === "" ? "." : directory}/${command}`);
  const field = "process.args[0]";
  if (candidates.length > 1) {
    for (const candidate of candidates) {
      b.syscall("execve", [b.string(candidate), argv, envp], {
        label: `execute ${candidate}, if it is there`,
        path: candidate,
        field,
        optional: true,
      });
    }
  }
  // Again, to hear why: the first that is there and can't be executed is the answer.
  for (const candidate of candidates) {
    b.syscall("execve", [b.string(candidate), argv, envp], {
      label: `execute ${candidate}`,
      path: candidate,
      field,
      role: "execve",
      ...(candidates.length > 1 ? { tolerate: 2 } : {}),
    });
  }
  b.syscall("fail", [], { label: `find ${command} in ${path}`, path: command, field, role: "notFound" });
}

/**
 * Has the kernel end the command when its parent has gone: a monitor is one thread, unlike libflux. After the change of user,
 * which takes that back.
 */
export function endWithParent({ builder: b, launch }: Context): void {
  if (launch.endsWithParent !== true) return;
  b.syscall("prctl", [or(PR, "PR_SET_PDEATHSIG"), named(SIG.SIGKILL, "SIGKILL"), 0, 0, 0], {
    label: "end with the monitor",
  });
}

/** Signals as a new program expects them. Handlers need no reset: exec has done that. */
function resetSignals({ builder: b, launch }: Context): void {
  // struct kernel_sigaction of zeroes: SIG_DFL, no flags, nothing masked.
  const action = b.buffer(32);
  for (const number of launch.ignoredSignals) {
    const name = Object.entries(SIG).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
    b.syscall("rt_sigaction", [named(number, name), action, 0, 8], {
      label: `no longer ignore ${name}`,
      field: "process",
    });
  }
  b.syscall("rt_sigprocmask", [named(2, "SIG_SETMASK"), b.buffer(8), 0, 8], {
    label: "unblock all signals",
    field: "process",
  });
}

/** A reaping, signal-forwarding PID 1 above the command. All signals have been blocked since the stub. */
export function executeBelowInit(context: Context): void {
  const { builder: b } = context;
  const meaning = { field: "process" };
  if (!context.has("pid")) {
    const PR_SET_CHILD_SUBREAPER = 36;
    b.syscall("prctl", [named(PR_SET_CHILD_SUBREAPER, "PR_SET_CHILD_SUBREAPER"), 1, 0, 0, 0], {
      ...meaning,
      label: "adopt orphans",
    });
  }
  // Before there is a command: through /proc/1/fd it could otherwise reach the image's own directory (CVE-2024-21626).
  keepLabel(context);
  const first = keepsLabel(context) ? CHILD.sync + 1 : CHILD.sync;
  b.syscall("close_range", [first, named(0xffffffff, "~0"), 0], {
    ...meaning,
    label: "close what the preparation left open",
  });
  const everything = b.bytes(new Uint8Array(8).fill(0xff));
  const init = b.target();
  // Like vfork: nothing is copied, and PID 1 goes on once the command has been executed, or has failed to be.
  const flags = named(0x4100 | SIG.SIGCHLD, "CLONE_VM|CLONE_VFORK|SIGCHLD");
  const command = b.call("clone", [flags, 0, 0, 0, 0], "command", {
    ...meaning,
    label: "make a process for the command",
    hint: "is the number of processes limited?",
  });
  b.branch(command, "!=", 0, init, "as PID 1, go on below");
  newSession(context);
  execute(context);

  b.place(init);
  // Before anybody hears that it runs: what is to happen to it next may take that.
  enterLabel(context);
  // The end of the report says that the command has started; what fails from here on is told where a status would be.
  b.syscall("dup3", [CHILD.status, CHILD.report, context.open("O_CLOEXEC")], {
    ...meaning,
    label: "report in place of the command's status",
  });
  // The command's end of a pipe or terminal must be the last one: else its reader waits for ever.
  b.syscall("close_range", [0, 2, 0], { ...meaning, label: "close the streams" });
  const SFD_CLOEXEC = named(0o2000000, "SFD_CLOEXEC");
  const signals = b.call("signalfd4", [-1, everything, 8, SFD_CLOEXEC], "signals", {
    ...meaning,
    label: "receive signals as data",
  });
  // struct pollfd[2]: signals, the lifeline.
  const poll = new Uint8Array(16);
  const view = new DataView(poll.buffer);
  view.setUint16(4, 1, true);
  view.setInt32(8, CHILD.lifeline, true);
  view.setUint16(12, 1, true);
  const polled = b.bytes(poll);
  b.copy(polled, b.addressOf(signals), 4, "remember where signals arrive");
  const wait = b.place();
  const orphaned = b.target();
  const reap = b.target();
  const ended = b.target();
  b.syscall("ppoll", [polled, 2, 0, 0, 8], { ...meaning, label: "wait for a signal" });
  const hangup = b.slot("lifeline_events");
  b.copy(b.addressOf(hangup), b.at(polled, 14), 2, "look at the lifeline");
  b.branch(hangup, "!=", 0, orphaned, "if libflux is gone, end");
  // struct signalfd_siginfo: 128 bytes, the number first.
  const info = b.buffer(128);
  b.syscall("read", [signals, info, 128], { ...meaning, label: "read the signal" });
  const signal = b.slot("signal");
  b.copy(b.addressOf(signal), info, 4, "take its number");
  b.branch(signal, "==", named(SIG.SIGCHLD, "SIGCHLD"), reap, "if a child ended, reap it");
  b.syscall("kill", [command, signal], { ...meaning, label: "forward the signal", optional: true });
  b.goto(wait, "wait for the next");

  b.place(reap);
  const status = b.slot("status");
  const pid = b.call("wait4", [-1, b.addressOf(status), named(1, "WNOHANG"), 0], "pid", {
    ...meaning,
    label: "reap a child",
    optional: true,
  });
  b.branch(pid, "==", command, ended, "if it was the command, end as it did");
  b.branch(pid, ">", 0, reap, "look for another");
  b.goto(wait, "wait for the next");

  b.place(orphaned);
  // In a pid namespace of its own it would end with PID 1 anyway; in the host's it must be told.
  b.syscall("kill", [command, named(SIG.SIGKILL, "SIGKILL")], {
    ...meaning,
    label: "kill the command",
    optional: true,
  });
  b.copy(b.addressOf(status), b.bytes(new Uint8Array([SIG.SIGKILL])), 1, "end as if killed");
  b.place(ended);
  b.syscall("write", [CHILD.status, b.addressOf(status), 4], {
    ...meaning,
    label: "report how the command ended",
    optional: true,
  });
  b.exit(status, "end as the command did");
}
