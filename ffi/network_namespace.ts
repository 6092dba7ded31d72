/**
 * A network namespace, made beside the event loop.
 *
 * It is the slowest of all namespaces to make: two thirds of what `clone3` takes with all of them. So a thread of Deno's
 * pool enters a new one, brings up its `lo`, takes a descriptor of it and goes back, while TypeScript compiles the launch
 * program; the program joins it with `setns`. Only the thread that calls `unshare` changes its namespace.
 *
 * @module
 */
import { AT, CLONE, F, IOCTL, O, SOCKET } from "./abi/constants.ts";
import { AF, NETLINK } from "./abi/netlink.ts";
import { loopbackUp } from "./abi/network.ts";
import { type SyscallName, syscallNumber } from "./abi/syscalls.ts";
import { ARCHITECTURE, callSequence, checked, Descriptor, NativeMemory, SyscallError } from "./libc.ts";
import { SEQUENCE_CALL_SIZE } from "./routines/format.ts";

const BLOCK_SIZE = 4096;
/** One call of a row. */
interface Call {
  readonly name: SyscallName;
  readonly args: readonly number[];
  /** The call before it whose answer is its first argument. */
  readonly descriptorOf?: number;
}

/** The calls, then what they point to, and what they answer. */
const AREA = { calls: 8, request: 1024, answers: 1536 } as const;
const blocks: NativeMemory[] = [];
let own: number | undefined;

/** The namespace that this process is in; open as long as the process runs. */
function ownNamespace(): number {
  return own ??= checked("openat", AT.AT_FDCWD, "/proc/thread-self/ns/net", O.O_RDONLY | O.O_CLOEXEC, 0);
}

/** Makes calls in a row on one thread of Deno's pool; answers what each has answered. The last is made in any case. */
async function inARow(calls: (block: NativeMemory) => readonly Call[]): Promise<readonly number[]> {
  const block = blocks.pop() ?? new NativeMemory(BLOCK_SIZE);
  const view = new DataView(block.bytes.buffer);
  const word = (offset: number, value: number): void => view.setBigInt64(offset, BigInt(value), true);
  const row = calls(block);
  word(0, row.length - 1);
  const at = (index: number): number => AREA.calls + index * SEQUENCE_CALL_SIZE;
  // Where a call's answer goes: where it is the next one's argument, straight there.
  const answer = (index: number): number => {
    const user = row.findIndex(({ descriptorOf }) => descriptorOf === index);
    return user < 0 ? AREA.answers + index * 8 : at(user) + 8;
  };
  row.forEach(({ name, args }, index) => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
    const words = [syscallNumber(name, ARCHITECTURE), a, b, c, d, e, f, block.address + answer(index)];
    words.forEach((value, place) => word(at(index) + place * 8, value));
  });
  // A call that isn't made leaves what was there.
  row.forEach((_, index) => word(answer(index), -1));
  const result = await callSequence(block.address);
  const answers = row.map((_, index) => Number(view.getBigInt64(answer(index), true)));
  blocks.push(block);
  if (result >= 0) return answers;
  // Descriptors are all that a row leaves behind.
  row.forEach(({ name }, index) => {
    const number = answers[index] ?? -1;
    if (name === "socket" && number >= 0) new Descriptor(number).close();
  });
  throw new SyscallError(row[answers.findIndex((one) => one < 0)]?.name ?? "setns", -result);
}

/** A network namespace that is held open. */
export class NetworkNamespace implements Disposable {
  /**
   * @param namespace It lives as long as this, or a process in it.
   * @param socket A socket in it for `ioctl`, where it is new.
   * @param owner The user namespace that it belongs to, where that is another than libflux's and libflux isn't root.
   */
  constructor(readonly namespace: Descriptor, readonly socket?: Descriptor, readonly owner?: Descriptor) {}
  /** The same, for who may still be at work when this is closed. */
  duplicate(): NetworkNamespace {
    using opened = new DisposableStack();
    const copy = ({ number }: Descriptor): Descriptor =>
      opened.use(new Descriptor(checked("fcntl", number, F.F_DUPFD_CLOEXEC, 0)));
    const { namespace, socket, owner } = this;
    const own = new NetworkNamespace(copy(namespace), socket && copy(socket), owner && copy(owner));
    opened.move();
    return own;
  }
  /** Lets go of it. */
  close(): void {
    this.namespace.close();
    this.socket?.close();
    this.owner?.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Makes a network namespace with its `lo` up, on another thread. Takes CAP_SYS_ADMIN and CAP_NET_ADMIN.
 *
 * @returns The namespace, with a socket to set it up.
 * @throws {SyscallError} Where the kernel refuses.
 */
export async function networkNamespace(): Promise<NetworkNamespace> {
  const home = ownNamespace();
  const SOCKET_AT = 2;
  const answers = await inARow((block) => {
    block.bytes.set(loopbackUp(), AREA.request);
    return [
      // Before there is anything to come home from: root of a user namespace may leave the host's network for ever.
      { name: "setns", args: [home, CLONE.CLONE_NEWNET] },
      { name: "unshare", args: [CLONE.CLONE_NEWNET] },
      { name: "socket", args: [SOCKET.AF_INET, SOCKET.SOCK_DGRAM | SOCKET.SOCK_CLOEXEC, 0] },
      { name: "ioctl", args: [-1, IOCTL.SIOCSIFFLAGS, block.address + AREA.request], descriptorOf: SOCKET_AT },
      { name: "setns", args: [home, CLONE.CLONE_NEWNET] },
    ];
  });
  using opened = new DisposableStack();
  const socket = opened.use(new Descriptor(answers[SOCKET_AT] ?? -1));
  const namespace = new Descriptor(checked("ioctl", socket.number, IOCTL.SIOCGSKNS));
  opened.move();
  return new NetworkNamespace(namespace, socket);
}

/** The network namespace of a process that was made with it. @param isRoot Whether libflux may enter it as it is. */
export async function networkOfProcess(pid: number, isRoot: boolean): Promise<NetworkNamespace> {
  using opened = new DisposableStack();
  const open = (name: string): Descriptor =>
    opened.use(new Descriptor(checked("openat", AT.AT_FDCWD, `/proc/${pid}/ns/${name}`, O.O_RDONLY | O.O_CLOEXEC, 0)));
  const namespace = open("net");
  const owner = isRoot ? undefined : open("user");
  const socket = isRoot ? opened.use(await socketIn(namespace, SOCKET.AF_INET, SOCKET.SOCK_DGRAM, 0)) : undefined;
  opened.move();
  return new NetworkNamespace(namespace, socket, owner);
}

/**
 * A netlink socket in a network namespace. Closed, it holds on to that for a grace period of the kernel's, 10 to 30 ms: so
 * where an `ioctl` does as well, the namespace is gone sooner with its last process.
 */
export function netlinkIn({ namespace }: NetworkNamespace): Promise<Descriptor> {
  return socketIn(namespace, AF.AF_NETLINK, SOCKET.SOCK_RAW, NETLINK.NETLINK_ROUTE);
}

/** A socket that belongs to a network namespace. */
async function socketIn(namespace: Descriptor, family: number, type: number, protocol: number): Promise<Descriptor> {
  const home = ownNamespace();
  const answers = await inARow(() => [
    { name: "setns", args: [namespace.number, CLONE.CLONE_NEWNET] },
    { name: "socket", args: [family, type | SOCKET.SOCK_CLOEXEC, protocol] },
    { name: "setns", args: [home, CLONE.CLONE_NEWNET] },
  ]);
  return new Descriptor(answers[1] ?? -1);
}
