/**
 * A command in a container that runs → launch program. Pure, as `mod.ts`: who starts it needs no JavaScript by then.
 *
 * The program joins the container's cgroups and namespaces and puts on every restriction of its, one after the other.
 * Only then is there a process that somebody inside can see, born with all of them, and with nothing open but its
 * streams and its ways to libflux.
 *
 * @module
 */
import { CLONE, MAGIC, or, SIG } from "../../ffi/abi/constants.ts";
import type { LaunchProgram } from "../../ffi/program.ts";
import type { NamespaceType, Spec } from "../spec/types.ts";
import { NONE } from "./attributes.ts";
import { checkTexts } from "./check.ts";
import { CHILD, Context, type Launch, named } from "./context.ts";
import { credentials, enterWorkingDirectory, limits } from "./credentials.ts";
import { nullStreams } from "./devices.ts";
import { execute } from "./execute.ts";
import { closeAllBut, joinCgroups, newKeyring, notDumpable, requireFilesystem } from "./isolate.ts";
import { securityLabels } from "./labels.ts";
import { secondWall } from "./landlock.ts";
import { filterSyscalls } from "./seccomp.ts";
import { newSession, openAnotherTerminal } from "./terminal.ts";
import { becomeRoot, openNull } from "./users.ts";

/** The descriptors that the program finds open, besides its three streams. */
export const EXEC = {
  /** Where the interpreter reports a failed instruction; its end-of-file means that the command has been executed. */
  report: CHILD.report,
  /** A Unix socket on which the command's process, before it executes that, writes a byte: the kernel says whose. */
  announce: 4,
  /** A pidfd of the container's PID 1. */
  container: 5,
  /** A Unix socket that takes the master of the command's terminal. */
  console: CHILD.console,
} as const;

/** What the compiler must be told; the rest of {@link Launch} is about making a container. */
export interface ExecLaunch extends
  Pick<
    Launch,
    | "architecture"
    | "nullStreams"
    | "terminal"
    | "ignoredSignals"
    | "lastCapability"
    | "rlimits"
    | "legacyGroups"
    | "guardsLegacyGroups"
    | "isRootInside"
    | "keepGroups"
    | "appArmorAttributes"
    | "landlock"
  > {
  /** Whether there is somebody at {@link EXEC}'s `announce`. */
  readonly announces: boolean;
  /** Whether who runs the program may mount a procfs. */
  readonly mountsProc: boolean;
}

/** After the namespaces were joined: what a launch program does last, in its order. */
const STEPS: readonly ((context: Context) => void)[] = [
  becomeRoot,
  newKeyring,
  openAnotherTerminal,
  nullInside,
  securityLabels,
  secondWall,
  filterSyscalls,
  credentials,
  enterWorkingDirectory,
];

/**
 * Compiles a command.
 *
 * @param spec The container's, with the command's own `process`.
 */
export function compileExec(spec: Spec, launch: ExecLaunch): LaunchProgram {
  checkTexts(spec);
  const context = new Context(spec, { ...launch, writable: false, init: false, files: [], kinds: new Map() });
  closeAllBut(context, [
    EXEC.report,
    ...launch.announces ? [EXEC.announce] : [],
    EXEC.container,
    ...launch.terminal === undefined ? [] : [EXEC.console],
  ]);
  joinCgroups(context);
  holdProcfs(context, launch.mountsProc);
  // While the program's own files in there are its user's still: those of one that nobody may look into are root's.
  limits(context);
  notDumpable(context);
  enter(context);
  for (const step of STEPS) step(context);
  executeBeside(context, launch.announces);
  return context.builder.build();
}

/**
 * Holds a procfs from outside, where anything is to be written to one: by the container's own a write could be redirected
 * (CVE-2025-52881). One that nobody else can reach, or where that can't be had, the host's.
 */
function holdProcfs(context: Context, mounts: boolean): void {
  const { oomScoreAdj, apparmorProfile, selinuxLabel } = context.spec.process;
  if (oomScoreAdj === undefined && apparmorProfile === undefined && selinuxLabel === undefined) return;
  const field = "process";
  const path = "/proc";
  context.procfs = mounts
    ? context.filesystem("proc", [["source", "proc"]], NONE, { label: "mount a procfs that nobody else sees", field })
    : context.openTarget(path, "directory", { label: "open the host's procfs", path, field });
  requireFilesystem(context, context.procfs, or(MAGIC, "PROC_SUPER_MAGIC"), "==", {
    label: "see that it is procfs",
    field,
  });
}

const NAMESPACES: Readonly<Record<NamespaceType, keyof typeof CLONE>> = {
  user: "CLONE_NEWUSER",
  mount: "CLONE_NEWNS",
  pid: "CLONE_NEWPID",
  network: "CLONE_NEWNET",
  ipc: "CLONE_NEWIPC",
  uts: "CLONE_NEWUTS",
  cgroup: "CLONE_NEWCGROUP",
  time: "CLONE_NEWTIME",
};

/** Joins every namespace that the container hasn't from its host, and begins at its root. */
function enter({ builder: b, spec }: Context): void {
  const kinds = new Set(spec.linux?.namespaces?.map(({ type }) => NAMESPACES[type]));
  const field = "linux.namespaces";
  b.syscall("setns", [EXEC.container, or(CLONE, ...kinds)], {
    label: "enter the container's namespaces",
    field,
    hint: "has it ended, or was it started by another user?",
  });
  b.syscall("close", [EXEC.container], { label: "close the descriptor of its PID 1", field });
  b.syscall("chdir", [b.string("/")], { label: "go to its root", path: "/", field });
}

/** Points streams at the container's own null device. */
function nullInside(context: Context): void {
  if (context.launch.nullStreams.length === 0) return;
  openNull(context, "open the container's null device");
  nullStreams(context);
}

/** Makes the command's process, a child of whoever started the program, and ends. */
function executeBeside(context: Context, announces: boolean): void {
  const { builder: b } = context;
  const field = "process";
  // Nothing of what lies outside is open any more when there is somebody who can be looked into (CVE-2016-9962).
  b.syscall("close_range", [announces ? EXEC.announce + 1 : EXEC.report + 1, named(0xffffffff, "~0"), 0], {
    label: "close what the preparation left open",
    field,
  });
  const done = b.target();
  const flags = named(
    CLONE.CLONE_PARENT | CLONE.CLONE_VM | CLONE.CLONE_VFORK | SIG.SIGCHLD,
    "CLONE_PARENT|CLONE_VM|CLONE_VFORK|SIGCHLD",
  );
  const command = b.call("clone", [flags, 0, 0, 0, 0], "command", {
    label: "make a process for the command in the container",
    field,
    hint: "is the number of processes limited, or has the container ended?",
  });
  b.branch(command, "!=", 0, done, "beside it, go on below");
  if (announces) {
    b.syscall("write", [EXEC.announce, b.string("c"), 1], { label: "tell libflux which process it is", field });
    b.syscall("close", [EXEC.announce], { label: "close the way there", field });
  }
  newSession(context);
  execute(context);
  b.place(done);
  b.exit(0, "end: the command is a child of libflux's");
}
