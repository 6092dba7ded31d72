import { assertEquals } from "@std/assert";
import { syscall } from "../../ffi/libc.ts";
import { openPty, passKeys, rawMode } from "../../ffi/terminal.ts";

const settings = (descriptor: number): string => {
  const termios = new Uint8Array(64);
  syscall("ioctl", descriptor, 0x5401, termios);
  return termios.toHex();
};

/** Whether something is to be read, soon: the kernel hands over what is typed a moment later. */
function isReadable(descriptor: number): boolean {
  const polled = new Uint8Array(8);
  const view = new DataView(polled.buffer);
  view.setInt32(0, descriptor, true);
  view.setUint16(4, 1, true);
  return syscall("ppoll", polled, 1, new Uint8Array(new BigUint64Array([5n, 0n]).buffer), 0, 8) === 1;
}

/** Types something; answers what is to be read at once. */
function typed(keys: readonly number[], text: string): string {
  const { master, slave } = openPty();
  try {
    const before = settings(slave.number);
    {
      using _ = passKeys(slave.number, Uint8Array.from(keys));
      const bytes = new TextEncoder().encode(text);
      syscall("write", master.number, bytes, bytes.length);
      const buffer = new Uint8Array(100);
      const size = isReadable(slave.number) ? syscall("read", slave.number, buffer, buffer.length) : -1;
      text = size < 0 ? "nothing" : new TextDecoder().decode(buffer.subarray(0, size));
    }
    assertEquals(settings(slave.number), before);
    return text;
  } finally {
    for (const end of [master, slave]) end.close();
  }
}

Deno.test("passKeys() hands out keys that mean something else, the last at once, and lines as ever", () => {
  // ctrl-p, ctrl-q; the second begins output again, else.
  assertEquals(typed([16, 17], "a\x10\x11"), "a\x10\x11");
  // ctrl-c; ctrl-d, which is the end.
  assertEquals(typed([3], "a\x03"), "a\x03");
  assertEquals(typed([1, 4], "a\x01\x04"), "a\x01\x04");
  assertEquals(typed([16, 17], "ab\x7f\n"), "a\n");
  // A letter goes with its line.
  assertEquals(typed([1, 100], "a\x01db\n"), "a\x01db\n");
  assertEquals(typed([], "a\x10b\n"), "a\x10b\n");
});

Deno.test("rawMode() hands out every key at once", () => {
  const { master, slave } = openPty();
  const before = settings(slave.number);
  {
    using _ = rawMode(slave.number);
    syscall("write", master.number, new Uint8Array([3, 26, 13]), 3);
    const buffer = new Uint8Array(10);
    assertEquals([isReadable(slave.number), syscall("read", slave.number, buffer, buffer.length)], [true, 3]);
    assertEquals([...buffer.subarray(0, 3)], [3, 26, 13]);
  }
  assertEquals(settings(slave.number), before);
  for (const end of [master, slave]) end.close();
});
