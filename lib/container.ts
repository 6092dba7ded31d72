/**
 * The life of a container: who calls whom, in which order.
 *
 * @module
 */
import { E, SIG } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, pipe, syscall, SyscallError } from "../ffi/libc.ts";
import { decodeReport, type Image, link, REPORT_DESCRIPTOR } from "../ffi/link.ts";
import { forget, read } from "../ffi/reactor.ts";
import { type Child, executable, exitStatus, spawn } from "../ffi/spawn.ts";
import { receiveDescriptor, setWindowSize, socketPair } from "../ffi/terminal.ts";
import { CHILD } from "./compile/context.ts";
import { cloneFlags } from "./compile/mod.ts";
import { errnoText, FluxError, LaunchError, NameInUseError, PermissionError } from "./errors.ts";
import { generateName, prepare, type Prepared } from "./prepare.ts";
import { diagnose, diagnoseSearch } from "./rootfs/diagnose.ts";
import type { RunOptions, TerminalSize } from "./spec/options.ts";
import { bootId, defaultRoot } from "./store/directory.ts";
import type { Entry } from "./store/ledger.ts";
import { killNamespace, killProcess, mountNamespace, startTime } from "./store/process.ts";
import { type Claim, Store } from "./store/state.ts";
import { duplicate, layOut, plumb, type Plumbing, readable, setNonBlocking, writable } from "./streams.ts";

/** A signal's name. */
export type Signal = keyof typeof SIG;

/** How a container ended. */
export interface ContainerStatus {
  /** The command's exit code, or 128 + the number of the signal that killed it. */
  readonly code: number;
  /** The signal that killed it. */
  readonly signal?: Signal;
  /** When it was asked for. */
  readonly created: Date;
  /** When the command began to run. */
  readonly started: Date;
  /** When it had ended. */
  readonly finished: Date;
}

/** Where the time went, in milliseconds. */
export interface Timings {
  /** From the options to the linked image in its memfd. */
  readonly create: number;
  /** Making the namespaces: `clone3`. */
  readonly clone: number;
  /** From `clone3` to the command's `execve`, `clone` included. */
  readonly start: number;
  /** From the end of the command to a clean host; 0 until then. */
  readonly tearDown: number;
}

/** Parts of a running container, as {@link launch} makes them. */
interface Parts {
  readonly prepared: Prepared;
  readonly claim: Claim;
  readonly id: string;
  readonly child: Child;
  readonly ended: ReturnType<Child["wait"]>;
  readonly plumbing: readonly Plumbing[];
  readonly statusPipe: Descriptor | undefined;
  readonly lifeline: Descriptor | undefined;
  readonly master: Descriptor | undefined;
  readonly namespace: number | undefined;
  readonly created: Date;
  readonly timings: Timings;
  readonly signal: AbortSignal | undefined;
}

/**
 * A running container.
 *
 * @example Run a command and read what it writes
 * ```ts no-run
 * import { run } from "@libflux/cli/mod";
 *
 * await using container = await run({ image: "/srv/debian", command: ["cat", "/etc/hostname"], name: "web" });
 * console.log(await new Response(container.stdout).text());
 * console.log((await container.status).code);
 * ```
 */
