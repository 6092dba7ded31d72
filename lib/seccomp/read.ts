/**
 * Reads a profile from a file of the caller's.
 *
 * @module
 */
import { callersPath, decode } from "../caller.ts";
import { printable, UsageError } from "../errors.ts";
import { parseProfile } from "./parse.ts";
import type { Profile } from "./profile.ts";

/** A file that is larger is no profile: docker's has 20 kB. */
export const MAX_PROFILE = 2 ** 20;

/** Reads a profile. Throws a `UsageError` where there is none, or one with a mistake. */
export function readProfile(file: string): Profile {
  const shown = printable(file);
  const fail = (why: string, cause?: unknown): never => {
    throw new UsageError(`the seccomp profile ${shown} can't be read: ${why}`, {
      path: file,
      hint: "--seccomp takes a JSON file in docker's format, or unconfined",
      ...(cause === undefined ? {} : { cause }),
    });
  };
  let bytes: Uint8Array;
  try {
    const path = callersPath(file);
    const { isFile, isDirectory, size } = Deno.statSync(path);
    if (!isFile) return fail(isDirectory ? "it is a directory" : "it is no regular file");
    if (size > MAX_PROFILE) return fail(`it has ${size} bytes, and no profile has more than ${MAX_PROFILE}`);
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof Deno.errors.NotFound) return fail("there is no such file", error);
    if (error instanceof Deno.errors.PermissionDenied) return fail("permission denied", error);
    return fail(error instanceof Error ? printable(error.message) : "it is no file", error);
  }
  return parseProfile(decode(bytes, `the seccomp profile ${shown}`), file);
}
