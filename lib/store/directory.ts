/**
 * The state root: where it is, and how it is written.
 *
 * @module
 */
import { PermissionError } from "../errors.ts";

/** The directory that state is kept in: for root, for a user with a session, for a user without one. */
export function defaultRoot(): string {
  const uid = Deno.uid() ?? 0;
  if (uid === 0) return "/run/libflux";
  const runtime = Deno.env.get("XDG_RUNTIME_DIR");
  return runtime !== undefined && runtime.startsWith("/") ? `${runtime}/libflux` : `/tmp/libflux-${uid}`;
}

/** Makes a directory that is nobody else's (SECURITY.md, rule 22). */
export function makePrivateDirectory(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
      throw new PermissionError(`the state directory ${path} can't be made: there is a file in the way`, {
        path,
        hint: "use another --root",
      });
    }
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
      throw new PermissionError(`the state directory ${path} can't be made: permission denied`, {
        path,
        hint: "use another --root",
        cause: error,
      });
    }
    throw new PermissionError(`the state directory ${path} can't be made: ${(error as Error).message}`, {
      path,
      hint: "use another --root",
      cause: error,
    });
  }
  const info = Deno.lstatSync(path);
  const uid = Deno.uid();
  // In /tmp somebody else may have been first.
  if (!info.isDirectory || info.uid !== uid) {
    throw new PermissionError(`the state directory ${path} belongs to somebody else`, {
      path,
      hint: "use another --root",
    });
  }
  if (((info.mode ?? 0) & 0o077) !== 0) Deno.chmodSync(path, 0o700);
}

/** Writes a file whole or not at all, readable by its owner only. */
export function writeAtomically(path: string, text: string): void {
  const partial = `${path}.new`;
  Deno.writeTextFileSync(partial, text, { mode: 0o600 });
  Deno.renameSync(partial, path);
}

/** A file's text; nothing where there is no such file. */
export function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

let boot: string | undefined;

/** Changes with every boot: state of another boot is stale as a whole. */
export function bootId(): string {
  return boot ??= Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}
