/**
 * The default filter, and compiled filters: nothing is made twice in a process.
 *
 * @module
 */
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { DEFAULT_CAPABILITIES } from "../spec/defaults.ts";
import { ASSEMBLED } from "./assembled.ts";
import { compileSeccomp } from "./compile.ts";
import { DECISIVE_CAPABILITIES, DEFAULT_OUTCOME, defaultProfile } from "./default_profile.ts";
import { encodeFilter } from "./filter.ts";
import { OWN, resolveProfile } from "./profile.ts";
import type { Seccomp } from "./types.ts";

const defaults = new Map<string, Seccomp>();
const isOurs = new WeakSet<Seccomp>();
const compiled = new WeakMap<Seccomp, Uint8Array<ArrayBuffer>>();

/** The capabilities that the default profile asks for. */
const decisive = (capabilities: readonly string[]): string =>
  DECISIVE_CAPABILITIES.filter((name) => capabilities.includes(name)).join();

/** A filter whose rules are made when somebody looks at them: to run with them takes only what they are compiled to. */
function deferred(architecture: Architecture, resolve: () => Seccomp): Seccomp {
  let whole: Seccomp | undefined;
  return {
    ...DEFAULT_OUTCOME,
    architectures: OWN[architecture],
    get syscalls() {
      whole ??= resolve();
      return whole.syscalls ?? [];
    },
  };
}

/** The default filter of a container with this bounding set. */
export function defaultSeccomp(architecture: Architecture, capabilities: readonly string[]): Seccomp {
  const held = decisive(capabilities);
  const key = `${architecture} ${held}`;
  const known = defaults.get(key);
  if (known !== undefined) return known;
  // No rule asks for the kernel's version.
  const resolve = (): Seccomp => resolveProfile(defaultProfile(), { architecture, kernel: "", capabilities });
  const usual = held === decisive(DEFAULT_CAPABILITIES);
  const made = usual ? deferred(architecture, resolve) : resolve();
  defaults.set(key, made);
  isOurs.add(made);
  if (usual) compiled.set(made, Uint8Array.fromBase64(ASSEMBLED[architecture]));
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