export class Container implements AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** 64 hexadecimal digits that no other container ever has. */
  readonly id: string;
  /** PID 1 of the container, as the host numbers it. */
  readonly pid: number;
  /** Settles when the container has ended and the host is clean. */
  readonly status: Promise<ContainerStatus>;
  readonly #parts: Parts;
  readonly #streams: readonly (Descriptor | undefined)[];
  #timings: Timings;
  #over = false;
  #stdin: WritableStream<Uint8Array<ArrayBuffer>> | undefined;
  #stdout: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #stderr: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;

  /** Only {@linkcode run} makes one. */
  constructor(parts: unknown) {
    const own = parts as Parts;
    this.#parts = own;
    this.name = own.prepared.name;
    this.id = own.id;
    this.pid = own.child.pid;
    this.#timings = own.timings;
    const master = own.master;
    this.#streams = master === undefined
      ? own.plumbing.map(({ ours }) => ours)
      : [duplicate(master), duplicate(master), undefined];
    this.status = this.#run();
    // Whoever never asks must not be told by an unhandled rejection.
    this.status.catch(() => {});
    const abort = (): void => this.kill("SIGKILL");
    own.signal?.addEventListener("abort", abort, { once: true });
    this.status.finally(() => own.signal?.removeEventListener("abort", abort)).catch(() => {});
    if (own.signal?.aborted === true) abort();
  }

  /** The command's standard input, where it is piped or a terminal. Throws a `TypeError` where it isn't. */
  get stdin(): WritableStream<Uint8Array<ArrayBuffer>> {
    const END_OF_TRANSMISSION = new Uint8Array([4]);
    return this.#stdin ??= writable(
      this.#stream(0),
      this.#parts.master === undefined ? undefined : END_OF_TRANSMISSION,
    );
  }

  /** The command's standard output, where it is piped or a terminal. Throws a `TypeError` where it isn't. */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stdout ??= readable(this.#stream(1), () => this.#over);
  }

  /** The command's standard error, where it is piped. Throws a `TypeError` where it isn't. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stderr ??= readable(this.#stream(2), () => this.#over);
  }

  /** Where the time went so far. */
  get timings(): Timings {
    return this.#timings;
  }

  /** Sends a signal to the command; SIGKILL ends the whole container. Does nothing once it has ended. */
  kill(signal: Signal = "SIGTERM"): void {
    this.#parts.child.signal(SIG[signal]);
  }

  /** Tells the command's terminal its new size. */
  resize(size: TerminalSize): void {
    if (this.#parts.master !== undefined && !this.#over) setWindowSize(this.#parts.master.number, size);
  }

  /** Kills the container if it still runs, and waits until the host is clean. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.status;
    for (const stream of [this.#stdout, this.#stderr]) if (stream?.locked === false) await stream.cancel();
    if (this.#stdin?.locked === false) await this.#stdin.abort().catch(() => {});
    for (const stream of this.#streams) {
      if (stream === undefined) continue;
      forget(stream.number);
      stream.close();
    }
  }

  #stream(index: number): Descriptor {
    const stream = this.#streams[index];
    if (stream === undefined) {
      throw new TypeError(`${["stdin", "stdout", "stderr"][index]} of this container is not piped`);
    }
    return stream;
  }

  async #run(): Promise<ContainerStatus> {
    const { child, ended, plumbing, statusPipe, lifeline, master, claim, namespace, created, timings } = this.#parts;
    const started = new Date(created.getTime() + timings.create + timings.start);
    const end = await ended;
    const finished = new Date();
    const before = performance.now();
    try {
      if (namespace !== undefined) await killNamespace(namespace);
      await Promise.all(plumbing.map(({ ended }) => ended()));
      // The command's own status; PID 1's where it was killed before it could report.
      const raw = new Uint8Array(4);
      const reported = statusPipe !== undefined && syscall("read", statusPipe.number, raw, 4) === 4;
      const status = reported ? exitStatus(new DataView(raw.buffer).getInt32(0, true)) : end;
      return { ...status, created, started, finished };
    } finally {
      this.#over = true;
      for (const descriptor of [statusPipe, lifeline, master]) descriptor?.close();
      child[Symbol.dispose]();
      await claim.release();
      this.#timings = { ...timings, tearDown: performance.now() - before };
    }
  }
}

const reconciled = new Set<string>();

/** Opens a state root; the first time a process does, what killed ones left there is removed. */
export async function openStore(root?: string): Promise<Store> {
  const store = new Store(root ?? defaultRoot());
  if (!reconciled.has(store.root)) {
    reconciled.add(store.root);
    await store.reconcile();
  }
  return store;
}

/** Ends a container whoever runs it, and waits until its name is free. */
export async function replace(store: Store, name: string): Promise<void> {
  const PATIENCE = 10_000;
  const deadline = performance.now() + PATIENCE;
  while (performance.now() < deadline) {
    const state = store.state(name);
    if (state !== undefined) await killProcess({ pid: state.pid, startTime: state.startTime });
    // Its monitor cleans up; without one it is reclaimed.
    await store.reconcile();
    if (!store.names().includes(name)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new NameInUseError(`the container ${name} could not be ended`, { hint: "end the libflux that runs it" });
}

/** Tests make one instruction fail by its index. */
export interface LaunchOptions {
  readonly failAt?: number;
}

/**
 * Runs a command in a container of its own.
 *
 * @returns The container, once its command has been executed.
 * @throws {UsageError} Wrong options.
 * @throws {ImageError} No image, or not one.
 * @throws {NameInUseError} The name belongs to another container.
 * @throws {CommandNotFoundError} The command isn't there.
 * @throws {NotExecutableError} The command is there and can't be executed.
 * @throws {PermissionError} The caller may not make containers.
 * @throws {LaunchError} Any other step of the launch failed.
 *
 * @example Kill it when it takes too long
 * ```ts no-run
 * import { run } from "@libflux/cli/mod";
 *
 * await using container = await run({
 *   image: "/srv/debian",
 *   command: ["sleep", "60"],
 *   signal: AbortSignal.timeout(1000),
 * });
 * console.log((await container.status).signal); // "SIGKILL"
 * ```
 */
export async function run(options: RunOptions, launchOptions: LaunchOptions = {}): Promise<Container> {
  if (options.signal?.aborted === true) throw options.signal.reason;
  const named = { ...options, name: options.name ?? generateName() };
  const created = new Date();
  const begin = performance.now();
  const layout = options.terminal === undefined
    ? layOut([options.stdin ?? "null", options.stdout ?? "piped", options.stderr ?? "piped"])
    : (["null", "null", "null"] as const);
  // Wrong options are told before anything is touched.
  const prepared = prepare(named, layout.flatMap((how, index) => how === "null" ? [index] : []));
  if (Deno.uid() !== 0) {
    throw new PermissionError("making a container takes root", { hint: "run it with sudo" });
  }
  const store = await openStore(options.root);
  if (options.replace === true) await replace(store, prepared.name);
  const claim = await store.claim(prepared.name);
  const plumbing: Plumbing[] = [];
  try {
    layout.forEach((how, index) => plumbing.push(plumb(how, index)));
    const image = link(prepared.program, launchOptions);
    return new Container(await launch({ prepared, image, claim, plumbing, created, begin, options }));
  } catch (error) {
    for (const { ours, started, ended } of plumbing) {
      ours?.close();
      started();
      await ended();
    }
    await claim.release();
    throw error instanceof SyscallError ? hostError(error) : error;
  }
}

/** Clones, writes down, releases, and waits until the command has been executed. */
async function launch({ prepared, image, claim, plumbing, created, begin, options }: {
  readonly prepared: Prepared;
  readonly image: Image;
  readonly claim: Claim;
  readonly plumbing: readonly Plumbing[];
  readonly created: Date;
  readonly begin: number;
  readonly options: RunOptions;
}): Promise<Parts> {
  using theirs = new DisposableStack();
  const ours = new DisposableStack();
  let cancel: (() => Promise<unknown>) | undefined;
  try {
    const memfd = theirs.use(executable(image.elf, claim.directory));
    const linked = performance.now();
    const ends = (mine: "read" | "write"): { readonly near: Descriptor; readonly far: Descriptor } => {
      const { read, write } = pipe();
      const [near, far] = mine === "read" ? [read, write] : [write, read];
      ours.use(near);
      theirs.use(far);
      return { near, far };
    };
    const report = ends("read");
    const init = options.init ?? true;
    const status = init ? ends("read") : undefined;
    const lifeline = init ? ends("write") : undefined;
    const console = options.terminal === undefined ? undefined : socketPair();
    if (console !== undefined) {
      ours.use(console.near);
      theirs.use(console.far);
    }
    const pairs: [number, number][] = plumbing.map(({ child }, index) => [child, index]);
    const give = (end: { readonly far: Descriptor } | undefined, number: number): void => {
      if (end !== undefined) pairs.push([end.far.number, number]);
    };
    give(report, REPORT_DESCRIPTOR);
    give(status, CHILD.status);
    give(lifeline, CHILD.lifeline);
    give(console, CHILD.console);
    const child = ours.use(
      spawn({ executable: memfd, flags: cloneFlags(prepared.spec), report: report.far.number, descriptors: pairs }),
    );
    const cloned = performance.now();
    const ended = child.wait();
    cancel = () => {
      child.signal(SIG.SIGKILL);
      return ended;
    };
    const started = startTime(child.pid) ?? 0;
    const entries: Entry[] = [{ kind: "process", pid: child.pid, startTime: started }];
    const namespace = options.pid === "host" ? mountNamespace(child.pid) : undefined;
    if (namespace !== undefined) entries.unshift({ kind: "mountNamespace", inode: namespace });
    claim.ledger.add(...entries);
    const id = Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0"))
      .join("");
    claim.write({
      name: prepared.name,
      id,
      pid: child.pid,
      startTime: started,
      image: prepared.spec.root.path,
      command: prepared.spec.process.args,
      created: created.toISOString(),
      labels: options.labels ?? {},
      monitor: Deno.pid,
      bootId: bootId(),
    });
    child.release();
    theirs.dispose();
    for (const { started } of plumbing) started();
    const abort = (): void => void child.signal(SIG.SIGKILL);
    options.signal?.addEventListener("abort", abort);
    const bytes = new Uint8Array(16);
    const size = await read(report.near.number, bytes);
    options.signal?.removeEventListener("abort", abort);
    if (size > 0) throw launchError(prepared, image, bytes);
    const executed = performance.now();
    report.near.close();
    const master = console === undefined ? undefined : receiveDescriptor(console.near.number);
    console?.near.close();
    if (master !== undefined) setNonBlocking(master);
    ours.move();
    cancel = undefined;
    return {
      prepared,
      claim,
      id,
      child,
      ended,
      plumbing,
      statusPipe: status?.near,
      lifeline: lifeline?.near,
      master,
      namespace,
      created,
      timings: { create: linked - begin, clone: cloned - linked, start: executed - linked, tearDown: 0 },
      signal: options.signal,
    };
  } finally {
    // Reaped before its descriptors are closed, so that no zombie stays.
    await cancel?.();
    ours.dispose();
  }
}

/** What a failed instruction means to a person. */
function launchError({ spec }: Prepared, image: Image, report: Uint8Array<ArrayBuffer>): FluxError {
  const { instruction, errno, index } = decodeReport(image, report);
  const tree = { image: spec.root.path, mounts: spec.mounts ?? [], architecture: ARCHITECTURE };
  if (instruction?.role === "execve" && errno !== E.ENOSYS) return diagnose(tree, instruction.path ?? "", errno);
  if (instruction?.role === "notFound") {
    const path = (spec.process.env ?? []).find((entry) => entry.startsWith("PATH="))?.slice(5) ?? "";
    return diagnoseSearch(tree, spec.process.args[0] ?? "", path);
  }
  const label = instruction?.label ?? (index < 0 ? "execute the launch program" : `do step ${index}`);
  const options = {
    step: label,
    errno,
    ...(instruction?.path === undefined ? {} : { path: instruction.path }),
    ...(instruction?.hint === undefined ? {} : { hint: instruction.hint }),
  };
  const isCheck = instruction?.op === "syscall" && instruction.name === "fail";
  return new LaunchError(isCheck ? `could not ${label}` : `could not ${label}: ${errnoText(errno)}`, options);
}

/** A syscall of libflux itself that failed. */
function hostError(error: SyscallError): FluxError {
  const options = { step: error.syscall, errno: error.errno, cause: error };
  if (error.syscall === "clone3" && error.errno === E.EPERM) {
    return new PermissionError("the kernel doesn't let libflux make namespaces: operation not permitted (EPERM)", {
      ...options,
      hint: "this takes CAP_SYS_ADMIN: is libflux itself in a container? 'libflux info' tells what is missing",
    });
  }
  return new LaunchError(
    `could not call ${error.syscall}${error.path === undefined ? "" : ` on ${error.path}`}: ${errnoText(error.errno)}`,
    {
      ...options,
      hint: "'libflux info' tells what this host lacks",
    },
  );
}
