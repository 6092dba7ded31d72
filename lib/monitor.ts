/**
 * Starting the native monitor of a detached container, and having it make the container's first process.
 *
 * @module
 */
import { AT, O, POLL, SIG, WAIT } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor, pipe, syscall, SyscallError } from "../ffi/libc.ts";
import { decodeReport, type Image, link } from "../ffi/link.ts";
import { abandon, read, ready } from "../ffi/reactor.ts";
import { type Child, executable, type ExitStatus, spawn, type Spawned, type SpawnOptions } from "../ffi/spawn.ts";
import { askForSenders, socketPair } from "../ffi/unix_socket.ts";
import { monitorProgram } from "./compile/monitor.ts";
import { MONITOR, type MonitorOptions, MonitorWord } from "./compile/monitor_options.ts";
import { LaunchError } from "./errors.ts";
import type { ParentEnds } from "./launch.ts";

/** What a monitor is given besides what a container is. */
export interface MonitorParts {
  readonly lock: Descriptor;
  readonly directory: Descriptor;
  readonly logs: Descriptor;
  readonly log: Descriptor;
  /** A listening socket. */
  readonly attach: Descriptor;
  /** The other ends of the command's three streams, as far as it has none of a terminal's. */
  readonly streams: readonly (Descriptor | undefined)[];
  /** What is only to be held as long as it runs. */
  readonly kept: readonly Descriptor[];
  /** A socket for the daemon that gets its log too. */
  readonly daemon?: Descriptor | undefined;
  /** The launch program of its health check. */
  readonly health?: Descriptor;
  /** libflux's own executable. */
  readonly program: string;
  readonly options: Pick<
    MonitorOptions,
    "init" | "terminal" | "sharesPids" | "health" | "freezer" | "log" | "daemon" | "argv" | "env"
  >;
}

/** A container's first process below a monitor. */
export class Monitored implements Spawned {
  readonly #child: Child;
  readonly #talk: Descriptor;
  readonly #gate: Descriptor;
  readonly #pidfd: Descriptor;

