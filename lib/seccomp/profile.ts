/**
 * Seccomp profiles as docker and podman write them, and the filter that one stands for in a container.
 *
 * @module
 */
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import type { Seccomp, SeccompAction, SeccompArchitecture, SeccompFlag, SeccompSyscall } from "./types.ts";

/** On which containers and machines a rule counts. */
export interface Circumstances {
  /** Capabilities, `CAP_…`; of those included all, of those excluded one decides. */
  readonly caps?: readonly string[];
  /** Architectures, as Go calls them: amd64, arm64. */
  readonly arches?: readonly string[];
  /** A kernel from this version on: "4.8". */
  readonly minKernel?: string;
}

/** A rule of a profile. */
export interface ProfileRule extends SeccompSyscall {
  /** What must be so for it to count. */
  readonly includes?: Circumstances;
  /** What must not be so. */
  readonly excludes?: Circumstances;
}

/** A profile. */
export interface Profile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  /** Nothing where it is left to the machine; undefined stands for ABIs of machines that libflux doesn't run on. */
  readonly architectures?: readonly (SeccompArchitecture | undefined)[];
  /** By the machine's own ABI the others that it has. */
  readonly archMap?: readonly {
    readonly architecture: SeccompArchitecture | undefined;
    readonly subArchitectures: readonly (SeccompArchitecture | undefined)[];
  }[];
  readonly flags?: readonly SeccompFlag[];
  readonly syscalls: readonly ProfileRule[];
}

/** What decides which rules of a profile count. */
export interface Surroundings {
  readonly architecture: Architecture;
  /** The kernel's release: "6.1.0-18-amd64". */
  readonly kernel: string;
  /** The bounding set. */
  readonly capabilities: readonly string[];
}

/** What Go and libseccomp call the architectures that libflux runs on. */
const NAMES: Readonly<Record<Architecture, { readonly go: string; readonly native: SeccompArchitecture }>> = {
  x86_64: { go: "amd64", native: "SCMP_ARCH_X86_64" },
  aarch64: { go: "arm64", native: "SCMP_ARCH_AARCH64" },
};

/** Which of the ABIs a kernel of each architecture has. */
export const OWN: Readonly<Record<Architecture, readonly SeccompArchitecture[]>> = {
  x86_64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  aarch64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};

/** Major and minor version, as one number to compare. */
function version(text: string): number {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return Number(major) * 1_000_000 + Number(minor);
}

function counts({ includes = {}, excludes = {} }: ProfileRule, surroundings: Surroundings): boolean {
  const { kernel, capabilities } = surroundings;
  const { go } = NAMES[surroundings.architecture];
  const reached = (least: string): boolean => version(kernel) >= version(least);
  if (excludes.arches?.includes(go) === true) return false;
  if (excludes.caps?.some((name) => capabilities.includes(name)) === true) return false;
  if (excludes.minKernel !== undefined && reached(excludes.minKernel)) return false;
  if (includes.arches !== undefined && includes.arches.length > 0 && !includes.arches.includes(go)) return false;
  if (includes.caps?.every((name) => capabilities.includes(name)) === false) return false;
  return includes.minKernel === undefined || reached(includes.minKernel);
}

/** The filter that a profile stands for: what counts, without saying why. Pure. */
export function resolveProfile(profile: Profile, surroundings: Surroundings): Seccomp {
  const { native } = NAMES[surroundings.architecture];
  const mapped = profile.archMap?.find(({ architecture }) => architecture === native)?.subArchitectures ?? [];
  // The machine's own is always among them, as in libseccomp. Others than its kernel has can't be used on it.
  const wanted = new Set([native, ...profile.architectures ?? [], ...mapped]);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: OWN[surroundings.architecture].filter((one) => wanted.has(one)),
    ...(profile.flags === undefined || profile.flags.length === 0 ? {} : { flags: profile.flags }),
    syscalls: profile.syscalls.filter((rule) => counts(rule, surroundings)).map(
      ({ includes: _includes, excludes: _excludes, ...rule }) => rule,
    ),
  };
}
