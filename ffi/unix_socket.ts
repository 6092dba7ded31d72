/**
 * Unix sockets, by which a launch program and libflux hand each other descriptors.
 *
 * @module
 */
import { checked, Descriptor, NativeMemory, syscall } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET_CLOEXEC = 0o2000005;

/** A pair of connected Unix sockets, close-on-exec. */
export function socketPair(): { readonly near: Descriptor; readonly far: Descriptor } {
  const ends = new Uint8Array(8);
  checked("socketpair", AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, ends);
  const view = new DataView(ends.buffer);
  return { near: new Descriptor(view.getInt32(0, true)), far: new Descriptor(view.getInt32(4, true)) };
}

const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const [SOL_SOCKET, SCM_RIGHTS] = [1, 1];
const MSG_NOSIGNAL = 0x4000;
const [SO_PASSCRED, SCM_CREDENTIALS] = [16, 2];
/** `struct cmsghdr` with one descriptor, linux/socket.h: its length, without and with what aligns it. */
const [CONTROL_LENGTH, CONTROL_SPACE] = [20, 24];
/** The same with `struct ucred`: a pid, a uid, a gid. Nothing more has room. */
const [CREDENTIALS_LENGTH, CREDENTIALS_SPACE] = [28, 32];

/** Where in the memory of a message its control message is. */
const CONTROL = 128;

/** A message of one byte, with room for a descriptor beside. */
class Message implements Disposable {
  readonly #memory = new NativeMemory(4096);
  readonly #view = new DataView(this.#memory.bytes.buffer);

  constructor(space: number = CONTROL_SPACE) {
    const { address } = this.#memory;
    const word = (offset: number, value: number): void => this.#view.setBigUint64(offset, BigInt(value), true);
    const [iov, data] = [64, 96];
    // struct msghdr, linux/socket.h: name, its length, iov, their number, control, its length, flags.
    word(16, address + iov);
    word(24, 1);
    word(32, address + CONTROL);
    word(40, space);
    word(iov, address + data);
    word(iov + 8, 1);
  }

  get address(): number {
    return this.#memory.address;
  }

  /** The descriptor, once it has been received; nothing where it isn't exactly one. */
  get descriptor(): number | undefined {
    const isOne = this.#view.getBigUint64(40, true) >= BigInt(CONTROL_LENGTH) &&
      this.#view.getBigUint64(CONTROL, true) === BigInt(CONTROL_LENGTH) &&
      this.#view.getUint32(CONTROL + 8, true) === SOL_SOCKET && this.#view.getUint32(CONTROL + 12, true) === SCM_RIGHTS;
    return isOne ? this.#view.getInt32(CONTROL + 16, true) : undefined;
  }

  set descriptor(number: number) {
    this.#view.setBigUint64(CONTROL, BigInt(CONTROL_LENGTH), true);
    this.#view.setUint32(CONTROL + 8, SOL_SOCKET, true);
    this.#view.setUint32(CONTROL + 12, SCM_RIGHTS, true);
    this.#view.setInt32(CONTROL + 16, number, true);
  }

  /** The process that it is from, where the kernel was asked to say so. */
  get sender(): number | undefined {
    const isOne = this.#view.getBigUint64(40, true) >= BigInt(CREDENTIALS_LENGTH) &&
      this.#view.getBigUint64(CONTROL, true) === BigInt(CREDENTIALS_LENGTH) &&
      this.#view.getUint32(CONTROL + 8, true) === SOL_SOCKET &&
      this.#view.getUint32(CONTROL + 12, true) === SCM_CREDENTIALS;
    return isOne ? this.#view.getInt32(CONTROL + 16, true) : undefined;
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

/** Sends a descriptor over a socket; false where nobody is there any more. */
export function sendDescriptor(socket: number, descriptor: number): boolean {
  using message = new Message();
  message.descriptor = descriptor;
  return syscall("sendmsg", socket, message.address, MSG_NOSIGNAL) > 0;
}

/** Takes a descriptor that was sent over a socket, without waiting; nothing where none was. */
export function receiveDescriptor(socket: number): Descriptor | undefined {
  using message = new Message();
  if (syscall("recvmsg", socket, message.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return undefined;
  const { descriptor } = message;
  return descriptor === undefined ? undefined : new Descriptor(descriptor);
}

/** Has the kernel say of each message that comes over a socket which process sent it. */
export function askForSenders(socket: number): void {
  checked("setsockopt", socket, SOL_SOCKET, SO_PASSCRED, new Uint8Array([1, 0, 0, 0]), 4);
}

/**
 * Takes a message without waiting.
 *
 * @returns The pid of who sent it, as this process numbers it; nothing where there is none.
 */
export function receiveSender(socket: number): number | undefined {
  using message = new Message(CREDENTIALS_SPACE);
  if (syscall("recvmsg", socket, message.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return undefined;
  const { sender } = message;
  return sender === undefined || sender <= 0 ? undefined : sender;
}
