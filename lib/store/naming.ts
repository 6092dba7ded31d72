/**
 * What a container's directory, state and record are called, while that changes.
 *
 * @module
 */
import { AT } from "../../ffi/abi/constants.ts";
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { sleep } from "../../ffi/reactor.ts";
import { LaunchError } from "../errors.ts";
import { readState, writeAtomically } from "./directory.ts";
import type { History } from "./history.ts";
import { isCurrent, lockDirectory } from "./lock.ts";
import { parseState } from "./parse_state.ts";

/** In what a container's new name had before it was the container's: that name. */
export const RENAMING_FILE = "renaming";

/** Milliseconds for which somebody may start a container, clean up after it, or rename it. */
const PATIENCE = 60_000;
const MOMENT = 2;

/**
 * Waits until nobody starts a container, cleans up after it or renames it, and has the same right from then on: until the
 * descriptor is closed, or this process has ended.
 *
 * @param path Its directory.
 * @returns Nothing where there is none, any more.
 * @throws {LaunchError} Somebody has been at it for a minute.
 */
export async function holdDirectory(path: string): Promise<Descriptor | undefined> {
  const deadline = performance.now() + PATIENCE;
  while (performance.now() < deadline) {
    const hold = lockDirectory(path);
    if (hold === "gone") return undefined;
    if (hold !== "busy") {
      if (isCurrent(hold, path)) return hold;
      hold.close();
    }
    await sleep(MOMENT);
  }
  throw new LaunchError(`the container in ${path} is busy`, {
    path,
    hint: "another libflux has started, renamed or cleaned up that for a minute: is it stopped?",
  });
}

/**
 * Gives a container's record and state the name that its directory has: all that is left of renaming it once that was
 * moved. Changes nothing where they have it. To be called by who holds the directory.
 */
export function completeRename(history: History, directory: string, name: string): void {
  const state = parseState(readState(`${directory}/state.json`));
  if (state === undefined || state.name === name) return;
  if (history.read(state.name)?.id === state.id) {
    // The directory has the name: what has no record there, or another's, is a leftover.
    history.remove(name);
    syscall("renameat2", AT.AT_FDCWD, history.directory(state.name), AT.AT_FDCWD, history.directory(name), 0);
  }
  const record = history.read(name);
  if (record?.id === state.id) history.write({ ...record, name });
  // Last: as long as it has the old name, somebody goes on with this.
  writeAtomically(`${directory}/state.json`, JSON.stringify({ ...state, name }));
}
