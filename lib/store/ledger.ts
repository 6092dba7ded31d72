/**
 * The ledger: what a container has on the host, written down before it is made.
 *
 * One JSON value a line, appended; a torn last line was written for something that was never made. Whoever cleans up
 * reads only this, backwards.
 *
 * @module
 */
import { AT } from "../../ffi/abi/constants.ts";
import { syscall, SyscallError } from "../../ffi/libc.ts";
import { FluxError } from "../errors.ts";
import { warn } from "../warnings.ts";
import { append, readState, writeAtomically } from "./directory.ts";
import { removeCgroup, removeEmptyCgroup, removeScope, thaw } from "./cgroup.ts";
import { leave } from "./leave.ts";
import { describeNetworkEntry, isNetworkEntry, type NetworkEntry, undoNetworkEntry } from "./network_entry.ts";
import { deadlineIn, killNamespace, killProcess, PATIENCE } from "./process.ts";

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
  | { readonly kind: "scope"; readonly directory: string }
  | NetworkEntry;

/** A container's ledger. */
export class Ledger {
  /** What this process wrote down itself needs no reading. */
  #entries: Entry[] | undefined;
  /** What couldn't be undone when the name was taken: another container's, for which this one's end doesn't wait. */
  readonly #stuck = new Set<Entry>();

  /** @param path Its file. */
  constructor(readonly path: string) {}

  /** Writes down what is about to be made. */
  add(...entries: readonly Entry[]): void {
    append(this.path, serialise(entries));
    this.#entries?.push(...entries);
  }

  /** What is written down, oldest first; whatever isn't an entry is passed over. */
  entries(): readonly Entry[] {
    return this.#entries ??= parseLedger(readState(this.path) ?? "");
  }

  /** Gives entries to another ledger, which undoes them in the place of this one. */
  handOver(isTheirs: (entry: Entry) => boolean, other: Ledger): void {
    const theirs = this.entries().filter(isTheirs);
    if (theirs.length === 0) return;
    other.add(...theirs);
    const own = this.entries().filter((entry) => !isTheirs(entry));
    writeAtomically(this.path, serialise(own));
    this.#entries = own;
  }

  /** The state root that it is in: `ROOT/containers/NAME/ledger`. */
  get #root(): string {
    return this.path.split("/").slice(0, -3).join("/");
  }

  /**
   * Undoes everything, backwards, and forgets it; can be done again.
   *
   * @param deadline Until when to wait for what takes its time.
   * @param isDone Tells what somebody else is undoing already.
   * @returns What couldn't be undone. It stays written down, for the next one who tries.
   */
  async undo(
    deadline: number = deadlineIn(PATIENCE),
    isDone: (entry: Entry) => boolean = () => false,
  ): Promise<readonly Entry[]> {
    // A process that a v1 freezer holds can't be killed.
    for (const entry of this.entries()) if (entry.kind === "cgroup") thaw(entry.directory);
    const left: Entry[] = [];
    // Published ports go with the address that they lead to.
    const hasLease = this.entries().some(({ kind }) => kind === "lease");
    const ports = this.entries().filter(({ kind }) => kind === "ports");
    for (const entry of this.#backwards()) {
      if (hasLease && entry.kind === "ports" || isDone(entry)) continue;
      const isGone = await undo(
        entry,
        this.#root,
        this.entries(),
        this.#stuck.has(entry) ? performance.now() : deadline,
      );
      if (!isGone) left.unshift(entry, ...entry.kind === "lease" ? ports : []);
    }
    for (const entry of left) this.#stuck.add(entry);
    if (left.length === 0) syscall("unlinkat", AT.AT_FDCWD, this.path, 0);
    else writeAtomically(this.path, serialise(left));
    this.#entries = left;
    return left;
  }

  /**
   * Processes end first, and with them the network namespaces that links go with. A cgroup above the container's was written
   * down after it: what is asked for comes to light when it is made. Settings of the host are set back when no network needs
   * them.
   */
  #backwards(): Entry[] {
    const order = ({ kind }: Entry): number =>
      kind === "process" || kind === "mountNamespace" ? 0 : kind === "cgroupParent" ? 2 : kind === "sysctl" ? 3 : 1;
    const depth = (entry: Entry): number => entry.kind === "cgroupParent" ? entry.directory.length : 0;
    return this.entries().toReversed().sort((a, b) => order(a) - order(b) || depth(b) - depth(a));
  }
}

const serialise = (entries: readonly Entry[]): string => entries.map((entry) => JSON.stringify(entry) + "\n").join("");

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
  if (entry.kind === "mountNamespace") return isCount(entry.inode);
  return isNetworkEntry(entry);
}

const SCOPE = /\/libflux-[0-9a-f]{64}\.scope$/;

/** Whether something can be the path of a container's cgroup, and nobody else's. */
export function isContainerCgroup(value: unknown): boolean {
  return isCgroup(value) &&
    /\/((libflux-)?[0-9a-f]{64}(\/container)?|libflux-[0-9a-f]{64}\.scope\/container)$/.test(value);
}

/** Whether something can be a cgroup's path. */
function isCgroup(value: unknown): value is string {
  return typeof value === "string" && value.startsWith("/") && !/\0|\/\.\.?(\/|$)/.test(value);
}

const isNetworks = (entry: Entry): entry is NetworkEntry => isNetworkEntry({ ...entry });

/** Undoes one; answers whether it is gone. What can't be done now keeps nobody from the others. */
async function undo(entry: Entry, root: string, all: readonly Entry[], deadline: number): Promise<boolean> {
  try {
    switch (entry.kind) {
      case "process":
        return await killProcess(entry, deadline);
      case "mountNamespace":
        return await killNamespace(entry.inode, deadline);
      case "cgroup":
        return await removeCgroup(entry.directory, deadline);
      case "cgroupParent":
        removeEmptyCgroup(entry.directory);
        return true;
      case "scope":
        return await removeScope(entry.directory, deadline);
      default: {
        const networks = all.filter(isNetworks);
        return await undoNetworkEntry(entry, networks, root, (lease, ports) => leave(root, lease, ports)) ?? true;
      }
    }
  } catch (error) {
    if (!(error instanceof FluxError || error instanceof SyscallError)) throw error;
    warn(`${describeEntry(entry)} can't be removed: ${error.message}`);
    return false;
  }
}

/** An entry in words: "the cgroup /sys/fs/cgroup/…". */
export function describeEntry(entry: Entry): string {
  switch (entry.kind) {
    case "process":
      return `the process ${entry.pid}`;
    case "mountNamespace":
      return `processes in the mount namespace ${entry.inode}`;
    case "scope":
      return `the scope ${entry.directory}`;
    case "cgroup":
    case "cgroupParent":
      return `the cgroup ${entry.directory}`;
    default:
      return describeNetworkEntry(entry);
  }
}
