/**
 * What a container has changed beside its image.
 *
 * Overlayfs shows what isn't changed by the very files of the image, and so with the time at which each of those was last
 * changed (`ctime`), which nobody can set; before it changes anything it makes a copy, which has a later one, and copies of
 * all directories above. So a directory with the image's own `ctime` has nothing changed below it, and isn't looked into:
 * it takes as long as there are changes, and not as the image is big.
 *
 * @module
 */
import { E, MAGIC } from "../../ffi/abi/constants.ts";
import {
  type ByteName,
  type Facts,
  filesystemOf,
  look,
  lookAt,
  openName,
  readLink,
  readNames,
  toText,
  typeOf,
} from "../../ffi/files.ts";
import { printable } from "../errors.ts";
import { warn } from "../warnings.ts";
import { failure, type Root, toContainer } from "./root.ts";

/** What has become of a path: added, changed, deleted. */
export type Kind = "A" | "C" | "D";

/** One path that is other than in the image. */
export interface Difference {
  readonly kind: Kind;
  /** From the container's root on. */
  readonly path: string;
}

const same = (one: Facts["changed"], other: Facts["changed"]): boolean => one[0] === other[0] && one[1] === other[1];
const PERMISSIONS = 0o7777;

/** Compares the trees of a container and of its image. */
export class Comparison {
  readonly found: Difference[] = [];

  /** @param above The directories above what is mounted, from the root on and without a slash before. */
  constructor(readonly root: Pick<Root, "uids" | "gids">, readonly above: ReadonlySet<string> = new Set()) {}

  /**
   * Compares two open directories.
   *
   * @param own The container's. @param image The image's; nothing where it has none.
   * @returns Whether anything in them is different.
   */
  directories(own: number, image: number | undefined, path: ByteName): boolean {
    const [here, there] = [lookAt(own), image === undefined ? undefined : lookAt(image)];
    if (typeof here === "number") throw failure(`/${toText(path)} can't be looked at`, -here, toText(path));
    const [names, before] = [this.#names(own, path), image === undefined ? [] : this.#names(image, path)];
    if (names === undefined || before === undefined) return false;
    const old = new Set(before);
    const isOverlay = filesystemOf(own) === MAGIC.OVERLAYFS_SUPER_MAGIC;
    const at = this.found.length;
    for (const name of names) {
      const below = path === "" ? name : `${path}/${name}`;
      const facts = look(own, name);
      const wasThere = old.delete(name);
      // It has gone since the names were read, or can't be told.
      if (typeof facts === "number") continue;
      const isMount = facts.mount !== here.mount;
      if (isMount && !this.#isPart(own, name, facts)) continue;
      const was = wasThere && image !== undefined ? look(image, name) : undefined;
      if (typeof was === "number") continue;
      if (was === undefined) {
        // What libflux has made to mount something on isn't the command's doing.
        if (!isMount) this.#added(own, name, facts, below);
        continue;
      }
      // Something of the host's own is mounted in the image, which the overlay doesn't see.
      if (typeof there === "object" && was.mount !== there.mount && !isMount) continue;
      this.#compare(own, image ?? own, name, facts, was, below, isOverlay || isMount);
    }
    for (const name of old) this.#tell("D", path === "" ? name : `${path}/${name}`);
    return this.found.length > at;
  }

  #tell(kind: Kind, path: ByteName): void {
    this.found.push({ kind, path: `/${toText(path)}` });
  }

  /** What is in an open directory; nothing where that can't be told, which is said once for each. */
  #names(directory: number, path: ByteName): ByteName[] | undefined {
    const opened = openName(directory, ".", ["O_RDONLY", "O_DIRECTORY"]);
    using file = typeof opened === "number" ? undefined : opened;
    const names = file === undefined ? opened : readNames(file.number);
    if (Array.isArray(names)) return names;
    return this.#unread(typeof names === "number" ? -names : E.EIO, path);
  }

