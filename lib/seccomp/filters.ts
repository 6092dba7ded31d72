/**
 * The default filter, and compiled filters: nothing is made twice in a process.
 *
 * @module
 */
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { DEFAULT_CAPABILITIES } from "../spec/defaults.ts";
import { ASSEMBLED } from "./assembled.ts";
import { compileSeccomp } from "./compile.ts";
import { DECISIVE_CAPABILITIES, defaultProfile } from "./default_profile.ts";
import { encodeFilter } from "./filter.ts";
import { resolveProfile } from "./profile.ts";
import type { Seccomp } from "./types.ts";

const defaults = new Map<string, Seccomp>();
const isOurs = new WeakSet<Seccomp>();
const compiled = new WeakMap<Seccomp, Uint8Array<ArrayBuffer>>();

/** The capabilities that the default profile asks for. */
const decisive = (capabilities: readonly string[]): string =>
  DECISIVE_CAPABILITIES.filter((name) => capabilities.includes(name)).join();

/** The default filter of a container with this bounding set. */
export function defaultSeccomp(architecture: Architecture, capabilities: readonly string[]): Seccomp {
  const held = decisive(capabilities);
  const key = `${architecture} ${held}`;
  const known = defaults.get(key);
  if (known !== undefined) return known;
  // No rule asks for the kernel's version.
  const made = resolveProfile(defaultProfile(), { architecture, kernel: "", capabilities });
  defaults.set(key, made);
  isOurs.add(made);
  if (held === decisive(DEFAULT_CAPABILITIES)) compiled.set(made, Uint8Array.fromBase64(ASSEMBLED[architecture]));
  return made;
}

/** Whether this is a default filter. */
export function isDefault(seccomp: Seccomp): boolean {
  return isOurs.has(seccomp);
}

/** A filter as the kernel takes it. Throws a `UsageError` where it wouldn't. */
export function compiledFilter(seccomp: Seccomp): Uint8Array<ArrayBuffer> {
  const known = compiled.get(seccomp);
  if (known !== undefined) return known;
  const made = encodeFilter(compileSeccomp(seccomp));
  compiled.set(seccomp, made);
  return made;
}
