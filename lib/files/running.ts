/**
 * The root of a container that runs its command.
 *
 * @module
 */
import { FluxError, PermissionError } from "../errors.ts";
import { isServed } from "../rootfs/fuse.ts";
import { type ContainerConfig, readConfig } from "../store/config.ts";
import { findRunning, openStore } from "../store/open.ts";
import type { State } from "../store/state.ts";
import { openRoot, type Root } from "./root.ts";

/** A container, and its root, which whoever asks has to close. */
export interface Running {
  readonly state: State;
  readonly config: ContainerConfig;
  readonly root: Root;
}

/** Opens the root of a container. Before its command runs its root may still be the host's: then nothing is opened. */
export async function openRunning(name: string, options: { readonly root?: string }): Promise<Running> {
  const store = await openStore(options.root);
  const state = findRunning(store, name);
  const config = readConfig(store, name);
  if (config === undefined || config.id !== state.id) {
    throw new FluxError(`the container ${name} is only being started`, { hint: "try again in a moment" });
  }
  if (!config.launch.writable && isServed(`/proc/${state.pid}/root`)) {
    throw new PermissionError(
      `the files of ${name} can't be reached: fuse-overlayfs serves them to nobody outside of it`,
      {
        hint: "let its own tar do it, by 'libflux exec'",
      },
    );
  }
  return { state, config, root: openRoot(state) };
}
