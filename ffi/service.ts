/**
 * A program of the host's that works for a container as long as that runs.
 *
 * It starts as containers do, by a launch program. Before that it waits to be released, so that whoever cleans up after a
 * killed libflux can be told of it first; and it ends with libflux, if not before.
 *
 * @module
 */
import { AT, CLONE, CLOSE_RANGE, or, PR, SIG } from "./abi/constants.ts";
import { ARCHITECTURE, type Descriptor, pipe, syscall } from "./libc.ts";
import { decodeReport, type Image, link, REPORT_DESCRIPTOR } from "./link.ts";
import { ProgramBuilder } from "./program.ts";
import { abandon, read } from "./reactor.ts";
import { type Child, executable, type ExitStatus, spawn } from "./spawn.ts";

const X_OK = 1;
/** So much of what it has said is kept. */
const MAX_OUTPUT = 1 << 16;

/** Whether a file can be executed. */
export function isExecutable(path: string): boolean {
  return syscall("faccessat", AT.AT_FDCWD, path, X_OK) === 0;
}

/** Adds what the program's process does before it executes that. */
export type Preparation = (builder: ProgramBuilder) => void;

function program(path: string, args: readonly string[], prepare: Preparation, outlives: boolean): Image {
  const b = new ProgramBuilder(ARCHITECTURE);
  const endWithUs = (): void => {
    if (outlives) return;
    b.syscall("prctl", [or(PR, "PR_SET_PDEATHSIG"), SIG.SIGKILL, 0, 0, 0], { label: "end with libflux" });
  };
  endWithUs();
  // Ctrl-C is for libflux, which ends the container and then this.
  b.syscall("setsid", [], { label: "leave the terminal" });
  // Deno ignores it. pasta takes that for a failure of its own attempt to.
  b.syscall("rt_sigaction", [SIG.SIGPIPE, b.buffer(32), 0, 8], { label: "no longer ignore SIGPIPE" });
  // The stub has blocked them all: children of its own could never be reaped.
  const SIG_SETMASK = 2;
  b.syscall("rt_sigprocmask", [SIG_SETMASK, b.buffer(8), 0, 8], { label: "unblock all signals" });
  prepare(b);
  // Again: who becomes another loses that.
  endWithUs();
  b.syscall("close_range", [REPORT_DESCRIPTOR, 0xffffffff, or(CLOSE_RANGE, "CLOSE_RANGE_CLOEXEC")], {
    label: "close every descriptor but its streams",
  });
  const name = path.slice(path.lastIndexOf("/") + 1);
  b.syscall("execve", [b.string(path), b.strings([name, ...args]), b.strings([])], { label: `execute ${path}`, path });
  return link(b.build());
}

/** One that has been started. */
export class Service implements AsyncDisposable {
  /** Settles when it has ended and was reaped. */
  readonly ended: Promise<ExitStatus>;
  /** The number of the descriptor that only its preparation has. */
  static readonly MORE: number = REPORT_DESCRIPTOR + 1;
  /** What it has said so far, on both of its outputs. */
  output = "";
  /** Why it couldn't be executed, positive; 0 where it could, or isn't released. */
  errno = 0;
  /** What of the preparation failed, as an infinitive without "to"; nothing where it was the execution itself. */
  step: string | undefined;
  readonly #child: Child;
  #hear: () => void = () => {};

  /**
   * Starts one, which waits for {@linkcode Service.release}.
   *
   * @param path Absolute.
   * @param args Without its own name.
   * @param input Its standard input.
   * @param how `more`: a descriptor for the preparation, as number {@linkcode Service.MORE}; `outlives`: it stays when
   * libflux has gone, until somebody ends it.
   */
  constructor(
    path: string,
    args: readonly string[],
    input: Descriptor,
    { prepare = () => {}, more, outlives = false }: {
      readonly prepare?: Preparation;
      readonly more?: Descriptor;
      readonly outlives?: boolean;
    } = {},
  ) {
    const image = program(path, args, prepare, outlives);
    using memfd = executable(image.elf);
    const [output, report] = [pipe(), pipe()];
    using far = output.write;
    using farReport = report.write;
    this.#child = spawn({
      executable: memfd,
      // With it end its own children, which may share its descriptors: the kernel waits for them. Only root may.
      flags: Deno.uid() === 0 ? CLONE.CLONE_NEWPID : 0,
      report: farReport.number,
      descriptors: [
        ...[[input.number, 0], [far.number, 1], [far.number, 2], [farReport.number, REPORT_DESCRIPTOR]] as const,
        ...more === undefined ? [] : [[more.number, Service.MORE] as const],
      ],
      hold: true,
    });
    this.#pipe = output.read;
    this.ended = this.#run(image, output.read, report.read);
    // Whoever waits for a word of it hears of its end too.
    this.ended.catch(() => {});
  }

  /** As the host numbers it. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Lets it begin. */
  release(): void {
    this.#child.release();
  }

  /** Waits until it has said something; false where it ends before, or isn't done in so many milliseconds. */
  async says(what: RegExp, milliseconds: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), milliseconds));
    const ended = this.ended.then(() => what.test(this.output));
    const said = new Promise<boolean>((resolve) => {
      this.#hear = () => what.test(this.output) && resolve(true);
      this.#hear();
    });
    try {
      return await Promise.race([said, ended, over]);
    } finally {
      clearTimeout(timer);
      this.#hear = () => {};
    }
  }

  /** Leaves one alone that outlives libflux: what it says from here on is nobody's to hear. */
  leave(): void {
    this.#left = true;
    abandon(this.#pipe);
  }
  #left = false;
  readonly #pipe: Descriptor;

  /** Ends it, and waits until it has; does nothing to one that was left alone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left) return;
    this.#child.signal(SIG.SIGKILL);
    await this.ended;
  }

  async #run(image: Image, output: Descriptor, report: Descriptor): Promise<ExitStatus> {
    try {
      const failure = new Uint8Array(16);
      if (await read(report.number, failure) === failure.length) {
        const { errno, instruction } = decodeReport(image, failure);
        this.errno = errno;
        if (instruction?.op === "syscall" && instruction.name !== "execve") this.step = instruction.label;
      }
      const decoder = new TextDecoder();
      const chunk = new Uint8Array(4096);
      // To its end, whatever it says: with a full pipe it would stand still.
      for (let size = 0; (size = await read(output.number, chunk)) > 0;) {
        this.output = (this.output + decoder.decode(chunk.subarray(0, size), { stream: true })).slice(-MAX_OUTPUT);
        this.#hear();
      }
      return await this.#child.wait();
    } finally {
      output.close();
      report.close();
      this.#child[Symbol.dispose]();
    }
  }
}