  /** Passes over what has gone meanwhile, and what an ordinary user may not look into: all else would be a wrong answer. */
  #unread(errno: number, path: ByteName): undefined {
    if (errno === E.ENOENT || errno === E.ENOTDIR || errno === E.ELOOP) return;
    if (errno !== E.EACCES) throw failure(`/${toText(path)} can't be read`, errno, toText(path));
    warn(`what has changed in /${printable(toText(path))} isn't known: it is closed to this user`);
  }

  /** Whether a mount is a part of the root: those of ordinary users' images can be put together of several overlays. */
  #isPart(own: number, name: ByteName, facts: Facts): boolean {
    if (typeOf(facts) !== "directory") return false;
    const opened = openName(own, name, ["O_PATH", "O_DIRECTORY"]);
    if (typeof opened === "number") return false;
    using directory = opened;
    return filesystemOf(directory.number) === MAGIC.OVERLAYFS_SUPER_MAGIC;
  }

  #added(own: number, name: ByteName, facts: Facts, path: ByteName): void {
    const at = this.found.length;
    const isIn = typeOf(facts) === "directory" && this.#inside(own, undefined, name, path);
    // What libflux has made above a place where something is mounted isn't the command's doing either.
    if (!isIn && this.above.has(toText(path))) return;
    this.found.splice(at, 0, { kind: "A", path: `/${toText(path)}` });
  }

  /** Compares directories of one name. @returns Whether anything in them is different. */
  #inside(own: number, image: number | undefined, name: ByteName, path: ByteName): boolean {
    const one = openName(own, name, ["O_PATH", "O_DIRECTORY"]);
    if (typeof one === "number") return this.#unread(-one, path) ?? false;
    using here = one;
    const other = image === undefined ? undefined : openName(image, name, ["O_PATH", "O_DIRECTORY"]);
    if (typeof other === "number") return this.#unread(-other, path) ?? false;
    using there = other;
    return this.directories(here.number, there?.number, path);
  }

  #compare(
    own: number,
    image: number,
    name: ByteName,
    facts: Facts,
    was: Facts,
    path: ByteName,
    isOverlay: boolean,
  ): void {
    // A mount point of the same inode as the image's, or one that overlayfs has not copied.
    if (isOverlay && same(facts.changed, was.changed)) return;
    const type = typeOf(facts);
    if (type !== typeOf(was)) {
      this.#tell("C", path);
      if (type === "directory") this.#inside(own, undefined, name, path);
      return;
    }
    if (type === "directory") {
      const at = this.found.length;
      // Not by its times: they tell of entries, which are told by themselves, and of mount points that libflux has made.
      if (this.#inside(own, image, name, path) || this.#isAnother(facts, was, true)) {
        this.found.splice(at, 0, { kind: "C", path: `/${toText(path)}` });
      }
      return;
    }
    if (
      isOverlay || this.#isAnother(facts, was, false) ||
      type === "link" && readLink(own, name) !== readLink(image, name)
    ) {
      this.#tell("C", path);
    }
  }

  /** Whether the permissions or the owner are others. */
  #isAnother(facts: Facts, was: Facts, isDirectory: boolean): boolean {
    const { uids, gids } = this.root;
    const isOwner = (map: Root["uids"], now: number, then: number): boolean => {
      const inside = toContainer(map, now);
      return now === then || inside === then || inside === toContainer(map, then);
    };
    const isForeign = toContainer(uids, was.uid) === undefined || toContainer(gids, was.gid) === undefined;
    // An ordinary user's container is given directories of nobody's as its root's, so that it can make anything there.
    if (isDirectory && isForeign && Deno.uid() !== 0) return false;
    return (facts.mode & PERMISSIONS) !== (was.mode & PERMISSIONS) || !isOwner(uids, facts.uid, was.uid) ||
      !isOwner(gids, facts.gid, was.gid);
  }
}
