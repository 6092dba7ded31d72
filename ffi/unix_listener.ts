/**
 * A Unix socket that others find by its path.
 *
 * @module
 */
import { AT, E, openFlags } from "./abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor, syscall, SyscallError } from "./libc.ts";
import { ready, sleep } from "./reactor.ts";
import { receiveDescriptor } from "./unix_socket.ts";

const AF_UNIX = 1;
/** SOCK_SEQPACKET, SOCK_NONBLOCK, SOCK_CLOEXEC */
const TYPE = 0o2004005;
const BACKLOG = 64;
/** Milliseconds for which others may be in the queue before us, and between two tries. */
const PATIENCE = 10_000;
const MOMENT = 5;

/** `struct sockaddr_un` of a file in an open directory: a path of any length would not fit. */
function address(directory: Descriptor, name: string): Uint8Array<ArrayBuffer> {
  const path = new TextEncoder().encode(`/proc/self/fd/${directory.number}/${name}\0`);
  const bytes = new Uint8Array(2 + path.length);
  bytes[0] = AF_UNIX;
  bytes.set(path, 2);
  return bytes;
}

/** Opens a directory to put a socket in, or to find one. Throws a {@link SyscallError} where there is none. */
export function openDirectory(path: string): Descriptor {
  const flags = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC").value;
  return new Descriptor(checked("openat", AT.AT_FDCWD, path, flags, 0));
}

/** Makes a listening socket, in place of an older one. */
export function listenAt(directory: Descriptor, name: string): Descriptor {
  using opened = new DisposableStack();
  const socket = opened.use(new Descriptor(checked("socket", AF_UNIX, TYPE, 0)));
  syscall("unlinkat", directory.number, name, 0);
  const where = address(directory, name);
  checked("bind", socket.number, where, where.length);
  checked("listen", socket.number, BACKLOG);
  opened.move();
  return socket;
}

/** Connects with a listening socket and takes the descriptor that it hands out; nothing where nobody listens. */
export async function askForDescriptor(directory: Descriptor, name: string): Promise<Descriptor | undefined> {
  using socket = new Descriptor(checked("socket", AF_UNIX, TYPE, 0));
  const where = address(directory, name);
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const connected = syscall("connect", socket.number, where, where.length);
    if (connected === 0) break;
    if (connected === -E.ENOENT || connected === -E.ECONNREFUSED) return undefined;
    // Too many at once: it takes one after the other.
    if (connected !== -E.EAGAIN || performance.now() > deadline) throw new SyscallError("connect", -connected, name);
    await sleep(MOMENT);
  }
  if (await ready(socket.number) === 0) throw new SyscallError("recvmsg", E.EBADF);
  return receiveDescriptor(socket.number);
}
