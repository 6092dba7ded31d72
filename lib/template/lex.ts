/**
 * A template in Go's notation, cut into text and the words of its actions.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/** A word of an action. */
export interface Token {
  readonly kind: "field" | "variable" | "name" | "string" | "number" | "sign";
  /** As it stands there; of a field and a variable without `.` and `$`; of a string what it means. */
  readonly text: string;
  /** Whether no blank is between it and the one before: `$x.Name` is one thing, `$x .Name` are two. */
  readonly attached: boolean;
}

/** Text, or an action as it is written and its words. */
export type Piece =
  | { readonly text: string }
  | { readonly source: string; readonly tokens: readonly Token[] };

/** The error for an action that can't be read. */
export function unreadable(
  source: string,
  why: string,
  hint = "see 'libflux man ps' for what a template may have",
): UsageError {
  return new UsageError(`the template can't be read at ${printable(source)}: ${why}`, { hint });
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", '"': '"', "'": "'", "\\": "\\" };

/** One word; the patterns are tried in this order. */
const WORDS: readonly (readonly [Token["kind"], RegExp])[] = [
  ["string", /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  ["field", /\.(?:[\p{L}_][\p{L}\p{N}_]*)?/uy],
  ["variable", /\$(?:[\p{L}_][\p{L}\p{N}_]*)?/uy],
  ["number", /[+-]?\d+(?:\.\d+)?(?![\p{L}\p{N}_.])/uy],
  ["name", /[\p{L}_][\p{L}\p{N}_]*/uy],
  ["sign", /:=|[|(),=]/y],
];

function unquote(text: string, source: string): string {
  if (text.startsWith("`")) return text.slice(1, -1);
  return text.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (_, code: string) => {
    const plain = ESCAPES[code];
    if (plain !== undefined) return plain;
    if (code.length > 1) return String.fromCharCode(parseInt(code.slice(1), 16));
    throw unreadable(source, `a string has no escape \\${code}`);
  });
}

/** Where an action ends: strings may have braces in them. */
function endOf(template: string, begin: number): number {
  if (/^\{\{(?:- )?\s*\/\*/.test(template.slice(begin, begin + 8))) {
    const end = template.indexOf("*/", begin);
    return end < 0 ? -1 : template.indexOf("}}", end);
  }
  const scan = /"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}/gy;
  for (let at = begin + 2; at < template.length; at++) {
    scan.lastIndex = at;
    const found = scan.exec(template)?.[0];
    if (found === "}}") return at;
    if (found !== undefined) at += found.length - 1;
  }
  return -1;
}

function words(body: string, source: string): Token[] {
  const tokens: Token[] = [];
  let attached = false;
  for (let at = 0; at < body.length;) {
    if (/\s/.test(body[at] ?? "")) {
      at++;
      attached = false;
      continue;
    }
    const found = WORDS.map(([kind, pattern]) => {
      pattern.lastIndex = at;
      return [kind, pattern.exec(body)?.[0]] as const;
    }).find(([, text]) => text !== undefined);
    const [kind, text] = found ?? [];
    if (kind === undefined || text === undefined) {
      throw unreadable(source, `"${printable(Array.from(body.slice(at))[0] ?? "")}" means nothing there`);
    }
    const meaning = kind === "string" ? unquote(text, source) : /^[.$]/.test(text) ? text.slice(1) : text;
    tokens.push({ kind, text: meaning, attached });
    at += text.length;
    attached = true;
  }
  return tokens;
}

/** Cuts a template. Throws a `UsageError` on what is no word. */
export function lex(template: string): Piece[] {
  const pieces: Piece[] = [];
  let trim = false;
  for (let at = 0; at <= template.length;) {
    const begin = template.indexOf("{{", at);
    let text = template.slice(at, begin < 0 ? undefined : begin);
    if (trim) text = text.trimStart();
    if (begin < 0) {
      pieces.push({ text });
      break;
    }
    const end = endOf(template, begin);
    if (end < 0) throw unreadable(template.slice(begin, begin + 20), "it has no }}");
    const source = template.slice(begin, end + 2);
    let body = source.slice(2, -2);
    if (/^-\s/.test(body)) {
      text = text.trimEnd();
      body = body.slice(1);
    }
    trim = /\s-$/.test(body);
    if (trim) body = body.slice(0, -1);
    pieces.push({ text });
    if (!/^\s*\/\*[^]*\*\/\s*$/.test(body)) pieces.push({ source, tokens: words(body, source) });
    at = end + 2;
  }
  return pieces;
}
