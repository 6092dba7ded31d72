/**
 * How a container has ended, as its monitor has written it down: read while its directory and its cgroups are still there.
 *
 * @module
 */
import { AT, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall, SyscallError } from "../../ffi/libc.ts";
import { exitStatus } from "../../ffi/spawn.ts";
import { EXIT, EXIT_FILE } from "../spec/container_files.ts";
import { nextStart, type Restart, type RestartPolicy } from "../spec/restart.ts";
import { isNoRoom, readIfThere } from "./directory.ts";
import type { State } from "./state.ts";

/** How a container has ended. */
export interface Ended {
  /** The command's exit code, or 128 + the number of the signal that killed it. */
  readonly code: number;
  readonly signal?: string;
  readonly finished: Date;
}

const FLAGS = openFlags(ARCHITECTURE, "O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value;

/** Opens what will tell how a container has ended, also when its directory has gone; nothing where there is no such file. */
export function openEnd(directory: string): Descriptor | undefined {
  const opened = syscall("openat", AT.AT_FDCWD, `${directory}/${EXIT_FILE}`, FLAGS, 0);
  if (isNoRoom(-opened)) throw new SyscallError("openat", -opened, directory);
  return opened < 0 ? undefined : new Descriptor(opened);
}

/** Reads how a container has ended; nothing while it hasn't. */
export function readEnd(file: Descriptor): Ended | undefined {
  const bytes = new Uint8Array(EXIT.size);
  syscall("lseek", file.number, 0, 0);
  if (syscall("read", file.number, bytes, bytes.length) !== bytes.length) return undefined;
  const ended = parseEnd(bytes);
  // Zeroes are there from the beginning, so that there is room for it on a full disk, too.
  return ended.finished.getTime() === 0 ? undefined : ended;
}

/** Whether, and when, its restart policy has a container that has ended started again. @param options What it was asked to be. */
export function restartOf(
  { created, started, attempts = 0 }: Pick<State, "created" | "started" | "attempts">,
  options: { readonly restart?: RestartPolicy } | undefined,
  { code, finished }: Pick<Ended, "code" | "finished">,
): Restart | undefined {
  return nextStart(options?.restart ?? "no", code, finished.getTime() - Date.parse(started ?? created), attempts);
}

/** PID 1 of libflux's failed: as where libflux itself does. */
const FAILED = 125;

/** Reads the file of a container's end. Pure. */
export function parseEnd(bytes: Uint8Array<ArrayBuffer>): Ended {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = (offset: number): number => Number(view.getBigInt64(offset, true));
  // The command's own, which an init has reported; 16 bytes are of one that failed; else that of PID 1.
  const size = word(EXIT.reportSize);
  const status = size === 16
    ? { code: FAILED }
    : exitStatus(view.getInt32(size === 4 ? EXIT.report : EXIT.status, true));
  const finished = new Date(word(EXIT.seconds) * 1000 + Math.floor(word(EXIT.nanoseconds) / 1e6));
  return { ...status, finished };
}

/** Whether the kernel has killed a process of the container's for want of memory, as its cgroups tell. */
export function ranOutOfMemory({ cgroups: { unified, legacy } }: Pick<State, "cgroups">): boolean {
  const path = legacy.memory === undefined
    ? unified === undefined ? undefined : `${unified}/memory.events`
    : `${legacy.memory}/memory.oom_control`;
  const [, count = "0"] = /^oom_kill ([0-9]+)$/m.exec(path === undefined ? "" : readIfThere(path) ?? "") ?? [];
  return Number(count) > 0;
}
