import { assertEquals } from "@std/assert";
import { O } from "../../ffi/abi/constants.ts";
import { checked, Descriptor, pipe, syscall } from "../../ffi/libc.ts";
import { abandon, read, ready } from "../../ffi/reactor.ts";
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
  const reader = readable(master, () => false).getReader();
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
