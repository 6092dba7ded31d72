/**
 * Times as people say them.
 *
 * @module
 */

const [SECOND, MINUTE, HOUR, DAY, YEAR] = [1_000, 60_000, 3_600_000, 86_400_000, 365 * 86_400_000];

/** In the largest unit that fits: "5s", "3m", "2h", "4d". */
export function age(milliseconds: number): string {
  const time = Math.max(0, milliseconds);
  if (time < MINUTE) return `${Math.floor(time / SECOND)}s`;
  if (time < HOUR) return `${Math.floor(time / MINUTE)}m`;
  if (time < DAY) return `${Math.floor(time / HOUR)}h`;
  return `${Math.floor(time / DAY)}d`;
}

/** As docker says it: "5 seconds", "About a minute", "3 weeks". */
export function duration(milliseconds: number): string {
  const time = Math.max(0, milliseconds);
  const whole = (unit: number): number => Math.floor(time / unit);
  if (time < SECOND) return "Less than a second";
  if (time < 2 * SECOND) return "1 second";
  if (time < MINUTE) return `${whole(SECOND)} seconds`;
  if (time < 2 * MINUTE) return "About a minute";
  if (time < HOUR) return `${whole(MINUTE)} minutes`;
  // docker rounds hours to the nearest, and all else down.
  const hours = Math.floor(time / HOUR + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${whole(YEAR)} years`;
}

/** As docker writes it: "2026-01-02 03:04:05 +0000 UTC". */
export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
}
