/**
 * Signals that a command's own process gets, and passes on.
 *
 * @module
 */
import type { Signal } from "../container.ts";
import { listen } from "../signals.ts";
import { tellUser } from "./tell.ts";

/** Signals that are passed on to the command. SIGWINCH is too, where it isn't told by a terminal's new size. */
const FORWARDED = ["SIGWINCH", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** Milliseconds within which a second Ctrl-C means it. */
const INSISTENCE = 2_000;
/** Milliseconds that are enough for a launch: what takes longer waits for somebody, and need not be waited for. */
const LAUNCH_TIME = 1_000;
/** Signals that are to end what runs, and what a shell says then. */
const ENDING: Readonly<Partial<Record<Signal, number>>> = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 };

/** What can be sent a signal. */
export interface Target {
  kill(signal: Signal): void;
}

/** Passes signals on from the first moment; ends libflux itself where there is nothing yet that could end. */
export class Signals implements Disposable {
  readonly #waiting: Signal[] = [];
  readonly #abort = new AbortController();
  #target: Target | undefined;
  #interrupted = -Infinity;
  #exitCode: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listening: Disposable;

  /** @param what What a second Ctrl-C kills. */
  constructor(readonly quiet: boolean, tty: boolean, readonly what: "container" | "command" = "container") {
    const signals = FORWARDED.filter((signal) => signal !== "SIGWINCH" || !tty);
    this.#listening = listen(signals, (signal) => this.#deliver(signal));
  }

  /** Fires when nothing is to be started any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** What libflux itself ends with, where it was told to before there was anything else. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Where they go from here on. */
  attach(target: Target): void {
    this.#stopTimer();
    this.#target = target;
    for (const signal of this.#waiting.splice(0)) target.kill(signal);
  }

  #deliver(signal: Signal): void {
    const insisted = signal === "SIGINT" && performance.now() - this.#interrupted < INSISTENCE;
    if (signal === "SIGINT") this.#interrupted = performance.now();
    if (insisted && !this.quiet) {
      // A raw terminal goes down at a newline, and not back to the left.
      const end = Deno.stderr.isTerminal() ? "\r\n" : "\n";
      const what = this.#target === undefined ? "giving up" : `killing the ${this.what}`;
      tellUser(`second interrupt: ${what}`, end);
    }
    if (this.#target !== undefined) return this.#target.kill(insisted ? "SIGKILL" : signal);
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
