/**
 * Pictures of numbers for terminals. Pure.
 *
 * @module
 */

/** From nothing to a full cell, in eighths. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of a length in cells; fractions are drawn too. */
export function bar(length: number): string {
  const whole = Math.floor(length);
  return "█".repeat(whole) + (EIGHTHS[Math.floor((length - whole) * 8)] ?? "");
}

/** How far something is: "████      40/100". Never wider than `width`. */
export function progressBar(done: number, count: number, width: number): string {
  const text = ` ${done}/${count}`;
  const cells = Math.max(0, width - text.length);
  return bar(cells * done / Math.max(count, 1)).padEnd(cells) + text;
}

const BUCKETS = 12;

/** How often which value came, smallest first: a line for each range, never wider than `width`. Values in milliseconds. */
export function histogram(values: readonly number[], width: number): string {
  if (values.length === 0) return "";
  const sorted = [...values].sort((a, b) => a - b);
  const min = sorted[0] ?? 0;
  // The slowest few would leave everything else in one bucket: they share the last.
  const top = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? min;
  const step = Math.max((top - min) / BUCKETS, 0.001);
  const counts = new Array<number>(BUCKETS + 1).fill(0);
  for (const value of sorted) {
    const index = Math.min(Math.floor((value - min) / step), BUCKETS);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  const last = counts.findLastIndex((count) => count > 0);
  const most = Math.max(...counts);
  return counts.slice(0, last + 1).map((count, index) => {
    const from = (min + index * step).toFixed(2);
    const label = index === BUCKETS ? `≥ ${from} ms` : `${from} ms`;
    const cells = Math.max(1, width - 14 - 2 - String(most).length - 1);
    return `${label.padStart(14)}  ${bar(count / most * cells)} ${count}\n`;
  }).join("");
}
