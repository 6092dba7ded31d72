/**
 * Moments, as a caller writes them.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/** Seconds since 1970, and nanoseconds. */
export interface Moment {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const NANOSECONDS = 1_000_000_000;
/** In seconds: those of Go, and days. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  "µs": 1e-6,
  "μs": 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86400,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h|d))+$/;
const TIME = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)?([Zz]|[+-]\d\d:\d\d)?$/;

/** A date as a moment. */
export function momentOf(date: Date): Moment {
  const seconds = Math.floor(date.getTime() / 1000);
  return { seconds, nanoseconds: (date.getTime() - seconds * 1000) * 1_000_000 };
}

/** Nanoseconds of the digits after a point. */
const fraction = (digits = ""): number => Number(digits.padEnd(9, "0").slice(0, 9));

/**
 * Reads a moment: RFC 3339, also without what stands at its end (then it is local time), Unix seconds, or how long ago it
 * is, such as `10m` or `1h30m`. Throws a {@link UsageError} where it is none of these.
 *
 * @param what What the moment is for, to be told: `--since`.
 * @param now Milliseconds since 1970.
 */
export function parseMoment(text: string, what: string, now: number = Date.now()): Moment {
  const [, unix, digits] = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (unix !== undefined) return { seconds: Number(unix), nanoseconds: fraction(digits) };
  if (DURATION.test(text)) {
    const ago = [...text.matchAll(/(\d+(?:\.\d+)?)([^\d.]+)/g)].reduce(
      (sum, [, count, unit = ""]) => sum + Number(count) * (UNITS[unit] ?? 0),
      0,
    );
    const moment = new Date(now - Math.round(ago * 1000));
    if (!Number.isNaN(moment.getTime())) return momentOf(moment);
  }
  const [, day, minute = "00:00", second = ":00", part, zone = ""] = TIME.exec(text) ?? [];
  const time = Date.parse(`${day}T${minute}${second}${zone.toUpperCase()}`);
  if (day !== undefined && !Number.isNaN(time)) return { seconds: time / 1000, nanoseconds: fraction(part) };
  throw new UsageError(`${what} "${printable(text)}" is no time`, {
    hint: "write 2026-01-31T12:00:00Z, seconds since 1970, or how long ago it is, such as 10m or 1h30m",
  });
}

/** The second that was written last: most that follow are in the same one. */
let known = { seconds: 0, text: "1970-01-01T00:00:00" };

/** Writes a moment by RFC 3339, in UTC, with nanoseconds. */
export function formatMoment({ seconds, nanoseconds }: Moment): string {
  if (seconds !== known.seconds) {
    const date = new Date(seconds * 1000);
    const text = Number.isNaN(date.getTime()) ? `@${seconds}` : date.toISOString().replace(/\.\d+Z$/, "");
    known = { seconds, text };
  }
  return `${known.text}.${String(nanoseconds % NANOSECONDS).padStart(9, "0")}Z`;
}
