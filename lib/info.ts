/**
 * Can this host run containers? Every kernel feature that libflux uses, tried and not guessed.
 *
 * @module
 */
import { ARCHITECTURE } from "../ffi/libc.ts";
import { caller, privileges, restrictions, subordinateIds } from "./info/caller.ts";
import { cgroups } from "./info/cgroup.ts";
import type { Feature } from "./info/feature.ts";
import { filesystems } from "./info/filesystems.ts";
import { labels } from "./info/labels.ts";
import { namespaces } from "./info/namespaces.ts";
import { readText } from "./info/read.ts";
import { steps } from "./info/steps.ts";
import { syscalls } from "./info/syscalls.ts";
import { securityModules, tools } from "./info/tools.ts";
import { VERSION } from "./version.ts";

export type { Feature };

/**
 * What {@linkcode info} tells.
 *
 * @example Can containers run here?
 * ```ts
 * import { type HostInfo, info } from "@libflux/cli/mod";
 *
 * const { canRun, kernel }: HostInfo = await info();
 * console.log(canRun ? `Linux ${kernel} runs containers` : `Linux ${kernel} doesn't, or not for this user`);
 * ```
 */
export interface HostInfo {
  /** libflux's own version. */
  readonly version: string;
  /** The kernel's release, as `uname -r` shows it. */
  readonly kernel: string;
  /** The processor's architecture. */
  readonly architecture: "x86_64" | "aarch64";
  /** Whether a plain `run` works, here and as this user: every required feature is ok. */
  readonly canRun: boolean;
  /** Everything that was tried. */
  readonly features: readonly Feature[];
}

/**
 * Tries everything that libflux uses, in children with namespaces of their own: nothing of it is left behind. Works for
 * ordinary users too, and then tells what they can do.
 *
 * @example What keeps containers from running here?
 * ```ts
 * import { info } from "@libflux/cli/mod";
 *
 * const { features } = await info();
 * for (const { name, ok, required, remedy } of features) {
 *   if (required && !ok) console.log(`${name}: ${remedy}`);
 * }
 * ```
 */
export async function info(): Promise<HostInfo> {
  const who = caller();
  // One kind of attempt after the other: together they could reach a limit on namespaces that `run` never would.
  const features = [
    privileges(who),
    ...await syscalls(),
    ...await namespaces(who),
    ...await filesystems(who),
    ...await steps(who),
    ...cgroups(who),
    securityModules(),
    ...labels(who),
    ...await tools(),
    subordinateIds(who, readText("/etc/subuid") ?? "", readText("/etc/subgid") ?? "", readText("/etc/passwd") ?? ""),
    ...restrictions(who),
  ];
  return {
    version: VERSION,
    kernel: Deno.osRelease(),
    architecture: ARCHITECTURE,
    canRun: features.every(({ ok, required }) => ok || !required),
    features,
  };
}
