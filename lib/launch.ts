/**
 * From a linked image to a running command: clone, write down, wait for the command's `execve`.
 *
 * @module
 */
import { AT, CLONE, E, O, SIG } from "../ffi/abi/constants.ts";
import { Descriptor, syscall, SyscallError } from "../ffi/libc.ts";
import { type NetworkNamespace, networkOfProcess } from "../ffi/network_namespace.ts";
import { type Image, REPORT_DESCRIPTOR } from "../ffi/link.ts";
import { read } from "../ffi/reactor.ts";
import { executable, spawn, type Spawned, type SpawnOptions } from "../ffi/spawn.ts";
import type { Service } from "../ffi/service.ts";
import { socketPair } from "../ffi/unix_socket.ts";
import type { Cgroups } from "./cgroups/cgroup.ts";
import { CHILD } from "./compile/context.ts";
import { cloneFlags } from "./compile/mod.ts";
import { Ends, reading, receiveTerminal, type TerminalEnds, writing } from "./ends.ts";
import { launchError } from "./failure.ts";
import type { Capture } from "./logs/capture.ts";
import type { Connection } from "./network/connection.ts";
import type { Prepared } from "./prepare.ts";
import type { RunOptions } from "./spec/options.ts";
import { writeConfig } from "./store/config.ts";
import { bootId } from "./store/directory.ts";
import type { Entry } from "./store/ledger.ts";
import { mountNamespace, startTime } from "./store/process.ts";
import type { Claim } from "./store/claim.ts";
import type { State } from "./store/state.ts";
import type { Plumbing } from "./streams.ts";
import { type IdLock, sendImage, writeMaps } from "./user_namespace.ts";

/**
 * Where the time went, in milliseconds.
 *
 * @example How long did the start take?
 * ```ts
 * import { run, type Timings } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["true"] });
 * const { start }: Timings = container.timings;
 * console.log(`${start.toFixed(2)} ms`);
 * ```
 */
export interface Timings {
  /** From the options to the linked image in its memfd, and the pipes to it. */
  readonly create: number;
  /** Making the namespaces: `clone3`. */
  readonly clone: number;
  /** From `clone3` to the command's `execve`, `clone` included. */
  readonly start: number;
  /** From the end of the command to a clean host; 0 until then. */
  readonly tearDown: number;
}

/** What a launch starts from. */
export interface LaunchOptions {
  readonly prepared: Prepared;
  readonly image: Image;
  /** The name, taken. */
  readonly claim: Claim;
  /** The command's three streams, laid. */
  readonly plumbing: readonly Plumbing[];
  /** What logs its output. */
  readonly capture: Capture | undefined;
  /** The cgroups, made. */
  readonly cgroups: Cgroups;
  /** The network namespace to join, where it is a new one. */
  readonly network: Promise<NetworkNamespace> | undefined;
  /** The ids that are taken for it. */
  readonly idLock: IdLock;
  /** Its way to others. */
  readonly connection: Connection | undefined;
  readonly created: Date;
  /** `performance.now()` when the container was asked for. */
  readonly begin: number;
  readonly options: RunOptions;
  /** Who makes the first process; libflux itself if left out. */
  readonly spawner?: Spawner;
  /** What its state says besides. */
  readonly also?: Pick<State, "detached" | "terminal" | "attempts">;
}

/** What a first process's parent has to do with it: the other ends of what that finds open. */
export interface ParentEnds {
  /** Where a reaping init writes the command's raw wait status. */
  readonly status: Descriptor | undefined;
  /** Closed, it ends a reaping init. */
  readonly lifeline: Descriptor | undefined;
  /** From where the container's terminal comes. */
  readonly console: Descriptor | undefined;
}

/** Makes a container's first process. */
export type Spawner = (options: SpawnOptions, ends: ParentEnds) => Promise<Spawned>;

