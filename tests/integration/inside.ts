/**
 * A container whose shell does what it is told.
 *
 * @module
 */
import { assert } from "@std/assert";
import { type Container, run, type RunOptions } from "../../mod.ts";
import { BUSYBOX } from "./support.ts";

/** One. */
export class Shell implements AsyncDisposable {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";
  #count = 0;

  /** @param container Whose command is `sh`. */
  constructor(readonly container: Container) {
    this.#writer = container.stdin.getWriter();
    this.#reader = container.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  get name(): string {
    return this.container.name;
  }

  /** Runs a script; answers what it has written. */
  async run(script: string): Promise<string> {
    const end = `== end ${++this.#count} ==\n`;
    await this.#writer.write(new TextEncoder().encode(`{ ${script}\n} 2>&1\nprintf '${end.trim()}\\n'\n`));
    for (;;) {
      const at = this.#text.indexOf(end);
      if (at >= 0) {
        const found = this.#text.slice(0, at);
        this.#text = this.#text.slice(at + end.length);
        return found;
      }
      const { value, done } = await this.#reader.read();
      assert(!done, `the shell has ended: ${this.#text}`);
      this.#text += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.container[Symbol.asyncDispose]();
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
  }
}

/** Starts one. */
export async function shell(options: Partial<RunOptions> = {}): Promise<Shell> {
  return new Shell(await run({ image: BUSYBOX, network: "none", ...options, command: ["sh"], stdin: "piped" }));
}
