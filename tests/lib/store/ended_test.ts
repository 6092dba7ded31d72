import { assertEquals } from "@std/assert";
import { parseEnd } from "../../../lib/store/ended.ts";

function file(size: number, reported: number, status: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(size), true);
  view.setInt32(8, reported, true);
  view.setBigInt64(24, BigInt(status), true);
  view.setBigInt64(32, 1_700_000_000n, true);
  view.setBigInt64(40, 250_000_000n, true);
  return bytes;
}

Deno.test("parseEnd() believes what an init has reported, and else how PID 1 has ended", () => {
  const finished = new Date(1_700_000_000_250);
  assertEquals(parseEnd(file(4, 3 << 8, 3 << 8)), { code: 3, finished });
  assertEquals(parseEnd(file(4, 15, 143 << 8)), { code: 143, signal: "SIGTERM", finished });
  assertEquals(parseEnd(file(0, 0, 9)), { code: 137, signal: "SIGKILL", finished });
  assertEquals(parseEnd(file(-11, 0, 0)), { code: 0, finished });
});

Deno.test("parseEnd() says of an init that has failed what is said of libflux", () => {
  assertEquals(parseEnd(file(16, 0, 125 << 8)).code, 125);
});
