/**
 * The flags of a command's environment.
 *
 * @module
 */
import { callersPath, callersVariable, decode } from "../caller.ts";
import { printable, UsageError } from "../errors.ts";
import type { Flag, Parsed } from "./flags.ts";

/** All of them. */
export const ENVIRONMENT_FLAGS: readonly Flag[] = [
  {
    name: "env",
    short: "e",
    value: "K[=V]",
    repeated: true,
    help: "set a variable; without a value the caller's is passed on",
  },
  { name: "env-file", value: "FILE", repeated: true, help: "set the variables of FILE: a K=V a line, # for comments" },
];

/** Reads them; what is given by itself wins over what is in a file. Throws a `UsageError`. */
export function readEnvironment(flags: Parsed): Readonly<Record<string, string>> {
  return Object.fromEntries([
    ...flags.values("env-file").flatMap(readVariables),
    ...flags.values("env").flatMap((text) => parseVariable(text, "--env")),
  ]);
}

/** `K=V`, or `K` for the caller's own; one that the caller hasn't got is left out, as in docker. */
function parseVariable(text: string, from: string): readonly (readonly [string, string])[] {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  if (key === "" || /[\s\0]/.test(key)) {
    throw new UsageError(`"${printable(text)}" in ${from} sets no variable`, {
      hint: "write K=V, or K to pass the caller's on",
    });
  }
  const value = at < 0 ? callersVariable(key) : text.slice(at + 1);
  return value === undefined ? [] : [[key, value]];
}

function readVariables(file: string): (readonly [string, string])[] {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(callersPath(file));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const why = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : error instanceof Deno.errors.IsADirectory
      ? "it is a directory"
      : "it is no text file";
    throw new UsageError(`the variables in ${printable(file)} can't be read: ${why}`, { path: file, cause: error });
  }
  return decode(bytes, `the file ${printable(file)}`).split("\n").map((line) => line.replace(/\r$/, "")).filter((
    line,
  ) => line.trim() !== "" && !line.trimStart().startsWith("#"))
    .flatMap((line) => parseVariable(line.trimStart(), file));
}
