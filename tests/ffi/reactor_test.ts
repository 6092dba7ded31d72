import { assert, assertEquals, assertRejects } from "@std/assert";
import { E, F, O, POLL } from "../../ffi/abi/constants.ts";
import { checked, Descriptor, pipe, syscall } from "../../ffi/libc.ts";
import { abandon, forget, read, ready, sleep, writeInBackground } from "../../ffi/reactor.ts";
import { openPty } from "../../ffi/terminal.ts";
import { readable } from "../../lib/streams.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("ready() isn't settled by the event of an earlier descriptor with the same number", async () => {
  const earlier = pipe();
  const later = pipe();
  const number = earlier.read.number;
  ready(number);
  // Its event is there, and may have been fetched, when it is given up in the same turn as the other takes its number.
  syscall("write", earlier.write.number, bytes("x"), 1);
  const end = performance.now() + 5;
  while (performance.now() < end);
  abandon(earlier.read);
  checked("dup3", later.read.number, number, O.O_CLOEXEC);
  using moved = new Descriptor(number);
  let settled = false;
  const waiting = ready(moved.number).then(() => {
    settled = true;
  });
  await pause(20);
  assertEquals(settled, false);
  syscall("write", later.write.number, bytes("y"), 1);
  await waiting;
  for (const end of [earlier.write, later.read, later.write]) end.close();
});

Deno.test("readable() leaves a number alone that was its own until it was cancelled", async () => {
  const { master, slave } = openPty();
  slave.close();
  // Nobody has the terminal open, and the command hasn't ended: it tries again and again.
  const reader = readable(master).stream.getReader();
  const reading = reader.read();
  await pause(5);
  await reader.cancel();
  await reading;
  // The lowest number that is free.
  const { read: other, write } = pipe();
  assertEquals(other.number, master.number);
  syscall("write", write.number, bytes("mine"), 4);
  await pause(60);
  assertEquals(await read(other.number, new Uint8Array(8)), 4);
  other.close();
  write.close();
});

/** What `/proc` says of the epoll that waits for a descriptor: its own number, and those of all that it waits for. */
function epollOf(descriptor: number): { readonly epoll: number; readonly targets: readonly number[] } {
  for (const { name } of Deno.readDirSync("/proc/self/fdinfo")) {
    let info = "";
    try {
      info = Deno.readTextFileSync(`/proc/self/fdinfo/${name}`);
    } catch {
      // closed meanwhile
    }
    const targets = [...info.matchAll(/^tfd: +(\d+)/gm)].map(([, number]) => Number(number));
    if (targets.includes(descriptor)) return { epoll: Number(name), targets };
  }
  throw new Error(`no epoll waits for ${descriptor}`);
}

Deno.test("the last that was waited for leaves no wake-up behind for the next", async () => {
  const { read: reader, write } = pipe();
  const waiting = ready(reader.number);
  const { targets } = epollOf(reader.number);
  syscall("write", write.number, bytes("x"), 1);
  await waiting;
  const counts = targets.filter((number) => number !== reader.number).map((number) =>
    /^eventfd-count: +(\d+)/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${number}`))?.[1]
  );
  assertEquals(counts, ["0"]);
  for (const end of [reader, write]) end.close();
});

Deno.test("ready() is refused where waiting fails, and works again afterwards", async () => {
  const [first, second] = [pipe(), pipe()];
  // Told too, where the wait hasn't begun yet.
  const waiting = ready(first.read.number).catch(() => 0);
  const failing = assertRejects(() => ready(second.read.number), Error, "epoll_pwait: errno");
  const { epoll } = epollOf(first.read.number);
  const saved = checked("fcntl", epoll, F.F_DUPFD_CLOEXEC, 3);
  // Its number is a pipe's from here on; a wait that is under way goes on with what it has.
  checked("dup3", second.write.number, epoll, O.O_CLOEXEC);
  syscall("write", first.write.number, bytes("x"), 1);
  await waiting;
  await failing;
  syscall("close", epoll);
  syscall("close", saved);
  syscall("write", second.write.number, bytes("y"), 1);
  assert((await ready(second.read.number)) > 0);
  for (const end of [first.read, first.write, second.read, second.write]) end.close();
});

Deno.test("ready() may be called again by whoever the last event has woken", async () => {
  const { read: reader, write } = pipe();
  syscall("write", write.number, bytes("x"), 1);
  // A promise further from the event each time: none of these turns may be the one in which nobody waits.
  for (let turns = 0; turns < 8; turns++) {
    await ready(reader.number);
    for (let turn = 0; turn < turns; turn++) await undefined;
  }
  for (const end of [reader, write]) end.close();
});

Deno.test("writeInBackground() waits for a full pipe that doesn't make it wait", async () => {
  const { read: reader, write } = pipe();
  checked("fcntl", write.number, F.F_SETFL, O.O_WRONLY | O.O_NONBLOCK);
  const SIZE = 300_000;
  const writing = writeInBackground(write.number, new Uint8Array(SIZE));
  await pause(20);
  let size = 0;
  const buffer = new Uint8Array(65536);
  while (size < SIZE) size += await read(reader.number, buffer);
  assertEquals([await writing, size], [0, SIZE]);
  reader.close();
  assertEquals(await writeInBackground(write.number, bytes("x")), -E.EPIPE);
  write.close();
});

Deno.test("ready() gives up after its time, and can be asked again", async () => {
  const { read: end, write } = pipe();
  assertEquals(await ready(end.number, POLL.POLLIN, 5), 0);
  // What is longer than the kernel counts is no shorter for that.
  const waiting = ready(end.number, POLL.POLLIN, 1e12);
  syscall("write", write.number, bytes("x"), 1);
  assertEquals(await waiting, POLL.POLLIN);
  for (const one of [end, write]) one.close();
});

Deno.test("sleep() ends in its order, whatever else is waited for, and a shorter one isn't held up by a longer", async () => {
  const { read: end, write } = pipe();
  const order: string[] = [];
  const begin = performance.now();
  const waiting = ready(end.number).then(() => order.push("forgotten"));
  const long = sleep(60).then(() => order.push("long"));
  const given = ready(write.number, POLL.POLLERR, 30).then((events) => order.push(`given up ${events}`));
  await sleep(1);
  order.push("short");
  await Promise.all([given, long]);
  assert(performance.now() - begin >= 60);
  forget(end.number);
  await waiting;
  assertEquals(order, ["short", "given up 0", "long", "forgotten"]);
  for (const one of [end, write]) one.close();
});
