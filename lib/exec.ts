/**
 * A command in a container that runs: who calls whom, in which order.
 *
 * @module
 */
import { CLONE, SIG } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, type Descriptor, syscall, SyscallError } from "../ffi/libc.ts";
import { type Image, link } from "../ffi/link.ts";
import { read, sleep } from "../ffi/reactor.ts";
import { adopt, type Child, executable, spawn, type SpawnOptions } from "../ffi/spawn.ts";
import { askForSenders, receiveSender, socketPair } from "../ffi/unix_socket.ts";
import { compileExec, EXEC, type ExecLaunch } from "./compile/exec.ts";
import { wantsLandlock } from "./compile/landlock.ts";
import { isPaused } from "./control.ts";
import { Ends, reading, receiveTerminal } from "./ends.ts";
import { LaunchError, NoContainerError } from "./errors.ts";
import { cgroupOfProcess, handsDown, openCgroup, userScope } from "./exec_cgroup.ts";
import { ExecSession } from "./exec_session.ts";
import { asFluxError, launchError } from "./failure.ts";
import { landlockVersion } from "./labels.ts";
import { lastCapability, ownCapabilities, ownLimit, parseLimits } from "./privileges.ts";
import { CAPABILITIES } from "./spec/capabilities.ts";
import { type ExecOptions, execSpec } from "./spec/exec.ts";
import { hostId } from "./spec/id_maps.ts";
import { checkOptions } from "./spec/options.ts";
import type { Rlimit, Spec } from "./spec/types.ts";
import { type ContainerConfig, readConfig } from "./store/config.ts";
import { readIfThere } from "./store/directory.ts";
import { findRunning, openStore } from "./store/open.ts";
import { openProcess } from "./store/process.ts";
import type { State, Store } from "./store/state.ts";
import { type Layout, layOut, plumb, type Plumbing } from "./streams.ts";
import { isServed } from "./rootfs/fuse.ts";
import { readInRoot } from "./users.ts";

export type { ExecOptions };

/** A container to enter. */
interface Entered {
  readonly state: State;
  readonly config: ContainerConfig;
  /** A pidfd of its PID 1. */
  readonly process: Descriptor;
}

/** Milliseconds that a container which has just been made may take until its command runs. */
const PATIENCE = 2_000;
const MOMENT = 2;

const noContainer = (name: string): NoContainerError =>
  new NoContainerError(`the container ${name} has ended`, { hint: "'libflux ps' lists those that run" });

/** Finds a container whose command runs, and holds its PID 1. */
async function find(store: Store, name: string, signal: AbortSignal | undefined): Promise<Entered> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const state = findRunning(store, name);
    if (isPaused(state)) {
      throw new LaunchError(`the container ${name} is paused, and nothing runs in it until it goes on`, {
        hint: `'libflux unpause ${name}' lets it go on`,
      });
    }
    const config = readConfig(store, name);
    if (config?.id === state.id) {
      const process = openProcess(state);
      if (process !== undefined) return { state, config, process };
    }
    signal?.throwIfAborted();
    if (performance.now() > deadline) {
      throw new LaunchError(`nothing can enter the container ${name} yet: its own command hasn't been started`, {
        hint: "try again; one that was started by an older libflux can't be entered at all",
      });
    }
    await sleep(MOMENT);
  }
}

/** The container's specification with the process that is to enter it, by what its own files say. */
function specOf({ state, config }: Entered, options: ExecOptions): Spec {
  const decoder = new TextDecoder();
  const hasUsers = config.spec.linux?.namespaces?.some(({ type }) => type === "user") === true;
  const inside = `/proc/${state.pid}/root`;
  // One that fuse-overlayfs serves is closed to who isn't in it: its users are those of the image.
  const root = isServed(inside) ? config.spec.root.path : inside;
  return execSpec(config.spec, options, {
    text: (path) => decoder.decode(readInRoot(root, path)),
    capabilities: hasUsers ? () => CAPABILITIES.slice(0, lastCapability() + 1) : ownCapabilities,
  });
}

