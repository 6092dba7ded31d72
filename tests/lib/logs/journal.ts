/**
 * A daemon of a test's own that takes logs, as the journal and syslog do.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { O, SOCKET } from "../../../ffi/abi/constants.ts";
import { checked, Descriptor, syscall } from "../../../ffi/libc.ts";
import { forget, read } from "../../../ffi/reactor.ts";
import { socketAddress } from "../../../lib/logs/daemon.ts";

/** A daemon of the test's own: takes datagrams until it is closed. */
export function listen(path: string): { readonly messages: Uint8Array[]; readonly stop: () => Promise<void> } {
  const socket = new Descriptor(checked("socket", 1, SOCKET.SOCK_DGRAM | SOCKET.SOCK_CLOEXEC | O.O_NONBLOCK, 0));
  const address = socketAddress(path);
  checked("bind", socket.number, address, address.length);
  const messages: Uint8Array[] = [];
  const buffer = new Uint8Array(1 << 17);
  const take = (size: number): boolean => size >= 0 && messages.push(buffer.slice(0, size)) > 0;
  let isStopped = false;
  const reading = (async () => {
    while (!isStopped && take(await read(socket.number, buffer)));
  })();
  return {
    messages,
    stop: async () => {
      isStopped = true;
      forget(socket.number);
      await reading;
      // What was sent meanwhile.
      while (take(syscall("read", socket.number, buffer, buffer.length)));
      socket.close();
    },
  };
}

/** The fields of an entry, in the journal's native format: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ */
export function parseEntry(message: Uint8Array): (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = [];
  const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  for (let at = 0; at < message.length;) {
    const end = message.indexOf(10, at);
    assert(end >= at, "every field ends");
    const line = latin1(message.subarray(at, end));
    at = end + 1;
    const equals = line.indexOf("=");
    if (equals >= 0) {
      fields.push([line.slice(0, equals), line.slice(equals + 1)]);
      continue;
    }
    const length = Number(new DataView(message.buffer, message.byteOffset).getBigUint64(at, true));
    fields.push([line, latin1(message.subarray(at + 8, at + 8 + length))]);
    assertEquals(message[at + 8 + length], 10);
    at += 8 + length + 1;
  }
  return fields;
}
