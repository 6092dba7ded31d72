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
      // What was held back is the container's after all; the byte itself may begin the sequence anew.
      passed.push(...this.keys.subarray(0, this.#matched));
      this.#matched = byte === this.keys[0] ? 1 : 0;
      if (this.#matched === 0) passed.push(byte);
      else if (this.keys.length === 1) return { passed: Uint8Array.from(passed), isDetached: true };
    }
    return { passed: Uint8Array.from(passed), isDetached: false };
  }
}
