/**
 * Containers that stay when libflux has gone: started below a native monitor.
 *
 * @module
 */
import { openFlags } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor } from "../ffi/libc.ts";
import { listenAt, openDirectory } from "../ffi/unix_listener.ts";
import { resolve } from "@std/path";
import { assemble, type Assembled, type AssembleOptions, type Before } from "./assemble.ts";
import type { MonitorOptions } from "./compile/monitor_options.ts";
import { freezer } from "./control.ts";
import { callersVariable } from "./caller.ts";
import { recordOf } from "./capture.ts";
import { daemonOf, openDaemon } from "./logs/daemon.ts";
import { openLog } from "./logs/files.ts";
import { ATTACH_SOCKET, EXIT, EXIT_FILE } from "./spec/container_files.ts";
import { isOwnHosts, startOr } from "./connect.ts";
import { FluxError, UsageError } from "./errors.ts";
import { asFluxError } from "./failure.ts";
import { healthProgram } from "./health.ts";
import { launch, type Launched } from "./launch.ts";
import { type Monitored, startMonitor } from "./monitor.ts";
import { generateName } from "./prepare.ts";
import { ownEnvironment, ownProgram } from "./program.ts";
import { checkHealth, HEALTH_FILE, healthText } from "./spec/health.ts";
import type { RunOptions } from "./spec/options.ts";
import { writeAtomically } from "./store/directory.ts";
import { newsOfStart, tell } from "./store/events.ts";
import type { ContainerRecord, History } from "./store/history.ts";
import { mayBeConfined } from "./selinux.ts";
import { inTurnOrWarn } from "./settle.ts";
import { layOut, type Plumbing } from "./streams.ts";
import { warn } from "./warnings.ts";

/**
 * What a detached container is made of: as any other, but for streams of the caller's, of which it has none.
 *
 * @example A container with a log of one file
 * ```ts
 * import { type DetachedOptions, runDetached, stop } from "@libflux/cli/mod";
 *
 * const options: DetachedOptions = { command: ["sleep", "60"], log: { maxFile: 1 } };
 * const { name } = await runDetached(options);
 * await stop(name);
 * ```
 */
export interface DetachedOptions extends Omit<RunOptions, "stdin" | "stdout" | "stderr" | "measure" | "signal"> {
  /** Keep its standard input open, for `attach`. */
  readonly interactive?: boolean;
}

/**
 * A container that runs by itself.
 *
 * @example Its name is all that others need
 * ```ts
 * import { type DetachedContainer, runDetached, stop } from "@libflux/cli/mod";
 *
 * const container: DetachedContainer = await runDetached({ command: ["sleep", "60"] });
 * await stop(container.name);
 * ```
 */
export interface DetachedContainer {
  /** Its name. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** PID 1 of the container, as the host numbers it. */
  readonly pid: number;
}

/** What of an earlier start goes on. */
export interface Again extends Before {
  /** How often in a row it was started again. */
  readonly attempts: number;
  /** How often at all. */
  readonly restarts: number;
}

/** The log of a container that has none: so much of what it shows as who attaches to it needs. */
const SPOOL = { maxSize: 65_536, maxFile: 2 } as const;

/**
 * Starts a container in the background. It runs until its command ends, or somebody stops it; what it writes is in its log.
 *
 * @returns Once its command has been executed.
 * @throws As {@linkcode run} does.
 *
 * @example Start it here, stop it anywhere
 * ```ts
 * import { list, runDetached, stop } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sleep", "60"] });
 * console.log((await list()).some((container) => container.name === name)); // true
 * await stop(name);
 * ```
 */
export function runDetached(options: DetachedOptions): Promise<DetachedContainer> {
  return startDetached({ ...options, name: options.name ?? generateName() });
}

/** {@linkcode runDetached}, also of one that has run before. */
export async function startDetached(options: DetachedOptions, again?: Again): Promise<DetachedContainer> {
  // Its name would be lost for a moment.
  if (again !== undefined) return await begin(options, { before: again });
  return await startOr(options, (isWithout) => begin(options, { isWithout }));
}

