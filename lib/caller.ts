/**
 * What libflux's caller has given it, as it was: Deno is shown less of the environment, raises a limit, and can't be where
 * there is no directory. The first instructions of a packed executable see to that (`tasks/packer/stub/program.ts`),
 * and leave two variables behind, `LIBFLUX_NOFILE` and `LIBFLUX_CWD`; elsewhere these aren't there.
 *
 * @module
 */
import { printable, UsageError } from "./errors.ts";
import type { Rlimit } from "./spec/types.ts";

const NOFILE = "LIBFLUX_NOFILE";
const CWD = "LIBFLUX_CWD";
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A text from outside. Throws a `UsageError` where it is none. */
export function decode(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw notText(what, cause);
  }
}

function notText(what: string, cause: unknown): UsageError {
  return new UsageError(`${what} isn't UTF-8`, { hint: "libflux takes text only", cause });
}

/** A variable of the environment. Throws a `UsageError` where it isn't UTF-8. */
export function variable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    throw notText(`the variable ${printable(name)}`, error);
  }
}

/** A variable of the caller's own environment, also one that Deno isn't shown. */
export function callersVariable(name: string): string | undefined {
  if (Deno.env.get(NOFILE) === undefined) return variable(name);
  // bytes as characters of the same numbers
  const bytes = (text: Uint8Array): string => Array.from(text, (byte) => String.fromCharCode(byte)).join("");
  const before = bytes(new TextEncoder().encode(`${name}=`));
  const found = bytes(Deno.readFileSync("/proc/self/environ")).split("\0").find((text) => text.startsWith(before));
  if (found === undefined) return undefined;
  const value = Uint8Array.from(found.slice(before.length), (character) => character.charCodeAt(0));
  return decode(value, `the variable ${printable(name)}`);
}

/** The limit of open files that the caller has, and its commands would inherit; nothing where it can't be told. */
export function callersFileLimit(text: string | undefined = Deno.env.get(NOFILE)): Rlimit | undefined {
  const [, soft, hard] = /^(\d{1,20}):(\d{1,20})$/.exec(text ?? "") ?? [];
  return soft === undefined || hard === undefined
    ? undefined
    : { type: "RLIMIT_NOFILE", soft: Number(soft), hard: Number(hard) };
}

/** A path that the caller gave. Throws a `UsageError` where it is relative to a directory that has gone. */
export function callersPath(path: string): string {
  if (!path.startsWith("/") && Deno.env.get(CWD) !== undefined) {
    throw new UsageError(
      `the path ${printable(path)} leads nowhere: the working directory has been removed or has no name`,
      {
        path,
        hint: "go to another one, or write a path that begins with /",
      },
    );
  }
  return path;
}

/** Throws a `UsageError` where an argument isn't UTF-8: Deno would have put U+FFFD in its place. */
export function checkArguments(args: readonly string[]): void {
  const at = args.findIndex((arg) => arg.includes("\ufffd"));
  if (at >= 0) decode(Deno.readFileSync("/proc/self/cmdline"), `the argument ${printable(args[at] ?? "")}`);
}