/**
 * The limits of the command: those that the container was given, and of the others what PID 1 has, where libflux itself
 * may use more by now.
 */
function limitsOf(spec: Spec, pid: number): Rlimit[] {
  const given = spec.process.rlimits ?? [];
  const inherited = parseLimits(readIfThere(`/proc/${pid}/limits`) ?? "").flatMap(({ type, soft, hard }) => {
    if (given.some((limit) => limit.type === type)) return [];
    const own = ownLimit(type);
    if (hard >= own.hard && soft >= own.soft) return [];
    const most = Math.min(hard, own.hard);
    return [{ type, soft: Math.min(soft, most), hard: most }];
  });
  return [...given, ...inherited];
}

/** What the compiler is told. */
function launchOf({ state, config }: Entered, spec: Spec, options: ExecOptions, layout: Layout): ExecLaunch {
  const uid = Deno.uid() ?? 0;
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  const { keepGroups, guardsLegacyGroups, appArmorAttributes } = config.launch;
  const isRootInside = hostId(uidMappings, 0) === uid && hostId(gidMappings, 0) === Deno.gid();
  const streams = (kind: Layout[number]): number[] => layout.flatMap((how, index) => how === kind ? [index] : []);
  const groups = Object.entries(state.cgroups.legacy);
  return {
    architecture: ARCHITECTURE,
    announces: true,
    mountsProc: uid === 0,
    nullStreams: options.terminal === undefined ? streams("null") : [],
    ...(options.terminal === undefined ? {} : { terminal: options.terminal }),
    ignoredSignals: [SIG.SIGPIPE],
    lastCapability: lastCapability(),
    rlimits: (spec.process.rlimits ?? []).map(({ type }) => ownLimit(type)),
    legacyGroups: [...new Set(groups.map(([, directory]) => directory))].map((directory) => ({
      name: groups.filter(([, one]) => one === directory).map(([name]) => name).join(","),
      directory,
      required: true,
    })),
    isRootInside,
    ...(guardsLegacyGroups === undefined ? {} : { guardsLegacyGroups }),
    ...(keepGroups === undefined ? {} : { keepGroups }),
    ...(appArmorAttributes === undefined ? {} : { appArmorAttributes }),
    ...(uid !== 0 && wantsLandlock(spec)
      ? { landlock: { version: landlockVersion(), streams: streams("inherited"), isInside: true } }
      : {}),
  };
}

/** Starts the program in the container's cgroup of v2. */
async function start(
  { state, config }: Entered,
  options: Omit<SpawnOptions, "flags">,
  signal: AbortSignal | undefined,
): Promise<Child> {
  const { unified } = state.cgroups;
  const scope = userScope(config.spec.linux?.cgroupsPath, Deno.uid() ?? 0);
  if (unified === undefined) return spawn({ ...options, flags: 0 });
  if (scope !== undefined) {
    const { attachTo } = await import("./cgroups/scope.ts");
    const child = spawn({ ...options, flags: 0, hold: true });
    try {
      await attachTo(scope, child.pid, signal);
    } catch (error) {
      child.abandon();
      await child.wait();
      child[Symbol.dispose]();
      throw error;
    }
    child.release();
    return child;
  }
  const born = (directory: string): Child => {
    using cgroup = openCgroup(directory);
    return spawn({ ...options, flags: CLONE.CLONE_INTO_CGROUP, cgroup: cgroup.number });
  };
  try {
    return born(unified);
  } catch (error) {
    if (!(error instanceof SyscallError) || !handsDown(error.errno)) throw error;
    const below = cgroupOfProcess(unified, state.pid);
    if (below === undefined) throw error;
    return born(below);
  }
}

