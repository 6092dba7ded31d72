/**
 * The functions of templates: Go's own, and docker's.
 *
 * @module
 */
import { printable } from "../errors.ts";
import { displayWidth } from "../width.ts";

/** A text that may go to a terminal as it is: what the template's author wrote, or what was made fit for it already. */
export class Shown {
  constructor(readonly text: string) {}
}

/** What a function says when its arguments are wrong. */
export class TemplateError extends Error {}

/** A value without the mark that it may be shown. */
export const raw = (value: unknown): unknown => value instanceof Shown ? value.text : value;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value as Go shows it, fit for a terminal. */
export function show(value: unknown): string {
  if (value instanceof Shown) return value.text;
  if (typeof value === "string") return printable(value);
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (isObject(value)) {
    const entries = Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1);
    return `map[${entries.map(([key, one]) => `${printable(key)}:${show(one)}`).join(" ")}]`;
  }
  return String(value);
}

/** Whether Go takes a value for true: what isn't empty, zero or nothing. */
export function isTrue(marked: unknown): boolean {
  const value = raw(marked);
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/** What a value is, for an error. */
export function kindOf(marked: unknown): string {
  const value = raw(marked);
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  return isObject(value) ? "an object" : `a ${typeof value}`;
}

/** What `json` gives: no control character in it, not even those that JSON allows. */
export function json(value: unknown): string {
  const text = JSON.stringify(raw(value) ?? null, (_, one) => typeof one === "bigint" ? Number(one) : one);
  return text.replace(/[\x7f-\x9f]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A text from a text, as fit for a terminal as that. */
function mapped(value: unknown, change: (text: string) => string, name: string): unknown {
  if (value instanceof Shown) return new Shown(change(value.text));
  if (typeof value === "string") return change(value);
  if (typeof value === "number" || typeof value === "boolean") return change(String(value));
  throw new TemplateError(`${name} takes a text, not ${kindOf(value)}`);
}

function count(value: unknown, name: string): number {
  const number = raw(value);
  if (typeof number === "number" && Number.isInteger(number)) return number;
  throw new TemplateError(`${name} takes a whole number, not ${kindOf(value)}`);
}

function index(value: unknown, key: unknown): unknown {
  const [from, at] = [raw(value), raw(key)];
  if (Array.isArray(from)) {
    const place = count(at, "index");
    if (place >= 0 && place < from.length) return from[place];
    throw new TemplateError(`there is no element ${place} in a list of ${from.length}`);
  }
  if (!isObject(from)) throw new TemplateError(`index takes a list or an object, not ${kindOf(from)}`);
  if (typeof at !== "string") throw new TemplateError(`the key of an object is a text, not ${kindOf(at)}`);
  return Object.hasOwn(from, at) ? from[at] : undefined;
}

/** `%s`, `%v`, `%d`, `%q`, `%t`, `%f`, `%x` with width, `-`, `0` and precision. */
function printf(format: string, args: readonly unknown[]): string {
  let used = 0;
  const text = format.replace(
    /%(-?)(0?)(\d{0,3})(?:\.(\d{1,2}))?(.|$)/gsu,
    (whole, left, zero, width, digits, verb) => {
      if (verb === "%") return "%";
      if (used >= args.length) throw new TemplateError(`printf has no argument for ${printable(whole)}`);
      const arg = args[used++];
      const padded = (part: string): string => {
        const missing = Math.max(0, Number(width) - displayWidth(part));
        if (left === "-") return part + " ".repeat(missing);
        if (zero === "" || !"dfx".includes(verb)) return " ".repeat(missing) + part;
        return part.startsWith("-") ? `-${"0".repeat(missing)}${part.slice(1)}` : "0".repeat(missing) + part;
      };
      const number = (): number => {
        const value = raw(arg);
        if (typeof value === "number") return value;
        throw new TemplateError(`printf's ${printable(whole)} takes a number, not ${kindOf(arg)}`);
      };
      switch (verb) {
        case "s":
        case "v":
        case "t": {
          const part = show(arg);
          return padded(digits === undefined ? part : Array.from(part).slice(0, Number(digits)).join(""));
        }
        case "d":
          return padded(String(Math.trunc(number())));
        case "f":
          return padded(number().toFixed(Number(digits ?? 6)));
        case "x":
          return padded(typeof raw(arg) === "string" ? hex(String(raw(arg))) : number().toString(16));
        case "q":
          return padded(json(typeof raw(arg) === "string" ? arg : show(arg)));
      }
      throw new TemplateError(`printf has no ${printable(whole)}`);
    },
  );
  if (used < args.length) throw new TemplateError(`printf has ${args.length - used} arguments too many`);
  return text;
}

const hex = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** -1, 0 or 1. */
function compare(one: unknown, other: unknown, name: string): number {
  const [a, b] = [raw(one), raw(other)];
  if (typeof a === "number" && typeof b === "number" || typeof a === "string" && typeof b === "string") {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  throw new TemplateError(`${name} can't compare ${kindOf(a)} and ${kindOf(b)}`);
}

const same = (one: unknown, other: unknown): boolean => {
  const [a, b] = [raw(one), raw(other)];
  return a === b || a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
};

/** A function: how many arguments it takes, and what it makes of them. */
interface TemplateFunction {
  readonly least: number;
  readonly most: number;
  readonly call: (...args: readonly unknown[]) => unknown;
}

const exactly = (number: number, call: TemplateFunction["call"]): TemplateFunction => ({
  least: number,
  most: number,
  call,
});

/** All of them, by name. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  json: exactly(1, (value) => new Shown(json(value))),
  upper: exactly(1, (value) => mapped(value, (text) => text.toUpperCase(), "upper")),
  lower: exactly(1, (value) => mapped(value, (text) => text.toLowerCase(), "lower")),
  title: exactly(
    1,
    (value) => mapped(value, (text) => text.replace(/(?<!\p{L})\p{L}/gu, (one) => one.toUpperCase()), "title"),
  ),
  join: exactly(2, (value, separator) => {
    const list = raw(value);
    if (!Array.isArray(list)) throw new TemplateError(`join takes a list, not ${kindOf(value)}`);
    return new Shown(list.map(show).join(show(separator)));
  }),
  split: exactly(2, (value, separator) => {
    const [text, at] = [raw(value), raw(separator)];
    if (typeof text === "string" && typeof at === "string") return text.split(at);
    throw new TemplateError(`split takes two texts, not ${kindOf(value)} and ${kindOf(separator)}`);
  }),
  truncate: exactly(
    2,
    (value, length) =>
      mapped(value, (text) => Array.from(text).slice(0, Math.max(0, count(length, "truncate"))).join(""), "truncate"),
  ),
  printf: {
    least: 1,
    most: Infinity,
    call: (format, ...args) => {
      if (typeof raw(format) !== "string") throw new TemplateError(`printf takes a format, not ${kindOf(format)}`);
      return new Shown(printf(show(format), args));
    },
  },
  print: { least: 0, most: Infinity, call: (...args) => new Shown(args.map(show).join("")) },
  println: { least: 0, most: Infinity, call: (...args) => new Shown(`${args.map(show).join(" ")}\n`) },
  len: exactly(1, (marked) => {
    const value = raw(marked);
    if (typeof value === "string" || Array.isArray(value)) return value.length;
    if (isObject(value)) return Object.keys(value).length;
    throw new TemplateError(`len takes a text, a list or an object, not ${kindOf(value)}`);
  }),
  index: { least: 2, most: Infinity, call: (value, ...keys) => keys.reduce(index, value) },
  eq: { least: 2, most: Infinity, call: (value, ...others) => others.some((other) => same(value, other)) },
  ne: exactly(2, (one, other) => !same(one, other)),
  lt: exactly(2, (one, other) => compare(one, other, "lt") < 0),
  le: exactly(2, (one, other) => compare(one, other, "le") <= 0),
  gt: exactly(2, (one, other) => compare(one, other, "gt") > 0),
  ge: exactly(2, (one, other) => compare(one, other, "ge") >= 0),
  and: { least: 1, most: Infinity, call: (...args) => args.find((one) => !isTrue(one)) ?? args.at(-1) },
  or: { least: 1, most: Infinity, call: (...args) => args.find(isTrue) ?? args.at(-1) },
  not: exactly(1, (value) => !isTrue(value)),
};
