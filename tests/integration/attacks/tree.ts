/**
 * Images that an attacker has made.
 *
 * @module
 */
import { BUSYBOX, type Result, runContainer } from "../support.ts";

/** A copy of the busybox tree that can be spoilt, and a directory of the host's beside it. */
export interface Trap extends Disposable {
  /** The image. */
  readonly image: string;
  /** A directory of the host that must stay as it is. */
  readonly outside: string;
}

/** Makes one. */
export function trap(): Trap {
  const path = Deno.makeTempDirSync({ prefix: "libflux-trap-" });
  const [image, outside] = [`${path}/image`, `${path}/outside`];
  const { success } = new Deno.Command("cp", { args: ["-a", BUSYBOX, image] }).outputSync();
  if (!success) throw new Error("cp failed");
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(`${outside}/file`, "the host's");
  return { image, outside, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Puts a symbolic link where something was. */
export function linkInstead(path: string, target: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  Deno.symlinkSync(target, path);
}

/** Runs a script in an image. */
export function attack(image: string, script: string, flags: readonly string[] = []): Promise<Result> {
  return runContainer(["--image", image, ...flags], ["sh", "-c", script]);
}
