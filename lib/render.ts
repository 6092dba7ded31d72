/**
 * Text for terminals, from data and a width. Pure: no colours, nothing printed.
 *
 * @module
 */

/** Lines up columns, two blanks apart, without trailing blanks; ends with a newline. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headers.map((header, index) =>
    Math.max(header.length, ...rows.map((row) => (row[index] ?? "").length))
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ").trimEnd();
  return [headers, ...rows].map((row) => line(row) + "\n").join("");
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
