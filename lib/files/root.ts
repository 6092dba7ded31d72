/**
 * A container's root directory, and whose its files are.
 *
 * @module
 */
import { E, MAGIC } from "../../ffi/abi/constants.ts";
import type { Descriptor } from "../../ffi/libc.ts";
import { filesystemOf, openPath } from "../../ffi/files.ts";
import { errnoText, FluxError, NoContainerError, PermissionError } from "../errors.ts";
import type { IdMapping } from "../spec/types.ts";
import { isAlive } from "../store/process.ts";
import type { State } from "../store/state.ts";

/** A container's root directory, open. */
export interface Root {
  readonly directory: Descriptor;
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** The lines of `/proc/PID/uid_map` (`man 7 user_namespaces`). */
export function parseIdMap(text: string): IdMapping[] {
  return text.split("\n").flatMap((line) => {
    const [containerID, hostID, size] = line.trim().split(/ +/).map(Number);
    return containerID === undefined || hostID === undefined || size === undefined
      ? []
      : [{ containerID, hostID, size }];
  });
}

/** What the host calls an id of the container's; nothing where it has no such id. */
export function toHost(map: readonly IdMapping[], id: number): number | undefined {
  const line = map.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return line === undefined ? undefined : line.hostID + id - line.containerID;
}

/** What the container calls an id of the host's; nothing where it has no such id. */
export function toContainer(map: readonly IdMapping[], id: number): number | undefined {
  const line = map.find(({ hostID, size }) => id >= hostID && id < hostID + size);
  return line === undefined ? undefined : line.containerID + id - line.hostID;
}

/** Opens the root of the very process that is a container's PID 1. */
export function openRoot({ name, pid, startTime }: State): Root {
  const gone = (): NoContainerError => new NoContainerError(`the container ${name} has just ended`);
  const directory = openPath(`/proc/${pid}/root`, ["O_PATH", "O_DIRECTORY"]);
  if (typeof directory === "number") {
    if (!isAlive({ pid, startTime })) throw gone();
    throw new PermissionError(`the files of ${name} can't be reached: ${errnoText(-directory)}`, {
      errno: -directory,
      path: `/proc/${pid}/root`,
      hint: "who has started the container can",
    });
  }
  try {
    const map = (file: string): IdMapping[] => parseIdMap(Deno.readTextFileSync(`/proc/${pid}/${file}`));
    const root = { directory, uids: map("uid_map"), gids: map("gid_map") };
    // Afterwards: until now the number has meant this process.
    if (isAlive({ pid, startTime })) return root;
  } catch (error) {
    directory.close();
    if (isAlive({ pid, startTime })) throw error;
    throw gone();
  }
  directory.close();
  throw gone();
}

/** Filesystems that are the kernel's own: what is read there depends on who reads, and what is written does something. */
const KERNELS: ReadonlySet<number> = new Set([
  MAGIC.PROC_SUPER_MAGIC,
  MAGIC.SYSFS_MAGIC,
  MAGIC.CGROUP_SUPER_MAGIC,
  MAGIC.CGROUP2_SUPER_MAGIC,
  MAGIC.DEVPTS_SUPER_MAGIC,
  MAGIC.DEBUGFS_MAGIC,
  MAGIC.TRACEFS_MAGIC,
  MAGIC.SECURITYFS_MAGIC,
  MAGIC.BPF_FS_MAGIC,
]);

/** Whether an open file is the kernel's, such as one in `/proc`. */
export function isKernels(descriptor: number): boolean {
  return KERNELS.has(filesystemOf(descriptor));
}

/** What can't be copied or looked at, in a sentence. */
export function failure(what: string, errno: number, path: string): FluxError {
  const options = { errno, path };
  const sentence = `${what}: ${errnoText(errno)}`;
  if (errno === E.EROFS) {
    return new PermissionError(sentence, {
      ...options,
      hint: "was the container started with --read-only? then only its volumes and tmpfs take files",
    });
  }
  if (errno === E.EACCES || errno === E.EPERM || errno === E.EOVERFLOW) {
    return new PermissionError(sentence, {
      ...options,
      ...(Deno.uid() === 0 ? {} : {
        hint:
          "files of a container's other users are out of an ordinary user's reach: let its own tar do it, by 'libflux exec'",
      }),
    });
  }
  if (errno === E.EBUSY) {
    return new FluxError(sentence, { ...options, hint: "something is mounted there: copy to another name" });
  }
  return new FluxError(sentence, options);
}
