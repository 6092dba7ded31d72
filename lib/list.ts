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
import type { State } from "./store/state.ts";

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
   * by its restart policy.
   */
  readonly state: "running" | "paused" | "stopping" | "restarting";
  /** What its health check says, where it has one. */
  readonly health?: Health;
  /** PID 1 of the container, as the host numbers it. */
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
}

/**
 * Lists the caller's containers, sorted by name, after removing what killed libflux processes left behind.
 *
 * @param options `root`: the state root; `/run/libflux` for root if left out.
 *
 * @example Names of all containers
 * ```ts
 * import { list } from "@libflux/cli/mod";
 *
 * const names = (await list({ root: "/tmp/libflux-example" })).map(({ name }) => name);
 * console.log(names);
 * ```
 */
export async function list(options: { readonly root?: string } = {}): Promise<ContainerInfo[]> {
  const store = await openStore(options.root);
  return store.names().flatMap((name) => {
    const state = store.state(name);
    if (state === undefined || state.name !== name) return [];
    const { id, pid, image, command, created, labels, network, ports = [] } = state;
    const health = healthOf(store, name);
    return [{
      name,
      id,
      state: stateOf(state),
      pid,
      image,
      command,
      created: new Date(created),
      labels,
      ...(network === undefined ? {} : { network: network.name, address: network.address }),
      ...(network?.ipv6Address === undefined ? {} : { ipv6Address: network.ipv6Address }),
      ports,
      ...(health === undefined ? {} : { health }),
    }];
  });
}

function stateOf(state: State): ContainerInfo["state"] {
  if (state.restarting === true) return "restarting";
  if (!isAlive(state)) return "stopping";
  return isPaused(state) ? "paused" : "running";
}
