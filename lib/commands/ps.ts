/**
 * `libflux ps`: which containers there are.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { type ContainerInfo, list } from "../list.ts";
import { formatPort } from "../spec/ports.ts";
import { table } from "../render.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags, refuseArguments } from "./flags.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "format", value: "FORMAT", help: "table (default), json, or a template such as '{{.Name}} {{.Pid}}'" },
  {
    name: "filter",
    short: "f",
    value: "K=V",
    repeated: true,
    help: "only those with name=TEXT, state=STATE, image=DIR or label=K[=V]",
  },
  { name: "quiet", short: "q", help: "only names" },
];

/** `libflux ps`. */
export const PS: Command = {
  name: "ps",
  usage: ["ps [FLAG…]"],
  about: "Lists your containers. None is no error.",
  flags: FLAGS,
  maxOperands: 0,
  run: psCommand,
};

/** Seconds as people say them: "5s", "3m", "2h", "4d". */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

type Field = (container: ContainerInfo, now: number) => string;

const FIELDS: Readonly<Record<string, Field>> = {
  Name: ({ name }) => name,
  ID: ({ id }) => printable(id),
  State: ({ state }) => state,
  Pid: ({ pid }) => String(pid),
  Image: ({ image }) => printable(image),
  Command: ({ command }) => printable(command.join(" ")),
  Created: ({ created }) => created.toISOString(),
  Age: ({ created }, now) => age(now - created.getTime()),
  Ports: ({ ports }) => ports.map(formatPort).join(", "),
  Network: ({ network = "" }) => network,
  Address: ({ address = "" }) => address,
  Labels: ({ labels }) => Object.entries(labels).map(([key, value]) => printable(`${key}=${value}`)).join(","),
};

/** Reads a template; the answer fills it in. Throws a `UsageError` on a field that isn't there. */
export function readTemplate(template: string): Field {
  const parts = template.replaceAll("\\t", "\t").split(/(\{\{[^{}]*\}\})/).map((part, index): Field => {
    if (index % 2 === 0) return () => part;
    const name = part.slice(2, -2).trim().replace(/^\./, "").toLowerCase();
    const field = Object.entries(FIELDS).find(([known]) => known.toLowerCase() === name)?.[1];
    if (field !== undefined) return field;
    throw new UsageError(`there is no field ${printable(part)}`, {
      hint: `use ${Object.keys(FIELDS).map((one) => `{{.${one}}}`).join(" ")}`,
    });
  });
  return (container, now) => parts.map((part) => part(container, now)).join("");
}

/** Reads a filter. Throws a `UsageError` on one that isn't known. */
export function parseFilter(text: string): (container: ContainerInfo) => boolean {
  const at = text.indexOf("=");
  const [key, value] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  if (key === "name" && value !== "") return ({ name }) => name.includes(value);
  if (key === "id" && value !== "") return ({ id }) => id.startsWith(value);
  if ((key === "state" || key === "status") && (value === "running" || value === "paused" || value === "stopping")) {
    return ({ state }) => state === value;
  }
  if (key === "image" && value !== "") return ({ image }) => image === value;
  if (key === "label" && value !== "") {
    const equals = value.indexOf("=");
    if (equals < 0) return ({ labels }) => Object.hasOwn(labels, value);
    return ({ labels }) => labels[value.slice(0, equals)] === value.slice(equals + 1);
  }
  throw new UsageError(`"${printable(text)}" is no filter`, {
    hint: "write name=TEXT, id=TEXT, state=running|paused|stopping, image=DIR or label=K[=V]",
  });
}

/** Prints the list; answers the exit code. */
export async function psCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("ps", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(PS));
    return 0;
  }
  refuseArguments("ps", flags);
  const filters = flags.values("filter").map(parseFilter);
  const format = flags.value("format") ?? "table";
  if (format !== "table" && format !== "json" && !format.includes("{{")) {
    throw new UsageError(`--format is table, json or a template, not "${printable(format)}"`, {
      hint: "a template looks like '{{.Name}} {{.Pid}}'",
    });
  }
  const template = format === "table" || format === "json" ? undefined : readTemplate(format);
  const root = flags.value("root");
  const containers = (await list(root === undefined ? {} : { root })).filter((container) =>
    filters.every((filter) => filter(container))
  );
  const now = Date.now();
  if (flags.on("quiet") === true) print(containers.map(({ name }) => `${name}\n`).join(""));
  else if (format === "json") print(`${JSON.stringify(containers, null, 2)}\n`);
  else if (template === undefined) {
    const columns = ["Name", "State", "Pid", "Image", "Command", "Age", "Ports"] as const;
    const rows = containers.map((container) => columns.map((column) => FIELDS[column]?.(container, now) ?? ""));
    print(table(columns.map((column) => column.toUpperCase()), rows));
  } else print(containers.map((container) => `${template(container, now)}\n`).join(""));
  return 0;
}
