/**
 * Network namespaces that are there already, and that a container joins.
 *
 * @module
 */
import { AT, CLONE, IOCTL, O } from "../../ffi/abi/constants.ts";
import { Descriptor, syscall } from "../../ffi/libc.ts";
import { NetworkNamespace } from "../../ffi/network_namespace.ts";
import { errnoText, printable, UsageError } from "../errors.ts";
import type { RunOptions } from "../spec/options.ts";
import { defaultRoot } from "../store/directory.ts";
import { findRunning } from "../store/open.ts";
import { isAlive } from "../store/process.ts";
import { type State, Store } from "../store/state.ts";

/** Another container, whose network is joined. */
function other({ network = "none", root }: RunOptions): State | undefined {
  const name = /^container:(.*)$/s.exec(network)?.[1];
  return name === undefined ? undefined : findRunning(new Store(root ?? defaultRoot()), name);
}

/**
 * Where the network namespace is that a container joins; nothing where it gets its own or has the host's.
 *
 * @throws {NoContainerError} There is no container of that name.
 */
export function networkPath(options: RunOptions): string | undefined {
  const { network = "none" } = options;
  if (network.startsWith("ns:")) return network.slice("ns:".length);
  const state = other(options);
  return state === undefined ? undefined : `/proc/${state.pid}/ns/net`;
}

/**
 * Opens the namespace at a path of {@link networkPath}.
 *
 * @throws {UsageError} It isn't there, or is no network namespace.
 * @throws {NoContainerError} The container whose it was has ended.
 */
export function openNetwork(path: string, options: RunOptions): NetworkNamespace {
  const state = other(options);
  const opened = syscall("openat", AT.AT_FDCWD, path, O.O_RDONLY | O.O_NONBLOCK | O.O_CLOEXEC, 0);
  const shown = printable(path);
  if (opened < 0) {
    throw new UsageError(`the network namespace ${shown} can't be opened: ${errnoText(-opened)}`, {
      path,
      errno: -opened,
      hint: "'ip netns add NAME' makes one at /run/netns/NAME",
    });
  }
  const namespace = new Descriptor(opened);
  // By now the pid could be another's.
  const isTheirs = state === undefined || isAlive(state) && path === `/proc/${state.pid}/ns/net`;
  if (isTheirs && syscall("ioctl", opened, IOCTL.NS_GET_NSTYPE) === CLONE.CLONE_NEWNET) {
    return new NetworkNamespace(namespace);
  }
  namespace.close();
  throw new UsageError(`${shown} is no network namespace`, {
    path,
    hint: "'ip netns add NAME' makes one at /run/netns/NAME",
  });
}
