/**
 * A network namespace, made beside the event loop.
 *
 * It is the slowest of all namespaces to make: two thirds of what `clone3` takes with all of them. So a thread of Deno's
 * pool enters a new one, brings up its `lo`, takes a descriptor of it and goes back, while TypeScript compiles the launch
 * program; the program joins it with `setns`. Only the thread that calls `unshare` changes its namespace.
 *
 * @module
 */
import { AT, CLONE, IOCTL, O, SOCKET } from "./abi/constants.ts";
import { AF, NETLINK } from "./abi/netlink.ts";
import { loopbackUp } from "./abi/network.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { ARCHITECTURE, callSequence, checked, Descriptor, NativeMemory, SyscallError } from "./libc.ts";
import { SEQUENCE_CALL_SIZE } from "./routines/format.ts";

const BLOCK_SIZE = 4096;
/** In this order, the last one also after a failure. */
const NAMES = ["setns", "unshare", "socket", "ioctl", "socket", "setns"] as const;
/** Where the two sockets are among them. */
const [DATAGRAMS, CONTROL] = [2, 4];
/** The calls, of which the fourth takes its descriptor from the third; then what it points to, and what they answer. */
const AREA = { calls: 8, socket: 8 + 3 * SEQUENCE_CALL_SIZE + 8, request: 1024, answers: 1536 } as const;
const blocks: NativeMemory[] = [];
let own: number | undefined;

/** The namespace that this process is in; open as long as the process runs. */
function ownNamespace(): number {
  return own ??= checked("openat", AT.AT_FDCWD, "/proc/thread-self/ns/net", O.O_RDONLY | O.O_CLOEXEC, 0);
}

/** A network namespace that is held open. */
export class NetworkNamespace implements Disposable {
  /** @param namespace Lives as long as this, or a process in it. @param control A netlink socket in it, where it is new. */
  constructor(readonly namespace: Descriptor, readonly control?: Descriptor) {}
  /** Lets go of it. */
  close(): void {
    this.namespace.close();
    this.control?.close();
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
  const block = blocks.pop() ?? new NativeMemory(BLOCK_SIZE);
  const view = new DataView(block.bytes.buffer);
  const word = (offset: number, value: number): void => view.setBigInt64(offset, BigInt(value), true);
  const answers = NAMES.map((_, index) => index === DATAGRAMS ? AREA.socket : AREA.answers + index * 8);
  const call = (index: number, ...args: readonly number[]): number[] => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
    const number = syscallNumber(NAMES[index] ?? "fail", ARCHITECTURE);
    return [number, a, b, c, d, e, f, block.address + (answers[index] ?? 0)];
  };
  const calls = [
    // Before there is anything to come home from: root of a user namespace may leave the host's network for ever.
    call(0, home, CLONE.CLONE_NEWNET),
    call(1, CLONE.CLONE_NEWNET),
    call(2, SOCKET.AF_INET, SOCKET.SOCK_DGRAM | SOCKET.SOCK_CLOEXEC, 0),
    call(3, -1, IOCTL.SIOCSIFFLAGS, block.address + AREA.request),
    // In the namespace for good, wherever its holder is.
    call(CONTROL, AF.AF_NETLINK, SOCKET.SOCK_RAW | SOCKET.SOCK_CLOEXEC, NETLINK.NETLINK_ROUTE),
    call(5, home, CLONE.CLONE_NEWNET),
  ];
  block.bytes.set(loopbackUp(), AREA.request);
  word(0, calls.length - 1);
  calls.flat().forEach((value, index) => word(AREA.calls + index * 8, value));
  // A call that fails leaves what was there.
  for (const answer of answers) word(answer, -1);
  const result = await callSequence(block.address);
  const numberAt = (index: number): number => Number(view.getBigInt64(answers[index] ?? 0, true));
  const [number, control] = [numberAt(DATAGRAMS), numberAt(CONTROL)];
  const failed = answers.findIndex((answer) => view.getBigInt64(answer, true) < 0n);
  blocks.push(block);
  using _socket = number < 0 ? undefined : new Descriptor(number);
  using opened = new DisposableStack();
  if (control >= 0) opened.use(new Descriptor(control));
  if (result < 0) throw new SyscallError(NAMES[failed] ?? "setns", -result);
  const namespace = new Descriptor(checked("ioctl", number, IOCTL.SIOCGSKNS));
  opened.move();
  return new NetworkNamespace(namespace, new Descriptor(control));
}
