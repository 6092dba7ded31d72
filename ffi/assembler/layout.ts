/**
 * What both assemblers share: labels, and jumps whose size depends on their distance.
 *
 * @module
 */

/** Bytes, or something whose bytes depend on where labels are. */
export type Item =
  | { readonly kind: "bytes"; readonly bytes: readonly number[] }
  | { readonly kind: "label"; readonly name: string }
  | {
    readonly kind: "relative";
    readonly target: string;
    /** The possible sizes in bytes, smallest first; the last always fits. */
    readonly sizes: readonly number[];
    /** Whether a size reaches this far; the distance is counted from the item's first byte. */
    readonly fits: (distance: number, size: number) => boolean;
    readonly encode: (distance: number, size: number) => readonly number[];
  };

/** Places every item, starting with the smallest sizes and growing what doesn't reach, as GNU `as` does. */
export function layOut(items: readonly Item[]): Uint8Array<ArrayBuffer> {
  const chosen = items.map((item): number => item.kind === "relative" ? 0 : -1);
  const size = (item: Item, index: number): number =>
    item.kind === "bytes" ? item.bytes.length : item.kind === "label" ? 0 : item.sizes[chosen[index] ?? 0] ?? 0;
  for (;;) {
    const labels = new Map<string, number>();
    const offsets: number[] = [];
    let end = 0;
    items.forEach((item, index) => {
      offsets.push(end);
      if (item.kind === "label") labels.set(item.name, end);
      end += size(item, index);
    });
    let grown = false;
    const bytes: number[] = [];
    items.forEach((item, index) => {
      if (item.kind === "bytes") bytes.push(...item.bytes);
      if (item.kind !== "relative") return;
      const target = labels.get(item.target);
      if (target === undefined) throw new Error(`no label ${item.target}`);
      const distance = target - (offsets[index] ?? 0);
      const now = size(item, index);
      if (item.fits(distance, now)) bytes.push(...item.encode(distance, now));
      else {
        const larger = (chosen[index] ?? 0) + 1;
        if (larger >= item.sizes.length) throw new Error(`label ${item.target} is too far away`);
        chosen[index] = larger;
        grown = true;
      }
    });
    if (!grown) return new Uint8Array(bytes);
  }
}
