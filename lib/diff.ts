/**
 * What a container has changed of its root beside its image.
 *
 * @module
 */
import { AT } from "../ffi/abi/constants.ts";
import { Descriptor } from "../ffi/libc.ts";
import { isType, type Stat, stat } from "../ffi/stat.ts";
import { child, facts, linkTarget, namesIn, openTree, reopen } from "../ffi/tree.ts";
import type { ControlOptions } from "./control.ts";
import { errnoText, ImageError, NoContainerError, PermissionError, UsageError } from "./errors.ts";
import { hostId } from "./spec/id_maps.ts";
import type { IdMapping } from "./spec/types.ts";
import { readConfig } from "./store/config.ts";
import { findRunning, openStore } from "./store/open.ts";

/**
 * A change of a container's root.
 *
 * @example What has it added?
 * ```ts
 * import { type Change, diff, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sh", "-c", "touch /tmp/file; sleep 60"] });
 * const changes: Change[] = await diff(container.name);
 * console.log(changes.filter(({ kind }) => kind === "A").map(({ path }) => path));
 * ```
 */
export interface Change {
  /** `A`: it isn't in the image; `C`: it is, and has another content, owner or mode; `D`: it is only in the image. */
  readonly kind: "A" | "C" | "D";
  /** Where, as the container sees it. */
  readonly path: string;
}

/** What a container's tree is compared by. */
interface Comparison {
  /** The container's own root filesystem: what is mounted elsewhere is nobody's change. */
  readonly filesystem: string;
  /** Places that libflux makes itself. */
  readonly own: ReadonlySet<string>;
  /** An id of the image's, as the container's files have it. */
  readonly uid: (id: number) => number;
  readonly gid: (id: number) => number;
  readonly found: Change[];
}

/** Files that libflux puts over the image's. */
const OWN_FILES = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev", "/proc", "/sys"];

