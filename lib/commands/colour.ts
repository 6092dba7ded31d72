/**
 * Colours, where there is somebody to see them.
 *
 * @module
 */
import { variable } from "../caller.ts";

const CODES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;

/** A colour, or a weight. */
export type Colour = keyof typeof CODES;

/** Whether colours are wanted: on a terminal that has some, and not where `NO_COLOR` says something. */
export function isColourful(stream: { isTerminal(): boolean }): boolean {
  return stream.isTerminal() && (variable("NO_COLOR") ?? "") === "" && variable("TERM") !== "dumb";
}

/** Puts a colour around a text; nothing around it where none is given, or colours aren't wanted. */
export function paint(text: string, colour: Colour | undefined, wanted: boolean): string {
  return colour === undefined || !wanted ? text : `\x1b[${CODES[colour]}m${text}\x1b[0m`;
}

/** A sentence of libflux's on standard error, with its own name in a colour. */
export function paintName(sentence: string, colour: Colour): string {
  const name = /^libflux: (?:warning: )?/.exec(sentence)?.[0].trimEnd() ?? "";
  if (name === "" || !isColourful(Deno.stderr)) return sentence;
  return paint(name, colour, true) + sentence.slice(name.length);
}
