/**
 * What a container has written: its log.
 *
 * @module
 */
import type { Descriptor } from "../ffi/libc.ts";
import { FluxError, NoContainerError, UsageError } from "./errors.ts";
import { follow } from "./logs/follow.ts";
import { openIfThere } from "./logs/life.ts";
import { type Entry, LogReader, openFiles, type Selection } from "./logs/reader.ts";
import { type Moment, momentOf, parseMoment } from "./spec/moments.ts";
import { checkName } from "./spec/options.ts";
import { openStore } from "./store/open.ts";
import { isAlive } from "./store/process.ts";

/**
 * Which part of a log is read.
 *
 * @example The last ten lines of the last hour, and what comes then
 * ```ts
 * import { logs, type LogsOptions, runDetached, stop } from "@libflux/cli/mod";
 *
 * const options: LogsOptions = { since: "1h", tail: 10, follow: true };
 * const { name } = await runDetached({ command: ["sh", "-c", "echo ready; sleep 60"] });
 * for await (const { data } of logs(name, options)) {
 *   if (new TextDecoder().decode(data).includes("ready")) break;
 * }
 * await stop(name, { time: 0 });
 * ```
 */
export interface LogsOptions {
  /** The state root; `/run/libflux` for root if left out. */
  readonly root?: string;
  /** Wait for more until the container has ended; once it is started again by its restart policy, go on. */
  readonly follow?: boolean;
  /** Nothing before: a date, or a text as `libflux logs --since` takes it. */
  readonly since?: Date | string;
  /** Nothing after. */
  readonly until?: Date | string;
  /** How many of the last lines of what is asked for, both streams together; all if left out. */
  readonly tail?: number;
  /** One of the two only. */
  readonly stream?: "stdout" | "stderr";
  /** Ends the waiting for more. */
  readonly signal?: AbortSignal;
}

/**
 * What a container has written at one time: seldom a whole line, and seldom only one.
 *
 * @example When was it?
 * ```ts
 * import { type LogEntry, logs, NoContainerError } from "@libflux/cli/mod";
 *
 * const show = ({ time, stream, data }: LogEntry): void =>
 *   console.log(time.toISOString(), stream, new TextDecoder().decode(data));
 * try {
 *   for await (const entry of logs("web")) show(entry);
 * } catch (error) {
 *   if (!(error instanceof NoContainerError)) throw error;
 * }
 * ```
 */
export interface LogEntry {
  /** Where it has written to; `lost` where output is missing: there was no space for it, or its file is damaged. */
  readonly stream: "stdout" | "stderr" | "lost";
  /** When it was read from the container. */
  readonly time: Date;
  /** Nanoseconds of that second, exactly. */
  readonly nanoseconds: number;
  /** The bytes as they were. */
  readonly data: Uint8Array<ArrayBuffer>;
}

function moment(value: Date | string, what: string): Moment {
  if (typeof value === "string") return parseMoment(value, what);
  if (Number.isNaN(value.getTime())) throw new UsageError(`${what} is no time`);
  return momentOf(value);
}

function select({ since, until, tail, stream }: LogsOptions): Selection {
  if (tail !== undefined && !(Number.isSafeInteger(tail) && tail >= 0)) {
    throw new UsageError(`${tail} isn't a number of lines`, { hint: "give 0 or more" });
  }
  if (stream !== undefined && stream !== "stdout" && stream !== "stderr") {
    throw new UsageError(`a log has stdout and stderr, no ${stream}`);
  }
  return {
    ...(since === undefined ? {} : { since: moment(since, "since") }),
    ...(until === undefined ? {} : { until: moment(until, "until") }),
    ...(tail === undefined ? {} : { tail }),
    ...(stream === undefined ? {} : { stream }),
  };
}

/** A log that was found. */
interface Found {
  readonly directory: Descriptor;
  /** Where the container is while it lives. */
  readonly container: string;
  readonly isAlive: boolean;
}

async function find(name: string, root: string | undefined): Promise<Found> {
  checkName(name);
  const store = await openStore(root);
  const [state, record] = [store.state(name), store.history.read(name)];
  // An earlier one of the same name isn't what was asked for.
  if (state !== undefined && record?.id !== state.id) {
    throw new FluxError(`the container ${name} keeps no log`, {
      hint: "it was started with --log-driver none",
    });
  }
  const directory = record === undefined ? undefined : openIfThere(store.history.directory(name));
  if (directory === undefined) {
    throw new NoContainerError(`there is no container ${name}, and no log of one`, {
      hint: "'libflux ps --all' lists those that have one",
    });
  }
  const isLive = state !== undefined && (state.restarting === true || isAlive(state) || store.isHeld(name));
  return { directory, container: store.directory(name), isAlive: isLive };
}

/** Reads a log, many entries at a time. */
export async function* logBatches(name: string, options: LogsOptions = {}): AsyncGenerator<readonly Entry[], void> {
  const selection = select(options);
  const { directory, container, isAlive } = await find(name, options.root);
  using _ = directory;
  if (options.follow === true) {
    const { signal } = options;
    yield* follow({ directory, container, selection, ...(signal === undefined ? {} : { signal }) });
    return;
  }
  const { files } = openFiles(directory);
  using reader = new LogReader(files, selection);
  // What is written from now on isn't asked for.
  reader.current?.freeze();
  for (const batch of reader.read(isAlive ? "wait" : "final")) {
    options.signal?.throwIfAborted();
    yield batch;
  }
}

/**
 * Reads what a container has written, also when it has ended, until it is pruned or its name is used again.
 *
 * @throws {NoContainerError} There is none of this name, and no log of one.
 * @throws {FluxError} It keeps no log.
 * @throws {UsageError} The options say nothing that could be done.
 *
 * @example Its last line
 * ```ts
 * import { logs, runDetached, stop, wait } from "@libflux/cli/mod";
 *
 * const { name } = await runDetached({ command: ["sh", "-c", "echo one; echo two"] });
 * await wait(name);
 * for await (const { data } of logs(name, { tail: 1 })) console.log(new TextDecoder().decode(data)); // two
 * ```
 */
export async function* logs(name: string, options: LogsOptions = {}): AsyncGenerator<LogEntry, void> {
  for await (const batch of logBatches(name, options)) {
    for (const { stream, seconds, nanoseconds, data } of batch) {
      yield { stream, time: new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6)), nanoseconds, data };
    }
  }
}
