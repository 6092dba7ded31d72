/**
 * What can be done to a running container from outside: hold it, let it go on, change its limits.
 *
 * @module
 */
import { applyAll } from "./cgroups/cgroup.ts";
import { type CgroupPlan, planCgroups } from "./cgroups/plan.ts";
import { LimitError, NoContainerError } from "./errors.ts";
import { checkLimits, type Limits, optionOf, toResources, unaskedFields } from "./spec/limits.ts";
import { checkName } from "./spec/options.ts";
import { write } from "./store/cgroup.ts";
import { readIfThere } from "./store/directory.ts";
import { openStore } from "./store/open.ts";
import { isAlive } from "./store/process.ts";
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
  checkName(name);
  const state = (await openStore(root)).state(name);
  if (state === undefined || !isAlive(state)) {
    throw new NoContainerError(`there is no container ${name}`, { hint: "'libflux ps' lists those that run" });
  }
  return state;
}

/** The file that holds a container, and what it says. */
function freezer(
  { cgroups }: Pick<State, "cgroups">,
): { readonly path: string; readonly words: readonly [string, string] } | undefined {
  if (cgroups.unified !== undefined) return { path: `${cgroups.unified}/cgroup.freeze`, words: ["0", "1"] };
  const { freezer } = cgroups.legacy;
  return freezer === undefined ? undefined : { path: `${freezer}/freezer.state`, words: ["THAWED", "FROZEN"] };
}

/** Whether a container is held. */
export function isPaused(state: Pick<State, "cgroups">): boolean {
  const file = freezer(state);
  return file !== undefined && readIfThere(file.path)?.trim() === file.words[1];
}

/** Milliseconds for which a container may take to come to a halt: a process that waits for a disk can't before that. */
const PATIENCE = 5_000;
const MOMENT = 5;

async function freeze(name: string, held: boolean, options: ControlOptions): Promise<void> {
  const state = await find(name, options);
  const file = freezer(state);
  if (file === undefined) {
    throw new LimitError(`${name} has no cgroup that could be held`, {
      hint: "'libflux info' tells which cgroups this host has",
    });
  }
  const result = write(file.path, file.words[held ? 1 : 0]);
  const events = `${state.cgroups.unified}/cgroup.events`;
  const isDone = (): boolean =>
    state.cgroups.unified === undefined
      ? readIfThere(file.path)?.trim() === file.words[held ? 1 : 0]
      : (readIfThere(events) ?? "").includes(`frozen ${held ? 1 : 0}`);
  const deadline = performance.now() + PATIENCE;
  while (result >= 0 && performance.now() < deadline) {
    if (isDone()) return;
    await new Promise((resolve) => setTimeout(resolve, MOMENT));
  }
  throw new LimitError(`${name} could not be ${held ? "held" : "let go on"} within ${PATIENCE / 1000} seconds`, {
    path: file.path,
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
  const { pids, ...others } = toResources(limits);
  const resources = limits.pids === undefined || pids === undefined ? others : { ...others, pids };
  const unified = cgroups.unified;
  const controllers = (readIfThere(`${unified}/cgroup.controllers`) ?? "").trim().split(/\s+/);
  let plan: CgroupPlan;
  try {
    const unasked = unaskedFields(limits);
    plan = planCgroups({ unified, legacy: new Map(Object.entries(cgroups.legacy)) }, "", resources, {
      controllers,
      unasked,
    });
  } catch (error) {
    if (!(error instanceof LimitError)) throw error;
    throw new LimitError(`${name} has no cgroup for that: ${error.message}`, {
      hint: "a container gets its cgroups when it starts: start it with such a limit",
      cause: error,
    });
  }
  if (plan.writes.length === 0) {
    throw new LimitError(`no limit of ${name} is to be changed`, {
      hint: `give ${optionOf("memory.limit")} or another`,
    });
  }
  applyAll(plan.writes, undefined);
}
