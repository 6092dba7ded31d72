/**
 * Running one of the host's programs, such as `iptables-restore`, on the way of a container's start.
 *
 * By the same stub as containers: no page table is copied, and the child gets its three streams and nothing else. It has
 * an empty environment, and all signals are blocked: Ctrl-C, which every process of the terminal's group gets, must not
 * end it in the middle.
 *
 * @module
 */
import { AT, MFD, O, SIG } from "./abi/constants.ts";
import { checked, Descriptor, pipe, syscall } from "./libc.ts";
import { read } from "./reactor.ts";
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
  readonly pid: number;
  /** Settles when it has ended. */
  readonly ended: Promise<Executed>;
  /** Ends it now. */
  readonly kill: () => void;
}

/** So much of what it writes is kept. */
const MAX_OUTPUT = 1 << 20;
const DEV_NULL = "/dev/null";
const X_OK = 1;

/**
 * Starts a program.
 *
 * @param path Absolute.
 * @param args Without its own name.
 * @param input What it reads; the end of file where it is left out.
 * @returns An errno, positive, where there is no such program.
 */
export function execute(path: string, args: readonly string[], input?: string): Execution | number {
  const found = syscall("faccessat", AT.AT_FDCWD, path, X_OK);
  if (found < 0) return -found;
  using stdin = input === undefined
    ? new Descriptor(checked("openat", AT.AT_FDCWD, DEV_NULL, O.O_RDONLY | O.O_CLOEXEC, 0))
    : memory(input);
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
    ],
  });
  near.move();
  return { pid: child.pid, ended: finish(child, output.read, report.read), kill: () => void child.signal(SIG.SIGKILL) };
}

async function finish(child: Child, output: Descriptor, report: Descriptor): Promise<Executed> {
  try {
    const failure = new Uint8Array(16);
    const isFailure = await read(report.number, failure) === failure.length;
    const errno = isFailure ? -Number(new DataView(failure.buffer).getBigInt64(8, true)) : 0;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for (;;) {
      const chunk = new Uint8Array(4096);
      const count = await read(output.number, chunk);
      if (count <= 0) break;
      if (size < MAX_OUTPUT) chunks.push(chunk.subarray(0, count));
      size += count;
    }
    const { code } = await child.wait();
    return { code: isFailure ? undefined : code, output: decode(chunks), errno };
  } finally {
    output.close();
    report.close();
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
