/**
 * `libflux run`: a container in the foreground, wired to this terminal.
 *
 * @module
 */
import { attach, hasKeyboard, terminalSize } from "../attach.ts";
import { type Container, type ContainerStatus, run, type Signal } from "../container.ts";
import { listen } from "../signals.ts";
import { onWarning } from "../warnings.ts";
import type { Command } from "./command.ts";
import { helpText } from "./flags.ts";
import { complain, print } from "./output.ts";
import { tellUser } from "./tell.ts";
import { parseRun, RUN_FLAGS } from "./run_flags.ts";

/** `libflux run`. */
export const RUN: Command = {
  name: "run",
  usage: ["run NAME [--image ROOTFS] [FLAG…] -- COMMAND [ARGUMENT…]"],
  about: `Runs COMMAND in a new container of its own and leaves nothing behind when it ends.

Exit code: the command's own; 128+n when signal n killed it; 125 when libflux failed, 126 when the command can't be
executed, 127 when it isn't there.`,
  flags: RUN_FLAGS,
  maxOperands: 1,
  examples: [
    { line: 'libflux run hello -- echo "hello from inside"', about: "this host's own files, copy-on-write" },
    { line: "libflux run web --image /srv/debian -p 8080:80 -- nginx -g 'daemon off;'" },
    { line: "libflux run job --image /srv/debian --memory 512M --cpus 1.5 --bind ./data:/data:ro -- ./work --all" },
  ],
  run: runCommand,
};

/** Signals that are passed on to the command. SIGWINCH is too, where it isn't told by a terminal's new size. */
const FORWARDED = ["SIGWINCH", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** Milliseconds within which a second Ctrl-C means it. */
const INSISTENCE = 2_000;
/** Milliseconds that are enough for a launch: what takes longer waits for somebody, and need not be waited for. */
const LAUNCH_TIME = 1_000;
/** Signals that are to end what runs, and what a shell says then. */
const ENDING: Readonly<Partial<Record<Signal, number>>> = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 };

/** Passes signals on from the first moment; ends libflux itself where there is no container yet that could end. */
class Signals implements Disposable {
  readonly #waiting: Signal[] = [];
  readonly #abort = new AbortController();
  #container: Container | undefined;
  #interrupted = -Infinity;
  #exitCode: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listening: Disposable;

  constructor(readonly quiet: boolean, tty: boolean) {
    const signals = FORWARDED.filter((signal) => signal !== "SIGWINCH" || !tty);
    this.#listening = listen(signals, (signal) => this.#deliver(signal));
  }

  /** Fires when there shall be no container any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** What libflux itself ends with, where it was told to before there was a container. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** The container that they go to. */
  attach(container: Container): void {
    this.#stopTimer();
    this.#container = container;
    for (const signal of this.#waiting.splice(0)) container.kill(signal);
  }

  #deliver(signal: Signal): void {
    const insisted = signal === "SIGINT" && performance.now() - this.#interrupted < INSISTENCE;
    if (signal === "SIGINT") this.#interrupted = performance.now();
    if (insisted && !this.quiet) {
      // A raw terminal goes down at a newline, and not back to the left.
      const end = Deno.stderr.isTerminal() ? "\r\n" : "\n";
      const what = this.#container === undefined ? "giving up" : "killing the container";
      tellUser(`second interrupt: ${what}`, end);
    }
    if (this.#container !== undefined) return this.#container.kill(insisted ? "SIGKILL" : signal);
    this.#waiting.push(signal);
    const code = ENDING[signal];
    if (code === undefined) return;
    if (insisted) this.#giveUp(code);
    else this.#timer ??= setTimeout(() => this.#giveUp(code), LAUNCH_TIME);
  }

  #giveUp(code: number): void {
    this.#exitCode ??= code;
    this.#abort.abort();
  }

  #stopTimer(): void {
    // Not without one: Deno loads its timers at the first call, which takes 5 ms.
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.#stopTimer();
    this.#listening[Symbol.dispose]();
  }
}

function report(container: Container, { started, finished, usage = {} }: ContainerStatus): void {
  const { create, clone, start, tearDown } = container.timings;
  const rows: (readonly [string, number])[] = [
    ["create: options to sealed image", create],
    ["clone: new namespaces", clone],
    ["launch: mounts, pivot, credentials, exec", start - clone],
    ["run: the command itself", finished.getTime() - started.getTime()],
    ["tear down: back to a clean host", tearDown],
  ];
  const { memoryPeak, cpuTime, throttledTime } = usage;
  if (cpuTime !== undefined) rows.push(["CPU time of all processes", cpuTime]);
  if (throttledTime !== undefined && throttledTime > 0) rows.push(["held back by the CPU limit", throttledTime]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, time]) => `${name.padEnd(width)}  ${time.toFixed(2).padStart(9)} ms`);
  if (memoryPeak !== undefined) {
    lines.push(`${"most memory at one time".padEnd(width)}  ${mebibytes(memoryPeak).padStart(12)}`);
  }
  complain(`${lines.join("\n")}\n`);
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Why a command was killed, or failed, that had no memory left. */
function outOfMemory({ signal, usage = {} }: ContainerStatus): string {
  const { memoryLimit, memoryPeak } = usage;
  const parts = [
    ...(memoryLimit === undefined ? [] : [`limit ${mebibytes(memoryLimit)}`]),
    ...(memoryPeak === undefined ? [] : [`peak ${mebibytes(memoryPeak)}`]),
  ];
  const who = signal === "SIGKILL" ? "killed" : "a process of the container was killed";
  return `${who}: out of memory${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

/** Runs the command; answers its exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  const line = parseRun("run", args);
  if (line === undefined) {
    print(helpText(RUN));
    return 0;
  }
  if (line.detach) return await (await import("./detach.ts")).runInBackground(line);
  const interactive = line.interactive ?? true;
  const keyboard = hasKeyboard();
  const tty = line.tty ?? (interactive && keyboard && Deno.stdout.isTerminal());
  if (line.quiet) onWarning(undefined);
  using signals = new Signals(line.quiet, tty);
  let container: Container;
  try {
    container = await run({
      ...line.options,
      // A background job takes no keys, whether or not its command would read them.
      stdin: interactive && (keyboard || !Deno.stdin.isTerminal()) ? "inherit" : "null",
      stdout: "inherit",
      stderr: "inherit",
      measure: line.time,
      remove: line.remove,
      signal: signals.signal,
      ...(tty ? { terminal: terminalSize() } : {}),
    });
  } catch (error) {
    if (signals.exitCode === undefined) throw error;
    return signals.exitCode;
  }
  signals.attach(container);
  const status = tty ? await attach(container) : await container.status;
  if (status.outOfMemory === true) tellUser(outOfMemory(status));
  if (line.time) report(container, status);
  return signals.exitCode ?? status.code;
}
