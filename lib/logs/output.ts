/**
 * Passing a log on to the caller's own streams, as it was written.
 *
 * @module
 */
import { E, POLL } from "../../ffi/abi/constants.ts";
import { Descriptor, syscall } from "../../ffi/libc.ts";
import { abandon, ready, writeInBackground } from "../../ffi/reactor.ts";
import { statDescriptor } from "../../ffi/stat.ts";
import { errnoText, FluxError } from "../errors.ts";

/**
 * Writes all of it to standard output (1) or standard error (2), waiting as long as that takes.
 *
 * @returns Whether there is still somebody who reads it.
 */
export async function writeTo(descriptor: 1 | 2, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const written = await writeInBackground(descriptor, bytes);
  if (written === -E.EPIPE) return false;
  // A terminal that was hung up.
  if (written === -E.EIO) return false;
  if (written === 0) return true;
  throw new FluxError(`standard ${descriptor === 1 ? "output" : "error"} can't be written to: ${errnoText(-written)}`, {
    errno: -written,
    hint: "write elsewhere",
  });
}

/** Whether standard output and standard error lead to the same place, where the order of what is written to both counts. */
export function isOnePlace(): boolean {
  const [output, error] = [statDescriptor(1), statDescriptor(2)];
  return typeof output === "object" && typeof error === "object" && output.inode === error.inode &&
    output.filesystem === error.filesystem;
}

/** Calls back once nobody reads standard output any more; never where it isn't a pipe, a socket or a terminal. */
export function onReaderGone(callback: () => void): Disposable {
  const F_DUPFD_CLOEXEC = 1030;
  // A descriptor of its own: somebody may wait to write to the other.
  const number = syscall("fcntl", 1, F_DUPFD_CLOEXEC, 3);
  if (number < 0) return { [Symbol.dispose]() {} };
  const own = new Descriptor(number);
  // Nothing is asked for: the kernel tells of these in any case.
  ready(number, 0).then((events) => {
    if ((events & (POLL.POLLERR | POLL.POLLHUP)) !== 0) callback();
  }, () => {});
  return { [Symbol.dispose]: () => abandon(own) };
}
