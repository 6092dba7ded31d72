/**
 * What a failed launch means to a person.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, type SyscallError } from "../ffi/libc.ts";
import { decodeReport, type Image } from "../ffi/link.ts";
import { errnoText, type FluxError, LaunchError, PermissionError } from "./errors.ts";
import type { Prepared } from "./prepare.ts";
import { diagnose, diagnoseSearch } from "./rootfs/diagnose.ts";

/** An instruction that failed. @param report What the interpreter, or the stub before it, wrote. */
export function launchError({ spec }: Prepared, image: Image, report: Uint8Array<ArrayBuffer>): FluxError {
  const { instruction, errno, index } = decodeReport(image, report);
  const tree = { image: spec.root.path, mounts: spec.mounts ?? [], architecture: ARCHITECTURE };
  const [command = ""] = spec.process.args;
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
    ...(instruction?.hint === undefined ? {} : { hint: instruction.hint }),
  };
  const isCheck = instruction?.op === "syscall" && instruction.name === "fail";
  return new LaunchError(isCheck ? `could not ${label}` : `could not ${label}: ${errnoText(errno)}`, options);
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

/** A syscall of libflux itself that failed. */
export function hostError(error: SyscallError): FluxError {
  const options = { step: error.syscall, errno: error.errno, cause: error };
  const makesNamespaces = error.syscall === "clone3" || error.syscall === "unshare";
  if (makesNamespaces && error.errno === E.EPERM) {
    return new PermissionError("the kernel doesn't let libflux make namespaces: operation not permitted (EPERM)", {
      ...options,
      hint: "this takes CAP_SYS_ADMIN: is libflux itself in a container? 'libflux info' tells what is missing",
    });
  }
  if (makesNamespaces && error.errno === E.ENOSPC) {
    return new LaunchError("could not make namespaces: this host has as many as it allows (ENOSPC)", {
      ...options,
      hint: "end some containers, or raise the limits in /proc/sys/user/max_*_namespaces",
    });
  }
  return new LaunchError(
    `could not call ${error.syscall}${error.path === undefined ? "" : ` on ${error.path}`}: ${errnoText(error.errno)}`,
    {
      ...options,
      hint: "'libflux info' tells what this host lacks",
    },
  );
}
