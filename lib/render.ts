/**
 * Text for terminals, from data and a width. Pure: nothing printed.
 *
 * @module
 */
import { cut, displayWidth } from "./width.ts";
export { cut, displayWidth, wrap } from "./width.ts";

/** How a table is shown. */
export interface TableOptions {
  /** Columns that it has to fit into: the longest cells are cut. As wide as it is if left out. */
  readonly width?: number | undefined;
  /** Columns of the table that are never cut, such as names. */
  readonly whole?: readonly number[];
  /** What is put around a cell's text when all is lined up, such as a colour. */
  readonly paint?: ((text: string, column: number, row: number) => string) | undefined;
}

/** Columns that are left of one at least. */
const NARROWEST = 8;

/** Takes from the widest columns until all fit, or none can be narrower. */
function fit(
  widths: readonly number[],
  headers: readonly string[],
  width: number,
  whole: readonly number[],
): number[] {
  const fitted = [...widths];
  const least = headers.map((header, index) =>
    whole.includes(index) ? widths[index] ?? 0 : Math.max(NARROWEST, displayWidth(header))
  );
  for (let excess = fitted.reduce((sum, one) => sum + one + 2, -2) - width; excess > 0; excess--) {
    const spare = fitted.map((one, index) => one > (least[index] ?? 0) ? one : -1);
    const widest = spare.indexOf(Math.max(...spare));
    if ((spare[widest] ?? -1) < 0) break;
    fitted[widest] = (fitted[widest] ?? 0) - 1;
  }
  return fitted;
}

/** Lines up columns, two blanks apart, without trailing blanks; ends with a newline. */
export function table(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  { width, whole = [], paint }: TableOptions = {},
): string {
  const natural = headers.map((header, index) =>
    rows.reduce((most, row) => Math.max(most, displayWidth(row[index] ?? "")), displayWidth(header))
  );
  const widths = width === undefined ? natural : fit(natural, headers, width, whole);
  const line = (row: readonly string[], number: number): string => {
    let [text, gap] = ["", 0];
    for (const [index, whole] of row.entries()) {
      const cell = cut(whole, widths[index] ?? 0);
      if (cell !== "") text += " ".repeat(gap) + (number < 0 ? cell : paint?.(cell, index, number) ?? cell);
      gap = (cell === "" ? gap : 0) + (widths[index] ?? 0) - displayWidth(cell) + 2;
    }
    return text.trimEnd();
  };
  return [headers, ...rows].map((row, index) => line(row, index - 1) + "\n").join("");
}

/** How many letters have to be added, dropped, changed or swapped with their neighbour: Damerau–Levenshtein. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const at = (line: number[] | undefined, index: number): number => line?.[index] ?? Infinity;
      let best = Math.min(at(rows[i - 1], j) + 1, at(row, j - 1) + 1, at(rows[i - 1], j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, at(rows[i - 2], j - 2) + 1);
      }
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? Infinity;
}

/** The candidate that a mistyped word most likely means; nothing where none is near: two changes make any short word another. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const SHORT = 4;
  const maxChanges = word.length <= SHORT ? 1 : 2;
  const ranked = candidates.map((candidate) => [distance(word, candidate), candidate] as const).sort(([a], [b]) =>
    a - b
  );
  const [best] = ranked;
  return best !== undefined && best[0] <= Math.min(maxChanges, word.length - 1) ? best[1] : undefined;
}
