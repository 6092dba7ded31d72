/**
 * What whoever runs containers should know, though nothing failed.
 *
 * @module
 */

let listener: ((sentence: string) => void) | undefined;

/**
 * Has warnings told: one sentence each, without a full stop. Without a listener nobody hears them.
 *
 * @param tell The only listener from now on; nothing to have none.
 *
 * @example Into a log
 * ```ts
 * import { onWarning } from "@libflux/cli/mod";
 *
 * onWarning((sentence) => console.error(`containers: ${sentence}`));
 * ```
 */
export function onWarning(tell: ((sentence: string) => void) | undefined): void {
  listener = tell;
}

/** Tells. */
export function warn(sentence: string): void {
  listener?.(sentence);
}
