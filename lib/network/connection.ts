/**
 * A container's way to others, whatever it is made of.
 *
 * @module
 */
import type { Descriptor } from "../../ffi/libc.ts";
import type { NetworkNamespace } from "../../ffi/network_namespace.ts";
import type { PublishedPort } from "../spec/ports.ts";
import type { State } from "../store/state.ts";
import type { Place } from "./files.ts";

/** What a container is connected by. */
export interface Connection extends AsyncDisposable {
  /** Its ports that the host has as well. */
  readonly ports: readonly PublishedPort[];
  /** What must be open as long as the container runs. */
  readonly held: readonly Descriptor[];
  /** What the container's own files say of it; nothing where it is on no network of libflux's. */
  readonly place?: Place;
  /** What its state says of it. */
  readonly shown: Pick<State, "network" | "ports">;
  /** Begins to make what the container needs before its command runs, where its network namespace is made before itself. */
  begin?(namespace: Promise<NetworkNamespace>): void;
  /** Makes it, while the container makes its mounts; waits for it where it was begun. */
  attach(namespace: NetworkNamespace): Promise<void>;
  /** Once the command runs. @param pid PID 1 of the container. @param isOwnFile Whether libflux has written its `/etc/hosts`. */
  settle(pid: number, isOwnFile: boolean): Promise<void>;
}
