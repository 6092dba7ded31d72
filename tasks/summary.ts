/**
 * Reads how a `deno test` run went from what it printed.
 *
 * @module
 */

/** How many tests passed, and how many didn't. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
}

/** The line that `.ci/run` and its readers look for. */
export function summaryLine({ passed, failed }: Summary): string {
  return `${passed} passed, ${failed} failed`;
}

/** The sum of several runs. */
export function addSummaries(summaries: readonly Summary[]): Summary {
  return {
    passed: summaries.reduce((sum, { passed }) => sum + passed, 0),
    failed: summaries.reduce((sum, { failed }) => sum + failed, 0),
  };
}

function count(line: string, pattern: RegExp): number {
  return Number(pattern.exec(line)?.[1] ?? 0);
}

/**
 * The result of one run. Whatever isn't known to have passed has failed: an ignored test, an ignored step, a run that
 * ended badly without naming a test, a run without a single test.
 *
 * @param output What `deno test` wrote to its standard output.
 * @param code Its exit code.
 */
export function readSummary(output: string, code: number): Summary {
  // deno-lint-ignore no-control-regex
  const lines = output.replace(/\x1b\[[0-9;]*m/g, "").split("\n");
  const line = lines.findLast((text) => /^(ok|FAILED) \| \d+ passed/.test(text)) ?? "";
  const passed = count(line, /(\d+) passed/);
  const failed = count(line, /(\d+) failed/) + count(line, /(\d+) ignored/) +
    count(line, /ignored \((\d+) steps?\)/);
  const silent = failed === 0 && (code !== 0 || passed === 0);
  return { passed, failed: silent ? 1 : failed };
}
