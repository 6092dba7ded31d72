/**
 * Putting files below a directory by descriptors: each is made by a name that nobody else has, dressed, and put in its place
 * whole, whatever somebody does to the tree meanwhile.
 *
 * @module
 */
import { AT, E } from "../../ffi/abi/constants.ts";
import {
  attributesOf,
  type ByteName,
  type Facts,
  look,
  lookAt,
  nameBytes,
  openName,
  readNames,
  setAttribute,
  setLinkTimes,
  setTimes,
  toText,
  typeOf,
} from "../../ffi/files.ts";
import { cString, type Descriptor, syscall } from "../../ffi/libc.ts";
import { FluxError, printable } from "../errors.ts";
import { warn } from "../warnings.ts";
import { failure } from "./root.ts";

/** What a file is dressed in. */
export type Dress = Pick<Facts, "mode" | "uid" | "gid" | "accessed" | "modified">;

/** How a tree is copied. */
export interface Manner {
  /** Whose a copy is to be; nothing leaves it to whoever makes it. */
  readonly owner: (facts: Pick<Facts, "uid" | "gid">) => readonly [uid: number, gid: number] | undefined;
  /** Whether bits that make programs run as somebody else are kept, and capabilities of programs. */
  readonly keepsPrivileges: (facts: Dress) => boolean;
  /** Calls the kernel as somebody who may make files in a directory. */
  readonly as: (directory: number, call: () => number) => number;
}

/** What was copied. */
export interface Copied {
  files: number;
  directories: number;
  links: number;
  /** Sockets, FIFOs, devices and what is the kernel's. */
  skipped: number;
}

const PERMISSIONS = 0o1777;
const ALL_PERMISSIONS = 0o7777;
const show = (path: ByteName): string => printable(toText(path));

/** Whether a directory may be the one that was just made: nothing is in it, and nobody else may look into it. */
export function isFresh(directory: number): boolean {
  const [facts, names] = [lookAt(directory), readNames(directory)];
  return typeof facts === "object" && (facts.mode & 0o077) === 0 && typeof names === "object" && names.length === 0;
}

let count = 0;

/** A name that nobody else has. */
function temporaryName(): ByteName {
  return `.libflux-cp-${Deno.pid}-${++count}-${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36)}`;
}

/** Puts files below one directory. */
export class Placer {
  readonly copied: Copied = { files: 0, directories: 0, links: 0, skipped: 0 };
  /** Whether it was said that owners can't be kept. */
  #isTold = false;

  /** @param top The directory that all is copied into. */
  constructor(readonly top: Descriptor, readonly manner: Manner) {}

  protected skip(path: ByteName, why: string): void {
    this.copied.skipped++;
    warn(`${show(path)} was not copied: ${why}`);
  }

  /** Makes a symbolic link. */
  protected link(target: ByteName, facts: Dress, into: number, name: ByteName, path: ByteName): void {
    this.place(into, name, path, (temporary) => {
      const made = this.manner.as(into, () => syscall("symlinkat", nameBytes(target), into, nameBytes(temporary)));
      if (made < 0) return made;
      const opened = openName(into, temporary, ["O_PATH"]);
      if (typeof opened === "number") return opened;
      using link = opened;
      const found = lookAt(link.number);
      // By its descriptor alone from here on: another file may be given its name meanwhile, and to nobody.
      if (typeof found === "number" || typeOf(found) !== "link") return -E.EBUSY;
      this.#own(facts, path, (ids) => syscall("fchownat", link.number, cString(""), ...ids, AT.AT_EMPTY_PATH));
      setLinkTimes(link.number, facts);
      return 0;
    });
    this.copied.links++;
  }

  /** Gives an open file one more name. @returns `-errno` on failure. */
  protected name(file: number, into: number, name: ByteName): number {
    const temporary = temporaryName();
    const self = `/proc/self/fd/${file}`;
    const linked = this.manner.as(
      into,
      () => syscall("linkat", AT.AT_FDCWD, self, into, nameBytes(temporary), AT.AT_SYMLINK_FOLLOW),
    );
    if (linked < 0) return linked;
    const renamed = this.#rename(into, temporary, name);
    // Where both are the same file already, nothing is renamed, and the temporary name stays.
    syscall("unlinkat", into, nameBytes(temporary), 0);
    return renamed;
  }

  /** Makes something by another name, and puts it in its place whole: what was there is never half written. */
  protected place(into: number, name: ByteName, path: ByteName, make: (temporary: ByteName) => number): void {
    const [old, directory] = [look(into, name), lookAt(into)];
    // The kernel would let it go: it is mounted in the container's mount namespace, not in this one.
    if (typeof old !== "number" && typeof directory !== "number" && old.mount !== directory.mount) {
      throw failure(`${show(path)} can't be replaced`, E.EBUSY, toText(path));
    }
    const temporary = temporaryName();
    let isPlaced = false;
    try {
      const made = make(temporary);
      const result = made < 0 ? made : this.#rename(into, temporary, name);
      if (result === -E.EISDIR || result === -E.ENOTEMPTY || result === -E.EEXIST) {
        throw new FluxError(`${show(path)} can't be copied: a directory has its name there`, {
          path: toText(path),
          hint: "remove that first, or copy to another name",
        });
      }
      if (result < 0) throw failure(`${show(path)} can't be written`, -result, toText(path));
      isPlaced = true;
    } finally {
      if (!isPlaced) syscall("unlinkat", into, nameBytes(temporary), 0);
    }
  }

  #rename(into: number, from: ByteName, to: ByteName): number {
    return this.manner.as(into, () => syscall("renameat2", into, nameBytes(from), into, nameBytes(to), 0));
  }

  /** Gives a copy to its owner. @returns Whether it is theirs; what an ordinary user may not give away stays theirs. */
  #own(facts: Dress, path: ByteName, give: (ids: readonly [number, number]) => number): boolean {
    const ids = this.manner.owner(facts);
    const result = ids === undefined ? 0 : give(ids);
    if (result === -E.EPERM && Deno.uid() !== 0) {
      if (!this.#isTold) warn(`${show(path)} was not given to its owner, as others may not be: only root may do that`);
      this.#isTold = true;
      return false;
    }
    if (result < 0) throw failure(`${show(path)} can't be given to its owner`, -result, toText(path));
    return true;
  }

  /** Gives a copy its owner, attributes, permissions and times, in an order in which none undoes another. */
  protected dress(file: number, source: number | undefined, facts: Dress, path: ByteName): void {
    const isOwned = this.#own(facts, path, (ids) => syscall("fchown", file, ...ids));
    // As somebody else's, a program must not give what it gave as its owner's.
    const keepsPrivileges = this.manner.keepsPrivileges(facts) && isOwned;
    for (const [name, value] of source === undefined ? [] : attributesOf(source)) {
      const isKept = name.startsWith("user.") && !name.startsWith("user.overlay.") ||
        keepsPrivileges && name === "security.capability";
      if (isKept) setAttribute(file, name, value);
    }
    const changed = syscall("fchmod", file, facts.mode & (keepsPrivileges ? ALL_PERMISSIONS : PERMISSIONS));
    if (changed < 0) throw failure(`${show(path)} can't be given its permissions`, -changed, toText(path));
    setTimes(file, facts);
  }
}
