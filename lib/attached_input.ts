/**
 * The keyboard and the window of who is attached to a container in the background.
 *
 * @module
 */
import { E, F, POLL } from "../ffi/abi/constants.ts";
import { checked, Descriptor, syscall } from "../ffi/libc.ts";
import { abandon, read, ready } from "../ffi/reactor.ts";
import { passKeys, rawMode, setWindowSize, windowSize } from "../ffi/terminal.ts";
import { hasKeyboard } from "./attach.ts";
import { listen } from "./signals.ts";
import { DetachFilter } from "./spec/detach_keys.ts";
import { setNonBlocking } from "./streams.ts";

const BUFFER_SIZE = 65536;
/** Bytes that are kept for a container that doesn't take them: more than anybody types. The rest waits where it comes from. */
const MOST_KEPT = 16 * 2 ** 20;

/** As long as it lasts this process's terminal is raw, where the container has one; else it goes on to edit lines. */
export class AttachedInput implements Disposable {
  readonly #cleanup = new DisposableStack();

  /**
   * @param target The container's input, or its terminal.
   * @param keys From `parseDetachKeys()`.
   * @param detached Called when they were typed.
   */
  constructor(target: Descriptor, isTerminal: boolean, keys: Uint8Array, detached: () => void) {
    // A job in the background would be stopped by its first look at the terminal.
    if (Deno.stdin.isTerminal() && !hasKeyboard()) return;
    if (isTerminal && Deno.stdin.isTerminal()) this.#cleanup.use(rawMode(0));
    else if (Deno.stdin.isTerminal()) this.#cleanup.use(passKeys(0, keys));
    else if (isTerminal && Deno.stdout.isTerminal()) this.#cleanup.use(rawMode(1, "output"));
    if (isTerminal) this.#followWindow(target);
    // A descriptor of our own: the program may be waiting for standard input too.
    const source = new Descriptor(checked("fcntl", 0, F.F_DUPFD_CLOEXEC, 3));
    this.#cleanup.defer(() => abandon(source));
    setNonBlocking(target);
    passOn(source, new Waiting(target), keys, detached).catch(() => {});
  }

  #followWindow(terminal: Descriptor): void {
    const resize = (less: number): void => {
      const size = windowSize(1) ?? windowSize(0);
      if (size !== undefined) setWindowSize(terminal.number, { ...size, rows: Math.max(1, size.rows - less) });
    };
    this.#cleanup.use(listen(["SIGWINCH"], () => resize(0)));
    // What is on it has to be shown to who has just come: programs draw it again when its size changes.
    resize(1);
    resize(0);
  }

  [Symbol.dispose](): void {
    this.#cleanup.dispose();
  }
}

/**
 * What was typed, and the container hasn't taken yet: whoever types goes on to be heard, since the next may be the detach
 * keys.
 */
class Waiting {
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #size = 0;
  /** Whether it takes no more at all. */
  #closed = false;
  #isSending = false;
  #sent: Promise<void> = Promise.resolve();

  constructor(readonly target: Descriptor) {}

  /** Adds something; what can be passed on at once is. Waits only where too much is waiting already. */
  async add(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#closed || bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#size += bytes.length;
    if (!this.#isSending) this.#sent = this.#send();
    if (this.#size > MOST_KEPT) await this.#sent;
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      // A closed one's number may be another's by now.
      const written = this.target.isOpen ? syscall("write", this.target.number, part, part.length) : -E.EBADF;
      if (written === -E.EAGAIN) {
        if (await ready(this.target.number, POLL.POLLOUT) !== 0) continue;
      } else if (written >= 0) {
        this.#size -= written;
        if (written === part.length) this.#parts.shift();
        else this.#parts[0] = part.subarray(written);
        continue;
      }
      [this.#closed, this.#parts, this.#size] = [true, [], 0];
    }
    this.#isSending = false;
  }
}

/** Bytes after which others get their turn: a file, or /dev/zero, never has anybody wait. */
const TURN = 2 ** 20;

/** From standard input to the container, until that ends, or the keys are typed. */
async function passOn(source: Descriptor, target: Waiting, keys: Uint8Array, detached: () => void): Promise<void> {
  const filter = new DetachFilter(keys);
  const buffer = new Uint8Array(BUFFER_SIZE);
  for (let total = 0;;) {
    const size = await read(source.number, buffer);
    if (size <= 0) return;
    if ((total += size) % TURN < size) await new Promise((resolve) => setTimeout(resolve));
    const { passed, isDetached } = filter.take(buffer.subarray(0, size));
    // With the keys it is over: what is still waiting has nobody to wait for it.
    const taken = target.add(passed);
    if (isDetached) return detached();
    await taken;
  }
}
