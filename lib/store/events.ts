/**
 * What happens to containers, told to whoever wants to know: lines of JSON in `ROOT/events`, which begins anew, once, when
 * it has grown long.
 *
 * @module
 */
import { AT, E, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall } from "../../ffi/libc.ts";
import { isType, stat, statDescriptor } from "../../ffi/stat.ts";
import { isName } from "../spec/options.ts";

/**
 * What has happened to a container.
 *
 * @example How has it ended?
 * ```ts
 * import { type ContainerEvent, events } from "@libflux/cli/mod";
 *
 * const show = ({ time, name, type, code }: ContainerEvent): void => console.log(time, name, type, code);
 * for await (const event of events({ types: ["exited"], root: "/tmp/libflux-example" })) show(event);
 * ```
 */
export interface ContainerEvent {
  /** When: ISO 8601, UTC. */
  readonly time: string;
  /**
   * `created`: it was asked for; `started`: its command runs; `oom`: it had no memory left; `paused` and `unpaused`: it is
   * held, and goes on; `exited`: it has ended; `restarted`: it runs again; `renamed`: it has another name; `removed`:
   * nothing is kept of it any more.
   */
  readonly type:
    | "created"
    | "started"
    | "oom"
    | "paused"
    | "unpaused"
    | "exited"
    | "restarted"
    | "renamed"
    | "removed";
  /** The container's name: of one that was renamed, the new one. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** The directory it was made of. */
  readonly image?: string;
  /** Of one that has ended: an exit code, or 128 + a signal's number. */
  readonly code?: number;
  /** The signal that killed it. */
  readonly signal?: string;
  /** Of one that couldn't be started again by its restart policy: why. */
  readonly error?: string;
  /** Its labels. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Of one that was renamed: the name before. */
  readonly from?: string;
}

/** What may happen to a container. */
export const EVENT_TYPES: readonly ContainerEvent["type"][] = [
  "created",
  "started",
  "oom",
  "paused",
  "unpaused",
  "exited",
  "restarted",
  "renamed",
  "removed",
];

