/**
 * Copying trees by descriptors: whatever somebody does to either of them meanwhile, no link is followed and nothing
 * outside of them is opened (CVE-2018-15664, CVE-2019-10152, CVE-2019-14271).
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import {
  type ByteName,
  copyContents,
  type Facts,
  lookAt,
  nameBytes,
  openBeneath,
  openName,
  readLink,
  readNames,
  reopen,
  toText,
  typeOf,
} from "../../ffi/files.ts";
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { FluxError, printable } from "../errors.ts";
import { isFresh, Placer } from "./placer.ts";
import { failure, isKernels } from "./root.ts";

/** Each level has two directories open. */
const MOST_LEVELS = 400;
const identityOf = ({ filesystem, inode }: Facts): string => `${filesystem} ${inode}`;
const show = (path: ByteName): string => printable(toText(path));

/** Copies trees into one directory. */
export class TreeCopier extends Placer {
  /** Files with more names than one, and where their first copy is below the destination. */
  readonly #linked = new Map<
    string,
    { readonly path: ByteName; readonly inode: bigint; readonly filesystem: string }
  >();

  /** Directories that were made: what is in them is no part of what is copied, wherever that leads. */
  readonly #made = new Set<string>();

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
        this.skip(path, `it is a ${typeOf(facts)}`);
    }
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
        if (found === -E.ENOENT || found === -E.ELOOP) this.skip(below, "it has gone meanwhile");
        else throw failure(`${show(below)} can't be opened`, -found, toText(below));
        continue;
      }
      using one = found;
      const facts = lookAt(one.number);
      if (typeof facts === "number") throw failure(`${show(below)} can't be looked at`, -facts, toText(below));
      if (isKernels(one.number)) this.skip(below, "it is the kernel's own");
      else if (this.#made.has(identityOf(facts))) this.skip(below, "it is what is being copied to");
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
    if (isKernels(directory.number)) return this.skip(path, "the kernel's own files are there");
    // What was moved to its name meanwhile, such as a directory of the host's in a volume, is given to nobody.
    const isOurs = made === 0 && isFresh(directory.number);
    const own = made === 0 ? lookAt(directory.number) : 0;
    if (typeof own !== "number") this.#made.add(identityOf(own));
    this.#inside(source, directory.number, path, level);
    if (!isOurs) return;
    this.copied.directories++;
    this.dress(directory.number, undefined, facts, path);
  }

  #file(source: Descriptor, facts: Facts, into: number, name: ByteName, path: ByteName): void {
    const identity = identityOf(facts);
    const first = facts.links > 1 ? this.#linked.get(identity) : undefined;
    if (first !== undefined && this.#again(first, into, name)) {
      this.copied.links++;
      return;
    }
    const opened = reopen(source.number, ["O_RDONLY"]);
    if (typeof opened === "number") throw failure(`${show(path)} can't be read`, -opened, toText(path));
    using reading = opened;
    this.place(into, name, path, (temporary) => {
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
      this.dress(file.number, reading.number, facts, path);
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
    return this.name(file.number, into, name) === 0;
  }

  #link(source: Descriptor, facts: Facts, into: number, name: ByteName, path: ByteName): void {
    const target = readLink(source.number, "");
    if (typeof target === "number") throw failure(`the link ${show(path)} can't be read`, -target, toText(path));
    this.link(target, facts, into, name, path);
  }
}
