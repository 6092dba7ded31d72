/**
 * The cgroups of a container, written down and made.
 *
 * @module
 */
import { type Cgroups, createCgroups } from "./cgroups/cgroup.ts";
import type { Usage } from "./cgroups/usage.ts";
import { ScopeError } from "./errors.ts";
import { prepareAgain, type Prepared } from "./prepare.ts";
import type { RunOptions } from "./spec/options.ts";
import type { Entry } from "./store/ledger.ts";
import type { Claim } from "./store/claim.ts";
import { warn } from "./warnings.ts";

/** Makes the container's cgroups, after writing them down. */
async function makeCgroups(
  { name, cgroups, top }: Prepared,
  claim: Claim,
  signal: AbortSignal | undefined,
): Promise<Cgroups> {
  const { scope } = cgroups;
  const entries: Entry[] = [
    ...scope === undefined ? [] : [{ kind: "scope", directory: scope.directory } as const],
    ...cgroups.directories.map((directory) => ({ kind: "cgroup", directory }) as const),
  ];
  if (entries.length > 0) claim.ledger.add(...entries);
  const remember = (directory: string): void => claim.ledger.add({ kind: "cgroupParent", directory });
  if (scope === undefined) return createCgroups(cgroups, { top, remember });
  const { startScope } = await import("./cgroups/scope.ts");
  const kept = await startScope(scope, name, signal);
  try {
    return createCgroups(cgroups, { top, remember, scope: kept });
  } catch (error) {
    await kept.release();
    throw error;
  }
}

/** Whether nobody has been told yet that systemd can't be had. */
let isNews = true;

/** Whether nothing that the caller said needs systemd. */
function canDoWithout({ cgroupManager = "auto", cgroupParent }: RunOptions): boolean {
  return cgroupManager === "auto" && cgroupParent === undefined;
}

/**
 * {@linkcode makeCgroups}; by libflux itself where systemd can't and nobody has asked for it.
 *
 * @returns The cgroups, and what was prepared for them.
 */
export async function makeCgroupsOr(
  options: RunOptions,
  prepared: Prepared,
  nullStreams: readonly number[],
  claim: Claim,
  signal?: AbortSignal,
): Promise<[Cgroups, Prepared]> {
  try {
    return [await makeCgroups(prepared, claim, signal), prepared];
  } catch (error) {
    if (!(error instanceof ScopeError) || !canDoWithout(options)) throw error;
    // Nobody asked for systemd, and no trouble of its keeps a container from running.
    if (isNews) warn(`${error.message}; libflux manages the cgroups of containers itself`);
    isNews = false;
    const others = prepareAgain({ ...options, cgroupManager: "cgroupfs" }, nullStreams, prepared);
    return [await makeCgroups(others, claim, signal), others];
  }
}

/** What the cgroups tell of a container that has ended: where it was asked for, and of one that failed for want of memory. */
export function measured(
  cgroups: Cgroups,
  { measure }: RunOptions,
  code: number,
): { readonly usage?: Usage; readonly outOfMemory?: boolean } {
  // Also where the limit is that of a cgroup above, or came later.
  const killed = code !== 0 && cgroups.outOfMemoryKills > 0;
  return measure === true || killed ? { usage: cgroups.usage(), ...(killed ? { outOfMemory: true } : {}) } : {};
}
