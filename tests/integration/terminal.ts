/**
 * A terminal with libflux in it, as a person would have it.
 *
 * @module
 */
import { F } from "../../ffi/abi/constants.ts";
import { checked, Descriptor, syscall } from "../../ffi/libc.ts";
import { abandon, read, writeInBackground } from "../../ffi/reactor.ts";
import { openPty, setWindowSize, windowSize } from "../../ffi/terminal.ts";
import { LIBFLUX, patience } from "./support.ts";

const TIMEOUT = patience(15_000);
const TIOCGPTN = 0x80045430;

/** Local modes of a terminal: whether it edits lines, echoes and makes signals of keys. */
export interface Modes {
  readonly canonical: boolean;
  readonly echo: boolean;
  readonly signals: boolean;
}

/** A pty with a program in it. */
export class Terminal implements AsyncDisposable {
  readonly #master: Descriptor;
  readonly #slave: Descriptor;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #wake = (): void => {};
  /** All that was shown so far. */
  text = "";

  /** Starts a program; `redirect` is added to its command line in the shell's notation. */
  constructor(args: readonly string[], size = { columns: 80, rows: 24 }, redirect = "", program = LIBFLUX) {
    const { master, slave } = openPty();
    this.#master = master;
    this.#slave = slave;
    setWindowSize(slave.number, size);
    const number = new Uint8Array(4);
    syscall("ioctl", master.number, TIOCGPTN, number);
    const path = `/dev/pts/${new DataView(number.buffer).getUint32(0, true)}`;
    this.#child = new Deno.Command("sh", {
      args: [
        "-c",
        `exec <${path} >${path} 2>&1; exec setsid -c -w sh -c 'exec "$0" "$@" ${redirect}' "$0" "$@"`,
        program,
        ...args,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65536);
    const decoder = new TextDecoder();
    for (;;) {
      const size = await read(this.#master.number, buffer);
      if (size <= 0) break;
      this.text += decoder.decode(buffer.subarray(0, size), { stream: true });
      this.#wake();
    }
  }

  /** Waits until a text is shown. */
  async shows(text: string): Promise<void> {
    const deadline = performance.now() + TIMEOUT;
    while (!this.text.includes(text)) {
      if (performance.now() > deadline) {
        throw new Error(`never showed ${JSON.stringify(text)}: ${JSON.stringify(this.text)}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 50);
      });
    }
  }

  /** Types. */
  type(text: string): void {
    const bytes = new TextEncoder().encode(text);
    syscall("write", this.#master.number, bytes, bytes.length);
  }

  /** Types as much as the terminal takes, and waits for it to take the rest. */
  async paste(text: string): Promise<void> {
    const master = new Descriptor(checked("fcntl", this.#master.number, F.F_DUPFD_CLOEXEC, 3));
    const written = await writeInBackground(master.number, new TextEncoder().encode(text));
    master.close();
    if (written < 0) throw new Error(`pasting failed: errno ${-written}`);
  }

  /** Changes the window's size, as a person does who drags it. */
  resize(size: { readonly columns: number; readonly rows: number }): void {
    setWindowSize(this.#master.number, size);
  }

  /** The window's size. */
  get size(): { readonly columns: number; readonly rows: number } | undefined {
    return windowSize(this.#master.number);
  }

  #termios(): Uint8Array<ArrayBuffer> {
    const termios = new Uint8Array(64);
    syscall("ioctl", this.#master.number, 0x5401, termios);
    return termios;
  }

  /** All that it is set to, as `stty -g` would have it: to be compared. */
  get settings(): string {
    return this.#termios().toHex();
  }

  /** Its modes. */
  get modes(): Modes {
    const local = new DataView(this.#termios().buffer).getUint32(12, true);
    return { canonical: (local & 2) !== 0, echo: (local & 8) !== 0, signals: (local & 1) !== 0 };
  }

  /** Has the window go, and whoever is in it be told. */
  hangUp(): void {
    this.#slave.close();
    abandon(this.#master);
  }

  /** The pid of libflux. setsid forks only where it leads a process group; else libflux has taken its place. */
  pid(): number {
    const { pid } = this.#child;
    if (Deno.readTextFileSync(`/proc/${pid}/comm`).trim() !== "setsid") return pid;
    return Number(Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ")[0] || pid);
  }

  /** Waits for the program's end, and for all that it showed; answers its exit code. */
  async ended(): Promise<number> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), TIMEOUT);
    const { code } = await this.#child.status;
    clearTimeout(timer);
    // Without it the pty would never end.
    this.#slave.close();
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // libflux first: setsid would leave it behind.
      Deno.kill(this.pid(), "SIGTERM");
      await this.ended();
    } catch {
      // ended already
    }
    await this.#child.status;
    this.#slave.close();
    await this.#reading;
    this.#master.close();
  }
}
