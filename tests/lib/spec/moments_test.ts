import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { formatMoment, momentOf, parseMoment } from "../../../lib/spec/moments.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const read = (text: string): string => formatMoment(parseMoment(text, "--since", NOW));

Deno.test("parseMoment() reads RFC 3339, with nanoseconds and in any zone", () => {
  for (
    const [text, time] of [
      ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000000Z"],
      ["2026-01-31t12:00:00.5z", "2026-01-31T12:00:00.500000000Z"],
      ["2026-01-31T12:00:00.123456789+02:00", "2026-01-31T10:00:00.123456789Z"],
      ["2026-01-31T12:00-00:30", "2026-01-31T12:30:00.000000000Z"],
      ["1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250000000Z"],
    ] as const
  ) assertEquals(read(text), time, text);
});

Deno.test("parseMoment() takes a time without a zone as local time", () => {
  for (
    const [text, date] of [["2026-07-31", "2026-07-31T00:00:00"], ["2026-07-31 12:34", "2026-07-31T12:34:00"]] as const
  ) {
    assertEquals(parseMoment(text, "--since"), momentOf(new Date(date)), text);
  }
});

Deno.test("parseMoment() reads Unix seconds, and how long ago something was", () => {
  for (
    const [text, time] of [
      ["1136073600", "2006-01-01T00:00:00.000000000Z"],
      ["1136073600.000000001", "2006-01-01T00:00:00.000000001Z"],
      ["0", "1970-01-01T00:00:00.000000000Z"],
      ["10m", "2026-01-02T02:54:05.678000000Z"],
      ["1h30m", "2026-01-02T01:34:05.678000000Z"],
      ["1.5h", "2026-01-02T01:34:05.678000000Z"],
      ["100ms", "2026-01-02T03:04:05.578000000Z"],
      ["1d", "2026-01-01T03:04:05.678000000Z"],
      ["0s", "2026-01-02T03:04:05.678000000Z"],
    ] as const
  ) assertEquals(read(text), time, text);
});

Deno.test("parseMoment() refuses what is no time, and shows how to write one", () => {
  for (
    const text of ["", "now", "-5", "2026-13-01T00:00:00Z", "2026-01-31T25:00:00Z", "10x", "m", "1h-5m", "1e3", "10m "]
  ) {
    const error = assertThrows(() => parseMoment(text, "--since", NOW), UsageError, `--since "${text}" is no time`);
    assertEquals(error.hint?.includes("10m"), true);
  }
});
