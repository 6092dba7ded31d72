/**
 * `libflux logs`: what a container has written.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { logBatches, type LogsOptions } from "../logs.ts";
import { onReaderGone, writeTo } from "../logs/output.ts";
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

  /** An entry as it is shown, in pieces. */
  *show(entry: Entry): Generator<Uint8Array<ArrayBuffer>> {
    const { stream, data } = entry;
    if (stream === "lost") {
      if (this.#isOpen.get("stderr") === true) yield encoder.encode("\n");
      this.#isOpen.set("stderr", false);
      yield encoder.encode(this.timestamps ? `${formatMoment(entry)} ${LOST}` : LOST);
      return;
    }
    const isOpen = this.#isOpen.get(stream) === true;
    this.#isOpen.set(stream, data.at(-1) !== NEWLINE);
    if (!this.timestamps) return yield data;
    const time = encoder.encode(`${formatMoment(entry)} `);
    for (let at = 0; at < data.length;) {
      if (at > 0 || !isOpen) yield time;
      const newline = data.indexOf(NEWLINE, at);
      const end = newline < 0 ? data.length : newline + 1;
      yield data.subarray(at, end);
      at = end;
    }
  }
}

function join(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Writes entries in their order, and neighbours at once; answers whether somebody still reads standard output. */
async function write(entries: readonly Entry[], lines: Lines): Promise<boolean> {
  for (let at = 0; at < entries.length;) {
    const first = entries[at];
    if (first === undefined) break;
    const descriptor = descriptorOf(first);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let one: Entry | undefined = first; one !== undefined && descriptorOf(one) === descriptor; one = entries[at]) {
      parts.push(...lines.show(one));
      at++;
    }
    // Who has no standard error may still read the other.
    if (!await writeTo(descriptor, join(parts)) && descriptor === 1) return false;
  }
  return true;
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
  const lines = new Lines(flags.on("timestamps") === true);
  try {
    for await (const batch of logBatches(name, options)) {
      if (!await write(batch, lines)) return 0;
    }
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
  return 0;
}
