/**
 * What tests of logs share: reading them, and finding the process that writes them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { decodeRecord, type LogRecord } from "../../../lib/logs/format.ts";
import { type ContainerRecord, History, historyRoot } from "../../../lib/store/history.ts";
import { patience } from "../support.ts";

/** Where logs are by default, and this user may write. */
export const LOGS: string = Deno.uid() === 0 ? "/var/lib/libflux" : Deno.env.get("HOME") ?? "";

/** Waits for a condition with bounded patience. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + patience(20_000);
  while (!condition()) {
    assert(performance.now() < deadline, `${what} takes too long`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The history of a container. */
export class Log {
  readonly #history: History;

  constructor(readonly name: string, root?: string) {
    this.#history = new History(historyRoot(root));
  }

  get directory(): string {
    return this.#history.directory(this.name);
  }

  get record(): ContainerRecord | undefined {
    return this.#history.read(this.name);
  }

  /** Its files, the oldest first. */
  files(): string[] {
    const age = (name: string): number => Number(name.slice(4) || 0);
    return Array.from(Deno.readDirSync(this.directory), ({ name }) => name).filter((name) => /^log(\.\d+)?$/.test(name))
      .toSorted((a, b) => age(b) - age(a)).map((name) => `${this.directory}/${name}`);
  }

  /** All bytes of its files. */
  size(): number {
    try {
      return this.files().reduce((sum, file) => sum + Deno.statSync(file).size, 0);
    } catch (error) {
      // Not yet there, or renamed in between.
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  }

  /** Every record, the oldest first; each must be whole. */
  *records(): Generator<LogRecord> {
    for (const file of this.files()) {
      const bytes = Deno.readFileSync(file);
      for (let at = 0; at < bytes.length;) {
        const next = decodeRecord(bytes, at);
        assert(next !== undefined, `${file} has no record at ${at}`);
        yield next.record;
        at = next.end;
      }
    }
  }

  /** What was written to a stream, `<lost>` where some was lost; of both, if none is named. */
  text(only?: "stdout" | "stderr"): string {
    const decoder = new TextDecoder();
    let text = "";
    for (const { stream, data } of this.records()) {
      if (stream === "lost") text += "<lost>";
      else if (only === undefined || stream === only) text += decoder.decode(data, { stream: true });
    }
    return text;
  }

  remove(): void {
    this.#history.remove(this.name);
  }
}

/** The pid of the pump of a container; nothing where there is none. */
export function pumpOf(name: string): number | undefined {
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      // One that has ended has no arguments any more.
      if (Deno.readTextFileSync(`/proc/${pid}/cmdline`) === `libflux-pump\0${name}\0`) return Number(pid);
    } catch {
      // Gone meanwhile.
    }
  }
  return undefined;
}

/** What was written to standard output: its size and its MD5. Its records must be in the order of their times. */
export function checksum(records: Iterable<LogRecord>): readonly [size: number, md5: string] {
  const hash = createHash("md5");
  let [size, previous] = [0, 0];
  for (const { stream, data, time } of records) {
    assertEquals(stream, "stdout");
    assert(time >= previous);
    previous = time;
    size += data.length;
    hash.update(data);
  }
  return [size, hash.digest("hex")];
}

/** A shell script that writes 1 GB as fast as it can, and the {@link checksum} of that. */
export function oneGigabyte(): { readonly command: string; readonly expected: readonly [number, string] } {
  const [GIGABYTE, text] = [1_000_000_000, "0123456789abcdefghijklmnopqrstuvwxyz"];
  const hash = createHash("md5");
  const lines = new TextEncoder().encode(`${text}\n`.repeat(10_000));
  for (let left = GIGABYTE; left > 0; left -= lines.length) hash.update(lines.subarray(0, left));
  return { command: `yes ${text} | head -c ${GIGABYTE}`, expected: [GIGABYTE, hash.digest("hex")] };
}

/** Runs a program of the host's, which must end well. */
export async function call(...args: readonly [string, ...string[]]): Promise<void> {
  const [command, ...rest] = args;
  const { code } = await new Deno.Command(command, { args: rest }).output();
  assertEquals(code, 0, args.join(" "));
}

/** Mounts a filesystem where the history of a state root is, as long as its variable lasts. */
export async function mountHistory(
  root: string,
  options: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = `${root}/history`;
  Deno.mkdirSync(path, { mode: 0o700 });
  await call("mount", "-t", "tmpfs", "-o", options, "none", path);
  return { path, [Symbol.asyncDispose]: () => call("umount", "-l", path) };
}
