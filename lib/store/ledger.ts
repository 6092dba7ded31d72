/**
 * The ledger: what a container has on the host, written down before it is made.
 *
 * One JSON value a line, appended; a torn last line was written for something that was never made. Whoever cleans up
 * reads only this, backwards.
 *
 * @module
 */
import { killNamespace, killProcess } from "./process.ts";
import { readIfThere } from "./directory.ts";

/** Something on the host that has to be undone. */
export type Entry =
  /** PID 1 of the container; waits at its gate until this was written. */
  | { readonly kind: "process"; readonly pid: number; readonly startTime: number }
  /** The mount namespace of a container without a pid namespace of its own: whoever is in it belongs to it. */
  | { readonly kind: "mountNamespace"; readonly inode: number }
  /** A file outside the container's directory. */
  | { readonly kind: "file"; readonly path: string };

/** A container's ledger. */
export class Ledger {
  /** @param path Its file. */
  constructor(readonly path: string) {}

  /** Writes down what is about to be made. */
  add(...entries: readonly Entry[]): void {
    const text = entries.map((entry) => JSON.stringify(entry) + "\n").join("");
    Deno.writeTextFileSync(this.path, text, { append: true, create: true, mode: 0o600 });
  }

  /** What is written down, oldest first; whatever isn't an entry is passed over. */
  entries(): Entry[] {
    return (readIfThere(this.path) ?? "").split("\n").flatMap((line) => {
      try {
        const value: unknown = JSON.parse(line);
        return isEntry(value) ? [value] : [];
      } catch {
        return [];
      }
    });
  }

  /** Undoes everything, backwards; can be done again. */
  async undo(): Promise<void> {
    for (const entry of this.entries().reverse()) await undo(entry);
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;

function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Record<string, unknown>;
  if (entry.kind === "process") return isCount(entry.pid) && entry.pid > 1 && isCount(entry.startTime);
  if (entry.kind === "mountNamespace") return isCount(entry.inode);
  // Only files that libflux names itself: a forged ledger must not make root remove others.
  return entry.kind === "file" && typeof entry.path === "string" && /\/libflux-image-[0-9a-f-]+$/.test(entry.path) &&
    !entry.path.includes("/../");
}

async function undo(entry: Entry): Promise<void> {
  if (entry.kind === "process") return await killProcess(entry);
  if (entry.kind === "mountNamespace") return await killNamespace(entry.inode);
  try {
    Deno.removeSync(entry.path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
