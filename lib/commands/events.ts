/**
 * `libflux events`: what happens to containers.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { events, type EventsOptions } from "../events.ts";
import { onReaderGone, writeTo } from "../logs/output.ts";
import { parseMoment } from "../spec/moments.ts";
import { type ContainerEvent, EVENT_TYPES } from "../store/events.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags, refuseArguments } from "./flags.ts";
import { print } from "./output.ts";

const FIELDS = ["Time", "Type", "Name", "ID", "Image", "Code", "Signal", "Labels", "From", "Error"] as const;

const FLAGS: readonly Flag[] = [
  { name: "follow", short: "f", help: "what happens from now on, until interrupted" },
  {
    name: "since",
    value: "TIME",
    help: "nothing before; with --follow, also what was since, as 'libflux logs --since' has it",
  },
  { name: "until", value: "TIME", help: "nothing after" },
  {
    name: "filter",
    value: "K=V",
    repeated: true,
    complete: { choices: ["name=", "label=", "image=", ...EVENT_TYPES.map((type) => `type=${type}`)] },
    help: "only those with name=CONTAINER, type=TYPE, image=DIR or label=K[=V]",
  },
  {
    name: "format",
    value: "FORMAT",
    complete: { choices: ["json"] },
    help: "json, one object a line, or a template such as '{{.Time}} {{.Name}} {{.Type}}'",
  },
];

/** `libflux events`. */
export const EVENTS: Command = {
  name: "events",
  usage: ["events [FLAG…]"],
  about: `Shows what has happened to containers, or with --follow what happens from now on.

Its types: ${EVENT_TYPES.join(", ")}.

The fields of a template: ${FIELDS.map((name) => `.${name}`).join(", ")}.`,
  flags: FLAGS,
  maxOperands: 0,
  examples: [
    { line: "libflux events --follow --filter type=exited --filter type=oom" },
    { line: "libflux events --since 1h --format json", about: "for a program" },
  ],
  run: eventsCommand,
};

/** What filters ask for, by their keys: one of those with the same key, but all labels. */
function readFilters(texts: readonly string[]): Pick<EventsOptions, "names" | "types" | "images" | "labels"> {
  const [names, types, images, labels]: [string[], ContainerEvent["type"][], string[], string[]] = [[], [], [], []];
  for (const text of texts) {
    const [, key, value = ""] = /^([a-z]+)=(.+)$/.exec(text) ?? [];
    const type = EVENT_TYPES.find((one) => one === value);
    if (key === "name" || key === "container") names.push(value);
    else if (key === "image") images.push(value);
    else if (key === "label") labels.push(value);
    else if ((key === "type" || key === "event") && type !== undefined) types.push(type);
    // docker's: libflux has events of containers only.
    else if (!(key === "type" && value === "container")) {
      throw new UsageError(`"${printable(text)}" is no filter`, {
        hint: `write name=CONTAINER, image=DIR, label=K[=V] or type=${EVENT_TYPES.join("|")}`,
      });
    }
  }
  return { names, types, images, labels };
}

/** An event as a line of text. */
export function line({ time, type, name, id, image, code, signal, error, labels = {}, from }: ContainerEvent): string {
  const more = [
    ...(from === undefined ? [] : [`from=${from}`]),
    ...(code === undefined ? [] : [`code=${code}`]),
    ...(signal === undefined ? [] : [`signal=${signal}`]),
    ...(error === undefined ? [] : [`error=${error}`]),
    ...(image === undefined ? [] : [`image=${image}`]),
    ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
  ];
  return printable(`${time} ${type} ${name} ${id.slice(0, 12)}${more.length === 0 ? "" : ` (${more.join(", ")})`}`);
}

async function readFormat(format: string | undefined): Promise<(event: ContainerEvent) => string> {
  if (format === undefined) return line;
  if (format === "json") return (event) => JSON.stringify(event);
  if (!format.includes("{{")) {
    throw new UsageError(`--format is json or a template, not "${printable(format)}"`, {
      hint: "a template looks like '{{.Time}} {{.Name}} {{.Type}}'",
    });
  }
  const { readTemplate, typed } = await import("../template.ts");
  const template = readTemplate(typed(format), { fields: FIELDS });
  return ({ time, type, name, id, image = "", code = "", signal = "", error = "", labels = {}, from = "" }) =>
    template({
      ...{ Time: time, Type: type, Name: name, ID: id, Image: image, Code: code, Signal: signal, From: from },
      Error: error,
      Labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(","),
    });
}

/** Runs `events`; answers the exit code. */
export async function eventsCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("events", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(EVENTS));
    return 0;
  }
  refuseArguments("events", flags);
  const [root, since, until] = ["root", "since", "until"].map((flag) => flags.value(flag));
  for (const [text, flag] of [[since, "--since"], [until, "--until"]] as const) {
    if (text !== undefined) parseMoment(text, flag);
  }
  const show = await readFormat(flags.value("format"));
  const gone = new AbortController();
  const follow = flags.on("follow") ?? false;
  const options: EventsOptions = {
    follow,
    ...readFilters(flags.values("filter")),
    ...(root === undefined ? {} : { root }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    signal: gone.signal,
  };
  using _ = follow ? onReaderGone(() => gone.abort()) : undefined;
  const encoder = new TextEncoder();
  try {
    for await (const event of events(options)) {
      if (!await writeTo(1, encoder.encode(`${show(event)}\n`))) return 0;
    }
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
  return 0;
}
