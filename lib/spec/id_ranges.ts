/**
 * Ranges of ids that root has given to users: `/etc/subuid` and `/etc/subgid`. Pure.
 *
 * @module
 */

/** How many ids a usual image's users need, and a container gets of root. */
export const ENOUGH = 65536;

/** A line of `/etc/subuid` or `/etc/subgid` (`man 5 subuid`). */
export interface IdRange {
  /** A user's name, or its id. */
  readonly owner: string;
  readonly start: number;
  readonly count: number;
}

/** The well-formed lines of a file of subordinate ids. */
export function parseIdRanges(text: string): IdRange[] {
  return text.split("\n").flatMap((line) => {
    const [, owner, start, count] = /^([^:#]+):(\d{1,10}):(\d{1,10})$/.exec(line.trim()) ?? [];
    return owner === undefined ? [] : [{ owner, start: Number(start), count: Number(count) }];
  });
}

/** Who has which. */
export interface SubordinateIds {
  /** The user. */
  readonly name: string;
  readonly subuids: readonly IdRange[];
  readonly subgids: readonly IdRange[];
}

/** How a user comes to ids of its own. */
export function rangesRemedy({ name, subuids, subgids }: SubordinateIds): string {
  // The first gap: overlapping ranges would let two users reach each other's files.
  let first = 100_000;
  for (const { start, count } of [...subuids, ...subgids].toSorted((a, b) => a.start - b.start)) {
    if (start < first + ENOUGH && first < start + count) first = start + count;
  }
  const range = `${first}-${first + ENOUGH - 1}`;
  return `sudo usermod --add-subuids ${range} --add-subgids ${range} ${name}`;
}
