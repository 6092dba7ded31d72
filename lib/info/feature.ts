/**
 * What `libflux info` says of one thing that libflux uses.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { errnoText } from "../errors.ts";

/**
 * Something of the host that libflux uses, as it was found.
 *
 * @example Are there id-mapped mounts?
 * ```ts
 * import { type Feature, info } from "@libflux/cli/mod";
 *
 * const { features } = await info();
 * const mounts: Feature | undefined = features.find(({ name }) => name === "id-mapped mounts");
 * console.log(mounts?.ok, mounts?.remedy);
 * ```
 */
export interface Feature {
  /** What it is: "pid namespace". */
  readonly name: string;
  /** Whether libflux can use it, here and as this user. */
  readonly ok: boolean;
  /** Whether a plain `libflux run`, without flags that do without it, needs it. */
  readonly required: boolean;
  /** What was found, in one short phrase. */
  readonly value: string;
  /** What stops working without it; only where it isn't ok. */
  readonly effect?: string;
  /** How to get it; only where it isn't ok. */
  readonly remedy?: string;
}

/** What is known of a feature before it is probed. */
export interface Wanted {
  readonly name: string;
  readonly required: boolean;
  /** What stops working without it. */
  readonly effect: string;
  /** How to get it. */
  readonly remedy: string;
}

/** A feature that is there. */
export function found({ name, required }: Wanted, value: string): Feature {
  return { name, ok: true, required, value };
}

/** A feature that isn't. @param remedy Where the general one doesn't fit what was found. */
export function missing({ name, required, effect, remedy }: Wanted, value: string, special?: string): Feature {
  return { name, ok: false, required, value, effect, remedy: special ?? remedy };
}

/** How an attempt ended: `errno` is 0 where it worked. */
export interface Outcome {
  /** Positive; 0 for success. */
  readonly errno: number;
  /** The step that failed, as an infinitive without "to". */
  readonly step: string;
}

/**
 * A feature from the outcome of trying it.
 *
 * @param value What to say where it worked. @param allow What to do where the kernel doesn't permit it.
 */
export function tried(wanted: Wanted, { errno, step }: Outcome, value: string, allow?: string): Feature {
  if (errno === 0) return found(wanted, value);
  const special = errno === E.EPERM ? allow ?? remedyFor(errno) : remedyFor(errno);
  return missing(wanted, `${step}: ${errnoText(errno)}`, special);
}

/** Where the error number alone tells what to do. */
function remedyFor(errno: number): string | undefined {
  const ENOSPC = 28;
  if (errno === E.EPERM || errno === E.EACCES) {
    return "run libflux as root; in a container or sandbox, have it grant CAP_SYS_ADMIN and this system call";
  }
  if (errno === ENOSPC) return "raise the limit that is reached: user.max_*_namespaces or fs.mount-max";
  return undefined;
}
