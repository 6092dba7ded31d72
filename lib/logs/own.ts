/**
 * libflux's own log: where errors and warnings go besides standard error.
 *
 * @module
 */
import { AT, O } from "../../ffi/abi/constants.ts";
import { Descriptor, syscall } from "../../ffi/libc.ts";
import { errnoText, printable, UsageError } from "../errors.ts";
import { daemonOf, openDaemon } from "./daemon.ts";

/** What libflux tells: one line of JSON, in this order. */
export interface Entry {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: "error" | "warn";
  /** One sentence. */
  readonly msg: string;
  /** What was being done. */
  readonly step?: string;
  /** What it was done to. */
  readonly path?: string;
  /** The kernel's error number. */
  readonly errno?: number;
  /** What to do about it. */
  readonly hint?: string;
  /** What libflux ends with. */
  readonly exitCode?: number;
  /** Where it comes from. */
  readonly stack?: string;
}

/** How entries are written. */
export type Format = "text" | "json";

/** As in `sys/syslog.h`. */
const PRIORITY = { error: 3, warn: 4 } as const;
const LOG_DAEMON = 3;
const encoder = new TextEncoder();

/** An entry as a line without its end. Pure. */
export function entryLine(entry: Entry, format: Format): string {
  if (format === "json") return JSON.stringify(entry);
  const { time, level, msg, hint } = entry;
  return printable(`${time} ${level}: ${msg}${hint === undefined ? "" : `; ${hint}`}`);
}

/** An entry as the journal takes it. Pure. */
export function journalMessage(entry: Entry): Uint8Array<ArrayBuffer> {
  const { level, msg, step, path, errno, hint, exitCode, stack } = entry;
  const fields = {
    ...{ PRIORITY: PRIORITY[level], SYSLOG_IDENTIFIER: "libflux", MESSAGE: msg, ERRNO: errno },
    ...{
      LIBFLUX_STEP: step,
      LIBFLUX_PATH: path,
      LIBFLUX_HINT: hint,
      LIBFLUX_EXIT_CODE: exitCode,
      LIBFLUX_STACK: stack,
    },
  };
  const parts = Object.entries(fields).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const bytes = encoder.encode(String(value));
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(bytes.length), true);
    // With its length: it may have newlines.
    return [encoder.encode(`${key}\n`), length, bytes, encoder.encode("\n")];
  });
  const message = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

/** An entry as syslog takes it. Pure. @param pid libflux's own. */
export function syslogMessage(entry: Entry, format: Format, pid: number): Uint8Array<ArrayBuffer> {
  const { level, msg, hint } = entry;
  const text = format === "json"
    ? entryLine(entry, format)
    : printable(`${msg}${hint === undefined ? "" : `; ${hint}`}`);
  return encoder.encode(`<${LOG_DAEMON << 3 | PRIORITY[level]}>libflux[${pid}]: ${text}`);
}

/**
 * Opens where entries go. What can't be written later is left out: it must not change what libflux does.
 *
 * @param target A file's path, "journald:" or "syslog:".
 * @throws {UsageError} It can't be opened.
 */
export function openOwnLog(target: string, format: Format): (entry: Entry) => void {
  const driver = target === "journald:" ? "journald" : target === "syslog:" ? "syslog" : "file";
  const daemon = daemonOf({ driver }, { name: "libflux", id: "" });
  const log = daemon === undefined ? openFile(target) : openDaemon(daemon);
  return (entry) => {
    const bytes = driver === "journald"
      ? journalMessage(entry)
      : driver === "syslog"
      ? syslogMessage(entry, format, Deno.pid)
      : encoder.encode(`${entryLine(entry, format)}\n`);
    syscall("write", log.number, bytes, bytes.length);
  };
}

function openFile(path: string): Descriptor {
  const flags = O.O_WRONLY | O.O_CREAT | O.O_APPEND | O.O_NOCTTY | O.O_CLOEXEC;
  const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0o600);
  if (opened < 0) {
    throw new UsageError(`--log-file ${printable(path)} can't be written: ${errnoText(-opened)}`, {
      path,
      errno: -opened,
      hint: 'give a file, "journald:" or "syslog:"',
    });
  }
  return new Descriptor(opened);
}
