/**
 * `libflux ps`: which containers there are.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { list } from "../list.ts";
import { table } from "../render.ts";
import { type Colour, isColourful, paint } from "./colour.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags, refuseArguments } from "./flags.ts";
import { columns, print } from "./output.ts";
import { cell, FIELD_NAMES, type FieldOptions, type Listed, recordOf, titles } from "./ps_fields.ts";
import { FILTER_KEYS, last, ORDER_NAMES, parseFilters, sort, STATES } from "./ps_filters.ts";

const FLAGS: readonly Flag[] = [
  {
    name: "format",
    value: "FORMAT",
    complete: { choices: ["table", "json"] },
    help: "table (default), json, or a template such as '{{.Names}} {{.Status}}' or 'table {{.Names}}\\t{{.Ports}}'",
  },
  {
    name: "filter",
    short: "f",
    value: "K=V",
    repeated: true,
    complete: { choices: [...FILTER_KEYS, ...STATES.map((state) => `state=${state}`)] },
    help: "only those with name=TEXT, id=TEXT, state=STATE, image=DIR, network=NAME or label=K[=V]",
  },
  {
    name: "sort",
    value: "KEY",
    complete: { choices: [...ORDER_NAMES, ...ORDER_NAMES.map((name) => `-${name}`)] },
    help: `by ${ORDER_NAMES.join(", ")}; a - before it turns the order round; by name if left out`,
  },
  { name: "all", short: "a", help: "also those that have ended, until they are pruned" },
  { name: "reverse", help: "the other way round" },
  { name: "last", short: "n", value: "N", help: "only the N that were made last" },
  { name: "trunc", help: "cut ids, and cells to the terminal's width (default); --no-trunc: don't" },
  { name: "quiet", short: "q", help: "only names" },
];

/** `libflux ps`. */
export const PS: Command = {
  name: "ps",
  usage: ["ps [FLAG…]"],
  about: `Lists your containers. None is no error.

Filters with the same key show what one of them matches, but for labels, which must all be there; those with different keys
must all match.

A template is in Go's notation, as docker has it: {{if}}, {{else}}, {{with}}, {{range}}, {{end}}, variables, and the
functions json, upper, lower, title, join, split, truncate, printf, print, println, len, index, eq, ne, lt, le, gt, ge, and,
or and not. After "table" and a blank it makes a table, whose columns a tab (\\t) separates.

Its fields: ${FIELD_NAMES.map((name) => `.${name}`).join(", ")}; .Label "KEY" is one label.`,
  flags: FLAGS,
  maxOperands: 0,
  examples: [
    { line: "libflux ps --filter label=tier=web --sort -age" },
    { line: "libflux ps --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}'" },
    { line: `libflux ps --format '{{range $k, $v := split .Labels ","}}{{$v}}{{println}}{{end}}'` },
  ],
  run: psCommand,
};

/** The table's columns. */
const COLUMNS = ["Name", "State", "Pid", "Image", "Command", "Age", "Ports"] as const;
const STATE = COLUMNS.indexOf("State");
/** What is typed again is shown whole. */
const WHOLE = [COLUMNS.indexOf("Name"), STATE];

function colourOf({ state, code, health }: Listed): Colour {
  if (health === "unhealthy") return "red";
  if (state === "running") return "green";
  if (state === "exited") return code === 0 ? "dim" : "red";
  return "yellow";
}

/** How many were asked for. */
function readCount(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (/^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new UsageError(`--last is a number of containers, not "${printable(text)}"`);
}

/** What prints containers by a template. Throws a `UsageError` where that can't be read. */
async function byTemplate(
  format: string,
): Promise<(containers: readonly Listed[], options: FieldOptions, width?: number) => string> {
  const { readTemplate, typed } = await import("../template.ts");
  const isTable = /^table(?=\s|$)/.test(format);
  const text = typed(isTable ? format.slice("table".length).trimStart() : format);
  const template = readTemplate(text, { fields: FIELD_NAMES });
  return (containers, options, width) => {
    const lines = containers.map((container) => template(recordOf(container, options)));
    if (!isTable) return lines.map((line) => `${line}\n`).join("");
    return table(template(titles()).split("\t"), lines.map((line) => line.split("\t")), { width });
  };
}

/** Adds what tells a container's mounts, where a template has them: that takes the code that reads specifications. */
async function withMounts(options: FieldOptions, format: string, root: string | undefined): Promise<FieldOptions> {
  if (!/mounts|json/i.test(format)) return options;
  const { boundInto } = await import("../inspect.ts");
  return { ...options, mounts: ({ name }) => boundInto(name, root) };
}

/** Prints the list; answers the exit code. */
export async function psCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("ps", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(PS));
    return 0;
  }
  refuseArguments("ps", flags);
  const filter = parseFilters(flags.values("filter"));
  const count = readCount(flags.value("last"));
  const format = flags.value("format") ?? "table";
  const isTemplate = format.includes("{{");
  if (format !== "table" && format !== "json" && !isTemplate) {
    throw new UsageError(`--format is table, json or a template, not "${printable(format)}"`, {
      hint: "a template looks like '{{.Names}} {{.Status}}'",
    });
  }
  const show = isTemplate ? await byTemplate(format) : undefined;
  // Before anything is looked at: a wrong order is wrong without containers, too.
  const order = (containers: readonly Listed[]): Listed[] =>
    sort(containers, flags.value("sort"), flags.on("reverse") ?? false);
  order([]);
  const root = flags.value("root");
  // Who asks for them gets them.
  const asks = flags.values("filter").some((text) => /^(?:(?:state|status)=(?:exited|dead)$|exited=)/.test(text));
  const all = flags.on("all") ?? (asks || flags.value("last") !== undefined);
  const found: readonly Listed[] = await list({ all, ...(root === undefined ? {} : { root }) });
  const containers = order(last(found.filter(filter), count));
  const whole = flags.on("trunc") === false;
  const options: FieldOptions = { now: Date.now(), whole };
  const width = whole ? undefined : columns();
  if (flags.on("quiet") === true) print(containers.map(({ name }) => `${name}\n`).join(""));
  else if (format === "json") print(`${JSON.stringify(containers, null, 2)}\n`);
  else if (show !== undefined) print(show(containers, await withMounts(options, format, root), width));
  else {
    const rows = containers.map((container) => COLUMNS.map((column) => cell(column, container, options)));
    const colourful = isColourful(Deno.stdout);
    const paintState = (text: string, column: number, row: number): string => {
      const container = containers[row];
      return paint(text, column === STATE && container !== undefined ? colourOf(container) : undefined, colourful);
    };
    print(table(COLUMNS.map((column) => column.toUpperCase()), rows, { width, whole: WHOLE, paint: paintState }));
  }
  return 0;
}
