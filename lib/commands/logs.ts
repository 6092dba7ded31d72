/**
 * `libflux logs`: what a container has written.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { logBatches, type LogsOptions } from "../logs.ts";
import { isOnePlace, onReaderGone, writeTo } from "../logs/output.ts";
import type { Entry } from "../logs/reader.ts";
import { formatMoment, parseMoment } from "../spec/moments.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "follow", short: "f", help: "wait for more, until the container has ended" },
  {
    name: "since",
    value: "TIME",
    help: "nothing before: 2026-01-31T12:00:00Z, seconds since 1970, or how long ago: 10m",
  },
  { name: "until", value: "TIME", help: "nothing after" },
  { name: "tail", short: "n", value: "NUMBER", help: "only so many of the last lines; all by default" },
  { name: "timestamps", short: "t", help: "begin each line with its time" },
  { name: "stream", value: "stdout|stderr", help: "one of them only" },
];

/** `libflux logs`. */
export const LOGS: Command = {
  name: "logs",
  usage: ["logs NAME [FLAG…]"],
  about: "Shows what a container has written, also when it has ended.",
  flags: FLAGS,
  operands: { names: "containers" },
  maxOperands: 1,
  examples: [
    { line: "libflux logs --follow --tail 100 web" },
    { line: "libflux logs --since 10m --stream stderr --timestamps web" },
  ],
  run: logsCommand,
};

const NEWLINE = 10;
const encoder = new TextEncoder();
const LOST = "[libflux: some output is missing here: there was no space for it, or its file is damaged]\n";

/** Where a stream of the log goes to. */
const descriptorOf = ({ stream }: Entry): 1 | 2 => stream === "stdout" ? 1 : 2;

/** What of a stream stands where: a line is begun once, whatever it is made of. */
class Lines {
  readonly #isOpen = new Map<Entry["stream"], boolean>();

  constructor(readonly timestamps: boolean) {}

  /** Adds an entry, as it is shown, to what is to be written. */
  show(entry: Entry, parts: Uint8Array<ArrayBuffer>[]): void {
    const { stream, data } = entry;
    if (stream === "lost") {
      if (this.#isOpen.get("stderr") === true) parts.push(encoder.encode("\n"));
      this.#isOpen.set("stderr", false);
      parts.push(encoder.encode(this.timestamps ? `${formatMoment(entry)} ${LOST}` : LOST));
      return;
    }
    const isOpen = this.#isOpen.get(stream) === true;
    this.#isOpen.set(stream, data.at(-1) !== NEWLINE);
    if (!this.timestamps) {
      parts.push(data);
      return;
    }
    const time = encoder.encode(`${formatMoment(entry)} `);
    for (let at = 0; at < data.length;) {
      if (at > 0 || !isOpen) parts.push(time);
      const newline = data.indexOf(NEWLINE, at);
      const end = newline < 0 ? data.length : newline + 1;
      parts.push(data.subarray(at, end));
      at = end;
    }
  }
}

/** Where what is written at once is put together, over and over. */
let room = new Uint8Array(0);

function join(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  if (size > room.length) room = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    room.set(part, at);
    at += part.length;
  }
  return room.subarray(0, size);
}

/** Writes entries with as few calls as can be; answers whether somebody still reads standard output. */
async function write(entries: readonly Entry[], lines: Lines, isOne: boolean): Promise<boolean> {
  const parts: Record<1 | 2, Uint8Array<ArrayBuffer>[]> = { 1: [], 2: [] };
  for (const entry of entries) lines.show(entry, parts[isOne ? 1 : descriptorOf(entry)]);
  // Who has no standard error may still read the other.
  if (parts[2].length > 0) await writeTo(2, join(parts[2]));
  return parts[1].length === 0 || await writeTo(1, join(parts[1]));
}

function readTail(text: string | undefined): { readonly tail?: number } {
  if (text === undefined || text === "all") return {};
  const tail = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(tail)) return tail < 0 ? {} : { tail };
  throw new UsageError(`--tail "${printable(text)}" is no number of lines`, { hint: "write --tail 100, or all" });
}

/** Runs `logs`; answers the exit code. */
export async function logsCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("logs", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(LOGS));
    return 0;
  }
  const [name, ...more] = [...flags.positional, ...(flags.rest ?? [])];
  if (name === undefined || more.length > 0) {
    throw new UsageError("'libflux logs' takes one name", { hint: "write libflux logs NAME" });
  }
  const [root, since, until, stream] = ["root", "since", "until", "stream"].map((flag) => flags.value(flag));
  if (stream !== undefined && stream !== "stdout" && stream !== "stderr") {
    throw new UsageError(`--stream is stdout or stderr, not "${printable(stream)}"`);
  }
  // Here, so that what is wrong is told by the flag's name.
  for (const [text, flag] of [[since, "--since"], [until, "--until"]] as const) {
    if (text !== undefined) parseMoment(text, flag);
  }
  const follow = flags.on("follow") === true;
  const gone = new AbortController();
  const options: LogsOptions = {
    follow,
    ...readTail(flags.value("tail")),
    ...(root === undefined ? {} : { root }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(stream === undefined ? {} : { stream }),
    signal: gone.signal,
  };
  using _ = follow ? onReaderGone(() => gone.abort()) : undefined;
  const isOne = isOnePlace();
  const lines = new Lines(flags.on("timestamps") === true);
  try {
    for await (const batch of logBatches(name, options)) {
      if (!await write(batch, lines, isOne)) return 0;
    }
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
  return 0;
}