  /** Only {@link startMonitor} makes one. */
  constructor(readonly pid: number, pidfd: Descriptor, gate: Descriptor, child: Child, talk: Descriptor) {
    [this.#pidfd, this.#gate, this.#child, this.#talk] = [pidfd, gate, child, talk];
  }

  get monitor(): number {
    return this.#child.pid;
  }

  release(): void {
    checked("write", this.#gate.number, new Uint8Array([1]), 1);
    this.#gate.close();
  }

  signal(signal: number): boolean {
    return this.#pidfd.isOpen && syscall("pidfd_send_signal", this.#pidfd.number, signal, 0, 0) === 0;
  }

  /** Waits for the end of the first process; how it ended is the monitor's to know. */
  wait(): Promise<ExitStatus> {
    return this.#ended ??= ready(this.#pidfd.number, POLL.POLLIN).then(() => ({ code: 0 }));
  }
  #ended: Promise<ExitStatus> | undefined;

  /** Leaves the container to the monitor. */
  detach(): void {
    this.#say(MonitorWord.go);
    this.#close();
    left.add(this.#child.pid);
  }

  /** Has the monitor end the container, and waits until both have gone. */
  async abort(): Promise<void> {
    this.#say(MonitorWord.stop);
    this.#gate.close();
    await this.#child.wait();
    this.#close();
  }

  /** Does nothing: one that isn't left to the monitor has to be waited for. */
  [Symbol.dispose](): void {}

  #say(word: number): void {
    syscall("write", this.#talk.number, new Uint8Array([word]), 1);
  }

  #close(): void {
    // Whoever waits for it waits no more: its number may soon be another's.
    abandon(this.#pidfd);
    for (const descriptor of [this.#talk, this.#gate]) descriptor.close();
    this.#child[Symbol.dispose]();
  }
}

/** What a health check is started by, and what tells the monitor which process it has become. */
function announcement(
  health: Descriptor | undefined,
  far: DisposableStack,
): readonly (readonly [Descriptor, number])[] {
  if (health === undefined) return [];
  const { near: ours, far: theirs } = socketPair();
  far.use(ours);
  far.use(theirs);
  askForSenders(ours.number);
  return [[health, MONITOR.health], [ours, MONITOR.announce], [theirs, MONITOR.announced]];
}

/** The monitors that containers were left to: children of this process, and of nobody else as long as it runs. */
const left = new Set<number>();

/** Reaps those that have ended: a program that stays would collect them. A pid is its process's until then. */
function reapLeft(): void {
  for (const pid of left) if (syscall("wait4", pid, 0, WAIT.WNOHANG, 0) !== 0) left.delete(pid);
}

/** Starts a monitor, which makes the first process and has it wait. */
export async function startMonitor(
  parts: MonitorParts,
  how: SpawnOptions,
  { status, lifeline, console }: ParentEnds,
): Promise<Monitored> {
  reapLeft();
  using near = new DisposableStack();
  using far = new DisposableStack();
  const talk = socketPair();
  const gate = pipe();
  const report = pipe();
  const [ourTalk, ourGate] = [near.use(talk.near), near.use(gate.write)];
  near.use(report.read);
  for (const end of [talk.far, gate.read, report.write]) far.use(end);
  const nothing = far.use(new Descriptor(checked("openat", AT.AT_FDCWD, "/dev/null", O.O_RDWR | O.O_CLOEXEC, 0)));
  const program = far.use(
    new Descriptor(checked("openat", AT.AT_FDCWD, parts.program, O.O_PATH | O.O_CLOEXEC, 0)),
  );
  // The report first: what else goes wrong is told by it.
  const inside = how.descriptors.toSorted(([a], [b]) => Number(b === how.report) - Number(a === how.report));
  const more = inside.map(([here], index) => [here, MONITOR.more + index] as const);
  const kept = parts.kept.map(({ number }, index) => [number, MONITOR.more + inside.length + index] as const);
  const [stdin, stdout, stderr] = parts.streams;
  const own: readonly (readonly [Descriptor | undefined, number])[] = [
    ...[0, 1, 2].map((stream) => [nothing, stream] as const),
    [report.write, MONITOR.report],
    [talk.far, MONITOR.talk],
    [parts.lock, MONITOR.lock],
    [parts.directory, MONITOR.directory],
    [parts.logs, MONITOR.logs],
    [parts.log, MONITOR.log],
    [stdout ?? nothing, MONITOR.stdout],
    [stderr ?? nothing, MONITOR.stderr],
    [status, MONITOR.status],
    [lifeline, MONITOR.lifeline],
    [parts.attach, MONITOR.attach],
    [stdin ?? nothing, MONITOR.input],
    [console, MONITOR.console],
    [program, MONITOR.program],
    [gate.read, MONITOR.gate],
    [parts.daemon, MONITOR.daemon],
    ...announcement(parts.health, far),
  ];
  const image = link(monitorProgram({
    ...parts.options,
    architecture: ARCHITECTURE,
    flags: how.flags,
    hasCgroup: how.cgroup !== undefined,
    descriptors: inside.map(([, there], index) => [MONITOR.more + index, there]),
    keepCapabilities: how.keepCapabilities ?? 0,
  }));
  using memfd = executable(image.elf);
  const launchProgram = typeof how.executable === "string" ? [] : [[how.executable.number, MONITOR.image] as const];
  const child = spawn({
    executable: memfd,
    argv: ["libflux-monitor"],
    flags: 0,
    report: report.write.number,
    descriptors: [
      ...own.flatMap(([here, there]) => here === undefined ? [] : [[here.number, there] as const]),
      ...launchProgram,
      ...(how.cgroup === undefined ? [] : [[how.cgroup, MONITOR.cgroup] as const]),
      ...more,
      ...kept,
    ],
  });
  try {
    far.dispose();
    const bytes = new Uint8Array(4);
    if (await read(ourTalk.number, bytes) !== bytes.length) throw await failure(image, report.read);
    const pid = new DataView(bytes.buffer).getInt32(0, true);
    // The monitor reaps it only after a word of this process.
    const pidfd = new Descriptor(checked("pidfd_open", pid, 0));
    const monitored = new Monitored(pid, pidfd, ourGate, child, ourTalk);
    if (how.hold !== true) monitored.release();
    report.read.close();
    near.move();
    return monitored;
  } catch (error) {
    child.signal(SIG.SIGKILL);
    await child.wait();
    child[Symbol.dispose]();
    throw error;
  }
}

/** Why a monitor has ended before it had made anything. */
async function failure(image: Image, report: Descriptor): Promise<Error> {
  const bytes = new Uint8Array(16);
  if (await read(report.number, bytes) !== bytes.length) {
    return new LaunchError("the container's monitor was killed before it had started anything");
  }
  const { instruction, errno } = decodeReport(image, bytes);
  // As if libflux itself had called it: what it means is told in one place.
  const name = instruction?.op === "syscall" ? instruction.name : "execveat";
  return new SyscallError(name, errno);
}
