/**
 * Extracting an archive below a directory by descriptors (SECURITY.md, rule 21): no name, link or hard link in it leads
 * anywhere else, whatever the archive says and whatever somebody does to the tree meanwhile.
 *
 * @module
 */
import { AT, E } from "../../ffi/abi/constants.ts";
import { type ByteName, lookAt, nameBytes, openBeneath, openName, toText, typeOf } from "../../ffi/files.ts";
import { Descriptor, syscall } from "../../ffi/libc.ts";
import { FluxError, printable } from "../errors.ts";
import { type Dress, isFresh, Placer } from "./placer.ts";
import { failure, isKernels } from "./root.ts";
import { broken, type TarEntry } from "./tar_format.ts";
import type { TarReader } from "./tar_read.ts";

/** `linux/limits.h` */
const [MOST_PATH, MOST_NAME] = [4095, 255];
/** As many as can be copied out again. */
const MOST_LEVELS = 400;
const DIRECTORY_MODE = 0o755;
const KINDS: Readonly<Record<string, string>> = { "3": "device", "4": "device", "6": "fifo" };
const show = (path: ByteName): string => printable(toText(path));

/** The path of an entry below the directory; empty for that itself. */
function pathOf(name: ByteName): ByteName {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw broken(`${show(name)} leads out of its directory`, "it is not to be trusted");
  const path = parts.join("/");
  if (path.length > MOST_PATH || parts.some(({ length }) => length > MOST_NAME)) {
    throw broken(`the name ${show(path.slice(0, 60))}… is too long`, "shorten that");
  }
  if (parts.length > MOST_LEVELS) {
    throw broken(`${show(path.slice(0, 60))}… is more than ${MOST_LEVELS} directories deep`, "shorten that");
  }
  return path;
}

/** A directory that was made, and gets its permissions and times when all that is in it is there. */
interface Made {
  readonly inode: bigint;
  readonly filesystem: string;
  dress: Dress;
}

/** Extracts one archive. */
export class Extractor extends Placer {
  readonly #made = new Map<ByteName, Made>();

  /** Extracts all of it. What was extracted before something goes wrong stays. */
  extract(archive: TarReader): void {
    try {
      for (let entry = archive.next(); entry !== undefined; entry = archive.next()) this.#entry(entry, archive);
    } finally {
      this.#finish();
    }
  }

