/**
 * The cgroups of one container: made, limited, let go.
 *
 * @module
 */
import { AT, E, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor, syscall } from "../../ffi/libc.ts";
import { errnoText, LimitError } from "../errors.ts";
import { optionOf } from "../spec/limits.ts";
import { write } from "../store/cgroup.ts";
import { enforceDevices } from "./devices.ts";
import { textIn, wordsIn } from "./files.ts";
import type { CgroupPlan, Write } from "./plan.ts";
import type { KeptScope } from "./scope.ts";
import { outOfMemoryKills, readUsage, type Usage } from "./usage.ts";

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** Writes down that a cgroup above a container's is about to be made. */
export type Remember = (directory: string) => void;

/**
 * Makes a directory and those above it, none of which is a mount point's. Those above may go again at any moment, with
 * the last other container in them.
 */
function makeDirectory(path: string, remember: Remember): number {
  const ROUNDS = 8;
  for (let round = 0; round < ROUNDS; round++) {
    const made = syscall("mkdirat", AT.AT_FDCWD, path, 0o755);
    if (made !== -E.ENOENT) return made === -E.EEXIST ? 0 : made;
    const parent = parentOf(path);
    if (parent === "") return made;
    remember(parent);
    const above = makeDirectory(parent, remember);
    if (above < 0) return above;
    syscall("setxattr", parent, MARK, new Uint8Array([1]), 1, 0);
  }
  return -E.ENOENT;
}

/** On a cgroup that libflux has made above a container's: whoever is the last in it removes it. */
const MARK = "user.libflux";

/** Writes down the cgroups above one that another container's libflux has made: it may be gone before this one. */
function rememberMarked(path: string, remember: Remember): void {
  for (let above = parentOf(path); above !== ""; above = parentOf(above)) {
    if (syscall("getxattr", above, MARK, new Uint8Array(1), 1) < 0) return;
    remember(above);
  }
}

/** What making cgroups takes beside a plan. */
export interface Making {
  /** The cgroup of v2 from which on down controllers are libflux's to hand down. */
  readonly top: string | undefined;
  readonly remember: Remember;
  /** The scope that they are made in. */
  readonly scope?: KeptScope;
}

/** Makes the cgroups and their limits. Throws a {@link LimitError} where what was asked for can't be had. */
export function createCgroups(plan: CgroupPlan, { top, remember, scope }: Making): Cgroups {
  const made = new Set<string>();
  for (const directory of plan.directories) {
    rememberMarked(directory, remember);
    const result = makeDirectory(directory, remember);
    if (result === 0) made.add(directory);
    else if (plan.required.has(directory)) {
      throw new LimitError(`the cgroup ${directory} can't be made: ${errnoText(-result)}`, {
        path: directory,
        errno: -result,
      });
    }
  }
  const cpuset = plan.legacy.get("cpuset");
  if (cpuset !== undefined && made.has(cpuset)) inheritCpuset(cpuset);
  if (plan.handDown !== undefined && plan.unified !== undefined) bound(plan.unified);
  if (plan.unified !== undefined && top !== undefined) handDownAll(plan.handDown ?? [], plan.unified, top);
  applyAll(plan.writes.filter(({ directory }) => made.has(directory)), top);
  if (plan.devices !== undefined && made.has(plan.devices.directory)) enforceDevices(plan.devices);
  return new Cgroups(plan, made, scope);
}

/** v1: a new cpuset has no CPU and no memory, and takes no process before it has. */
function inheritCpuset(directory: string): void {
  const parent = parentOf(directory);
  for (const name of ["cpuset.cpus", "cpuset.mems"]) {
    if (textIn(parent, name) === "") inheritCpuset(parent);
    if (textIn(directory, name) !== "") continue;
    write(`${directory}/${name}`, textIn(parent, name) ?? "");
  }
}

/** Writes limits. What depends on another that comes after it is tried again. */
export function applyAll(writes: readonly Write[], top: string | undefined): void {
  const again: Write[] = [];
  for (const one of writes) {
    try {
      apply(one, top);
    } catch {
      again.push(one);
    }
  }
  for (const one of again) apply(one, top);
}

