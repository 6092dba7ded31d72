/**
 * What tests of detached containers share: each container has a name of its own and is ended whatever happens.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { decodeRecord, type LogRecord } from "../../../lib/logs/format.ts";
import { defaultRoot } from "../../../lib/store/directory.ts";
import { type ContainerRecord, History, historyRoot } from "../../../lib/store/history.ts";
import { type State, Store } from "../../../lib/store/state.ts";
import { BUSYBOX, libflux, type Options, patience, type Result, uniqueName } from "../support.ts";

/** A container in the background, which has ended when the variable has. */
export class Detached implements AsyncDisposable {
  readonly #store = new Store(defaultRoot(), new History(historyRoot(undefined)));

  constructor(readonly name: string, readonly started: Result) {}

  /** What is known of it while it is there. */
  get state(): State | undefined {
    return this.#store.state(this.name);
  }

  /** What is known of it afterwards, too. */
  get record(): ContainerRecord | undefined {
    return this.#store.history.read(this.name);
  }

  /** Its directory below the state root. */
  get directory(): string {
    return this.#store.directory(this.name);
  }

  /** The directory of its log. */
  get logs(): string {
    return this.#store.history.directory(this.name);
  }

  /** What its log has, the oldest first. */
  records(): LogRecord[] {
    // There is none of one that couldn't be started.
    assertEquals(this.started.stderr, "");
    const names = Array.from(Deno.readDirSync(this.logs), ({ name }) => name).filter((name) =>
      /^log(\.\d+)?$/.test(name)
    );
    const age = (name: string): number => Number(name.slice(4) || 0);
    return names.toSorted((a, b) => age(b) - age(a)).flatMap((name) => {
      const bytes = Deno.readFileSync(`${this.logs}/${name}`);
      const found: LogRecord[] = [];
      for (let at = 0; at < bytes.length;) {
        const next = decodeRecord(bytes, at);
        // A log that is still written to may end in the middle of a record.
        if (next === undefined) break;
        found.push(next.record);
        at = next.end;
      }
      return found;
    });
  }

  /** What it has written to a stream. */
  output(stream: "stdout" | "stderr" = "stdout"): string {
    const parts = this.records().filter((record) => record.stream === stream).map(({ data }) => data);
    return new TextDecoder().decode(new Uint8Array(parts.flatMap((part) => [...part])));
  }

  /** Waits until it has ended and its directory has gone. */
  async gone(): Promise<void> {
    await eventually(
      () => this.state === undefined && !this.#store.names().includes(this.name),
      "the container is gone",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.state !== undefined) await libflux(["stop", "--time", "0", this.name]);
    this.#store.history.remove(this.name);
  }
}

/** Waits until something is so; fails when that doesn't happen soon. */
export async function eventually(is: () => boolean | Promise<boolean>, what: string, time = 10_000): Promise<void> {
  const deadline = performance.now() + patience(time);
  while (performance.now() < deadline) {
    if (await is()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals(await is(), true, what);
}

/** Starts a container of busybox in the background; `flags` come before the command. */
export async function detached(
  flags: readonly string[],
  command: readonly string[],
  options: Options = {},
): Promise<Detached> {
  const name = uniqueName();
  const result = await libflux(
    ["run", name, "--detach", "--image", BUSYBOX, "--network", "none", ...flags, "--", ...command],
    options,
  );
  return new Detached(name, result);
}

/** A shell script in the background. */
export function script(text: string, flags: readonly string[] = []): Promise<Detached> {
  return detached(flags, ["sh", "-c", text]);
}

/** Whether a process is there, and not just waiting to be reaped. */
export function isRunning(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(")") + 1));
  } catch {
    return false;
  }
}

/** Sends a signal to a process. */
export function signal(pid: number, name: Deno.Signal): void {
  Deno.kill(pid, name);
}
