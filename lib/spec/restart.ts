/**
 * Restart policies: whether a container that has ended by itself is started again, and when.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/**
 * `no`: never. `on-failure`: when it has failed, at most N times in a row with `on-failure:N`. `always`: however it has
 * ended. Never one that `stop` has ended.
 *
 * @example Try it three times
 * ```ts
 * import { type RestartPolicy, runDetached, stop } from "@libflux/cli/mod";
 *
 * const restart: RestartPolicy = "on-failure:3";
 * const { name } = await runDetached({ command: ["sleep", "60"], restart });
 * await stop(name);
 * ```
 */
export type RestartPolicy = "no" | "always" | "on-failure" | `on-failure:${number}`;

/** Throws a {@link UsageError} unless a text is a restart policy. */
export function checkRestart(text: string): RestartPolicy {
  if (/^(no|always|on-failure(:[1-9][0-9]{0,8})?)$/.test(text)) return text as RestartPolicy;
  // docker's, which differs from `always` only where containers outlive a boot.
  if (text === "unless-stopped") return "always";
  throw new UsageError(`"${printable(text)}" is no restart policy`, {
    hint: "use no, on-failure, on-failure:N or always",
  });
}

/** Milliseconds before the first restart in a row, and at most. */
const [FIRST, MOST] = [100, 60_000];
/** Milliseconds after which a container counts as having worked: the next restart is the first in a row. */
const LONG = 10_000;

/** Whether and when a container is started again. */
export interface Restart {
  /** How often in a row it was started again, this time included. */
  readonly attempt: number;
  /** Milliseconds to wait before. */
  readonly delay: number;
}

/**
 * Decides; nothing where it isn't started again. Pure.
 *
 * @param code How it has ended.
 * @param ran How many milliseconds it has run.
 * @param attempts How often in a row it was started again before.
 */
export function nextStart(
  policy: RestartPolicy,
  code: number,
  ran: number,
  attempts: number,
): Restart | undefined {
  if (policy === "no" || policy !== "always" && code === 0) return undefined;
  const attempt = ran >= LONG ? 1 : attempts + 1;
  const most = Number(/:(\d+)$/.exec(policy)?.[1] ?? Infinity);
  if (attempt > most) return undefined;
  return { attempt, delay: Math.min(FIRST * 2 ** (attempt - 1), MOST) };
}