function apply(setting: Write, top: string | undefined): void {
  const path = `${setting.directory}/${setting.file}`;
  let result = write(path, setting.value);
  if (result === -E.ENOENT && top !== undefined && path.startsWith(`${top}/`)) {
    handDown(setting, top);
    result = write(path, setting.value);
  }
  if (result >= 0 || !setting.required) return;
  const why = result === -E.ENOENT ? "this kernel has no such file" : errnoText(-result);
  throw new LimitError(
    `${optionOf(setting.field)} can't be enforced: ${setting.file} doesn't take ${setting.value}: ${why}`,
    {
      path,
      hint: result === -E.EINVAL || result === -E.ERANGE
        ? "is it a value that this host has?"
        : `'libflux info' tells which controllers this host has`,
    },
  );
}

/**
 * v2: whether a cgroup has processes, and isn't the root, which may. The kernel lets such a one hand down "cpu", "cpuset"
 * and "pids" all the same, but those below it can then have threads only, and no container (cgroup-v2.rst, "Threads").
 */
function isInhabited(group: string): boolean {
  const type = textIn(group, "cgroup.type");
  // The root has none.
  return type !== undefined && (type !== "domain" || textIn(group, "cgroup.procs") !== "");
}

/** How many cgroups, and how deep, a container may make that may make some: enough for systemd, and to be removed. */
const MOST = { depth: 32, descendants: 4096 } as const;

/** Throws a {@link LimitError} where the kernel doesn't take them: one container could use up all there can be. */
function bound(directory: string): void {
  for (const [what, most] of Object.entries(MOST)) {
    const path = `${directory}/cgroup.max.${what}`;
    const result = write(path, String(most));
    if (result >= 0) continue;
    throw new LimitError(
      `the container can't be given cgroups to write to: cgroup.max.${what}: ${errnoText(-result)}`,
      {
        path,
      },
    );
  }
}

/** Hands down what can be. */
function handDownAll(controllers: readonly string[], directory: string, top: string): void {
  for (const controller of controllers) {
    handDown({ controller, directory, field: "linux.cgroupsPath", required: false }, top);
  }
}

/**
 * v2: gives a controller to every cgroup from the top down to the container's. That stays: somebody else may rely on it by
 * the time that this container ends, and it costs nobody anything.
 */
function handDown(
  { controller, directory, field, required }: Pick<Write, "directory" | "field" | "required"> & {
    readonly controller: string;
  },
  top: string,
): void {
  const parts = directory.slice(top.length + 1).split("/");
  parts.forEach((_, index) => {
    const group = [top, ...parts.slice(0, index)].join("/");
    if (wordsIn(group, "cgroup.subtree_control").includes(controller)) return;
    const result = isInhabited(group) ? -E.EBUSY : write(`${group}/cgroup.subtree_control`, `+${controller}`);
    if (result >= 0 || !required) return;
    const why = result === -E.EBUSY
      ? "there are processes in it, and a cgroup can't both have processes and hand controllers down"
      : errnoText(-result);
    throw new LimitError(
      `${optionOf(field)} can't be enforced: the cgroup ${group} doesn't hand down "${controller}": ${why}`,
      {
        path: group,
        hint: result === -E.EBUSY
          ? `move them into a cgroup below it: mkdir ${group}/init, and write their numbers to its cgroup.procs`
          : `echo +${controller} >${group}/cgroup.subtree_control, as who may`,
      },
    );
  });
}

/** The cgroups of one container. */
export class Cgroups {
  /** @param made Those of the plan's directories that are there. */
  constructor(readonly plan: CgroupPlan, readonly made: ReadonlySet<string>, readonly scope?: KeptScope) {}

  /** The directory of v2, where it could be made. */
  get unified(): string | undefined {
    const { unified } = this.plan;
    return unified !== undefined && this.made.has(unified) ? unified : undefined;
  }

  /** Those of v1 that could be made, by their controllers' names. */
  get legacy(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.plan.legacy].filter(([, directory]) => this.made.has(directory)));
  }

  /** The directory of v2 to be born in. */
  open(): Descriptor | undefined {
    const { unified } = this;
    if (unified === undefined) return undefined;
    const flags = openFlags(ARCHITECTURE, "O_PATH", "O_DIRECTORY", "O_CLOEXEC").value;
    return new Descriptor(checked("openat", AT.AT_FDCWD, unified, flags, 0));
  }

  /** What was used; to be asked before the cgroups are let go. */
  usage(): Usage {
    return readUsage(this.plan);
  }

  /** How many of its processes were killed for want of memory; to be asked before the cgroups are let go. */
  get outOfMemoryKills(): number {
    return outOfMemoryKills(this.plan) ?? 0;
  }

  /** Lets systemd have its scope back, where there is one. Can be done again. */
  async release(): Promise<void> {
    await this.scope?.release();
  }
}
