/**
 * The cgroups of a container, written down and made.
 *
 * @module
 */
import { type Cgroups, createCgroups } from "./cgroups/cgroup.ts";
import type { Prepared } from "./prepare.ts";
import type { Entry } from "./store/ledger.ts";
import type { Claim } from "./store/state.ts";

/** Makes the container's cgroups, after writing them down. */
export async function makeCgroups(
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
