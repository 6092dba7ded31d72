/**
 * What a container has changed in its root.
 *
 * @module
 */
import { AT, OPEN_TREE } from "../ffi/abi/constants.ts";
import { openPath } from "../ffi/files.ts";
import { Descriptor, syscall } from "../ffi/libc.ts";
import type { ControlOptions } from "./control.ts";
import { errnoText, ImageError, printable, UsageError } from "./errors.ts";
import { Comparison } from "./files/compare.ts";
import { openRunning } from "./files/running.ts";

/**
 * A path that isn't as in the container's image.
 *
 * @example What was added?
 * ```ts
 * import { type Change, diff, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * const changes: Change[] = await diff(container.name);
 * console.log(changes.filter(({ kind }) => kind === "A").map(({ path }) => path));
 * ```
 */
export interface Change {
  /** `A`: added; `C`: changed, or something in it; `D`: deleted. */
  readonly kind: "A" | "C" | "D";
  /** From the container's root on. */
  readonly path: string;
}

/**
 * Tells what a running container has changed in its root, sorted by path.
 *
 * What is mounted in the root (volumes, tmpfs, `/proc`, `/dev`, the files of `/etc` that libflux writes) is none of it, nor
 * are the directories that libflux has made for that. What is closed to an ordinary user is passed over, with a warning.
 *
 * @param name The container's name.
 *
 * @example As docker prints it
 * ```ts
 * import { diff, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sh", "-c", "touch /tmp/x; sleep 60"] });
 * for (const { kind, path } of await diff(container.name)) console.log(kind, path);
 * ```
 */
export async function diff(name: string, options: ControlOptions = {}): Promise<Change[]> {
  const { state, config, root } = await openRunning(name, options);
  using own = root.directory;
  if (config.launch.writable) {
    throw new UsageError(`${name} has no changes of its own: they go into the image itself`, {
      path: state.image,
      hint: "leave out --writable to have them kept apart",
    });
  }
  using image = openImage(state.image);
  const comparison = new Comparison(
    root,
    directoriesAbove((config.spec.mounts ?? []).map(({ destination }) => destination)),
  );
  comparison.directories(own.number, image.number, "");
  return comparison.found.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

/** All directories above absolute paths, as "var/lib". */
function directoriesAbove(paths: readonly string[]): Set<string> {
  return new Set(paths.flatMap((path) => {
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    return names.slice(1).map((_, index) => names.slice(0, index + 1).join("/"));
  }));
}

/** Opens the image, where that can be had as the overlay sees it: without what is mounted in it. */
function openImage(path: string): Descriptor {
  const opened = openPath(path, ["O_PATH", "O_DIRECTORY", "O_NOFOLLOW"]);
  if (typeof opened === "number") {
    throw new ImageError(`the image ${printable(path)} can't be opened: ${errnoText(-opened)}`, {
      path,
      errno: -opened,
      hint: "has somebody moved it since the container was started?",
    });
  }
  const flags = OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC | AT.AT_EMPTY_PATH;
  const cloned = syscall("open_tree", opened.number, "", flags);
  // An ordinary user may not.
  if (cloned < 0) return opened;
  opened.close();
  return new Descriptor(cloned);
}