/** A container whose command runs. */
export interface Launched extends LaunchOptions {
  /** PID 1. */
  readonly child: Spawned;
  /** Where a reaping init writes the command's raw wait status. */
  readonly status: Descriptor | undefined;
  /** Closed, it ends a reaping init. */
  readonly lifeline: Descriptor | undefined;
  /** The container's terminal: a descriptor for each direction, and one for its size. */
  readonly terminal: TerminalEnds | undefined;
  /** The mount namespace, so that the end of PID 1 doesn't have to wait until all of it has been unmounted. */
  readonly mounts: Descriptor | undefined;
  /** The mount namespace's inode, where only that tells which processes are the container's. */
  readonly namespace: number | undefined;
  /** What serves the root, where the kernel doesn't: it ends with the container. */
  readonly server: Service | undefined;
  readonly timings: Timings;
}

/** Clones, writes down, and waits until the command has been executed. */
export async function launch(from: LaunchOptions): Promise<Launched> {
  const { prepared, image, plumbing, begin, options } = from;
  const init = options.init ?? true;
  using ends = new Ends(plumbing);
  using memfd = executable(image.elf);
  const report = ends.open(reading(), REPORT_DESCRIPTOR);
  const status = init ? ends.open(reading(), CHILD.status) : undefined;
  const lifeline = init ? ends.open(writing(), CHILD.lifeline) : undefined;
  const sync = ends.open(writing(), CHILD.sync);
  using opened = new DisposableStack();
  let network = await from.network;
  if (network !== undefined) ends.descriptors.push([opened.use(network).namespace.number, CHILD.network]);
  const { ids } = prepared;
  const { hasMappedImage = false, fuse } = prepared.launch;
  const images = hasMappedImage || fuse !== undefined ? ends.open(socketPair(), CHILD.image) : undefined;
  const console = options.terminal === undefined ? undefined : ends.open(socketPair(), CHILD.console);
  const ready = performance.now();
  // One that isn't born in its cgroup is put there before it runs anything.
  const attach = from.cgroups.scope?.attach;
  using cgroup = attach === undefined ? from.cgroups.open() : undefined;
  const how: SpawnOptions = {
    executable: memfd,
    flags: cloneFlags(prepared.spec) + (cgroup === undefined ? 0 : CLONE.CLONE_INTO_CGROUP),
    ...(cgroup === undefined ? {} : { cgroup: cgroup.number }),
    report: ends.descriptors[plumbing.length]?.[0] ?? -1,
    descriptors: ends.descriptors,
    ...(attach === undefined && ids === undefined ? {} : { hold: true }),
    ...(ids === undefined || prepared.launch.isRootInside === true
      ? {}
      : { keepCapabilities: prepared.launch.lastCapability + 1 }),
  };
  const child = await from.spawner?.(how, { status, lifeline, console }) ?? spawn(how);
  if (from.spawner !== undefined) console?.close();
  const cloned = performance.now();
  const ended = child.wait();
  let server: Service | undefined;
  const abort = (): void => void child.signal(SIG.SIGKILL);
  options.signal?.addEventListener("abort", abort);
  // It may have fired while the network was waited for.
  if (options.signal?.aborted === true) abort();
  try {
    ends.give();
    if (ids !== undefined) await writeMaps(child.pid, ids);
    const root = prepared.spec.root.path;
    if (images !== undefined && hasMappedImage) sendImage(images, child.pid, root, prepared.launch.writable);
    if (images !== undefined && fuse !== undefined) {
      const { startFuse } = await import("./fuse_overlay.ts");
      const where = { pid: child.pid, socket: images, outlives: from.also?.detached === true };
      server = startFuse(fuse, root, { ...where, ledger: from.claim.ledger });
    }
    images?.close();
    await attach?.(child.pid);
    if (ids !== undefined && from.connection !== undefined && network === undefined) {
      network = opened.use(await networkOfProcess(child.pid, Deno.uid() === 0));
      // Killed meanwhile, its number could be another's.
      if (!child.signal(0)) throw new SyscallError("openat", E.ESRCH, `/proc/${child.pid}/ns/net`);
    }
    if (attach !== undefined || ids !== undefined) child.release();
    // While the child makes its mounts; it runs no command before the byte has come.
    from.capture?.start();
    const written = writeDown(from, child);
    const mounts = openMounts(child.pid);
    opened.use(mounts);
    if (network !== undefined) await from.connection?.attach(network);
    // A socket in there would keep its links alive when it has ended.
    network?.close();
    syscall("write", sync.number, new Uint8Array([1]), 1);
    sync.close();
    for (const { started } of plumbing) started();
    const bytes = new Uint8Array(16);
    if (await read(report.number, bytes) > 0) throw launchError({ spec: prepared.spec }, image, bytes);
    // Killed, it has nothing to report either.
    options.signal?.throwIfAborted();
    const executed = performance.now();
    report.close();
    written.publish();
    // Whoever else has made it takes its terminal as well.
    const terminal = console === undefined || from.spawner !== undefined ? undefined : receiveTerminal(console, opened);
    ends.keep();
    opened.move();
    if (from.also?.detached === true) server?.leave();
    const timings = { create: ready - begin, clone: cloned - ready, start: executed - ready, tearDown: 0 };
    return { ...from, namespace: written.namespace, child, status, lifeline, terminal, mounts, server, timings };
  } catch (error) {
    // Reaped before its descriptors are closed, so that no zombie stays.
    child.signal(SIG.SIGKILL);
    await ended;
    child[Symbol.dispose]();
    // Then what fails is only what comes of that.
    const failure = server && await (await import("./fuse_overlay.ts")).failureOf(server);
    options.signal?.throwIfAborted();
    throw failure ?? error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}

/** A descriptor of the mount namespace; none where libflux may not look into processes. */
function openMounts(pid: number): Descriptor | undefined {
  const opened = syscall("openat", AT.AT_FDCWD, `/proc/${pid}/ns/mnt`, O.O_RDONLY | O.O_CLOEXEC, 0);
  return opened < 0 ? undefined : new Descriptor(opened);
}

/** What {@link writeDown} leaves to be done. */
interface Written extends Pick<Launched, "namespace"> {
  /** Puts the container's configuration in its place: to be called when the command runs. */
  readonly publish: () => void;
}

/** Ledger, state and configuration of a child that waits for them. */
function writeDown(from: LaunchOptions, { pid, monitor = Deno.pid }: Spawned): Written {
  const { prepared, claim, created, options } = from;
  // None where it has failed already: then there is nothing to kill either.
  const started = startTime(pid) ?? 0;
  const namespace = options.pid === "host" ? mountNamespace(pid) : undefined;
  const entries: Entry[] = [{ kind: "process", pid, startTime: started }];
  if (namespace !== undefined) entries.unshift({ kind: "mountNamespace", inode: namespace });
  claim.ledger.add(...entries);
  claim.write({
    name: prepared.name,
    id: prepared.id,
    pid,
    startTime: started,
    image: prepared.spec.root.path,
    command: prepared.spec.process.args,
    created: created.toISOString(),
    labels: options.labels ?? {},
    cgroups: {
      ...(from.cgroups.unified === undefined ? {} : { unified: from.cgroups.unified }),
      legacy: from.cgroups.legacy,
    },
    ...from.connection?.shown,
    monitor,
    // It is a child of this process, which hasn't waited for it: the number is its own.
    monitorStartTime: startTime(monitor) ?? 0,
    ...(options.stopSignal === undefined ? {} : { stopSignal: options.stopSignal }),
    ...(options.stopTimeout === undefined ? {} : { stopTimeout: options.stopTimeout }),
    ...from.also,
    bootId: bootId(),
  });
  const { init, writable, keepGroups, appArmorAttributes } = prepared.launch;
  const facts = {
    init,
    writable,
    guardsLegacyGroups: prepared.launch.legacyGroups.length > 0,
    ...(keepGroups === undefined ? {} : { keepGroups }),
    ...(appArmorAttributes === undefined ? {} : { appArmorAttributes }),
  };
  return { namespace, publish: writeConfig(claim.directory, { id: prepared.id, spec: prepared.spec, launch: facts }) };
}
