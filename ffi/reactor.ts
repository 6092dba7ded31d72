/**
 * Waiting for descriptors without blocking the event loop: one `epoll` on one thread of Deno's pool serves all of them,
 * so a server with a thousand containers doesn't need a thousand threads.
 *
 * It waits for moments too: Deno loads its timers at the first call of `setTimeout`, which takes 5 ms, and a command that
 * waits for 2 ms shouldn't take 7.
 *
 * @module
 */
import { E, EPOLL, POLL } from "./abi/constants.ts";
import { checked, type Descriptor, NativeMemory, syscall, syscallInBackground } from "./libc.ts";

/** `struct epoll_event`: packed on x86-64 only (`linux/eventpoll.h`). */
const EVENT = Deno.build.arch === "x86_64" ? { size: 12, data: 4 } : { size: 16, data: 8 };
const MAX_EVENTS = 64;
const EFD_CLOEXEC_NONBLOCK = 0o2004000;

interface Epoll {
  readonly epoll: number;
  readonly wake: number;
}

/** A moment that something is to happen at, as `performance.now()` counts. */
interface Deadline {
  readonly at: number;
  readonly pass: () => void;
  readonly reject: (error: Error) => void;
}

interface Waiter {
  /** When it is given up. */
  readonly deadline: Deadline | undefined;
  /** Tells it from an earlier one of a descriptor with the same number, whose event may still be on its way. */
  readonly generation: number;
  readonly resolve: (events: number) => void;
  readonly reject: (error: Error) => void;
}

const waiting = new Map<number, Waiter>();
const deadlines = new Set<Deadline>();
/** Room for events, which is never given back. */
const buffers: NativeMemory[] = [];
let generations = 0;
let reactor: Epoll | undefined;
let running = false;

function event(events: number, descriptor: number, generation = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(EVENT.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, events, true);
  view.setInt32(EVENT.data, descriptor, true);
  view.setUint32(EVENT.data + 4, generation, true);
  return bytes;
}

function open(): Epoll {
  if (reactor !== undefined) return reactor;
  const epoll = checked("epoll_create1", EPOLL.EPOLL_CLOEXEC);
  const wake = checked("eventfd2", 0, EFD_CLOEXEC_NONBLOCK);
  checked("epoll_ctl", epoll, EPOLL.EPOLL_CTL_ADD, wake, event(POLL.POLLIN, wake));
  return reactor = { epoll, wake };
}

/** Milliseconds until the first deadline, as `epoll_pwait` takes them; -1 where there is none. */
function timeout(): number {
  let first = Infinity;
  for (const { at } of deadlines) first = Math.min(first, at);
  // What is longer than the kernel can count is looked at again then.
  return first === Infinity ? -1 : Math.min(Math.max(0, Math.ceil(first - performance.now())), 2 ** 31 - 1);
}

/** Waits for all of them, as long as there is one. What goes wrong is theirs to hear. */
async function run({ epoll, wake }: Epoll): Promise<void> {
  running = true;
  // Not JavaScript's memory: a worker may be gone while the kernel still waits to write here.
  const events = buffers.pop() ?? new NativeMemory(MAX_EVENTS * EVENT.size);
  const view = new DataView(events.bytes.buffer);
  while (waiting.size > 0 || deadlines.size > 0) {
    const count = await syscallInBackground("epoll_pwait", epoll, events.address, MAX_EVENTS, timeout(), 0, 8);
    if (count < 0 && count !== -E.EINTR) fail(new Error(`epoll_pwait: errno ${-count}`));
    for (let i = 0; i < count; i++) {
      const descriptor = view.getInt32(i * EVENT.size + EVENT.data, true);
      if (descriptor === wake) {
        syscall("read", wake, new Uint8Array(8), 8);
        continue;
      }
      const waiter = waiting.get(descriptor);
      if (waiter?.generation !== view.getUint32(i * EVENT.size + EVENT.data + 4, true)) continue;
      take(epoll, descriptor);
      waiter.resolve(view.getUint32(i * EVENT.size, true));
    }
    for (const deadline of deadlines) {
      if (deadline.at > performance.now()) continue;
      deadlines.delete(deadline);
      deadline.pass();
    }
  }
  buffers.push(events);
  // In the same turn as the look at who waits: the next to come starts it again.
  running = false;
}

/** Tells all who wait; those who come later begin with a new epoll. */
function fail(error: Error): void {
  reactor = undefined;
  for (const { reject } of [...waiting.values(), ...deadlines]) reject(error);
  waiting.clear();
  deadlines.clear();
}

