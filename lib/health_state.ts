/**
 * What a container's health check says.
 *
 * @module
 */
import { type Health, HEALTH_FILE, HEALTH_SIZE, parseHealth } from "./spec/health.ts";
import { readState } from "./store/directory.ts";
import type { Store } from "./store/state.ts";

/** How a container is; nothing where it has no health check. */
export function healthOf(store: Store, name: string): Health | undefined {
  return parseHealth(readState(`${store.directory(name)}/${HEALTH_FILE}`)?.slice(0, HEALTH_SIZE));
}
