/**
 * The ledger: what a container has on the host, written down before it is made.
 *
 * One JSON value a line, appended; a torn last line was written for something that was never made. Whoever cleans up
 * reads only this, backwards.
 *
 * @module
 */
import { AT } from "../../ffi/abi/constants.ts";
import { syscall } from "../../ffi/libc.ts";
import { append, readIfThere } from "./directory.ts";
import { removeCgroup, removeEmptyCgroup, removeScope, thaw } from "./cgroup.ts";
import { killNamespace, killProcess } from "./process.ts";

/** Something on the host that has to be undone. */
export type Entry =
  /** PID 1 of the container; runs no command until this was written. */
  | { readonly kind: "process"; readonly pid: number; readonly startTime: number }
  /** The mount namespace of a container without a pid namespace of its own: whoever is in it belongs to it. */
  | { readonly kind: "mountNamespace"; readonly inode: number }
  /** A container's cgroup: whoever is in it belongs to it. */
  | { readonly kind: "cgroup"; readonly directory: string }
  /** A cgroup above it that wasn't there: removed unless somebody else is in it by then. */
  | { readonly kind: "cgroupParent"; readonly directory: string }
  /** The scope of systemd's that a container's cgroup is in. */
  | { readonly kind: "scope"; readonly directory: string };

/** A container's ledger. */
export class Ledger {
  /** What this process wrote down itself needs no reading. */
  #entries: Entry[] | undefined;

  /** @param path Its file. */
  constructor(readonly path: string) {}

  /** Writes down what is about to be made. */
  add(...entries: readonly Entry[]): void {
    append(this.path, entries.map((entry) => JSON.stringify(entry) + "\n").join(""));
    this.#entries?.push(...entries);
  }

  /** What is written down, oldest first; whatever isn't an entry is passed over. */
  entries(): readonly Entry[] {
    return this.#entries ??= parseLedger(readIfThere(this.path) ?? "");
  }

  /** Undoes everything, backwards, and forgets it; can be done again. */
  async undo(): Promise<void> {
    // A process that a v1 freezer holds can't be killed.
    for (const entry of this.entries()) if (entry.kind === "cgroup") thaw(entry.directory);
    for (const entry of this.entries().toReversed()) await undo(entry);
    syscall("unlinkat", AT.AT_FDCWD, this.path, 0);
    this.#entries = [];
  }
}

/** Reads a ledger as what it is: a file that may be torn, or written by somebody else. */
export function parseLedger(text: string): Entry[] {
  return text.split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isEntry(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;

function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Record<string, unknown>;
  // Never init, whoever says so.
  if (entry.kind === "process") return isCount(entry.pid) && entry.pid > 1 && isCount(entry.startTime);
  // Never one that could be anybody else's: all in it are killed.
  if (entry.kind === "cgroup") return isContainerCgroup(entry.directory);
  if (entry.kind === "scope") return isCgroup(entry.directory) && SCOPE.test(entry.directory);
  if (entry.kind === "cgroupParent") return isCgroup(entry.directory);
  return entry.kind === "mountNamespace" && isCount(entry.inode);
}

const SCOPE = /\/libflux-[0-9a-f]{64}\.scope$/;

/** Whether something can be the path of a container's cgroup, and nobody else's. */
export function isContainerCgroup(value: unknown): boolean {
  return isCgroup(value) && /\/((libflux-)?[0-9a-f]{64}|libflux-[0-9a-f]{64}\.scope\/container)$/.test(value);
}

/** Whether something can be a cgroup's path. */
function isCgroup(value: unknown): value is string {
  return typeof value === "string" && value.startsWith("/") && !/\0|\/\.\.?(\/|$)/.test(value);
}

async function undo(entry: Entry): Promise<void> {
  if (entry.kind === "process") await killProcess(entry);
  else if (entry.kind === "cgroup") await removeCgroup(entry.directory);
  else if (entry.kind === "cgroupParent") removeEmptyCgroup(entry.directory);
  else if (entry.kind === "scope") await removeScope(entry.directory);
  else await killNamespace(entry.inode);
}
