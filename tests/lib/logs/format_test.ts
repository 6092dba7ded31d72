import { assertEquals } from "@std/assert";
import { decodeRecord, encodeRecord, type LogRecord, MAX_DATA } from "../../../lib/logs/format.ts";

const record: LogRecord = { stream: "stderr", time: 1_700_000_000_123.5, data: new Uint8Array([1, 2, 3]) };

Deno.test("decodeRecord() reads what encodeRecord() has written, anywhere in a file", () => {
  const bytes = encodeRecord(record);
  assertEquals(decodeRecord(bytes), { record, end: 27 });
  const two = new Uint8Array(bytes.length * 2);
  two.set(bytes);
  two.set(bytes, bytes.length);
  assertEquals(decodeRecord(two, 27), { record, end: 54 });
  const most: LogRecord = { stream: "stdout", time: 1000, data: new Uint8Array(MAX_DATA).fill(7) };
  assertEquals(decodeRecord(encodeRecord(most))?.record, most);
});

Deno.test("decodeRecord() takes no record that is torn or damaged", () => {
  const bytes = encodeRecord(record);
  for (let length = 0; length < bytes.length; length++) {
    assertEquals(decodeRecord(bytes.slice(0, length)), undefined, `${length} bytes`);
  }
  for (const [at, value] of [[0, 0], [1, 9], [4, 200], [7, 1], [23, 9]] as const) {
    const damaged = bytes.slice();
    damaged[at] = value;
    assertEquals(decodeRecord(damaged), undefined, `byte ${at}`);
  }
});
