/**
 * Forgetting containers that have ended: what is kept of them goes, if nobody has their name.
 *
 * @module
 */
import { NameInUseError } from "../errors.ts";
import { checkPrivateDirectory } from "./directory.ts";
import { eventOf, tell } from "./events.ts";
import type { ContainerRecord } from "./history.ts";
import type { Store } from "./state.ts";

/** How many ended containers are kept by themselves. */
export const KEPT = 500;

/** When a container has ended, or, where nobody has written that down, was asked for: milliseconds since 1970. */
export const endOf = ({ finished, created }: ContainerRecord): number => Date.parse(finished ?? created);

/**
 * Removes the record and the log of a container that has ended. The name is ours meanwhile, so that none begins to write
 * what is being removed.
 *
 * @param isMeant Asked again with the name in hand: the record may be another by then; nothing where none can be read.
 * @returns Whether it was removed.
 */
export async function forget(
  store: Store,
  name: string,
  isMeant: (record: ContainerRecord | undefined) => boolean = () => true,
): Promise<boolean> {
  if (store.isHeld(name)) return false;
  let claim: Awaited<ReturnType<Store["claim"]>>;
  try {
    claim = await store.claim(name);
  } catch (error) {
    if (error instanceof NameInUseError) return false;
    throw error;
  }
  try {
    const { history } = store;
    const record = checkPrivateDirectory(history.directory(name)) ? history.read(name) : "none";
    if (record === "none" || !isMeant(record)) return false;
    history.remove(name);
    if (record !== undefined) tell(store.root, { type: "removed", ...eventOf(record) });
    return true;
  } finally {
    await claim.release();
  }
}

/**
 * Removes the oldest records and logs where there are too many: a machine that runs thousands of containers, each of
 * another name, isn't filled by them. To be called when a container has ended; usually it only counts.
 *
 * @param keep How many are kept; a tenth more may be there before any is removed.
 * @returns The names of those removed.
 */
export async function trim(store: Store, keep: number = KEPT): Promise<string[]> {
  const names = store.history.names();
  if (names.length <= keep + Math.floor(keep / 10)) return [];
  const records = names.flatMap((name) => {
    const record = store.history.read(name);
    return record === undefined ? [] : [{ name, id: record.id, end: endOf(record) }];
  }).sort((a, b) => a.end - b.end);
  const removed: string[] = [];
  for (const { name, id } of records.slice(0, records.length - keep)) {
    if (await forget(store, name, (record) => record?.id === id)) removed.push(name);
  }
  return removed;
}
