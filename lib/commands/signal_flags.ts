/**
 * Flags whose value is a signal, or a time in seconds.
 *
 * @module
 */
import { nearest } from "../render.ts";
import { printable, UsageError } from "../errors.ts";
import { type Signal, SIGNALS } from "../signals.ts";
import type { Completion } from "./command.ts";
import type { Parsed } from "./flags.ts";

/** What completes a signal. */
export const SIGNAL_NAMES: Completion = { choices: Object.keys(SIGNALS) };

/** A signal as people write it: "SIGTERM", "term", "15". Throws a `UsageError` where there is no such one. */
export function parseSignal(text: string, flag: string): Signal {
  const name = text.toUpperCase();
  const found = (Object.entries(SIGNALS) as [Signal, number][]).find(([known, number]) =>
    known === name || known === `SIG${name}` || String(number) === text
  );
  if (found !== undefined) return found[0];
  const near = nearest(name.startsWith("SIG") ? name : `SIG${name}`, Object.keys(SIGNALS));
  throw new UsageError(`--${flag} is a signal, and "${printable(text)}" isn't`, {
    hint: near === undefined ? "such as SIGTERM, KILL or 15" : `did you mean ${near}?`,
  });
}

/** A flag's signal; nothing where it wasn't given. */
export function readSignal(flags: Parsed, flag: string): Signal | undefined {
  const text = flags.value(flag);
  return text === undefined ? undefined : parseSignal(text, flag);
}

/** A flag's seconds; nothing where it wasn't given. */
export function readSeconds(flags: Parsed, flag: string): number | undefined {
  const text = flags.value(flag);
  if (text === undefined) return undefined;
  if (/^[0-9]{1,9}(\.[0-9]{1,3})?$/.test(text)) return Number(text);
  throw new UsageError(`--${flag} is a number of seconds, not "${printable(text)}"`);
}
