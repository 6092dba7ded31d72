/**
 * What a container's cgroup costs: making and removing it as libflux does, beside `mkdir` and `rmdir` of a bare one.
 *
 * @module
 */
import { AT } from "../ffi/abi/constants.ts";
import { checked } from "../ffi/libc.ts";
import { createCgroups } from "../lib/cgroups/cgroup.ts";
import { prepare } from "../lib/prepare.ts";
import type { Limits } from "../lib/spec/limits.ts";
import { removeCgroup } from "../lib/store/cgroup.ts";
import { deadlineIn, PATIENCE } from "../lib/store/process.ts";
import { median, timed } from "./figures.ts";

const ROUNDS = 200;

/** What is measured, each with one more thing than the one before. */
const CASES: readonly (readonly [string, Limits])[] = [
  ["with the usual limit of processes", {}],
  ["with limits of memory, CPU and processes", { memory: 64 * 2 ** 20, cpus: 1, pids: 100 }],
];

/** What one case took. */
export interface Cost {
  /** Milliseconds at the median. */
  readonly own: number;
  /** One line that tells it all. */
  readonly text: string;
}

/** Measures, interleaved; needs root. */
export async function cgroupCost(): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (const [what, limits] of CASES) {
    // Without systemd: a scope costs what systemd takes.
    const options = { image: "/", command: ["true"], network: "none", limits, cgroupManager: "cgroupfs" } as const;
    const { cgroups, top } = prepare(options);
    // The same hierarchies, and nothing but directories.
    const bare = cgroups.directories.map((directory) => `${directory}-bare`);
    const own: number[] = [];
    const plain: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      plain.push(
        await timed(() => {
          for (const directory of bare) checked("mkdirat", AT.AT_FDCWD, directory, 0o755);
          for (const directory of bare) checked("unlinkat", AT.AT_FDCWD, directory, AT.AT_REMOVEDIR);
        }),
      );
      own.push(
        await timed(async () => {
          createCgroups(cgroups, { top, remember: () => {} });
          for (const directory of cgroups.directories) await removeCgroup(directory, deadlineIn(PATIENCE));
        }),
      );
    }
    const [libflux, least] = [median(own), median(plain)];
    const ratio = (libflux / least).toFixed(2);
    costs.push({
      own: libflux,
      text: `${what}: ${libflux.toFixed(3)} ms, ${ratio} times mkdir and rmdir (${least.toFixed(3)} ms)`,
    });
  }
  return costs;
}

if (import.meta.main) {
  console.log(`\ncgroups of a container, made and removed (median of ${ROUNDS})`);
  for (const { text } of await cgroupCost()) console.log(`  ${text}`);
}
