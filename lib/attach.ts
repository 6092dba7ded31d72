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
import { DetachFilter, parseDetachKeys } from "./spec/detach_keys.ts";
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

/** Bytes that are kept for a command that doesn't take them: the next key may be a detach key. */
const MOST_KEPT = 16 * 2 ** 20;

/** From standard input to the container, until one of them ends; answers whether the keys were typed. */
async function passInput(source: Descriptor, container: Container | ExecSession, keys: Uint8Array): Promise<boolean> {
  const writer = container.stdin.getWriter();
  const filter = new DetachFilter(keys);
  const buffer = new Uint8Array(65536);
  let kept = 0;
  for (;;) {
    const size = await read(source.number, buffer);
    if (size <= 0) break;
    const { passed, isDetached } = filter.take(buffer.subarray(0, size));
    kept += passed.length;
    const written = writer.write(passed).then(() => void (kept -= passed.length));
    if (isDetached) {
      written.catch(() => {});
      return true;
    }
    if (keys.length === 0 || kept > MOST_KEPT) await written;
    // Who takes no more may be left all the same.
    else written.catch(() => {});
  }
  await writer.close();
  return false;
}

/**
 * How to connect with a command in a container.
 *
 * @example
 * ```ts
 * import type { TerminalOptions } from "@libflux/cli/mod";
 *
 * const options: TerminalOptions = { detachKeys: "ctrl-p,ctrl-q" };
 * console.log(options.detachKeys);
 * ```
 */
export interface TerminalOptions {
  /** The keys that leave the command to itself, as {@linkcode ExecSession.detach} does; none if left out. */
  readonly detachKeys?: string;
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
export function attach(container: Container | ExecSession): Promise<ContainerStatus>;
/**
 * The same, of a session that can be left by keys.
 *
 * @returns How it ended; nothing where the keys were typed: the command goes on with its terminal.
 *
 * @example A shell that is left, and goes on
 * ```ts
 * import { attach, exec, run, terminalSize } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * const session = await exec(container.name, { command: ["sh", "-c", "tty"], terminal: terminalSize() });
 * const status = await attach(session, { detachKeys: "ctrl-p,ctrl-q" });
 * console.log(status?.code ?? "left to itself"); // 0
 * ```
 */
export function attach(container: ExecSession, options: TerminalOptions): Promise<ContainerStatus | undefined>;
export async function attach(
  container: Container | ExecSession,
  { detachKeys = "" }: TerminalOptions = {},
): Promise<ContainerStatus | undefined> {
  const keys = parseDetachKeys(detachKeys);
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
  const leaving = passInput(input, container, keys).catch(() => false);
  const screen = cleanup.use(own(1));
  const output = (async () => {
    // Nobody reads on where it can't be written: leaving the loop cancels the stream, and the terminal hangs up.
    for await (const chunk of chunks) if (await writeInBackground(screen.number, chunk) < 0) break;
  })();
  // Both in any case: what is still being written uses what is about to be closed.
  const ending = Promise.allSettled([container.status, output]);
  const left = new Promise<undefined>((resolve) => leaving.then((isLeft) => isLeft && resolve(undefined)));
  const ended = await Promise.race([ending, left]);
  if (ended === undefined) {
    if ("detach" in container) container.detach();
    await output;
    return undefined;
  }
  const [status, shown] = ended;
  if (status.status === "rejected") throw status.reason;
  if (shown.status === "rejected") throw shown.reason;
  return status.value;
}
