/**
 * The program that tries both lists: attempt.c with what is in them, linked statically.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { DANGEROUS } from "./dangerous.ts";
import { EVERYDAY } from "./everyday.ts";

/** How an operation went: "done", the name of an error or a signal, "exit N", or "too slow". */
export interface Attempt {
  readonly number: number;
  readonly answer: string;
  /** What it has written. */
  readonly said: string;
}

/** A text as C has it. */
const literal = (text: string): string => JSON.stringify(text).replaceAll("??", '?""?');

/** Both lists as C. Pure. */
export function listing(): string {
  const functions = DANGEROUS.map(({ attempt }, number) => `static long call_${number}(void) { return ${attempt}; }`);
  const table = (name: string, rows: readonly string[]): string =>
    `static const struct operation ${name}[] = {\n${[...rows, "{NULL, NULL}"].join(",\n")}\n};`;
  return [
    "struct operation { long (*call)(void); const char *script; };",
    ...functions,
    table("dangerous", DANGEROUS.map((_, number) => `{call_${number}, NULL}`)),
    table("everyday", EVERYDAY.map(({ script }) => `{NULL, ${literal(script)}}`)),
  ].join("\n");
}

/** Compiles it. @param file Where the executable goes. */
export async function compileProgram(file: string): Promise<void> {
  const source = Deno.readTextFileSync(fromFileUrl(new URL("attempt.c", import.meta.url)));
  const child = new Deno.Command("gcc", {
    args: ["-static", "-no-pie", "-O1", "-Wall", "-Wno-nonnull", "-o", file, "-x", "c", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(source.replace('#include "list.h"', () => listing())));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`gcc can't compile attempt.c: ${new TextDecoder().decode(stderr)}`);
}

/** Reads what it prints. Throws where it hasn't tried all of them. */
export function parseAttempts(text: string, count: number): Attempt[] {
  const found: Attempt[] = text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const numbers = found.map(({ number }) => number);
  if (numbers.join() !== Array.from({ length: count }, (_, number) => number).join()) {
    throw new Error(`${found.length} of ${count} operations were tried: ${text.slice(-500)}`);
  }
  return found;
}
