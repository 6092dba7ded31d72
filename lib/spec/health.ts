/**
 * Health checks: a command that is run in a container again and again, and tells by its exit code whether all is well.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/**
 * A container's health check, with docker's names and defaults.
 *
 * @example Look every five seconds
 * ```ts
 * import { type HealthCheck, runDetached, stop } from "@libflux/cli/mod";
 *
 * const health: HealthCheck = { command: ["test", "-e", "/etc/hosts"], interval: 5 };
 * const { name } = await runDetached({ command: ["sleep", "60"], health });
 * await stop(name, { time: 0 });
 * ```
 */
export interface HealthCheck {
  /** The command and its arguments; all is well when it ends with 0. */
  readonly command: readonly string[];
  /** Seconds between two checks; 30 if left out. */
  readonly interval?: number;
  /** Seconds after which a check has failed, and is killed; 30 if left out. */
  readonly timeout?: number;
  /** How many in a row must fail until the container is unhealthy; 3 if left out. */
  readonly retries?: number;
  /** Seconds from the start in which failures don't count, unless a check has succeeded before; 0 if left out. */
  readonly startPeriod?: number;
}

/**
 * What is known of a container's health: `starting` before the first check that counts.
 *
 * @example Is all well?
 * ```ts
 * import { type Health, list } from "@libflux/cli/mod";
 *
 * const states: (Health | undefined)[] = (await list()).map(({ health }) => health);
 * console.log(states.includes("unhealthy"));
 * ```
 */
export type Health = "starting" | "healthy" | "unhealthy";

/** The file that says so, in a container's directory: a word and blanks, always as long. */
export const HEALTH_FILE = "health";
/** How long the file is. */
export const HEALTH_SIZE = 16;

/** What the file says of a state of health. */
export function healthText(health: Health): string {
  return `${health}\n`.padEnd(HEALTH_SIZE);
}

/** Reads the file; nothing where it isn't one. */
export function parseHealth(text: string | undefined): Health | undefined {
  const word = text?.trim();
  return word === "starting" || word === "healthy" || word === "unhealthy" ? word : undefined;
}

/** With what is usual where nothing was said. Throws a {@link UsageError} where it can't be done. */
export function checkHealth(health: HealthCheck): Required<HealthCheck> {
  const whole = { interval: 30, timeout: 30, retries: 3, startPeriod: 0, ...health };
  if (whole.command.length === 0 || whole.command.some((part) => part.includes("\0")) || whole.command[0] === "") {
    throw new UsageError("the health check has no command", { hint: "such as --health-cmd 'test -e /run/ready'" });
  }
  const isTime = (time: number, least: number): boolean => Number.isFinite(time) && time >= least && time <= 1e9;
  for (
    const [what, time, least] of [["interval", whole.interval, 0.001], ["timeout", whole.timeout, 0.001], [
      "start period",
      whole.startPeriod,
      0,
    ]] as const
  ) {
    if (!isTime(time, least)) throw new UsageError(`the health check's ${what} can't be ${time} seconds`);
  }
  if (!Number.isSafeInteger(whole.retries) || whole.retries < 1) {
    throw new UsageError(`a health check can't be tried ${whole.retries} times`, { hint: "give 1 or more" });
  }
  return whole;
}

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Reads a duration as docker has it: "30s", "1m30s", "500ms". @returns Seconds. */
export function parseDuration(text: string, flag: string): number {
  if (!/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/.test(text)) {
    throw new UsageError(`--${flag} is a duration, not "${printable(text)}"`, {
      hint: "such as 30s, 500ms or 1m30s",
    });
  }
  const parts = text.matchAll(/([0-9.]+)(ms|s|m|h)/g);
  return Array.from(parts, ([, count, unit = ""]) => Number(count) * (UNITS[unit] ?? 0)).reduce((a, b) => a + b, 0);
}
