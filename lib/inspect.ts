/**
 * All that is known of one container.
 *
 * @module
 */
import { limitsIn } from "./cgroups/limits.ts";
import { NoContainerError } from "./errors.ts";
import { type ContainerInfo, list } from "./list.ts";
import type { Limits } from "./spec/limits.ts";
import type { LogOptions } from "./spec/log_options.ts";
import { checkName } from "./spec/options.ts";
import type { Spec } from "./spec/types.ts";
import { readConfig } from "./store/config.ts";
import { type ContainerRecord, LOG_FILE } from "./store/history.ts";
import { openStore, openStoreAsIs } from "./store/open.ts";
import type { Store } from "./store/state.ts";

/**
 * All that is known of a container, one that runs or one that has ended.
 *
 * @example Where is its log?
 * ```ts
 * import { type ContainerDetails, inspect, runDetached, stop } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sleep", "60"] });
 * const details: ContainerDetails = await inspect(name);
 * console.log(details.log?.path, details.spec?.process.args);
 * await stop(name);
 * ```
 */
export interface ContainerDetails extends ContainerInfo {
  /** Whether it runs in the background. */
  readonly detached?: boolean;
  /** Whether its command has a terminal. */
  readonly terminal?: boolean;
  /** What is done when it ends: `no`, `on-failure[:N]` or `always`. */
  readonly restart?: string;
  /** How often it was started again by that. */
  readonly restarts?: number;
  /** The signal that asks it to end; SIGTERM if left out. */
  readonly stopSignal?: string;
  /** Seconds that it has to end then; 10 if left out. */
  readonly stopTimeout?: number;
  /** The process that waits for it. */
  readonly monitor?: number;
  /** Its cgroups' directories, v2's and those of v1 by their controllers' names. */
  readonly cgroups?: { readonly unified?: string; readonly legacy: Readonly<Record<string, string>> };
  /** Its limits as they are now; what has no limit isn't there. */
  readonly limits?: Limits;
  /** Its log, and the file that is written to, where there is one. */
  readonly log?: Required<LogOptions> & { readonly path?: string };
  /** What it was made of, as the OCI runtime specification has it. */
  readonly spec?: Spec;
}

/** What is there of an object. */
function given<T extends object>(values: { readonly [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

const date = (text: string | undefined): Date | undefined => text === undefined ? undefined : new Date(text);

function logOf(store: Store, { name, log }: ContainerRecord): ContainerDetails["log"] {
  return log.driver === "none" ? log : { ...log, path: `${store.history.directory(name)}/${LOG_FILE}` };
}

/** The restart policy of options that somebody else may have written. */
function policyOf(options: object | undefined): string | undefined {
  const { restart } = (options ?? {}) as { readonly restart?: unknown };
  return typeof restart === "string" ? restart : undefined;
}

function ofRunning(store: Store, info: ContainerInfo): ContainerDetails {
  const { name } = info;
  const state = store.state(name);
  const kept = store.history.read(name);
  const record = kept?.id === info.id ? kept : undefined;
  const config = readConfig(store, name);
  // Another one may have taken the name meanwhile.
  if (state === undefined || state.id !== info.id) return info;
  return {
    ...info,
    ...given({
      started: date(state.started ?? record?.started) ?? info.started,
      detached: state.detached,
      terminal: state.terminal ?? record?.terminal,
      restart: policyOf(store.options(name)),
      restarts: record?.restarts,
      stopSignal: state.stopSignal,
      stopTimeout: state.stopTimeout,
      monitor: state.monitor,
      cgroups: state.cgroups,
      limits: limitsIn(state.cgroups),
      log: record === undefined ? undefined : logOf(store, record),
      spec: config?.id === info.id ? config.spec : undefined,
    }),
  };
}

function ofEnded(store: Store, info: ContainerInfo): ContainerDetails {
  const record = store.history.read(info.name);
  // Another one may have taken the name meanwhile.
  if (record?.id !== info.id) return info;
  const { terminal, restarts } = record;
  const restart = policyOf(store.history.options(info.name));
  return { ...info, terminal, restarts, ...given({ restart, log: logOf(store, record) }) };
}

/**
 * Tells all that is known of a container, one that runs or one that has ended and wasn't pruned yet.
 *
 * @param name The container's.
 * @param options `root`: the state root; `/run/libflux` for root if left out.
 * @throws {NoContainerError} There is none of this name.
 *
 * @example Its limits as they are now
 * ```ts
 * import { inspect, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"], limits: { pids: 100 } });
 * console.log((await inspect(container.name)).limits);
 * ```
 */
export async function inspect(name: string, options: { readonly root?: string } = {}): Promise<ContainerDetails> {
  checkName(name);
  const info = (await list({ ...options, all: true })).find((one) => one.name === name);
  if (info === undefined) {
    throw new NoContainerError(`there is no container ${name}`, {
      hint: "'libflux ps --all' lists those that there are",
    });
  }
  const store = await openStore(options.root);
  return info.state === "exited" || info.state === "dead" ? ofEnded(store, info) : ofRunning(store, info);
}

/** What of the host is seen in a running container, as paths there. */
export function boundInto(name: string, root: string | undefined): string[] {
  const { mounts = [] } = readConfig(openStoreAsIs(root), name)?.spec ?? {};
  return mounts.flatMap(({ type, source, options = [] }) =>
    source?.startsWith("/") === true && (type === "bind" || options.some((one) => one === "bind" || one === "rbind"))
      ? [source]
      : []
  );
}
