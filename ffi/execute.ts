/**
 * Running one of the host's programs, such as `iptables-restore`, on the way of a container's start.
 *
 * By the same stub as containers: no page table is copied, and the child gets its three streams and nothing else. It has
 * an empty environment, and all signals are blocked: Ctrl-C, which every process of the terminal's group gets, must not
 * end it in the middle.
 *
 * @module
 */
import { AT, F, MFD, O, POLL } from "./abi/constants.ts";
import { checked, Descriptor, pipe, syscall } from "./libc.ts";
import { read, ready, writeAll } from "./reactor.ts";
import { type Child, spawn } from "./spawn.ts";

/** How it went. */
export interface Executed {
  /** Its exit code, or 128 + the signal that killed it; undefined where it couldn't be executed. */
  readonly code: number | undefined;
  /** What it wrote to both of its outputs. */
  readonly output: string;
  /** Why it couldn't be executed, positive; 0 where it could. */
  readonly errno: number;
}

/** A program that runs. */
export interface Execution {
  /** Settles when it has ended. */
  readonly ended: Promise<Executed>;
}

/** A program that works off its input line by line, and waits for it. */
export interface Reader extends Execution, Disposable {
  /** Gives it lines, the last that it gets; settles when it has worked off all and asks for more, never where it ends before. */
  work(lines: string): Promise<void>;
  /** Has it end without any. */
  [Symbol.dispose](): void;
}

/** What a line of comment begins with. */
const COMMENT = "#";

/** So much of what it writes is kept: a host of Kubernetes' has tens of thousands of rules. */
const MAX_OUTPUT = 1 << 26;
const DEV_NULL = "/dev/null";
const X_OK = 1;

/**
 * Starts a program.
 *
 * @param path Absolute.
 * @param args Without its own name.
 * @param input What it reads; the end of file where it is left out.
 * @param kept A descriptor that it has open as well: a lock is held until it ends, even if libflux is killed meanwhile.
 * @returns An errno, positive, where there is no such program.
 */
export function execute(
  path: string,
  args: readonly string[],
  input?: string,
  kept?: Descriptor,
): Execution | number {
  using stdin = input === undefined
    ? new Descriptor(checked("openat", AT.AT_FDCWD, DEV_NULL, O.O_RDONLY | O.O_CLOEXEC, 0))
    : memory(input);
  return start(path, args, stdin, kept);
}

/**
 * Starts a program that will work off its input line by line, each before it reads on, and passes over lines that begin with
 * "#". It can be told from what it reads how far it is, long before it ends: one that deletes rules of nf_tables has done so
 * in a moment, and then waits, at the latest when it ends, for a grace period of the kernel's, 10 to 40 ms.
 *
 * The pipe holds one page. Its input fills whole pages, and one more page of comments follows: when that one is read, there
 * was nothing left to do of those before.
 */
export function executeLines(path: string, args: readonly string[]): Reader | number {
  const { read: far, write: near } = pipe();
  using stdin = far;
  using opened = new DisposableStack();
  opened.use(near);
  const execution = start(path, args, stdin);
  if (typeof execution === "number") return execution;
  opened.move();
  const never = new Promise<void>(() => {});
  return {
    ...execution,
    work: async (lines) => await feed(near, lines) ? undefined : await never,
    [Symbol.dispose]: () => near.close(),
  };
}

/** Answers whether all of it was read, and more asked for. */
async function feed(pipe: Descriptor, lines: string): Promise<boolean> {
  try {
    checked("fcntl", pipe.number, F.F_SETFL, O.O_WRONLY | O.O_NONBLOCK);
    // At least a page of the architecture's.
    const page = checked("fcntl", pipe.number, F.F_SETPIPE_SZ, 1);
    const text = new TextEncoder().encode(lines);
    const size = (Math.floor((text.length + 1) / page) + 1) * page;
    const whole = new TextEncoder().encode(`${COMMENT.repeat(size - text.length - 1)}\n`);
    const more = new TextEncoder().encode(`${COMMENT.repeat(page - 1)}\n`);
    const all = new Uint8Array(size);
    all.set(whole);
    all.set(text, whole.length);
    if (await writeAll(pipe.number, all) < 0 || await writeAll(pipe.number, more) < 0) return false;
    return (await ready(pipe.number, POLL.POLLOUT) & (POLL.POLLERR | POLL.POLLHUP)) === 0;
  } catch {
    return false;
  } finally {
    pipe.close();
  }
}

function start(path: string, args: readonly string[], stdin: Descriptor, kept?: Descriptor): Execution | number {
  const found = syscall("faccessat", AT.AT_FDCWD, path, X_OK);
  if (found < 0) return -found;
  using near = new DisposableStack();
  const output = pipe();
  near.use(output.read);
  using far = output.write;
  const report = pipe();
  near.use(report.read);
  using _farReport = report.write;
  const child = spawn({
    executable: path,
    argv: [path.slice(path.lastIndexOf("/") + 1), ...args],
    flags: 0,
    report: report.write.number,
    descriptors: [
      [stdin.number, 0],
      [far.number, 1],
      [far.number, 2],
      ...(kept === undefined ? [] : [[kept.number, 3] as const]),
    ],
  });
  near.move();
  return { ended: finish(child, output.read, report.read) };
}

async function finish(child: Child, output: Descriptor, report: Descriptor): Promise<Executed> {
  try {
    const failure = new Uint8Array(16);
    const isFailure = await read(report.number, failure) === failure.length;
    const errno = isFailure ? -Number(new DataView(failure.buffer).getBigInt64(8, true)) : 0;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    const chunk = new Uint8Array(65_536);
    for (;;) {
      const count = await read(output.number, chunk);
      if (count <= 0) break;
      if (size < MAX_OUTPUT) chunks.push(chunk.slice(0, count));
      size += count;
    }
    const { code } = await child.wait();
    return { code: isFailure ? undefined : code, output: decode(chunks), errno };
  } finally {
    output.close();
    report.close();
    await child.wait().catch(() => {});
    child[Symbol.dispose]();
  }
}

function decode(chunks: readonly Uint8Array<ArrayBuffer>[]): string {
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}

/** A text as a file that is read from its beginning. */
function memory(text: string): Descriptor {
  const file = new Descriptor(checked("memfd_create", "libflux-input", MFD.MFD_CLOEXEC));
  for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
    rest = rest.subarray(checked("write", file.number, rest, rest.length));
  }
  checked("lseek", file.number, 0, 0);
  return file;
}
