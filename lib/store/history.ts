/**
 * What is kept of containers when they have ended, until it is pruned or their name is used again: who they were, how they
 * ended, and their logs.
 *
 * @module
 */
import { AT, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor, syscall } from "../../ffi/libc.ts";
import { callersVariable } from "../caller.ts";
import { isName } from "../spec/options.ts";
import type { Log } from "../spec/log_options.ts";
import { checkPrivateDirectory, defaultRoot, makePrivateDirectory, readState, writeAtomically } from "./directory.ts";

/** `record.json` of a container. */
export interface ContainerRecord {
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** When it was asked for: ISO 8601, UTC; as the others. */
  readonly created: string;
  /** When its command began to run, the last time that it was started. */
  readonly started?: string;
  /** When it had ended. */
  readonly finished?: string;
  /** How it ended: an exit code, or 128 + a signal's number. */
  readonly code?: number;
  /** The signal that killed it. */
  readonly signal?: string;
  readonly outOfMemory?: boolean;
  /** Why it couldn't be started again. */
  readonly error?: string;
  /** How often it was started again by its restart policy. */
  readonly restarts: number;
  readonly log: Log;
  /** Whether it had a terminal. */
  readonly terminal: boolean;
  /** Remove this as well when it has ended. */
  readonly remove: boolean;
}

/** The log's file that is written to; those before it are `log.1`, `log.2` and so on. */
export const LOG_FILE = "log";

/** Where the history of a state root is. @param root As the caller said, absolute; nothing where nothing was said. */
export function historyRoot(root: string | undefined): string {
  if (root !== undefined) return `${root}/history`;
  if (Deno.uid() === 0) return "/var/lib/libflux/history";
  const [state, home] = [callersVariable("XDG_STATE_HOME"), callersVariable("HOME")];
  if (state?.startsWith("/") === true) return `${state}/libflux/history`;
  return home?.startsWith("/") === true ? `${home}/.local/state/libflux/history` : `${defaultRoot()}/history`;
}

/** The history of a state root. */
export class History {
  /** @param root From {@link historyRoot}; made when something is first written. */
  constructor(readonly root: string) {}

  /** The directory of a container's record and log. */
  directory(name: string): string {
    return `${this.root}/${name}`;
  }

  /** The names that have a record, sorted. */
  names(): string[] {
    if (!checkPrivateDirectory(this.root)) return [];
    return Array.from(Deno.readDirSync(this.root)).filter(({ name, isDirectory }) => isDirectory && isName(name))
      .map(({ name }) => name).sort();
  }

  /** A container's record; nothing where there is none. */
  read(name: string): ContainerRecord | undefined {
    return parseRecord(readState(`${this.directory(name)}/record.json`));
  }

  /**
   * Begins one, in place of an earlier of the same name, which is set aside until {@link keep} or {@link giveBack}. To be
   * called by who has the name. Answers its directory.
   */
  begin(record: ContainerRecord): Descriptor {
    makePrivateDirectory(this.root);
    // Whoever was killed in between has started nothing: what there was is what counts.
    if (checkPrivateDirectory(this.#aside(record.name))) this.giveBack(record.name);
    this.#move(this.directory(record.name), this.#aside(record.name));
    try {
      makePrivateDirectory(this.directory(record.name));
      this.write(record);
      const flags = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;
      return new Descriptor(checked("openat", AT.AT_FDCWD, this.directory(record.name), flags, 0));
    } catch (error) {
      this.giveBack(record.name);
      throw error;
    }
  }

  /** Where an earlier one of a name is while it isn't certain that the new one starts: no name begins with a dot. */
  #aside(name: string): string {
    return `${this.root}/.${name}`;
  }

  #move(from: string, to: string): void {
    syscall("renameat2", AT.AT_FDCWD, from, AT.AT_FDCWD, to, 0);
  }

