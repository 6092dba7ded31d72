/**
 * The streams of a command that runs, or its terminal, as its caller has them.
 *
 * @module
 */
import type { Descriptor } from "../ffi/libc.ts";
import { abandon } from "../ffi/reactor.ts";
import { setWindowSize } from "../ffi/terminal.ts";
import type { TerminalEnds } from "./ends.ts";
import { checkSize, type TerminalSize } from "./spec/options.ts";
import { type Output, type Plumbing, readable, writable } from "./streams.ts";

/** All of them. */
export class SessionStreams {
  readonly #ends: readonly (Descriptor | undefined)[];
  #stdin: WritableStream<Uint8Array<ArrayBuffer>> | undefined;
  #stdout: Output | undefined;
  #stderr: Output | undefined;

  /**
   * @param what Whose they are, in a sentence.
   * @param tap What gets all that standard output gives, before it gives it; asked for when that is first used.
   */
  constructor(
    readonly what: "command" | "container",
    plumbing: readonly Plumbing[],
    readonly terminal: TerminalEnds | undefined,
    readonly tap: () => Descriptor | undefined = () => undefined,
  ) {
    this.#ends = terminal === undefined
      ? plumbing.map(({ ours }) => ours)
      : [terminal.input, terminal.output, undefined];
  }

  /** Standard input. Throws a `TypeError` where it isn't to be had; as the others. */
  get stdin(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#stdin ??= writable(this.#end(0), this.terminal === undefined ? "pipe" : "terminal");
  }

  /** Standard output. */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#standardOutput().stream;
  }

  /** Standard error. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#standardError().stream;
  }

  /** Tells the terminal its new size. Throws a `UsageError` where that is none. */
  resize(size: TerminalSize): void {
    checkSize(size);
    if (this.terminal?.master.isOpen === true) setWindowSize(this.terminal.master.number, size);
  }

  /** Takes what a pump still has to pass on, and what of a terminal's it still has to get. */
  async drain(): Promise<void> {
    const [, output, error] = this.#ends;
    await Promise.all([
      output === undefined ? undefined : this.#standardOutput().drain(),
      error === undefined ? undefined : this.#standardError().drain(),
    ]);
  }

  /** Gives back the descriptors of a command that has ended, whoever holds its streams. */
  finish(): void {
    const [input, output, error] = this.#ends;
    if (input !== undefined) abandon(input);
    if (output !== undefined) this.#standardOutput().finish();
    if (error !== undefined) this.#standardError().finish();
    this.terminal?.master.close();
  }

  #standardOutput(): Output {
    return this.#stdout ??= readable(this.#end(1), () => this.#hangUp(), this.tap());
  }

  #standardError(): Output {
    return this.#stderr ??= readable(this.#end(2));
  }

  /** A terminal hangs up when nobody has its master any more. */
  #hangUp(): void {
    for (const descriptor of Object.values(this.terminal ?? {})) abandon(descriptor);
  }

  #end(index: number): Descriptor {
    const end = this.#ends[index];
    if (end === undefined) {
      throw new TypeError(`${["stdin", "stdout", "stderr"][index]} of this ${this.what} is not piped`);
    }
    return end;
  }
}
