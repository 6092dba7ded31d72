/**
 * Copying trees by descriptors: whatever somebody does to either of them meanwhile, no link is followed and nothing
 * outside of them is opened (CVE-2018-15664, CVE-2019-10152, CVE-2019-14271).
 *
 * @module
 */
import { AT, E } from "../../ffi/abi/constants.ts";
import {
  attributesOf,
  type ByteName,
  copyContents,
  type Facts,
  look,
  lookAt,
  nameBytes,
  openBeneath,
  openName,
  readLink,
  readNames,
  reopen,
  setAttribute,
  setLinkTimes,
  setTimes,
  toText,
  typeOf,
} from "../../ffi/files.ts";
import { cString, type Descriptor, syscall } from "../../ffi/libc.ts";
import { FluxError, printable } from "../errors.ts";
import { warn } from "../warnings.ts";
import { failure, isKernels } from "./root.ts";

/** How a tree is copied. */
export interface Manner {
  /** Whose a copy is to be; nothing leaves it to whoever makes it. */
  readonly owner: (facts: Facts) => readonly [uid: number, gid: number] | undefined;
  /** Whether bits that make programs run as somebody else are kept, and capabilities of programs. */
  readonly keepsPrivileges: (facts: Facts) => boolean;
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

/** Each level has two directories open. */
const MOST_LEVELS = 400;
const PERMISSIONS = 0o1777;
const ALL_PERMISSIONS = 0o7777;
const show = (path: ByteName): string => printable(toText(path));

/** Whether a directory may be the one that was just made: nothing is in it, and nobody else may look into it. */
function isFresh(directory: number): boolean {
  const [facts, names] = [lookAt(directory), readNames(directory)];
  return typeof facts === "object" && (facts.mode & 0o077) === 0 && typeof names === "object" && names.length === 0;
}

let count = 0;

/** A name that nobody else has. */
function temporaryName(): ByteName {
  return `.libflux-cp-${Deno.pid}-${++count}-${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36)}`;
}

/** Copies trees into one directory. */
export class TreeCopier {
  readonly copied: Copied = { files: 0, directories: 0, links: 0, skipped: 0 };
  /** Files with more names than one, and where their first copy is below the destination. */
  readonly #linked = new Map<
    string,
    { readonly path: ByteName; readonly inode: bigint; readonly filesystem: string }
  >();

  /** Whether it was said that owners can't be kept. */
  #isTold = false;

  /** @param top The directory that all is copied into. */
  constructor(readonly top: Descriptor, readonly manner: Manner) {}

  /** Copies an open file, which is open as a path only, to a name in the top directory. */
  copy(source: Descriptor, facts: Facts, name: ByteName, shown: string): void {
    const type = typeOf(facts);
    if (isKernels(source.number)) {
      throw new FluxError(`${printable(shown)} is the kernel's own, and can't be copied`, {
        path: shown,
        hint: "read it by 'libflux exec NAME -- cat PATH'",
      });
    }
    if (["file", "directory", "link"].includes(type)) return this.#copy(source, facts, this.top.number, name, name, 0);
    throw new FluxError(`${printable(shown)} is a ${type}: only files, directories and links can be copied`, {
      path: shown,
    });
  }

  /** Copies what is in an open directory into the top directory. */
  copyInside(source: Descriptor): void {
    this.#inside(source, this.top.number, "", 0);
  }

  #copy(source: Descriptor, facts: Facts, into: number, name: ByteName, path: ByteName, level: number): void {
    switch (typeOf(facts)) {
      case "directory":
        return this.#directory(source, facts, into, name, path, level);
      case "file":
        return this.#file(source, facts, into, name, path);
      case "link":
        return this.#link(source, facts, into, name, path);
      default:
        this.#skip(path, `it is a ${typeOf(facts)}`);
    }
  }

