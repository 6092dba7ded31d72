/**
 * What a failed launch means to a person.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, SyscallError } from "../ffi/libc.ts";
import { decodeReport, type Image } from "../ffi/link.ts";
import { restrictions } from "./info/caller.ts";
import { errnoText, type FluxError, LaunchError, PermissionError } from "./errors.ts";
import { refusalOf } from "./refusal.ts";
import { diagnose, diagnoseSearch } from "./rootfs/diagnose.ts";
import type { Spec } from "./spec/types.ts";

/** What was to be run, and where to look at its files. */
export interface Attempt {
  readonly spec: Spec;
  /** The root of a container that runs, as the host sees it; that of the specification, with its binds, if left out. */
  readonly root?: string;
}

/** An instruction that failed. @param report What the interpreter, or the stub before it, wrote. */
export function launchError({ spec, root }: Attempt, image: Image, report: Uint8Array<ArrayBuffer>): FluxError {
  const { instruction, errno, index } = decodeReport(image, report);
  const { args: [command = ""], cwd, selinuxLabel } = spec.process;
  const seen = root === undefined ? { image: spec.root.path, mounts: spec.mounts ?? [] } : { image: root, mounts: [] };
  const tree = {
    ...seen,
    cwd,
    architecture: ARCHITECTURE,
    ...(selinuxLabel === undefined ? {} : { label: selinuxLabel }),
  };
  // Looked for in a PATH of one directory, there is no second try that could tell.
  const wasSearched = !command.includes("/") && errno === E.ENOENT;
  if (instruction?.role === "execve" && errno !== E.ENOSYS && !wasSearched) {
    return diagnose(tree, instruction.path ?? "", errno);
  }
  if (instruction?.role === "notFound" || instruction?.role === "execve" && wasSearched) {
    const path = (spec.process.env ?? []).find((entry) => entry.startsWith("PATH="))?.slice(5) ?? "";
    return diagnoseSearch(tree, command, path);
  }
  const label = instruction?.label ?? (index < 0 ? "execute the launch program" : `do step ${index}`);
  const options = {
    step: label,
    errno,
    ...(instruction?.path === undefined ? {} : { path: instruction.path }),
    ...hintFor(errno, instruction?.hint),
    // Ubuntu lets a user make a namespace, and takes all capabilities in it away.
    ...(errno === E.EPERM || errno === E.EACCES ? hintOf(blockedUsers()) : {}),
  };
  const isCheck = instruction?.op === "syscall" && instruction.name === "fail";
  return new LaunchError(isCheck ? `could not ${label}` : `could not ${label}: ${errnoText(errno)}`, options);
}

const hintOf = (blocked: ReturnType<typeof blockedUsers>): { readonly hint?: string } =>
  blocked === undefined ? {} : { hint: `${blocked.sentence}: ${blocked.remedy}` };

/** What to do: where the error alone tells it, nothing that the step says is to the point. */
function hintFor(errno: number, hint: string | undefined): { readonly hint?: string } {
  if (errno === E.EMFILE) {
    return { hint: "raise the limit that libflux is started with (ulimit -n), or leave out mounts" };
  }
  return hint === undefined ? {} : { hint };
}

/** A PID 1 of libflux's that failed while the command ran, and ended the container. @param report What it wrote. */
export function initError(image: Image, report: Uint8Array<ArrayBuffer>): LaunchError {
  const { instruction, errno, index } = decodeReport(image, report);
  const step = instruction?.label ?? `do step ${index}`;
  return new LaunchError(
    `PID 1 of libflux's failed, and the container with it: could not ${step}: ${errnoText(errno)}`,
    {
      step,
      errno,
    },
  );
}

/** What keeps this user from user namespaces; nothing where nothing does, or it is root. */
function blockedUsers(): { readonly sentence: string; readonly remedy: string } | undefined {
  if (Deno.uid() === 0) return undefined;
  const blocked = restrictions({ privileged: false }).find(({ ok }) => !ok);
  return blocked && { sentence: `${blocked.name} is ${blocked.value}`, remedy: blocked.remedy ?? "" };
}

/** What was thrown, as callers are to get it: a syscall's failure in words. */
export function asFluxError(error: unknown): unknown {
  return error instanceof SyscallError ? hostError(error) : error;
}

/** A syscall of libflux itself that failed. */
export function hostError(error: SyscallError): FluxError {
  const options = { step: error.syscall, errno: error.errno, cause: error };
  const makesNamespaces = error.syscall === "clone3" || error.syscall === "unshare";
  const blocked = makesNamespaces && (error.errno === E.EPERM || error.errno === E.ENOSPC) ? blockedUsers() : undefined;
  if (blocked !== undefined) {
    return new PermissionError(`no user but root may make containers on this host: ${blocked.sentence}`, {
      ...options,
      hint: blocked.remedy,
    });
  }
  const refusal = refusalOf(error.syscall);
  if (refusal !== undefined && error.errno === E.EPERM) {
    return new PermissionError(`the kernel doesn't let libflux ${refusal.step}: ${errnoText(E.EPERM)}`, {
      ...options,
      step: refusal.step,
      hint: refusal.hint,
    });
  }
  if (makesNamespaces && error.errno === E.ENOSPC) {
    return new LaunchError("could not make namespaces: this host has as many as it allows (ENOSPC)", {
      ...options,
      hint: "end some containers, or raise the limits in /proc/sys/user/max_*_namespaces",
    });
  }
  if (error.syscall === "clone3" && error.errno === E.EAGAIN) {
    return new LaunchError("could not make a process: a limit of processes is reached (EAGAIN)", {
      ...options,
      hint: "it is that of the cgroup above (pids.max), of this user (ulimit -u) or of the host (kernel.pid_max)",
    });
  }
  return new LaunchError(
    `could not call ${error.syscall}${error.path === undefined ? "" : ` on ${error.path}`}: ${errnoText(error.errno)}`,
    {
      ...options,
      ...hintFor(error.errno, "'libflux info' tells what this host lacks"),
    },
  );
}