/** A path and all directories above it. */
function withParents(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

const isSame = (a: Stat, b: Stat, { uid, gid }: Comparison): boolean =>
  a.mode === b.mode && a.uid === uid(b.uid) && a.gid === gid(b.gid) &&
  (isType(a, "S_IFDIR") ||
    a.size === b.size && a.modified[0] === b.modified[0] && a.modified[1] === b.modified[1] &&
      a.device.join() === b.device.join());

/** Names of a directory; none where it can't be read. */
function names(directory: Descriptor): string[] {
  try {
    using list = reopen(directory);
    return namesIn(list);
  } catch {
    return [];
  }
}

/** Compares two directories; answers whether what is in them differs. */
function compare(inside: Descriptor, image: Descriptor, path: string, how: Comparison): boolean {
  const [now, before] = [names(inside), new Set(names(image))];
  let differs = false;
  const add = (kind: Change["kind"], place: string): void => {
    how.found.push({ kind, path: place });
    differs = true;
  };
  for (const name of now) {
    const place = `${path}/${name}`;
    const isKnown = before.delete(name);
    const one = stat(name, AT.AT_SYMLINK_NOFOLLOW, inside.number);
    // Removed meanwhile, or somebody else's mount.
    if (typeof one === "number" || one.filesystem !== how.filesystem && isType(one, "S_IFDIR")) continue;
    const old = isKnown ? stat(name, AT.AT_SYMLINK_NOFOLLOW, image.number) : -1;
    if (typeof old === "number") {
      // Where libflux mounts something it makes a place for it.
      if (!how.own.has(place)) add("A", place);
      if (isType(one, "S_IFDIR")) addAll(inside, name, place, how);
      continue;
    }
    if (!isType(one, "S_IFDIR") || !isType(old, "S_IFDIR")) {
      if (!how.own.has(place) && !isSameFile(inside, image, name, one, old, how)) add("C", place);
      continue;
    }
    const at = how.found.length;
    const isChanged = below(inside, image, name, place, how) || !isSame(one, old, how);
    if (isChanged && !how.own.has(place)) {
      how.found.splice(at, 0, { kind: "C", path: place });
      differs = true;
    }
  }
  for (const name of before) if (!how.own.has(`${path}/${name}`)) add("D", `${path}/${name}`);
  return differs;
}

function isSameFile(
  inside: Descriptor,
  image: Descriptor,
  name: string,
  one: Stat,
  old: Stat,
  how: Comparison,
): boolean {
  if (!isSame(one, old, how)) return false;
  if (!isType(one, "S_IFLNK")) return true;
  const [a, b] = [child(inside, name), child(image, name)];
  try {
    return typeof a === "object" && typeof b === "object" && linkTarget(a) === linkTarget(b);
  } catch {
    return false;
  } finally {
    for (const opened of [a, b]) if (typeof opened === "object") opened.close();
  }
}

function below(inside: Descriptor, image: Descriptor, name: string, place: string, how: Comparison): boolean {
  const [a, b] = [child(inside, name), child(image, name)];
  try {
    return typeof a === "object" && typeof b === "object" && compare(a, b, place, how);
  } finally {
    for (const opened of [a, b]) if (typeof opened === "object") opened.close();
  }
}

/** All that is in a directory which the image hasn't got. */
function addAll(parent: Descriptor, name: string, path: string, how: Comparison): void {
  const opened = child(parent, name);
  if (typeof opened === "number") return;
  using directory = opened;
  for (const one of names(directory)) {
    const found = stat(one, AT.AT_SYMLINK_NOFOLLOW, directory.number);
    const place = `${path}/${one}`;
    if (typeof found === "number") continue;
    if (found.filesystem !== how.filesystem && isType(found, "S_IFDIR")) continue;
    if (!how.own.has(place)) how.found.push({ kind: "A", path: place });
    if (isType(found, "S_IFDIR")) addAll(directory, one, place, how);
  }
}

function opened(path: string, name: string): Descriptor {
  const tree = openTree(path);
  if (typeof tree === "object") return tree;
  throw new PermissionError(`the root of the container ${name} can't be looked at: ${errnoText(-tree)}`, { path });
}

/**
 * Tells what a container that runs has changed of its root filesystem, by comparing it with its image: all that is kept of
 * a file but its content, its time of change among it. What is mounted in it isn't looked at, nor what libflux itself has put there.
 *
 * @returns The changes, each directory before what is in it.
 * @throws {NoContainerError} There is none of this name.
 * @throws {UsageError} It writes into its image itself.
 *
 * @example
 * ```ts
 * import { diff, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * for (const { kind, path } of await diff(container.name)) console.log(kind, path);
 * ```
 */
export async function diff(name: string, options: ControlOptions = {}): Promise<Change[]> {
  const store = await openStore(options.root);
  const state = findRunning(store, name);
  const config = readConfig(store, name);
  if (config === undefined || config.id !== state.id) {
    throw new NoContainerError(`the container ${name} is only being made`, { hint: "try again" });
  }
  if (config.launch.writable) {
    throw new UsageError(`the container ${name} writes into its image itself, and has no changes beside it`, {
      hint: "leave out --writable to have them apart",
    });
  }
  using inside = opened(`/proc/${state.pid}/root`, name);
  const image = openTree(state.image);
  if (typeof image === "number") {
    throw new ImageError(`the image ${state.image} can't be opened: ${errnoText(-image)}`, { path: state.image });
  }
  using before = image;
  const { spec } = config;
  const mounted = [...OWN_FILES, ...(spec.mounts ?? []).map(({ destination }) => destination), spec.process.cwd];
  const to = (lines: readonly IdMapping[] | undefined) => (id: number): number => mapped(lines, id);
  const found: Change[] = [];
  const own = new Set(mounted.flatMap(withParents).filter((path) => path !== "/"));
  const { filesystem } = facts(inside);
  compare(inside, before, "", {
    ...{ filesystem, own, found },
    uid: to(Deno.uid() === 0 ? spec.linux?.uidMappings : undefined),
    gid: to(Deno.uid() === 0 ? spec.linux?.gidMappings : undefined),
  });
  return found;
}

/** Root's image is mounted with the container's users: each of the image's is the one of that number inside. */
function mapped(lines: readonly IdMapping[] | undefined, id: number): number {
  return lines === undefined ? id : hostId(lines, id) ?? id;
}
