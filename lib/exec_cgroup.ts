/**
 * The cgroup of v2 that a command enters a container by.
 *
 * @module
 */
import { AT, E, openFlags } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor } from "../ffi/libc.ts";
import { readIfThere } from "./store/directory.ts";

/** Opens a cgroup to be born in. Throws a `SyscallError` where it isn't there. */
export function openCgroup(directory: string): Descriptor {
  const flags = openFlags(ARCHITECTURE, "O_PATH", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;
  return new Descriptor(checked("openat", AT.AT_FDCWD, directory, flags, 0));
}

/**
 * Where a container's PID 1 is by now: one that makes cgroups of its own can hand controllers down, and then nobody may
 * be in the cgroup that it was started in (EBUSY).
 *
 * @param directory The container's cgroup.
 * @param text `/proc/PID/cgroup`; what it says is only followed below the container's own.
 */
export function cgroupBelow(directory: string, text: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(text)?.[1] ?? "";
  const own = directory.slice(directory.lastIndexOf("/"));
  const at = `${path}/`.indexOf(`${own}/`);
  const rest = at < 0 ? "" : path.slice(at + own.length);
  return rest === "" || rest.split("/").some((part) => part === ".." || part === ".") ? undefined : directory + rest;
}

/** {@linkcode cgroupBelow}, of a process. */
export function cgroupOfProcess(directory: string, pid: number): string | undefined {
  return cgroupBelow(directory, readIfThere(`/proc/${pid}/cgroup`) ?? "");
}

/** Whether a cgroup refuses processes because it hands controllers down. */
export const handsDown = (errno: number): boolean => errno === E.EBUSY;

/** A scope of a user's own systemd, in which nothing can be born; nothing where it is none. @param path `linux.cgroupsPath` */
export function userScope(
  path: string | undefined,
  uid: number,
): { readonly unit: string; readonly slice: string; readonly user: true } | undefined {
  const [slice, prefix, id, ...more] = (path ?? "").split(":");
  if (uid === 0 || slice === undefined || prefix === undefined || id === undefined || more.length > 0) return undefined;
  return { unit: `${prefix}-${id}.scope`, slice, user: true };
}
