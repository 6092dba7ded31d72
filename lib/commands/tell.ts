/**
 * What libflux tells of itself: errors and warnings, on standard error and in its own log.
 *
 * @module
 */
import { describe, FluxError, printable, UsageError } from "../errors.ts";
import type { Entry, Format } from "../logs/own.ts";
import { paintName } from "./colour.ts";
import { complain } from "./output.ts";

const LEVELS = ["error", "warn", "info", "debug"] as const;
const FORMATS = ["text", "json"] as const;

/** What is told, how, and where else. */
interface Telling {
  readonly level: typeof LEVELS[number];
  readonly format: Format;
  readonly file?: string;
}

let telling: Telling = { level: "warn", format: "text" };
let log: ((entry: Entry) => void) | undefined;

/** A flag's value, wherever before `--` it stands: errors are told by it even when the rest can't be parsed. */
function valueOf(args: readonly string[], name: string, form: string): string | undefined {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const at = own.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return undefined;
  const value = own[at]?.includes("=") === true ? own[at]?.slice(name.length + 1) : own[at + 1];
  if (value === undefined || value === "") {
    throw new UsageError(`${name} needs a value`, { hint: `write ${name} ${form}` });
  }
  return value;
}

function choice<T extends string>(args: readonly string[], name: string, choices: readonly T[]): T | undefined {
  const value = valueOf(args, name, choices.join("|"));
  const known = choices.find((one) => one === value);
  if (value !== undefined && known === undefined) {
    const all = choices.length === 2 ? choices.join(" or ") : choices.join(", ");
    throw new UsageError(`${name} is ${all}, not "${printable(value)}"`);
  }
  return known;
}

/** Reads `--log-level`, `--log-format` and `--log-file`. Throws a `UsageError` where one can't be. */
export function readTelling(args: readonly string[]): Telling {
  const file = valueOf(args, "--log-file", "FILE");
  return {
    level: choice(args, "--log-level", LEVELS) ?? "warn",
    format: choice(args, "--log-format", FORMATS) ?? "text",
    ...(file === undefined ? {} : { file }),
  };
}

/** Tells like that from now on. Throws a `FluxError` where the log can't be opened. */
export async function tellBy(how: Telling): Promise<void> {
  telling = how;
  if (how.file === undefined) return;
  const { callersPath } = await import("../caller.ts");
  const { openOwnLog } = await import("../logs/own.ts");
  log = openOwnLog(how.file.endsWith(":") ? how.file : callersPath(how.file), how.format);
}

function entryOf(level: Entry["level"], msg: string, error?: unknown): Entry {
  const entry = { time: new Date().toISOString(), level, msg };
  const stack = telling.level === "debug" && error instanceof Error ? { stack: describe(error, true) } : {};
  if (!(error instanceof FluxError)) return { ...entry, ...(error === undefined ? {} : { exitCode: 125 }), ...stack };
  const { step, path, errno, hint, exitCode } = error;
  const known = Object.fromEntries(
    Object.entries({ step, path, errno, hint }).filter(([, value]) => value !== undefined),
  );
  return { ...entry, ...known, exitCode, ...stack };
}

function tell(entry: () => Entry, text: string, colour: "red" | "yellow"): void {
  if (log === undefined && telling.format === "text") return complain(`${paintName(text, colour)}\n`);
  const told = entry();
  complain(telling.format === "json" ? `${JSON.stringify(told)}\n` : `${paintName(text, colour)}\n`);
  log?.(told);
}

/** Tells an error. */
export async function tellError(thrown: unknown): Promise<void> {
  // Where a syscall has failed, in words: most errors are words already.
  const error = thrown instanceof Error && thrown.name === "SyscallError"
    ? (await import("../failure.ts")).asFluxError(thrown)
    : thrown;
  const text = describe(error, telling.level === "debug");
  const msg = (): string => error instanceof FluxError ? error.message : describe(error).replace(/^libflux: /, "");
  tell(() => entryOf("error", msg(), error), text, "red");
}

/** Tells a warning, unless only errors are to be told. */
export function tellWarning(sentence: string): void {
  if (telling.level === "error") return;
  tell(() => entryOf("warn", sentence), printable(`libflux: warning: ${sentence}`), "yellow");
}

/** Tells what a user should know who looks on, whatever is to be told of warnings. */
export function tellUser(sentence: string, end = "\n"): void {
  if (log === undefined && telling.format === "text") return complain(`libflux: ${sentence}${end}`);
  const entry = entryOf("warn", sentence);
  complain(telling.format === "json" ? `${JSON.stringify(entry)}\n` : `libflux: ${sentence}${end}`);
  log?.(entry);
}
