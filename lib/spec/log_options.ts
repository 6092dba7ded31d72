/**
 * What a caller may say about a container's log.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/** Where a log goes. */
export const LOG_DRIVERS: readonly Log["driver"][] = ["file", "journald", "syslog", "none"];

/**
 * A container's log.
 *
 * @example Keep at most one mebibyte
 * ```ts
 * import { type LogOptions, run } from "@libflux/cli/mod";
 *
 * const log: LogOptions = { driver: "file", maxSize: 1 << 20, maxFile: 1 };
 * await using container = await run({ command: ["true"], log });
 * await container.status;
 * ```
 */
export interface LogOptions {
  /** `file` if left out: what `libflux logs` reads; `journald` or `syslog`: there as well; `none`: nowhere. */
  readonly driver?: "file" | "journald" | "syslog" | "none";
  /** Bytes after which a new file is begun; 10 MB if left out, -1: never. */
  readonly maxSize?: number;
  /** How many files are kept; 3 if left out. */
  readonly maxFile?: number;
}

/** A log, with what is usual where nothing was said. */
export type Log = Required<LogOptions>;

/** As docker recommends: a log never fills a disk. */
export const DEFAULT_LOG: Log = { driver: "file", maxSize: 10_000_000, maxFile: 3 };
/** More files take longer to be renamed than anybody wants to wait. */
const MOST_FILES = 1000;
/** Less than some records would make a file of each. */
const LEAST_SIZE = 1024;

/** Throws a {@link UsageError} where a log can't be as it is to be. */
export function checkLog(options: LogOptions): Log {
  const log = { ...DEFAULT_LOG, ...options };
  const { driver, maxSize, maxFile } = log;
  if (!LOG_DRIVERS.includes(driver)) {
    throw new UsageError(`there is no log driver "${printable(String(driver))}"`, {
      hint: `use one of ${LOG_DRIVERS.join(", ")}`,
    });
  }
  if (maxSize !== -1 && !(Number.isSafeInteger(maxSize) && maxSize >= LEAST_SIZE)) {
    throw new UsageError(`a log file can't be of ${printable(String(maxSize))} bytes at most`, {
      hint: `max-size is at least ${LEAST_SIZE} bytes, such as 10m, or -1 for no end`,
    });
  }
  if (!(Number.isSafeInteger(maxFile) && maxFile >= 1 && maxFile <= MOST_FILES)) {
    throw new UsageError(`a log can't have ${printable(String(maxFile))} files`, {
      hint: `max-file is a number from 1 to ${MOST_FILES}`,
    });
  }
  return log;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1e3, m: 1e6, g: 1e9 };

/** Reads `--log-driver` and the values of `--log-opt`. */
export function parseLog(driver: string | undefined, texts: readonly string[]): Log {
  const options: { driver?: Log["driver"]; maxSize?: number; maxFile?: number } = {};
  // checkLog() tells whether there is such a one.
  if (driver !== undefined) options.driver = driver as Log["driver"];
  for (const text of texts) {
    const [, key, value = ""] = /^([^=]*)=(.*)$/.exec(text) ?? [];
    if (key === "max-size") {
      const [, count, unit = ""] = /^(-?[0-9]+(?:\.[0-9]+)?)([bkmg]?)b?$/i.exec(value) ?? [];
      const size = Math.floor(Number(count) * (UNITS[unit.toLowerCase()] ?? NaN));
      if (Number.isNaN(size)) throw wrong(text, "a size, such as max-size=10m");
      options.maxSize = size;
    } else if (key === "max-file") {
      if (!/^[0-9]+$/.test(value)) throw wrong(text, "a number, such as max-file=3");
      options.maxFile = Number(value);
    } else throw wrong(text, "max-size=SIZE or max-file=NUMBER");
  }
  return checkLog(options);
}

function wrong(text: string, form: string): UsageError {
  return new UsageError(`--log-opt "${printable(text)}" can't be read`, { hint: `write ${form}` });
}
