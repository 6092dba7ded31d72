/**
 * This process's terminal, connected with a container's.
 *
 * @module
 */
import { F } from "../ffi/abi/constants.ts";
import { checked, Descriptor } from "../ffi/libc.ts";
import { abandon, read, writeInBackground } from "../ffi/reactor.ts";
import { isInBackground, rawMode, windowSize } from "../ffi/terminal.ts";
import type { Container, ContainerStatus } from "./container.ts";
import type { ExecSession } from "./exec_session.ts";
import { listen } from "./signals.ts";
import type { TerminalSize } from "./spec/options.ts";

/** The size that terminals have had since 1978. */
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/**
 * The size of this process's terminal, which may be its standard output or its input; 80 by 24 where it has none.
 *
 * @example A container with a terminal as large as this one
 * ```ts
 * import { run, terminalSize } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["stty", "size"], terminal: terminalSize() });
 * console.log(await new Response(container.stdout).text());
 * ```
 */
export function terminalSize(): TerminalSize {
  return windowSize(1) ?? windowSize(0) ?? DEFAULT_SIZE;
}

/**
 * Whether standard input is a terminal that keys come from: not for a job that a shell runs in the background, which would
 * be stopped when it reads.
 *
 * @example Ask only where somebody can answer
 * ```ts
 * import { hasKeyboard } from "@libflux/cli/mod";
 *
 * console.log(hasKeyboard() ? "press a key" : "nobody is there");
 * ```
 */
export function hasKeyboard(): boolean {
  return Deno.stdin.isTerminal() && !isInBackground(0);
}

/** A descriptor of our own for the same stream: the program may be waiting for its one too. */
function own(stream: 0 | 1): Descriptor {
  return new Descriptor(checked("fcntl", stream, F.F_DUPFD_CLOEXEC, 3));
}

/** From standard input to the container, until one of them ends. */
async function passInput(source: Descriptor, container: Container | ExecSession): Promise<void> {
  const writer = container.stdin.getWriter();
  const buffer = new Uint8Array(65536);
  for (;;) {
    const size = await read(source.number, buffer);
    if (size <= 0) break;
    await writer.write(buffer.slice(0, size));
  }
  await writer.close();
}

/**
 * Connects this process's terminal with that of a container, or of a command in one, until that has ended: keys go in, what it shows
 * comes out, and it has the size of the window. Meanwhile this process's terminal is raw.
 *
 * Where standard input is none, the container gets what there is, and its end. Where standard output can't be written to
 * any more, the container's terminal hangs up. What else reads standard input must wait until this is over.
 *
 * @param container One that was run with {@linkcode RunOptions.terminal}, or a session with a terminal.
 * @returns How it ended.
 * @throws {TypeError} It has no terminal, or somebody reads its output already.
 *
 * @example A shell in a container
 * ```ts
 * import { attach, run, terminalSize } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sh", "-c", "tty"], terminal: terminalSize() });
 * const { code } = await attach(container);
 * console.log(code); // 0
 * ```
 */
export async function attach(container: Container | ExecSession): Promise<ContainerStatus> {
  if (!container.hasTerminal) throw new TypeError("this container has no terminal: run it with one");
  // Where somebody reads it already, that is told before anything is touched.
  const chunks = container.stdout.values();
  using cleanup = new DisposableStack();
  if (Deno.stdin.isTerminal()) cleanup.use(rawMode(0));
  else if (Deno.stdout.isTerminal()) cleanup.use(rawMode(1, "output"));
  const resize = (): void => {
    const size = windowSize(1) ?? windowSize(0);
    if (size !== undefined) container.resize(size);
  };
  cleanup.use(listen(["SIGWINCH"], resize));
  // What changed between the launch and now.
  resize();
  const input = own(0);
  cleanup.defer(() => abandon(input));
  // A container that takes no more input goes on without.
  passInput(input, container).catch(() => {});
  const screen = cleanup.use(own(1));
  const output = (async () => {
    // Nobody reads on where it can't be written: leaving the loop cancels the stream, and the terminal hangs up.
    for await (const chunk of chunks) if (await writeInBackground(screen.number, chunk) < 0) break;
  })();
  // Both in any case: what is still being written uses what is about to be closed.
  const [status, shown] = await Promise.allSettled([container.status, output]);
  if (status.status === "rejected") throw status.reason;
  if (shown.status === "rejected") throw shown.reason;
  return status.value;
}
