/**
 * Which containers there are.
 *
 * @module
 */
import { isPaused } from "./control.ts";
import { healthOf } from "./health_state.ts";
import type { Health } from "./spec/health.ts";
import type { PublishedPort } from "./spec/ports.ts";
import { openStore } from "./store/open.ts";
import { isAlive } from "./store/process.ts";
import type { ContainerRecord } from "./store/history.ts";
import type { State, Store } from "./store/state.ts";

/**
 * A container, as `libflux ps` shows it.
 *
 * @example Which containers are paused?
 * ```ts
 * import { type ContainerInfo, list } from "@libflux/cli/mod";
 *
 * const all: ContainerInfo[] = await list();
 * console.log(all.filter(({ state }) => state === "paused").map(({ name }) => name));
 * ```
 */
export interface ContainerInfo {
  /** Its name. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /**
   * `running`, `paused`, `stopping` while its monitor still cleans up, or `restarting` while it waits to be started again
   * by its restart policy; of those that are listed with `all`, `exited`, or `dead` where nobody has written down how it
   * has ended: its libflux was killed, or the host went down.
   */
  readonly state: "running" | "paused" | "stopping" | "restarting" | "exited" | "dead";
  /** What its health check says, where it has one. */
  readonly health?: Health;
  /** PID 1 of the container, as the host numbers it; 0 once it has ended. */
  readonly pid: number;
  /** The directory it was made of. */
  readonly image: string;
  /** The command and its arguments. */
  readonly command: readonly string[];
  /** When it was made. */
  readonly created: Date;
  /** Its labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** The network of libflux's that it is on. */
  readonly network?: string;
  /** Its IPv4 address there. */
  readonly address?: string;
  /** Its IPv6 address there. */
  readonly ipv6Address?: string;
  /** Its ports that the host has as well. */
  readonly ports: readonly PublishedPort[];
  /** When its command began to run, where that was written down. */
  readonly started?: Date;
  /** When it had ended. */
  readonly finished?: Date;
  /** How it has ended, the last time if it is to be started again: an exit code, or 128 + a signal's number. */
  readonly code?: number;
  /** The signal that killed it. */
  readonly signal?: string;
  /** Whether it, or a process of it, was killed since it had no memory left. */
  readonly outOfMemory?: boolean;
  /** Why it couldn't be started again by its restart policy. */
  readonly error?: string;
}

/**
 * Which containers are listed.
 *
 * @example Those that have failed
 * ```ts
 * import { list, type ListOptions } from "@libflux/cli/mod";
 *
 * const options: ListOptions = { all: true };
 * const failed = (await list(options)).filter(({ code = 0 }) => code !== 0);
 * console.log(failed.map(({ name }) => name));
 * ```
 */
export interface ListOptions {
  /** The state root; `/run/libflux` for root if left out. */
  readonly root?: string;
  /** Also those that have ended, until they are pruned. */
  readonly all?: boolean;
}

/**
 * Lists the caller's containers, sorted by name, after removing what killed libflux processes left behind.
 *
 * @param options Where they are, and whether those that have ended are listed, too.
 *
 * @example Names of all containers
 * ```ts
 * import { list } from "@libflux/cli/mod";
 *
 * const names = (await list({ root: "/tmp/libflux-example" })).map(({ name }) => name);
 * console.log(names);
 * ```
 */
export async function list(options: ListOptions = {}): Promise<ContainerInfo[]> {
  const store = await openStore(options.root);
  const live = liveOnes(store);
  if (options.all !== true) return live;
  const names = new Set(live.map(({ name }) => name));
  const ended = store.history.names().flatMap((name) => {
    const record = names.has(name) ? undefined : store.history.read(name);
    if (record === undefined || record.name !== name) return [];
    // One that is just being made, or cleaned up, is neither.
    return record.finished === undefined && store.isHeld(name) ? [] : [endedOne(record)];
  });
  return [...live, ...ended].sort((a, b) => a.name < b.name ? -1 : 1);
}

function endedOne(record: ContainerRecord): ContainerInfo {
  const { name, id, image, command, created, labels, started, finished, code, signal, outOfMemory, error } = record;
  return {
    name,
    id,
    state: finished === undefined ? "dead" : "exited",
    pid: 0,
    image,
    command,
    created: new Date(created),
    labels,
    ports: [],
    ...(started === undefined ? {} : { started: new Date(started) }),
    ...(finished === undefined ? {} : { finished: new Date(finished) }),
    ...(code === undefined ? {} : { code }),
    ...(signal === undefined ? {} : { signal }),
    ...(outOfMemory === undefined ? {} : { outOfMemory }),
    ...(error === undefined ? {} : { error }),
  };
}

function liveOnes(store: Store): ContainerInfo[] {
  return store.names().flatMap((name) => {
    const state = store.state(name);
    if (state === undefined || state.name !== name) return [];
    const { id, pid, image, command, created, labels, network, ports = [], started } = state;
    const health = healthOf(store, name);
    const how = stateOf(state);
    // How it has ended the last time.
    const last = how === "restarting" ? store.history.read(name) : undefined;
    return [{
      name,
      id,
      state: how,
      // Of one that waits it is libflux's own, and of one that is cleaned up nobody's.
      pid: how === "running" || how === "paused" ? pid : 0,
      image,
      command,
      created: new Date(created),
      labels,
      ...(network === undefined ? {} : { network: network.name, address: network.address }),
      ...(network?.ipv6Address === undefined ? {} : { ipv6Address: network.ipv6Address }),
      ports,
      ...(started === undefined ? {} : { started: new Date(started) }),
      ...(health === undefined ? {} : { health }),
      ...(last?.code === undefined ? {} : { code: last.code }),
      ...(last?.finished === undefined ? {} : { finished: new Date(last.finished) }),
    }];
  });
}

function stateOf(state: State): ContainerInfo["state"] {
  if (state.restarting === true) return "restarting";
  if (!isAlive(state)) return "stopping";
  return isPaused(state) ? "paused" : "running";
}
