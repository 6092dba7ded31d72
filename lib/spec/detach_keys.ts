/**
 * The keys that end an attachment and leave the container alone.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/** docker's and podman's. */
export const DETACH_KEYS = "ctrl-p,ctrl-q";

/** Characters that have a control character, from ctrl-@ (0) to ctrl-_ (31). */
const CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** Reads a sequence such as "ctrl-p,ctrl-q" or "ctrl-a,d"; "" is none. @returns The bytes that the keys send. */
export function parseDetachKeys(text: string): Uint8Array<ArrayBuffer> {
  const keys = text === "" ? [] : text.split(",");
  return new Uint8Array(keys.map((key) => {
    const [, control] = /^ctrl-(.)$/i.exec(key) ?? [];
    const number = control === undefined ? -1 : CONTROLS.indexOf(control.toLowerCase());
    if (number >= 0) return number;
    // One byte of ASCII, as terminals send it.
    if (/^[!-~ ]$/.test(key)) return key.charCodeAt(0);
    throw new UsageError(`"${printable(key)}" is no key that could be a detach key`, {
      hint: "write letters, and ctrl- with a letter, @, [, \\, ], ^ or _, with commas between: ctrl-p,ctrl-q",
    });
  }));
}

/** Finds the keys in what is typed, and holds back what may be their beginning. */
export class DetachFilter {
  #matched = 0;

  /** @param keys From {@link parseDetachKeys}; with none nothing is ever found. */
  constructor(readonly keys: Uint8Array) {}

  /** Takes what was typed; answers what of it, and of what was held back, goes to the container. */
  take(typed: Uint8Array): { readonly passed: Uint8Array<ArrayBuffer>; readonly isDetached: boolean } {
    const passed: number[] = [];
    if (this.keys.length === 0) return { passed: Uint8Array.from(typed), isDetached: false };
    for (const byte of typed) {
      if (byte === this.keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.keys.length) return { passed: Uint8Array.from(passed), isDetached: true };
        continue;
      }
      // The longest end of what was held back, with this byte, that begins the sequence anew; the rest is the container's.
      const held = [...this.keys.subarray(0, this.#matched), byte];
      const begins = (from: number): boolean => held.slice(from).every((one, index) => one === this.keys[index]);
      let from = 1;
      while (!begins(from)) from++;
      passed.push(...held.slice(0, from));
      this.#matched = held.length - from;
    }
    return { passed: Uint8Array.from(passed), isDetached: false };
  }
}
