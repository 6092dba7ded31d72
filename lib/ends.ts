/**
 * What stays here of the pipes, sockets and terminals of which a launch program gets the other ends.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import { type Descriptor, pipe, SyscallError } from "../ffi/libc.ts";
import { receiveDescriptor } from "../ffi/unix_socket.ts";
import { duplicate, type Plumbing, setNonBlocking } from "./streams.ts";

/** Descriptors of one master: of each only one may be waited for at a time. */
export interface TerminalEnds {
  readonly master: Descriptor;
  readonly input: Descriptor;
  readonly output: Descriptor;
}

/** Ends of pipes: those that stay here, and those that the child gets at its own numbers. */
export class Ends implements Disposable {
  readonly #near = new DisposableStack();
  readonly #far = new DisposableStack();
  /** `[here, in the child]` */
  readonly descriptors: [number, number][];

  constructor(plumbing: readonly Plumbing[]) {
    this.descriptors = plumbing.map(({ child }, index) => [child, index]);
  }

  /** Makes a pair and gives the child the far end as `number`; returns the near one. */
  open({ near, far }: { readonly near: Descriptor; readonly far: Descriptor }, number: number): Descriptor {
    this.#near.use(near);
    this.#far.use(far);
    this.descriptors.push([far.number, number]);
    return near;
  }

  /** Closes the child's ends, of which it has its own copies. */
  give(): void {
    this.#far.dispose();
  }

  /** Leaves the near ends open. */
  keep(): void {
    this.#near.move();
  }

  [Symbol.dispose](): void {
    this.#far.dispose();
    this.#near.dispose();
  }
}

/** A pipe to be read here. */
export function reading(): { readonly near: Descriptor; readonly far: Descriptor } {
  const { read, write } = pipe();
  return { near: read, far: write };
}

/** A pipe to be written here. */
export function writing(): { readonly near: Descriptor; readonly far: Descriptor } {
  const { read, write } = pipe();
  return { near: write, far: read };
}

/** Takes the terminal that the launch program has sent. */
export function receiveTerminal(socket: Descriptor, opened: DisposableStack): TerminalEnds {
  const master = receiveDescriptor(socket.number);
  socket.close();
  // The kernel drops what there is no number for.
  if (master === undefined) throw new SyscallError("recvmsg", E.EMFILE);
  opened.use(master);
  setNonBlocking(master);
  return { master, input: opened.use(duplicate(master)), output: opened.use(duplicate(master)) };
}
