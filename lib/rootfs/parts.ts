/**
 * An image as an ordinary user may use it: an overlay over all of it can't be had where something is mounted in it, and
 * nothing can be made in directories whose owner stands for nobody inside. Looks at the image, changes nothing.
 *
 * @module
 */
import { AT } from "../../ffi/abi/constants.ts";
import { syscall } from "../../ffi/libc.ts";
import { isType, type Stat, stat } from "../../ffi/stat.ts";
import type { IdMapping } from "../spec/types.ts";

/** A place of an image that is put together. */
export interface Part {
  /** From the image's root on: "/usr". */
  readonly path: string;
  /**
   * `overlay`: a directory with an overlay of its own; `directory`: one that is made, empty or with parts in it; `link`: a
   * symbolic link; `file`: a file that can only be read.
   */
  readonly kind: "overlay" | "directory" | "link" | "file";
  /** Its permissions. */
  readonly mode: number;
  /** Of a link: where it leads. */
  readonly target?: string;
}

/** A directory of the image, which is to be root's inside. */
export interface Adopted {
  /** From the image's root on. */
  readonly path: string;
  /** Its permissions. */
  readonly mode: number;
  /** Whether nothing of the image is to be seen in it, since this user may not look there. */
  readonly isEmpty?: boolean;
}

const PERMISSIONS = 0o7777;
const look = (path: string): Stat | number => stat(path, AT.AT_SYMLINK_NOFOLLOW);

/** Blanks and their like are octal numbers there. @param mountinfo `/proc/self/mountinfo` (`man 5 proc_pid_mountinfo`). */
export function mountPoints(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const place = line.split(" ")[4];
    if (place === undefined) return [];
    const text = place.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
    // Bytes of UTF-8 come as they are.
    return [text];
  });
}

/**
 * The places that an image is put together of; nothing where one overlay does.
 *
 * A kernel lets no user see what a mount of another's covers, as a single overlay would (`has_locked_children`). So what
 * has mounts in it is made anew, with overlays over what has none, and mount points are empty, as in an overlay.
 *
 * @param image Absolute, without symlinks. @param points Where something is mounted on this host.
 */
export function partsOf(image: string, points: readonly string[]): Part[] | undefined {
  const root = image === "/" ? "" : image;
  const inside = points.filter((point) => point.startsWith(`${root}/`) && point !== "/");
  return inside.length === 0 ? undefined : expand(root, "", new Set(inside));
}

function expand(root: string, directory: string, points: ReadonlySet<string>): Part[] {
  return names(`${root}${directory}/`).flatMap((name): Part[] => {
    const path = `${directory}/${name}`;
    const found = look(root + path);
    if (typeof found === "number") return [];
    const mode = found.mode & PERMISSIONS;
    if (isType(found, "S_IFLNK")) return [{ path, kind: "link", mode, target: Deno.readLinkSync(root + path) }];
    // Also one that is mounted: what it covers can't be had.
    if (isType(found, "S_IFREG")) return [{ path, kind: "file", mode }];
    if (!isType(found, "S_IFDIR")) return [];
    if (points.has(root + path) || !isOpen(root + path)) return [{ path, kind: "directory", mode }];
    if (![...points].some((point) => point.startsWith(`${root}${path}/`))) return [{ path, kind: "overlay", mode }];
    return [{ path, kind: "directory", mode }, ...expand(root, path, points)];
  });
}

/**
 * The directories of an image that something of the host's is mounted on, as empty ones, and those above them.
 *
 * @param image Absolute, without symlinks. @param points Where something is mounted on this host.
 */
export function coveredDirectories(image: string, points: readonly string[]): Adopted[] {
  const root = image === "/" ? "" : image;
  const inside = new Set(points.filter((point) => point !== "/" && point.startsWith(`${root}/`)));
  const covered = new Map<string, Adopted>();
  for (const point of inside) {
    const names = point.slice(root.length + 1).split("/");
    for (let count = 1; count <= names.length; count++) {
      const path = `/${names.slice(0, count).join("/")}`;
      const found = look(root + path);
      if (typeof found === "number" || !isType(found, "S_IFDIR")) break;
      const isEmpty = inside.has(root + path);
      covered.set(path, { path, mode: found.mode & PERMISSIONS, ...(isEmpty ? { isEmpty } : {}) });
      if (isEmpty) break;
    }
  }
  return Array.from(covered.values());
}

const [R_OK, X_OK] = [4, 1];

/** Whether this user may list a directory and look up what is in it. */
const isOpen = (path: string): boolean => syscall("faccessat", AT.AT_FDCWD, path, R_OK | X_OK) === 0;

/** What a directory has in it, sorted; nothing where that can't be read. */
function names(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** What libflux mounts itself. */
const SYSTEM = new Set(["dev", "proc", "sys"]);
/** Where every program may write, besides `/tmp`. */
const TEMPORARY = "/var/tmp";

const above = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/**
 * The directories that are to be root's inside, since their owner is nobody there: those in the image's own, and those above
 * what is to be mounted. In others nothing could be made, not even in those that everybody may write to: a directory whose
 * owner stands for nobody can't be copied up.
 *
 * @param destinations Where something is to be mounted, inside.
 */
export function adoptedDirectories(
  image: string,
  destinations: readonly string[],
  users: readonly IdMapping[],
  groups: readonly IdMapping[],
): Adopted[] {
  const root = image === "/" ? "" : image;
  const has = (lines: readonly IdMapping[], id: number): boolean =>
    lines.some(({ hostID, size }) => hostID <= id && id < hostID + size);
  const isSomebody = ({ uid, gid }: Stat): boolean => has(users, uid) && has(groups, gid);
  const adopted = new Map<string, Adopted>();
  const directories = [...names(`${root}/`).filter((name) => !SYSTEM.has(name)).map((name) => `/${name}`), TEMPORARY];
  for (const directory of [...directories, ...destinations.map(above)]) {
    const parts = directory.split("/").filter((part) => part !== "");
    for (let count = 1; count <= parts.length; count++) {
      const path = "/" + parts.slice(0, count).join("/");
      const found = look(root + path);
      // What leads elsewhere stays as it is.
      if (typeof found === "number" || !isType(found, "S_IFDIR")) break;
      if (isSomebody(found)) continue;
      const isEmpty = !isOpen(root + path);
      adopted.set(path, { path, mode: found.mode & PERMISSIONS, ...(isEmpty ? { isEmpty } : {}) });
    }
  }
  return Array.from(adopted.values()).sort((a, b) => a.path < b.path ? -1 : 1);
}
