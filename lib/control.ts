/**
 * What can be done to a running container from outside: hold it, let it go on, change its limits.
 *
 * @module
 */
import { sleep } from "../ffi/reactor.ts";
import { applyAll } from "./cgroups/cgroup.ts";
import { type CgroupPlan, NoControllerError, planCgroups } from "./cgroups/plan.ts";
import { cgroupFacts, topOf } from "./cgroups/host.ts";
import { numberIn, textIn, valueIn, wordsIn } from "./cgroups/files.ts";
import { errnoText, LimitError, UsageError } from "./errors.ts";
import { checkLimits, type Limits, optionOf, toResources } from "./spec/limits.ts";
import type { Resources } from "./spec/types.ts";
import { write } from "./store/cgroup.ts";
import { eventOf, tell } from "./store/events.ts";
import { findRunning, openStore } from "./store/open.ts";
import type { State } from "./store/state.ts";

/**
 * Where to look for a container.
 *
 * @example Name the state root
 * ```ts
 * import { type ControlOptions, pause, run, unpause } from "@libflux/cli/mod";
 *
 * const where: ControlOptions = { root: "/run/libflux" };
 * await using container = await run({ command: ["sleep", "60"], ...where });
 * await pause(container.name, where);
 * await unpause(container.name, where);
 * ```
 */
export interface ControlOptions {
  /** The state root; `/run/libflux` for root if left out. */
  readonly root?: string;
}

async function find(name: string, { root }: ControlOptions): Promise<State> {
  return findRunning(await openStore(root), name);
}

/** The file that holds a container, and what it says. */
export function freezer(
  { cgroups }: Pick<State, "cgroups">,
): { readonly directory: string; readonly file: string; readonly words: readonly [string, string] } | undefined {
  if (cgroups.unified !== undefined) return { directory: cgroups.unified, file: "cgroup.freeze", words: ["0", "1"] };
  const { freezer } = cgroups.legacy;
  return freezer === undefined ? undefined : { directory: freezer, file: "freezer.state", words: ["THAWED", "FROZEN"] };
}

/** Whether a container is held. */
export function isPaused(state: Pick<State, "cgroups">): boolean {
  const found = freezer(state);
  return found !== undefined && textIn(found.directory, found.file) === found.words[1];
}

/** Milliseconds for which a container may take to come to a halt: a process that waits for a disk can't before that. */
const PATIENCE = 5_000;
const MOMENT = 5;

async function freeze(name: string, held: boolean, options: ControlOptions): Promise<void> {
  const store = await openStore(options.root);
  const state = findRunning(store, name);
  const found = freezer(state);
  if (found === undefined) {
    throw new LimitError(`${name} has no cgroup that could be held`, {
      hint: "'libflux info' tells which cgroups this host has",
    });
  }
  const { directory, file, words } = found;
  const path = `${directory}/${file}`;
  const wish = held ? "held" : "let go on";
  const result = write(path, words[held ? 1 : 0]);
  if (result < 0) throw new LimitError(`${name} could not be ${wish}: ${errnoText(-result)}`, { path, errno: -result });
  const isDone = (): boolean =>
    state.cgroups.unified === undefined
      ? textIn(directory, file) === words[held ? 1 : 0]
      : valueIn(directory, "cgroup.events", "frozen") === (held ? 1 : 0);
  const deadline = performance.now() + PATIENCE;
  while (performance.now() < deadline) {
    if (isDone()) return tell(store.root, { type: held ? "paused" : "unpaused", ...eventOf(state) });
    await sleep(MOMENT);
  }
  // Not half of it.
  if (held) write(path, words[0]);
  throw new LimitError(`${name} could not be ${wish} within ${PATIENCE / 1000} seconds`, {
    path,
    hint: "one of its processes may be waiting for a disk: try again",
  });
}

/**
 * Holds all processes of a container where they are.
 *
 * @throws {NoContainerError} There is none of this name.
 * @throws {LimitError} The host has no cgroup to do it with.
 *
 * @example Hold it for a moment
 * ```ts
 * import { pause, run, unpause } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * await pause(container.name);
 * await unpause(container.name);
 * ```
 */
export async function pause(name: string, options: ControlOptions = {}): Promise<void> {
  await freeze(name, true, options);
}

/**
 * Lets a held container go on.
 *
 * @throws {NoContainerError} There is none of this name.
 *
 * @example
 * ```ts
 * import { NoContainerError, unpause } from "@libflux/cli/mod";
 *
 * await unpause("nobody").catch((error) => {
 *   if (!(error instanceof NoContainerError)) throw error;
 * });
 * ```
 */
export async function unpause(name: string, options: ControlOptions = {}): Promise<void> {
  await freeze(name, false, options);
}

/**
 * Changes the limits of a running container; those that aren't named stay as they are.
 *
 * @throws {NoContainerError} There is none of this name.
 * @throws {LimitError} A limit can't be enforced.
 *
 * @example Give it more processes
 * ```ts
 * import { run, update } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"], limits: { pids: 10 } });
 * await update(container.name, { pids: 20 });
 * ```
 */
export async function update(name: string, limits: Limits, options: ControlOptions = {}): Promise<void> {
  checkLimits(limits);
  const { cgroups } = await find(name, options);
  const { unified, legacy } = cgroups;
  const resources = named(limits, legacy.memory);
  if (Object.keys(resources).length === 0) {
    throw new UsageError(`no limit of ${name} is to be changed`, { hint: "give a memory limit or another" });
  }
  // v2's can be handed down at any time, all that the top has.
  const top = unified === undefined ? undefined : topOf(unified);
  let plan: CgroupPlan;
  try {
    plan = planCgroups({ unified, legacy: new Map(Object.entries(legacy)) }, "", resources, {
      controllers: wordsIn(top, "cgroup.controllers"),
    });
  } catch (error) {
    const controller = error instanceof NoControllerError ? error.controller : undefined;
    // A controller of v1 is there, and the container's cgroup of it isn't.
    if (controller === undefined || cgroupFacts().legacy.get(controller) === undefined) throw error;
    throw new LimitError(`${name} has no limit of ${controller} that could be changed, since it was started without`, {
      hint: `start it with ${optionOf((error as NoControllerError).field)}: cgroup v1 can't add one later`,
      cause: error,
    });
  }
  const before = plan.writes.map(({ directory, file }) => [`${directory}/${file}`, textIn(directory, file)] as const);
  try {
    applyAll(plan.writes, top);
  } catch (error) {
    // All of it or nothing. Rates of devices have a line each, and are told apart by no old value.
    for (const [path, value] of before) if (value !== undefined && !value.includes(":")) write(path, value);
    // It may have ended meanwhile, and its cgroups with it.
    await find(name, options);
    throw error;
  }
}

/** The resources that limits name, without those that `run` adds by itself. @param memory Its cgroup of v1's. */
function named(limits: Limits, memory: string | undefined): Resources {
  const { pids, memory: size, ...others } = toResources(limits);
  const { swap, ...rest } = size ?? {};
  const current = numberIn(memory, "memory.memsw.limit_in_bytes");
  // v1 counts memory and swap together, and refuses more memory than both: then swap is raised as little as can be.
  const raised = current !== undefined && limits.memory !== undefined && current < limits.memory
    ? limits.memory
    : undefined;
  const both = limits.memorySwap === undefined ? raised : swap;
  const all = { ...rest, ...(both === undefined ? {} : { swap: both }) };
  return {
    ...others,
    ...(Object.keys(all).length === 0 ? {} : { memory: all }),
    ...(limits.pids === undefined || pids === undefined ? {} : { pids }),
  };
}
