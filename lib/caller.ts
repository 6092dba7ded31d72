/**
 * What libflux's caller has given it, as text.
 *
 * @module
 */
import { printable, UsageError } from "./errors.ts";

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

/** Throws a `UsageError` where an argument isn't UTF-8: Deno would have put U+FFFD in its place. */
export function checkArguments(args: readonly string[]): void {
  const at = args.findIndex((arg) => arg.includes("\ufffd"));
  if (at >= 0) decode(Deno.readFileSync("/proc/self/cmdline"), `the argument ${printable(args[at] ?? "")}`);
}
