/**
 * Where the host's own programs are.
 *
 * @module
 */
import { isExecutable } from "../../ffi/service.ts";

/** The same ones whoever calls: never where the caller's PATH says. */
export const DIRECTORIES: readonly string[] = [
  ...["/usr/sbin", "/sbin", "/usr/local/sbin"],
  ...["/usr/bin", "/bin", "/usr/local/bin"],
];

/** The path of a program; nothing where this host has none. */
export function findProgram(name: string): string | undefined {
  return DIRECTORIES.map((directory) => `${directory}/${name}`).find(isExecutable);
}