const FILE = "events";
/** Bytes after which the file begins anew; the one before is kept. */
const LONGEST = 1_000_000;
const LOCK_EX_NB = 6;
const WRITE = openFlags(ARCHITECTURE, "O_WRONLY", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value;
const READ = openFlags(ARCHITECTURE, "O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value;

/** An event that happens now, or happened before. */
export type News = Omit<ContainerEvent, "time"> & { readonly time?: Date };

/**
 * Tells of events. It never fails: what happens to a container doesn't depend on whether that can be written down.
 *
 * @param root The state root.
 */
export function tell(root: string, ...events: readonly News[]): void {
  const path = `${root}/${FILE}`;
  const lines = events.map(({ time = new Date(), type, name, id, ...more }) =>
    `${JSON.stringify({ time: time.toISOString(), type, name, id, ...more })}\n`
  );
  // In one call, at the end: lines of others are neither torn nor overwritten.
  const line = new TextEncoder().encode(lines.join(""));
  const opened = syscall("openat", AT.AT_FDCWD, path, WRITE, 0o600);
  if (opened < 0) return;
  using file = new Descriptor(opened);
  syscall("write", file.number, line, line.length);
  const written = statDescriptor(file.number);
  if (typeof written === "object" && written.size > LONGEST) beginAnew(file, path, written.inode);
}

/** What an event tells of the container that it is about. */
export function eventOf(
  { name, id, image, labels }: Pick<ContainerEvent, "name" | "id"> & Required<Pick<ContainerEvent, "image" | "labels">>,
): Omit<ContainerEvent, "time" | "type"> {
  return { name, id, image, ...(Object.keys(labels).length === 0 ? {} : { labels }) };
}

/** What is told of a container's start. @param again Whether its restart policy, or somebody, has started it again. */
export function newsOfStart(who: Parameters<typeof eventOf>[0], created: Date, again = false): News[] {
  const event = eventOf(who);
  if (again) return [{ ...event, type: "restarted" }];
  return [{ ...event, time: created, type: "created" }, { ...event, type: "started" }];
}

/** What is told of a container's end. @param isKept Whether something is kept of it. */
export function newsOfEnd(
  who: Parameters<typeof eventOf>[0],
  { code, signal, outOfMemory = false, finished, error }: {
    readonly code: number;
    readonly signal?: string;
    readonly outOfMemory?: boolean;
    readonly finished: Date;
    readonly error?: string;
  },
  isKept: boolean,
): News[] {
  const event = eventOf(who);
  return [
    ...outOfMemory ? [{ ...event, time: finished, type: "oom" } as const] : [],
    {
      ...{ ...event, time: finished, type: "exited", code },
      ...(signal === undefined ? {} : { signal }),
      ...(error === undefined ? {} : { error }),
    },
    ...isKept ? [] : [{ ...event, type: "removed" } as const],
  ];
}

/** Renames the file; one of several who find it long, and no newer one. */
function beginAnew(file: Descriptor, path: string, inode: bigint): void {
  if (syscall("flock", file.number, LOCK_EX_NB) < 0) return;
  const named = stat(path, AT.AT_SYMLINK_NOFOLLOW);
  if (typeof named === "object" && named.inode === inode) {
    syscall("renameat2", AT.AT_FDCWD, path, AT.AT_FDCWD, `${path}.1`, 0);
  }
}

/** Reads an event as what it is: a line of a file that somebody else may have written; nothing where it is none. */
export function parseEvent(line: string): ContainerEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const event = value as Record<string, unknown>;
  const isText = (text: unknown): boolean => typeof text === "string";
  const isEvent = isText(event.time) && !Number.isNaN(Date.parse(String(event.time))) &&
    EVENT_TYPES.some((type) => type === event.type) && isName(String(event.name)) &&
    /^[0-9a-f]{64}$/.test(String(event.id)) &&
    [event.image, event.signal, event.from, event.error].every((text) => text === undefined || isText(text)) &&
    (event.code === undefined || Number.isSafeInteger(event.code)) &&
    (event.labels === undefined || typeof event.labels === "object" && event.labels !== null &&
        !Array.isArray(event.labels) && Object.values(event.labels).every(isText));
  return isEvent ? value as ContainerEvent : undefined;
}

/** A file that is being read. */
interface Source {
  readonly descriptor: Descriptor;
  readonly inode: bigint;
  at: number;
  /** What was read of a line that isn't whole yet. */
  rest: string;
  readonly decoder: TextDecoder;
}

function open(path: string): Source | undefined {
  const opened = syscall("openat", AT.AT_FDCWD, path, READ, 0);
  if (opened < 0) return undefined;
  const descriptor = new Descriptor(opened);
  const found = statDescriptor(opened);
  if (typeof found === "object" && isType(found, "S_IFREG")) {
    return { descriptor, inode: found.inode, at: 0, rest: "", decoder: new TextDecoder() };
  }
  descriptor.close();
  return undefined;
}

const buffer = new Uint8Array(1 << 16);

function* readSource(source: Source): Generator<ContainerEvent> {
  for (;;) {
    const size = syscall("pread64", source.descriptor.number, buffer, buffer.length, source.at);
    if (size <= 0) return;
    source.at += size;
    const lines = (source.rest + source.decoder.decode(buffer.subarray(0, size), { stream: true })).split("\n");
    source.rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = parseEvent(line);
      if (event !== undefined) yield event;
    }
  }
}

/** Reads the events of a state root, each once, in their order. */
export class EventReader implements Disposable {
  #current: Source | undefined;

  /** @param root The state root. */
  constructor(readonly root: string) {}

  /** Those that weren't read yet. */
  *read(): Generator<ContainerEvent> {
    for (;;) {
      if (this.#current !== undefined) yield* readSource(this.#current);
      const path = `${this.root}/${FILE}`;
      const named = stat(path, AT.AT_SYMLINK_NOFOLLOW);
      if (typeof named === "object" && named.inode === this.#current?.inode) return;
      if (typeof named === "number" && (named !== -E.ENOENT || this.#current !== undefined)) return;
      // The younger first: what is renamed meanwhile is met twice, and not missed.
      const next = open(path);
      const before = open(`${path}.1`);
      if (before !== undefined && before.inode !== this.#current?.inode && before.inode !== next?.inode) {
        yield* readSource(before);
        if (next === undefined) {
          // It was the last, and just now.
          this.#current?.descriptor.close();
          this.#current = before;
          return;
        }
      }
      before?.descriptor.close();
      if (next === undefined) return;
      // What was added to it before it was renamed.
      if (this.#current !== undefined) yield* readSource(this.#current);
      this.#current?.descriptor.close();
      this.#current = next;
    }
  }

  /** Closes its files. */
  [Symbol.dispose](): void {
    this.#current?.descriptor.close();
    this.#current = undefined;
  }
}
