/**
 * A Unix socket that others find by its path.
 *
 * @module
 */
import { AT, openFlags } from "./abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor, syscall, SyscallError } from "./libc.ts";
import { ready } from "./reactor.ts";
import { receiveDescriptor } from "./unix_socket.ts";

const AF_UNIX = 1;
/** SOCK_SEQPACKET, SOCK_NONBLOCK, SOCK_CLOEXEC */
const TYPE = 0o2004005;
const BACKLOG = 64;

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
  if (syscall("connect", socket.number, where, where.length) < 0) return undefined;
  if (await ready(socket.number) === 0) throw new SyscallError("recvmsg", 9);
  return receiveDescriptor(socket.number);
}
