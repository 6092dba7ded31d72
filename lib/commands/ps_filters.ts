/**
 * Which containers `libflux ps` shows, and in which order.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import type { Listed } from "./ps_fields.ts";

type Test = (container: Listed) => boolean;

/** States that a container may be in. */
export const STATES = ["running", "paused", "restarting", "stopping", "exited", "dead"] as const;

const KEYS = ["name", "id", "state", "status", "image", "ancestor", "network", "label", "exited", "health"] as const;

/** What completes `--filter`. */
export const FILTER_KEYS: readonly string[] = KEYS.map((key) => `${key}=`);

/** A part of a name, or a pattern, as docker takes it. */
function named(value: string): Test {
  let pattern: RegExp | undefined;
  try {
    pattern = new RegExp(value);
  } catch {
    // A part of a name and nothing else.
  }
  return ({ name }) => name.includes(value) || pattern?.test(name) === true;
}

/** Reads a filter. Throws a `UsageError` on one that isn't known. */
export function parseFilter(text: string): { readonly key: string; readonly test: Test } {
  const at = text.indexOf("=");
  const [key, value] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  const test = value === "" ? undefined : testOf(key, value);
  // Two names for one thing are one filter.
  if (test !== undefined) return { key: key === "status" ? "state" : key === "ancestor" ? "image" : key, test };
  throw new UsageError(`"${printable(text)}" is no filter`, {
    hint: `write name=TEXT, id=TEXT, state=${STATES.join("|")}, image=DIR, network=NAME, label=K[=V], exited=CODE ` +
      "or health=healthy|unhealthy|starting",
  });
}

function testOf(key: string, value: string): Test | undefined {
  switch (key) {
    case "name":
      return named(value);
    case "id":
      return ({ id }) => id.startsWith(value);
    case "state":
    case "status":
      return STATES.some((state) => state === value) ? ({ state }) => state === value : undefined;
    case "image":
    case "ancestor":
      return ({ image }) => image === value;
    case "network":
      return ({ network }) => network === value;
    case "label": {
      const equals = value.indexOf("=");
      const [name, wanted] = equals < 0 ? [value] : [value.slice(0, equals), value.slice(equals + 1)];
      return ({ labels }) => Object.hasOwn(labels, name) && (wanted === undefined || labels[name] === wanted);
    }
    case "exited":
      return /^\d{1,3}$/.test(value) ? ({ state, code }) => state === "exited" && code === Number(value) : undefined;
    case "health":
      return ["starting", "healthy", "unhealthy"].includes(value) ? ({ health }) => health === value : undefined;
  }
  return undefined;
}

/** All filters as one, as docker has it: one of those with the same key must match, but all labels, and every key. */
export function parseFilters(texts: readonly string[]): Test {
  const groups = new Map<string, Test[]>();
  for (const [index, text] of texts.entries()) {
    const { key, test } = parseFilter(text);
    const group = key === "label" ? `label ${index}` : key;
    groups.set(group, [...groups.get(group) ?? [], test]);
  }
  return (container) => Array.from(groups.values()).every((tests) => tests.some((test) => test(container)));
}

const text = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;
const created = (a: Listed, b: Listed): number => a.created.getTime() - b.created.getTime();

const ORDERS: Readonly<Record<string, (a: Listed, b: Listed) => number>> = {
  name: (a, b) => text(a.name, b.name),
  /** The youngest first. */
  age: (a, b) => created(b, a),
  created,
  state: (a, b) => text(a.state, b.state),
  image: (a, b) => text(a.image, b.image),
  pid: (a, b) => (a.pid ?? 0) - (b.pid ?? 0),
};

/** What completes `--sort`. */
export const ORDER_NAMES: readonly string[] = Object.keys(ORDERS);

/** Puts containers in order: by name where nothing was said, and where all else is the same. */
export function sort(containers: readonly Listed[], order = "name", reverse = false): Listed[] {
  const backwards = order.startsWith("-");
  const name = backwards ? order.slice(1) : order;
  const compare = Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined;
  if (compare === undefined) {
    throw new UsageError(`--sort is ${ORDER_NAMES.join(", ")}, not "${printable(order)}"`, {
      hint: "a - before it turns the order round",
    });
  }
  const sign = backwards === reverse ? 1 : -1;
  return containers.toSorted((a, b) => sign * compare(a, b) || text(a.name, b.name));
}

/** The last ones made, in the order that they are in. */
export function last(containers: readonly Listed[], count: number): Listed[] {
  const kept = new Set(containers.toSorted((a, b) => created(b, a)).slice(0, count));
  return containers.filter((one) => kept.has(one));
}