  /** The new one has started: forgets the earlier one. */
  keep(name: string): void {
    this.#clear(this.#aside(name));
  }

  /** The new one hasn't: the earlier one is there again, if there was one. */
  giveBack(name: string): void {
    this.#clear(this.directory(name));
    this.#move(this.#aside(name), this.directory(name));
  }

  /** Writes one that was begun. */
  write(record: ContainerRecord): void {
    writeAtomically(`${this.directory(record.name)}/record.json`, JSON.stringify(record));
  }

  /** Writes what a container was asked to be, to make it again when it has ended. */
  writeOptions(name: string, options: object): void {
    writeOptions(this.directory(name), options);
  }

  /** What a container was asked to be; nothing where that isn't known. */
  options(name: string): object | undefined {
    return readOptions(this.directory(name));
  }

  /** Removes a record and the log. */
  remove(name: string): void {
    this.#clear(this.directory(name));
    this.#clear(this.#aside(name));
  }

  #clear(directory: string): void {
    // The record last: without it nobody would know what the rest is.
    const files = checkPrivateDirectory(directory) ? Array.from(Deno.readDirSync(directory), ({ name }) => name) : [];
    for (const file of files.toSorted((a, b) => Number(a === RECORD) - Number(b === RECORD))) {
      syscall("unlinkat", AT.AT_FDCWD, `${directory}/${file}`, 0);
    }
    syscall("unlinkat", AT.AT_FDCWD, directory, AT.AT_REMOVEDIR);
  }
}

const RECORD = "record.json";
/** The file of what a container was asked to be. */
export const OPTIONS_FILE = "options.json";

/** Writes what a container was asked to be into a directory. */
export function writeOptions(directory: string, options: object): void {
  writeAtomically(`${directory}/${OPTIONS_FILE}`, JSON.stringify(options));
}

/** Reads it from there; nothing where it isn't. */
export function readOptions(directory: string): object | undefined {
  return parseOptions(readState(`${directory}/${OPTIONS_FILE}`));
}

/** Reads what a container was asked to be as what it is: a file that somebody else may have written. */
export function parseOptions(text: string | undefined): object | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { command, image, restart } = value as Record<string, unknown>;
    const isCommand = Array.isArray(command) && command.every((part) => typeof part === "string");
    const isPolicy = restart === undefined || typeof restart === "string";
    return isCommand && typeof image === "string" && isPolicy ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a record as what it is: a file that somebody else may have written. */
export function parseRecord(text: string | undefined): ContainerRecord | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as Record<string, unknown>;
  const isTime = (time: unknown): boolean => typeof time === "string" && !Number.isNaN(Date.parse(time));
  const isOptional = (key: string, is: (value: unknown) => boolean): boolean =>
    record[key] === undefined || is(record[key]);
  const log = record.log as Record<string, unknown> | null | undefined;
  const isRecord = isName(String(record.name)) && /^[0-9a-f]{64}$/.test(String(record.id)) &&
    typeof record.image === "string" && isTime(record.created) && isOptional("started", isTime) &&
    isOptional("finished", isTime) && isOptional("code", Number.isSafeInteger) &&
    isOptional("signal", (signal) => typeof signal === "string") &&
    isOptional("error", (error) => typeof error === "string") &&
    isOptional("outOfMemory", (killed) => typeof killed === "boolean") && Number.isSafeInteger(record.restarts) &&
    typeof record.terminal === "boolean" && typeof record.remove === "boolean" &&
    Array.isArray(record.command) && record.command.every((part) => typeof part === "string") &&
    typeof record.labels === "object" && record.labels !== null && !Array.isArray(record.labels) &&
    Object.values(record.labels).every((label) => typeof label === "string") &&
    typeof log === "object" && log !== null && typeof log.driver === "string" &&
    Number.isSafeInteger(log.maxSize) && Number.isSafeInteger(log.maxFile);
  return isRecord ? value as ContainerRecord : undefined;
}