  #skip(path: ByteName, why: string): void {
    this.copied.skipped++;
    warn(`${show(path)} was not copied: ${why}`);
  }

  #inside(source: Descriptor, into: number, path: ByteName, level: number): void {
    if (level > MOST_LEVELS) {
      throw new FluxError(`${show(path).slice(0, 60)}… is more than ${MOST_LEVELS} directories deep`, {
        hint: "copy its parts one by one",
      });
    }
    const opened = reopen(source.number, ["O_RDONLY", "O_DIRECTORY"]);
    if (typeof opened === "number") throw failure(`${show(path)} can't be read`, -opened, toText(path));
    source.close();
    using directory = opened;
    const names = readNames(directory.number);
    if (typeof names === "number") throw failure(`${show(path)} can't be read`, -names, toText(path));
    for (const name of names.sort()) {
      const below = path === "" ? name : `${path}/${name}`;
      const found = openName(directory.number, name, ["O_PATH"]);
      if (typeof found === "number") {
        // Removed, or moved, since the names were read.
        if (found === -E.ENOENT || found === -E.ELOOP) this.#skip(below, "it has gone meanwhile");
        else throw failure(`${show(below)} can't be opened`, -found, toText(below));
        continue;
      }
      using one = found;
      const facts = lookAt(one.number);
      if (typeof facts === "number") throw failure(`${show(below)} can't be looked at`, -facts, toText(below));
      if (isKernels(one.number)) this.#skip(below, "it is the kernel's own");
      else this.#copy(one, facts, into, name, below, level + 1);
    }
  }

  #directory(source: Descriptor, facts: Facts, into: number, name: ByteName, path: ByteName, level: number): void {
    const made = this.manner.as(into, () => syscall("mkdirat", into, nameBytes(name), 0o700));
    if (made < 0 && made !== -E.EEXIST) throw failure(`the directory ${show(path)} can't be made`, -made, toText(path));
    const opened = openName(into, name, made === 0 ? ["O_RDONLY", "O_DIRECTORY"] : ["O_PATH", "O_DIRECTORY"]);
    if (opened === -E.ENOTDIR || opened === -E.ELOOP) {
      throw new FluxError(`the directory ${show(path)} can't be copied: something else has its name there`, {
        path: toText(path),
        hint: "remove that first, or copy to another name",
      });
    }
    if (typeof opened === "number") throw failure(`the directory ${show(path)} can't be opened`, -opened, toText(path));
    using directory = opened;
    if (isKernels(directory.number)) return this.#skip(path, "the kernel's own files are there");
    // What was moved to its name meanwhile, such as a directory of the host's in a volume, is given to nobody.
    const isOurs = made === 0 && isFresh(directory.number);
    this.#inside(source, directory.number, path, level);
    if (!isOurs) return;
    this.copied.directories++;
    this.#dress(directory.number, undefined, facts, path);
  }

  #file(source: Descriptor, facts: Facts, into: number, name: ByteName, path: ByteName): void {
    const identity = `${facts.filesystem} ${facts.inode}`;
    const first = facts.links > 1 ? this.#linked.get(identity) : undefined;
    if (first !== undefined && this.#again(first, into, name)) {
      this.copied.links++;
      return;
    }
    const opened = reopen(source.number, ["O_RDONLY"]);
    if (typeof opened === "number") throw failure(`${show(path)} can't be read`, -opened, toText(path));
    using reading = opened;
    this.#place(into, name, path, (temporary) => {
      const writing = { file: undefined as Descriptor | undefined };
      const result = this.manner.as(into, () => {
        const made = openName(into, temporary, ["O_RDWR", "O_CREAT", "O_EXCL"], 0o600);
        if (typeof made === "number") return made;
        writing.file = made;
        return 0;
      });
      if (writing.file === undefined) return result;
      using file = writing.file;
      const copied = copyContents(reading.number, file.number, facts.size);
      if (copied < 0) return copied;
      this.#dress(file.number, reading.number, facts, path);
      if (facts.links > 1) {
        const own = lookAt(file.number);
        if (typeof own !== "number") {
          this.#linked.set(identity, { path, inode: own.inode, filesystem: own.filesystem });
        }
      }
      return 0;
    });
    this.copied.files++;
  }

  /** Gives a copy one more name; false where it isn't in its place any more. */
  #again(
    first: { readonly path: ByteName; readonly inode: bigint; readonly filesystem: string },
    into: number,
    name: ByteName,
  ): boolean {
    const opened = openBeneath(this.top.number, first.path, ["O_PATH"]);
    if (typeof opened === "number") return false;
    using file = opened;
    const facts = lookAt(file.number);
    if (typeof facts === "number" || facts.inode !== first.inode || facts.filesystem !== first.filesystem) return false;
    const temporary = temporaryName();
    const self = `/proc/self/fd/${file.number}`;
    const linked = this.manner.as(
      into,
      () => syscall("linkat", AT.AT_FDCWD, self, into, nameBytes(temporary), AT.AT_SYMLINK_FOLLOW),
    );
    if (linked < 0) return false;
    const renamed = this.#rename(into, temporary, name);
    // Where both are the same file already, nothing is renamed, and the temporary name stays.
    syscall("unlinkat", into, nameBytes(temporary), 0);
    return renamed === 0;
  }

  #link(source: Descriptor, facts: Facts, into: number, name: ByteName, path: ByteName): void {
    const target = readLink(source.number, "");
    if (typeof target === "number") throw failure(`the link ${show(path)} can't be read`, -target, toText(path));
    this.#place(into, name, path, (temporary) => {
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

  /** Makes something by another name, and puts it in its place whole: what was there is never half written. */
  #place(into: number, name: ByteName, path: ByteName, make: (temporary: ByteName) => number): void {
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
  #own(facts: Facts, path: ByteName, give: (ids: readonly [number, number]) => number): boolean {
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
  #dress(file: number, source: number | undefined, facts: Facts, path: ByteName): void {
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