async function begin(
  options: DetachedOptions,
  how: AssembleOptions & { readonly before?: Again },
): Promise<DetachedContainer> {
  const again = how.before;
  const { interactive = false, terminal } = options;
  if (options.remove === true && (options.restart ?? "no") !== "no") {
    throw new UsageError("a container that is removed at its end can't be started again", {
      hint: "leave out --rm or --restart",
    });
  }
  const streams = { stdin: interactive ? "piped" : "null", stdout: "piped", stderr: "piped" } as const;
  const whole: RunOptions = { ...options, ...streams };
  const assembled = await assemble(whole, layOut(whole, mayBeConfined(whole)), { ...how, isDetached: true });
  const { connection, prepared, release, store, plumbing } = assembled;
  using opened = new DisposableStack();
  let monitored: Monitored | undefined;
  let launched: Launched | undefined;
  let hasBegun = false;
  try {
    const directory = opened.use(openDirectory(store.directory(prepared.name)));
    const record = recordOf(prepared, whole, assembled.created, again?.restarts);
    const { log } = record;
    const daemon = daemonOf(log, record);
    // Started again, a container doesn't depend on it any more.
    const socket = daemon === undefined ? undefined : opened.use(openDaemon(daemon, again === undefined));
    const hasRecord = log.driver !== "none";
    const logs = opened.use(openLogs(assembled, record, again));
    hasBegun = hasRecord;
    const file = opened.use(openLog(logs));
    const attach = opened.use(listenAt(directory, ATTACH_SOCKET));
    const exit = opened.use(make(directory, EXIT_FILE));
    // All that it takes, as long as there is room for it.
    checked("write", exit.number, new Uint8Array(EXIT.size), EXIT.size);
    const health = options.health === undefined ? undefined : checkHealth(options.health);
    const legacy = assembled.cgroups.legacy;
    const check = health === undefined ? undefined : opened.use(healthProgram(health, prepared, legacy));
    if (health !== undefined) {
      writeAtomically(`${store.directory(prepared.name)}/${HEALTH_FILE}`, healthText("starting"));
    }
    const program = ownProgram();
    const root = options.root === undefined ? [] : ["--root", store.root];
    const argv = [program.path, ...program.args, "finish", ...root];
    launched = await launch({
      ...assembled,
      also: { detached: true, terminal: terminal !== undefined, attempts: again?.attempts ?? 0 },
      spawner: async (how, ends) =>
        monitored = await startMonitor(
          {
            ...{ lock: assembled.claim.lock, directory, logs, log: file, attach },
            streams: terminal === undefined ? plumbing.map(({ ours }) => ours) : [],
            kept: heldBy(assembled),
            daemon: socket,
            ...(check === undefined ? {} : { health: check }),
            program: program.path,
            options: {
              init: options.init ?? true,
              terminal: terminal !== undefined,
              sharesPids: options.pid === "host",
              ...(health === undefined ? {} : { health, ...heldBySomebody(assembled) }),
              log: log.driver === "none" ? SPOOL : log,
              ...(daemon === undefined ? {} : { daemon }),
              argv,
              env: ownEnvironment(callersVariable),
            },
          },
          how,
          ends,
        ),
    });
    await connection?.settle(launched.child.pid, isOwnHosts(prepared));
    const started = new Date().toISOString();
    const state = store.state(prepared.name);
    if (state !== undefined) assembled.claim.write({ ...state, started });
    if (hasRecord) writeStarted(store.history, { ...record, started });
    // What an earlier one of its name has left would be taken for its own.
    if (hasRecord) store.history.keep(prepared.name);
    else if (again === undefined) store.history.remove(prepared.name);
    tell(store.root, ...newsOfStart(record, assembled.created, again !== undefined));
  } catch (error) {
    await inTurnOrWarn(
      () => monitored?.abort(),
      () => closeEnds(launched, plumbing),
      () => again === undefined && hasBegun ? store.history.giveBack(prepared.name) : undefined,
      release,
    );
    throw asFluxError(error);
  }
  const { child, mounts } = launched;
  monitored?.detach();
  closeEnds(launched, plumbing);
  mounts?.close();
  for (const held of heldBy(assembled)) held.close();
  assembled.claim.leave();
  return { name: prepared.name, id: prepared.id, pid: child.pid };
}

/** Its own output may have filled the disk already, and it runs all the same. */
function writeStarted(history: History, record: ContainerRecord): void {
  try {
    history.write(record);
  } catch (error) {
    if (!(error instanceof FluxError)) throw error;
    warn(`when ${record.name} began can't be written down: ${error.message}`);
  }
}

/** The directory that the log is in, which goes on with every start. */
function openLogs(
  { store, prepared: { name }, options }: Assembled,
  record: ContainerRecord,
  again?: Again,
): Descriptor {
  // Started again, it is from another directory.
  const { seccomp } = options;
  const kept: RunOptions = {
    ...options,
    image: record.image,
    ...(seccomp === undefined || seccomp === "unconfined" ? {} : { seccomp: resolve(seccomp) }),
  };
  store.writeOptions(name, kept);
  if (record.log.driver === "none") return openDirectory(store.directory(name));
  if (again === undefined) {
    const directory = store.history.begin(record);
    store.history.writeOptions(name, kept);
    return directory;
  }
  try {
    return openDirectory(store.history.directory(name));
  } catch {
    // Somebody has removed it, or it was to go with the container.
    const directory = store.history.begin(record);
    store.history.writeOptions(name, kept);
    return directory;
  }
}

/** Makes a file of libflux's own, if need be, to write to its end. */
function make(directory: Descriptor, name: string): Descriptor {
  const flags = openFlags(ARCHITECTURE, "O_WRONLY", "O_CREAT", "O_TRUNC", "O_NOFOLLOW", "O_CLOEXEC").value;
  return new Descriptor(checked("openat", directory.number, name, flags, 0o600));
}

/** How the monitor sees that the container is held. */
function heldBySomebody({ cgroups }: Assembled): Pick<MonitorOptions, "freezer"> {
  const { unified, legacy } = cgroups;
  const found = freezer({ cgroups: { legacy, ...(unified === undefined ? {} : { unified }) } });
  if (found === undefined) return {};
  const { directory, file, words } = found;
  return { freezer: { path: `${directory}/${file}`, held: words[1].charCodeAt(0) } };
}

/** What has to stay open as long as the container runs. */
function heldBy({ connection, idLock, cgroups }: Assembled): readonly Descriptor[] {
  return [...connection?.held ?? [], ...idLock.held, ...cgroups.scope?.held ?? []];
}

/** Closes libflux's own ends of what the monitor has. */
function closeEnds(launched: Launched | undefined, plumbing: readonly Plumbing[]): void {
  for (const { ours } of plumbing) ours?.close();
  for (const descriptor of [launched?.status, launched?.lifeline]) descriptor?.close();
}