/** Has the thread look again at what is waited for. */
function ring({ wake }: Epoll): void {
  syscall("write", wake, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8);
}

/** Begins to wait, or to wait for a deadline that may come before the others. */
function begin(epoll: Epoll, deadline: Deadline | undefined): void {
  if (deadline !== undefined) deadlines.add(deadline);
  if (!running) run(epoll);
  else if (deadline !== undefined) ring(epoll);
}

/** Waits for a descriptor no longer. */
function take(epoll: number, descriptor: number): void {
  const deadline = waiting.get(descriptor)?.deadline;
  if (deadline !== undefined) deadlines.delete(deadline);
  waiting.delete(descriptor);
  syscall("epoll_ctl", epoll, EPOLL.EPOLL_CTL_DEL, descriptor, 0);
}

/**
 * Waits until a descriptor is ready; returns the events (`POLLIN`, `POLLOUT`, `POLLHUP`, `POLLERR`), 0 where it was
 * given up: then its number may be another's.
 *
 * One waiter for each descriptor: duplicate it to wait for both directions.
 *
 * @param within Milliseconds after which it is given up.
 */
export function ready(descriptor: number, events: number = POLL.POLLIN, within = Infinity): Promise<number> {
  const reactor = open();
  const { epoll } = reactor;
  if (waiting.has(descriptor)) throw new Error(`descriptor ${descriptor} is waited for already`);
  generations = (generations + 1) >>> 0;
  const generation = generations;
  const added = syscall(
    "epoll_ctl",
    epoll,
    EPOLL.EPOLL_CTL_ADD,
    descriptor,
    event(events | EPOLL.EPOLLONESHOT, descriptor, generation),
  );
  // Regular files can't be polled: they are always ready.
  if (added === -E.EPERM) return Promise.resolve(events);
  if (added < 0) throw new Error(`epoll_ctl: errno ${-added}`);
  return new Promise((resolve, reject) => {
    const pass = (): void => {
      take(epoll, descriptor);
      resolve(0);
    };
    const deadline = within === Infinity ? undefined : { at: performance.now() + within, pass, reject };
    waiting.set(descriptor, { deadline, generation, resolve, reject });
    begin(reactor, deadline);
  });
}

/** Waits for so many milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    begin(open(), { at: performance.now() + milliseconds, pass: resolve, reject });
  });
}

/** Stops waiting for a descriptor: its promise gives no events. To be called before it is closed. */
export function forget(descriptor: number): void {
  const waiter = waiting.get(descriptor);
  if (reactor === undefined || waiter === undefined) return;
  take(reactor.epoll, descriptor);
  waiter.resolve(0);
  // Lets the thread go home, so that a process with nothing to wait for can end.
  if (waiting.size === 0 && deadlines.size === 0) ring(reactor);
}

/** Stops waiting for a descriptor and closes it. Does nothing to a closed one, whose number may be another's by now. */
export function abandon(descriptor: Descriptor): void {
  if (!descriptor.isOpen) return;
  forget(descriptor.number);
  descriptor.close();
}

/**
 * Reads what is there, waiting for it if need be.
 *
 * @returns The number of bytes, 0 at the end of the file, `-errno` on failure. A pty's end is `-EIO`; `-EBADF` says that
 * it was given up.
 */
export async function read(descriptor: number, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
  if (await ready(descriptor) === 0) return -E.EBADF;
  return syscall("read", descriptor, buffer, buffer.length);
}

/** Writes all of a buffer to a non-blocking descriptor. Returns 0, or `-errno`. */
export async function writeAll(descriptor: number, bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  for (let rest = bytes; rest.length > 0;) {
    const written = syscall("write", descriptor, rest, rest.length);
    if (written === -E.EAGAIN) {
      if (await ready(descriptor, POLL.POLLOUT) === 0) return -E.EBADF;
    } else if (written < 0) return written;
    else rest = rest.subarray(written);
  }
  return 0;
}

/**
 * Writes all of a buffer to a descriptor of any kind, which may keep the thread: a terminal can be stopped (Ctrl-S), and
 * whether an open file waits isn't ours to change. Returns 0, or `-errno`.
 */
export async function writeInBackground(descriptor: number, bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  for (let rest = bytes; rest.length > 0;) {
    const written = await syscallInBackground("write", descriptor, rest, rest.length);
    if (written === -E.EAGAIN) {
      if (await ready(descriptor, POLL.POLLOUT) === 0) return -E.EBADF;
    } else if (written < 0 && written !== -E.EINTR) return written;
    else rest = rest.subarray(Math.max(written, 0));
  }
  return 0;
}