/** Runs the program until the command has been executed. */
async function launch(entered: Entered, image: Image, spec: Spec, options: ExecOptions, plumbing: readonly Plumbing[]) {
  const { state, process } = entered;
  using ends = new Ends(plumbing);
  using opened = new DisposableStack();
  using memfd = executable(image.elf);
  const report = ends.open(reading(), EXEC.report);
  const reportEnd = ends.descriptors.at(-1)?.[0] ?? -1;
  const announce = ends.open(socketPair(), EXEC.announce);
  askForSenders(announce.number);
  ends.descriptors.push([process.number, EXEC.container]);
  const console = options.terminal === undefined ? undefined : ends.open(socketPair(), EXEC.console);
  const { descriptors } = ends;
  const helper = await start(entered, { executable: memfd, report: reportEnd, descriptors }, options.signal);
  const ended = helper.wait();
  const abort = (): void => void helper.signal(SIG.SIGKILL);
  options.signal?.addEventListener("abort", abort);
  if (options.signal?.aborted === true) abort();
  let command: Child | undefined;
  try {
    ends.give();
    for (const { started } of plumbing) started();
    const bytes = new Uint8Array(16);
    const size = await read(report.number, bytes);
    // Whatever became of it, it is this process's child, and to be reaped.
    const pid = receiveSender(announce.number);
    command = pid === undefined ? undefined : adopt(pid);
    options.signal?.throwIfAborted();
    if (size > 0) {
      const root = `/proc/${state.pid}/root`;
      throw launchError({ spec, root }, image, bytes);
    }
    if (command === undefined) {
      throw new LaunchError("the command was not executed: what was to do it has been killed", {
        hint: "is the container short of memory?",
      });
    }
    const terminal = console === undefined ? undefined : receiveTerminal(console, opened);
    report.close();
    announce.close();
    ends.keep();
    opened.move();
    return { command, terminal };
  } catch (error) {
    command?.signal(SIG.SIGKILL);
    await command?.wait();
    command?.[Symbol.dispose]();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
    helper.signal(SIG.SIGKILL);
    await ended;
    helper[Symbol.dispose]();
  }
}

/**
 * Runs a command in a container that runs, with every restriction of the container's own command.
 *
 * @param name The container's.
 * @returns A session, once the command has been executed.
 * @throws {UsageError} Wrong options.
 * @throws {NoContainerError} There is none of this name, or it ends meanwhile.
 * @throws {CommandNotFoundError} The command isn't there.
 * @throws {NotExecutableError} The command is there and can't be executed.
 * @throws {LaunchError} The container is paused, or any other step failed.
 *
 * @example What does it see?
 * ```ts
 * import { exec, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"], name: "sleeper" });
 * await using session = await exec("sleeper", { command: ["cat", "/etc/hostname"] });
 * console.log(await new Response(session.stdout).text()); // "sleeper"
 * ```
 */
export async function exec(name: string, options: ExecOptions): Promise<ExecSession> {
  const { privileged: _, ...rest } = options;
  checkOptions(rest);
  options.signal?.throwIfAborted();
  const created = new Date();
  const store = await openStore(options.root);
  const entered = await find(store, name, options.signal);
  const plumbing: Plumbing[] = [];
  try {
    const asked = specOf(entered, options);
    const layout = layOut(options, asked.process.selinuxLabel !== undefined);
    const rlimits = limitsOf(asked, entered.state.pid);
    const spec = { ...asked, process: { ...asked.process, rlimits } };
    const image = link(compileExec(spec, launchOf(entered, spec, options, layout)));
    layout.forEach((how, index) => plumbing.push(plumb(how, index)));
    const { command, terminal } = await launch(entered, image, spec, options, plumbing);
    return new ExecSession({ name, command, plumbing, terminal, signal: options.signal, created, started: new Date() });
  } catch (error) {
    for (const { ours, started, ended } of plumbing) {
      ours?.close();
      started();
      await ended(true);
    }
    // Whatever failed, failed for that.
    if (syscall("pidfd_send_signal", entered.process.number, 0, 0, 0) < 0 && error !== options.signal?.reason) {
      throw noContainer(name);
    }
    throw asFluxError(error);
  } finally {
    entered.process.close();
  }
}
