/**
 * How many columns of a terminal a text takes.
 *
 * @module
 */

/** Text whose every character takes one column. */
const PLAIN = /^[\x20-\x7e]*$/;

// By properties of characters, which the engine keeps up with Unicode, and not by a table of our own. Made when the first
// text needs them: most never do.
let patterns: { readonly zero: RegExp; readonly wide: RegExp; readonly graphemes: Intl.Segmenter } | undefined;

function needed(): NonNullable<typeof patterns> {
  const scripts = ["Han", "Hiragana", "Katakana", "Hangul", "Bopomofo", "Yi", "Tangut", "Nushu", "Khitan_Small_Script"];
  return patterns ??= {
    // Combining marks, invisible ones, and the vowels and final consonants of Hangul, which join the syllable before them.
    zero: /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff\ud7b0-\ud7fb]$/u,
    // W and F of UAX #11: East Asian scripts but for their half-width forms, and what is shown as a picture.
    wide: new RegExp(
      `^(?![\\u02ea\\u02eb\\u303f\\u3248-\\u324f\\uff61-\\uffdc])[\\p{Emoji_Presentation}${
        scripts.map((script) => `\\p{Script=${script}}`).join("")
      }\\u2329\\u232a\\u2ff0-\\u2fff\\u3000-\\u33ff\\ufe10-\\ufe19\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{1f200}-\\u{1f2ff}]$`,
      "u",
    ),
    graphemes: new Intl.Segmenter("und", { granularity: "grapheme" }),
  };
}

/** U+FE0F after a character: shown as a picture. */
const PICTURE = "\ufe0f";

function graphemeWidth(grapheme: string): number {
  const { zero, wide } = needed();
  if (grapheme.includes(PICTURE)) return 2;
  for (const character of grapheme) if (!zero.test(character)) return wide.test(character) ? 2 : 1;
  return 0;
}

/** How many columns a text takes: marks that combine take none, characters of East Asia and pictures two. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of needed().graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** A text in so many columns at most, with `…` at the end where something had to go. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return "";
  let [kept, used] = ["", 0];
  for (const { segment } of needed().graphemes.segment(text)) {
    used += graphemeWidth(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** Lines of so many columns at most, broken at blanks; a word that is longer has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let [line, used] = ["", 0];
  for (const word of text.split(/\s+/).filter((one) => one !== "")) {
    const wide = displayWidth(word);
    if (line !== "" && used + 1 + wide > width) {
      lines.push(line);
      [line, used] = ["", 0];
    }
    [line, used] = line === "" ? [word, wide] : [`${line} ${word}`, used + 1 + wide];
  }
  return [...lines, line];
}