  #entry(entry: TarEntry, archive: TarReader): void {
    const path = pathOf(entry.name);
    const facts = dressOf(entry);
    if (entry.type === "directory") return path === "" ? undefined : this.#directory(path, facts);
    if (path === "") throw broken("something in it that is no directory has no name");
    if (entry.type === "other") {
      return this.skip(path, `it is a ${KINDS[entry.flag] ?? "thing of a kind that only its maker knows"}`);
    }
    const at = path.lastIndexOf("/");
    using parent = this.#parent(path.slice(0, Math.max(at, 0)), path);
    const name = path.slice(at + 1);
    switch (entry.type) {
      case "file":
        return this.#file(archive, entry, facts, parent.number, name, path);
      case "link":
        if (entry.target === "") throw broken(`the link ${show(path)} leads nowhere`);
        return this.link(entry.target, facts, parent.number, name, path);
      case "hardlink":
        return this.#hardLink(entry.target, parent.number, name, path);
    }
  }

  /** The directory that something is in, made where need be. */
  #parent(parent: ByteName, path: ByteName): Descriptor {
    const flags = ["O_PATH", "O_DIRECTORY"] as const;
    let opened = parent === "" ? openName(this.top.number, ".", flags) : openBeneath(this.top.number, parent, flags);
    if (opened === -E.ENOENT) {
      const now = [BigInt(Math.floor(Date.now() / 1000)), 0] as const;
      this.#directory(parent, { mode: DIRECTORY_MODE, uid: 0, gid: 0, accessed: now, modified: now });
      opened = openBeneath(this.top.number, parent, flags);
    }
    if (opened === -E.ELOOP || opened === -E.ENOTDIR) throw inTheWay(path, "what it would be in is no directory there");
    if (typeof opened === "number") throw failure(`${show(path)} can't be extracted`, -opened, toText(path));
    if (!isKernels(opened.number)) return opened;
    opened.close();
    throw new FluxError(`${show(path)} can't be extracted: the files there are the kernel's own`, {
      path: toText(path),
    });
  }

  #directory(path: ByteName, facts: Dress): void {
    const before = this.#made.get(path);
    if (before !== undefined) {
      before.dress = facts;
      return;
    }
    const at = path.lastIndexOf("/");
    using parent = this.#parent(path.slice(0, Math.max(at, 0)), path);
    const name = path.slice(at + 1);
    const made = this.manner.as(parent.number, () => syscall("mkdirat", parent.number, nameBytes(name), 0o700));
    if (made < 0 && made !== -E.EEXIST) {
      throw failure(`the directory ${show(path)} can't be made`, -made, toText(path));
    }
    const opened = openName(parent.number, name, made === 0 ? ["O_RDONLY", "O_DIRECTORY"] : ["O_PATH", "O_DIRECTORY"]);
    if (opened === -E.ENOTDIR || opened === -E.ELOOP) throw inTheWay(path, "something else has its name there");
    if (typeof opened === "number") throw failure(`the directory ${show(path)} can't be opened`, -opened, toText(path));
    using directory = opened;
    // One that was there already stays as it is.
    if (made < 0 || !isFresh(directory.number)) return;
    const own = lookAt(directory.number);
    if (typeof own === "number") return;
    this.copied.directories++;
    this.#made.set(path, { inode: own.inode, filesystem: own.filesystem, dress: facts });
  }

  #file(archive: TarReader, { size }: TarEntry, facts: Dress, into: number, name: ByteName, path: ByteName): void {
    this.place(into, name, path, (temporary) => {
      let made: Descriptor | undefined;
      const result = this.manner.as(into, () => {
        const opened = openName(into, temporary, ["O_RDWR", "O_CREAT", "O_EXCL"], 0o600);
        if (typeof opened === "number") return opened;
        made = opened;
        return 0;
      });
      if (result < 0 || !(made instanceof Descriptor)) return result;
      using file: Descriptor = made;
      for (let left = size; left > 0;) {
        let bytes = archive.contents();
        left -= bytes.length;
        while (bytes.length > 0) {
          const written = syscall("write", file.number, bytes, bytes.length);
          if (written < 0) return written;
          bytes = bytes.subarray(written);
        }
      }
      this.dress(file.number, undefined, facts, path);
      return 0;
    });
    this.copied.files++;
  }

  #hardLink(target: ByteName, into: number, name: ByteName, path: ByteName): void {
    const first = pathOf(target);
    const opened = first === "" ? -E.EISDIR : openBeneath(this.top.number, first, ["O_PATH"]);
    const what = `${show(path)} can't be made another name of ${show(first)}`;
    if (typeof opened === "number") throw failure(what, -opened, toText(path));
    using file = opened;
    const facts = lookAt(file.number);
    // Nor is a link linked: by its descriptor only what it leads to could be.
    if (typeof facts === "number" || typeOf(facts) !== "file") {
      throw new FluxError(`${what}, which is no file`, { path: toText(path) });
    }
    let last = "";
    this.place(into, name, path, (temporary) => {
      last = temporary;
      const self = `/proc/self/fd/${file.number}`;
      return this.manner.as(
        into,
        () => syscall("linkat", AT.AT_FDCWD, self, into, nameBytes(temporary), AT.AT_SYMLINK_FOLLOW),
      );
    });
    // Where both are the same file already, nothing is renamed, and the temporary name stays.
    syscall("unlinkat", into, nameBytes(last), 0);
    this.copied.links++;
  }

  /** The innermost first: what is made in a directory changes its time. */
  #finish(): void {
    for (const [path, { inode, filesystem, dress }] of [...this.#made].reverse()) {
      const opened = openBeneath(this.top.number, path, ["O_RDONLY", "O_DIRECTORY"]);
      if (typeof opened === "number") continue;
      using directory = opened;
      const own = lookAt(directory.number);
      // Somebody has moved another there.
      if (typeof own === "number" || own.inode !== inode || own.filesystem !== filesystem) continue;
      this.dress(directory.number, undefined, dress, path);
    }
  }
}

function inTheWay(path: ByteName, why: string): FluxError {
  return new FluxError(`${show(path)} can't be extracted: ${why}`, {
    path: toText(path),
    hint: "no link is followed: remove that first, or extract elsewhere",
  });
}

function dressOf({ mode, uid, gid, modified }: TarEntry): Dress {
  return { mode, uid, gid, accessed: modified, modified };
}
