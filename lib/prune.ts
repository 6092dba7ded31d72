/**
 * Removing what is kept of containers that have ended: their records and logs.
 *
 * @module
 */
import type { ControlOptions } from "./control.ts";
import { NoContainerError, printable, UsageError } from "./errors.ts";
import { stop } from "./lifecycle.ts";
import { parseMoment } from "./spec/moments.ts";
import { checkName } from "./spec/options.ts";
import type { ContainerRecord } from "./store/history.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/state.ts";
import { endOf, forget } from "./store/trim.ts";

/**
 * Which containers are pruned.
 *
 * @example Those of tests that ended an hour ago or earlier
 * ```ts
 * import { prune, type PruneOptions } from "@libflux/cli/mod";
 *
 * const options: PruneOptions = { until: "1h", labels: ["tier=test"] };
 * await prune(options);
 * ```
 */
export interface PruneOptions extends ControlOptions {
  /** Only those that ended before: a date, or a text as `libflux logs --since` takes it. */
  readonly until?: Date | string;
  /** Only those that have all of these labels: `key` or `key=value`. */
  readonly labels?: readonly string[];
  /** Only those that have none of these. */
  readonly withoutLabels?: readonly string[];
}

/**
 * How a container is removed.
 *
 * @example End it first, if need be
 * ```ts
 * import { remove, type RemoveOptions, runDetached } from "@libflux/cli/mod";
 *
 * const options: RemoveOptions = { force: true };
 * const { name } = await runDetached({ command: ["sleep", "60"] });
 * await remove(name, options);
 * ```
 */
export interface RemoveOptions extends ControlOptions {
  /** Kill it if it runs. */
  readonly force?: boolean;
}

/**
 * What pruning has removed.
 *
 * @example
 * ```ts
 * import { prune, type PruneResult } from "@libflux/cli/mod";
 *
 * const { names, bytes }: PruneResult = await prune({ labels: ["tier=test"] });
 * console.log(`${names.length} containers, ${bytes} bytes`);
 * ```
 */
export interface PruneResult {
  /** Whose records and logs are gone. */
  readonly names: readonly string[];
  /** How many bytes these had. */
  readonly bytes: number;
}

/** Whether a container has a label: `key`, or `key=value`. */
function hasLabel({ labels }: ContainerRecord, label: string): boolean {
  const equals = label.indexOf("=");
  if (equals < 0) return Object.hasOwn(labels, label);
  const key = label.slice(0, equals);
  return Object.hasOwn(labels, key) && labels[key] === label.slice(equals + 1);
}

/** What the files of a record and its log have, in bytes. */
function sizeOf({ history }: Store, name: string): number {
  try {
    const directory = history.directory(name);
    return Array.from(Deno.readDirSync(directory), (file) => Deno.lstatSync(`${directory}/${file.name}`).size)
      .reduce((sum, size) => sum + size, 0);
  } catch (error) {
    // It has just gone.
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/**
 * Removes the records and logs of containers that have ended. What runs is left alone, and what is about to.
 *
 * @throws {UsageError} The options name no time.
 *
 * @example All of them
 * ```ts
 * import { prune } from "@libflux/cli/mod";
 *
 * const { names } = await prune({ root: "/tmp/libflux-example" });
 * console.log(names);
 * ```
 */
export async function prune(options: PruneOptions = {}): Promise<PruneResult> {
  const { until, labels = [], withoutLabels = [] } = options;
  const last = typeof until === "string" ? momentIn(until) : until?.getTime();
  if (Number.isNaN(last)) throw new UsageError("until is no time");
  const isFiltered = last !== undefined || labels.length > 0 || withoutLabels.length > 0;
  const isMeant = (record: ContainerRecord | undefined): boolean =>
    record === undefined
      // A directory without a record that can be read is nobody's.
      ? !isFiltered
      : (last === undefined || endOf(record) < last) && labels.every((label) => hasLabel(record, label)) &&
        !withoutLabels.some((label) => hasLabel(record, label));
  const store = await openStore(options.root);
  const names: string[] = [];
  let bytes = 0;
  for (const name of store.history.names()) {
    if (!isMeant(store.history.read(name))) continue;
    const size = sizeOf(store, name);
    if (!await forget(store, name, isMeant)) continue;
    names.push(name);
    bytes += size;
  }
  return { names, bytes };
}

function momentIn(text: string): number {
  const { seconds, nanoseconds } = parseMoment(text, "until");
  return seconds * 1000 + nanoseconds / 1e6;
}

/**
 * Removes the record and the log of a container that has ended.
 *
 * @throws {NoContainerError} There is none of this name.
 * @throws {UsageError} It runs.
 *
 * @example
 * ```ts
 * import { remove, runDetached, wait } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["true"] });
 * await wait(name);
 * await remove(name);
 * ```
 */
export async function remove(name: string, options: RemoveOptions = {}): Promise<void> {
  checkName(name);
  const store = await openStore(options.root);
  const before = store.state(name);
  if (before !== undefined && options.force === true) {
    await stop(name, { ...options, time: 0 });
    // One of `--rm`, or without a log, leaves nothing to be removed.
    await forget(store, name, (record) => record?.id === before.id);
    return;
  }
  if (await forget(store, name)) return;
  if (!store.isHeld(name)) {
    throw new NoContainerError(`there is no container ${printable(name)}`, {
      hint: "'libflux ps --all' lists those there are",
    });
  }
  throw new UsageError(`the container ${name} ${store.state(name) === undefined ? "is just being made" : "runs"}`, {
    hint: `end it first: libflux stop ${name}; or give --force`,
  });
}
