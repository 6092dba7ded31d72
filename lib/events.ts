/**
 * What happens to containers, as it happens.
 *
 * @module
 */
import { E, IN } from "../ffi/abi/constants.ts";
import { Inotify } from "../ffi/inotify.ts";
import { SyscallError } from "../ffi/libc.ts";
import { FluxError, UsageError } from "./errors.ts";
import { openIfThere } from "./logs/life.ts";
import { parseMoment } from "./spec/moments.ts";
import { makePrivateDirectory } from "./store/directory.ts";
import { type ContainerEvent, EVENT_TYPES, EventReader } from "./store/events.ts";
import { openStoreAsIs } from "./store/open.ts";

/**
 * Which events are told.
 *
 * @example What happens to containers of one kind from now on
 * ```ts
 * import { type EventsOptions, events } from "@libflux/cli/mod";
 *
 * const options: EventsOptions = { follow: true, labels: ["tier=web"], signal: AbortSignal.timeout(100) };
 * try {
 *   for await (const { name, type } of events(options)) console.log(name, type);
 * } catch (error) {
 *   if (!(error instanceof DOMException)) throw error;
 * }
 * ```
 */
export interface EventsOptions {
  /** The state root; `/run/libflux` for root if left out. */
  readonly root?: string;
  /** Wait for more, until `until` or for ever. */
  readonly follow?: boolean;
  /** Nothing before: a date, or a text as `libflux logs --since` takes it. If left out: all that is known; with `follow`, none. */
  readonly since?: Date | string;
  /** Nothing after. */
  readonly until?: Date | string;
  /** Only of containers of these names, or with ids that begin so. */
  readonly names?: readonly string[];
  /** Only of these types. */
  readonly types?: readonly ContainerEvent["type"][];
  /** Only of containers made of these directories. */
  readonly images?: readonly string[];
  /** Only of containers that have all of these labels: `key` or `key=value`. */
  readonly labels?: readonly string[];
  /** Ends the waiting for more. */
  readonly signal?: AbortSignal;
}

/** Milliseconds: no timer can be set for longer. */
const LONGEST = 2 ** 31 - 1;

function momentIn(value: Date | string | undefined, what: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string") {
    const { seconds, nanoseconds } = parseMoment(value, what);
    return seconds * 1000 + nanoseconds / 1e6;
  }
  if (Number.isNaN(value.getTime())) throw new UsageError(`${what} is no time`);
  return value.getTime();
}

function hasLabel({ labels = {} }: ContainerEvent, label: string): boolean {
  const equals = label.indexOf("=");
  if (equals < 0) return Object.hasOwn(labels, label);
  const key = label.slice(0, equals);
  return Object.hasOwn(labels, key) && labels[key] === label.slice(equals + 1);
}

/** What tells whether an event is asked for. Pure. */
export function selection(
  { names = [], types = [], images = [], labels = [] }: EventsOptions,
  since: number | undefined,
  until: number | undefined,
): (event: ContainerEvent) => boolean {
  for (const type of types) {
    if (!EVENT_TYPES.includes(type)) {
      throw new UsageError(`there are no events of the type "${type}"`, { hint: `use ${EVENT_TYPES.join(", ")}` });
    }
  }
  const isOf = ({ name, id, from }: ContainerEvent): boolean =>
    names.some((one) => one === name || one === from || one.length >= 12 && id.startsWith(one));
  return (event) => {
    const time = Date.parse(event.time);
    return (since === undefined || time >= since) && (until === undefined || time <= until) &&
      (names.length === 0 || isOf(event)) && (types.length === 0 || types.includes(event.type)) &&
      (images.length === 0 || images.some((image) => image === event.image)) &&
      labels.every((label) => hasLabel(event, label));
  };
}

function startWatching(root: string): Inotify {
  makePrivateDirectory(root);
  try {
    using stack = new DisposableStack();
    const changes = stack.use(new Inotify());
    using directory = openIfThere(root);
    if (directory === undefined) throw new SyscallError("openat", E.ENOENT, root);
    changes.watch(directory, IN.IN_CREATE | IN.IN_MODIFY);
    stack.move();
    return changes;
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== E.EMFILE) throw error;
    throw new FluxError("events can't be followed: too many files are watched already", {
      errno: error.errno,
      hint: "follow fewer, or raise fs.inotify.max_user_instances",
      cause: error,
    });
  }
}

/**
 * Tells what has happened to containers, and what happens. Of what was long ago, only the last megabyte or two is known,
 * and nothing of before the host was started.
 *
 * @throws {UsageError} The options say nothing that could be done.
 *
 * @example What is known
 * ```ts
 * import { events } from "@libflux/cli/mod";
 *
 * for await (const { time, name, type } of events({ root: "/tmp/libflux-example" })) console.log(time, name, type);
 * ```
 */
export async function* events(options: EventsOptions = {}): AsyncGenerator<ContainerEvent, void> {
  const { follow = false, signal } = options;
  const [since, until] = [momentIn(options.since, "since"), momentIn(options.until, "until")];
  const isAsked = selection(options, since, until);
  const { root } = openStoreAsIs(options.root);
  using reader = new EventReader(root);
  if (!follow) {
    for (const event of reader.read()) if (isAsked(event)) yield event;
    return;
  }
  // Before anything is read, so that nothing happens unseen.
  using changes = startWatching(root);
  if (since === undefined) { for (const _ of reader.read()); }
  let isLate = until !== undefined && Date.now() > until;
  const end = (): void => changes[Symbol.dispose]();
  using timers = new DisposableStack();
  if (until !== undefined) {
    const late = (): void => {
      isLate = true;
      end();
    };
    const timer = setTimeout(late, Math.min(LONGEST, Math.max(0, until - Date.now() + 1)));
    timers.defer(() => clearTimeout(timer));
  }
  signal?.addEventListener("abort", end);
  timers.defer(() => signal?.removeEventListener("abort", end));
  for (;;) {
    signal?.throwIfAborted();
    const wasLate = isLate;
    if (!wasLate) changes.take();
    for (const event of reader.read()) if (isAsked(event)) yield event;
    if (wasLate) return;
    await changes.wait();
  }
}
