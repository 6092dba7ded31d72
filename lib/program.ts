/**
 * libflux itself, as a program that can be executed again.
 *
 * @module
 */

/** How to execute libflux. */
export interface OwnProgram {
  /** The executable's path. */
  readonly path: string;
  /** What comes before libflux's own arguments. */
  readonly args: readonly string[];
}

/** Finds out how to execute libflux: as one file, or as Deno with libflux's modules, whatever program uses them. */
export function ownProgram(): OwnProgram {
  const path = Deno.execPath();
  // The packed executable has its code in a memfd; a compiled one in itself.
  if (Deno.build.standalone || import.meta.url.startsWith("file:///proc/self/fd/")) return { path, args: [] };
  return { path, args: ["run", "-A", "--quiet", new URL("../cli.ts", import.meta.url).href] };
}

/** Variables of the caller's that libflux acts on, for one that is executed later. */
const VARIABLES = ["HOME", "PATH", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "DENO_DIR", "DBUS_SESSION_BUS_ADDRESS", "TZ"];

/** The environment of a libflux that is executed later. @param read Reads a variable of the caller's. */
export function ownEnvironment(read: (name: string) => string | undefined): string[] {
  return VARIABLES.flatMap((name) => {
    const value = read(name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
}
