/**
 * Starting and waiting for the interpreter: `clone3` with new namespaces, pidfds, exit statuses.
 *
 * @module
 */
import { AT, CLONE, E, F, F_SEAL, MFD, O, openFlags, POLL, SIG, type Signal, WAIT } from "./abi/constants.ts";
import {
  ARCHITECTURE,
  callSpawnStub,
  checked,
  cString,
  Descriptor,
  NativeMemory,
  pipe,
  syscall,
  SyscallError,
  syscallInBackground,
} from "./libc.ts";
import { ready } from "./reactor.ts";

/**
 * Writes an ELF image to where it can be executed: a sealed memfd.
 *
 * Where `vm.memfd_noexec=2` forbids that, a file without a name, on the first of some root-owned filesystems that lets
 * files be executed (`/run` often doesn't): nobody else can open it, and nothing of it can be left behind.
 *
 * @param directories Where to try, for the second way.
 */
export function executable(
  elf: Uint8Array<ArrayBuffer>,
  directories: readonly string[] = EXECUTABLE_DIRECTORIES,
): Descriptor {
  let descriptor = syscall("memfd_create", "libflux", MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING | MFD.MFD_EXEC);
  // Before Linux 6.3 there was no MFD_EXEC, and every memfd could be executed.
  if (descriptor === -E.EINVAL) {
    descriptor = syscall("memfd_create", "libflux", MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING);
  }
  if (descriptor === -E.EACCES) return executableFile(elf, directories);
  if (descriptor < 0) throw new SyscallError("memfd_create", -descriptor);
  using unsealed = new DisposableStack();
  const result = unsealed.use(new Descriptor(descriptor));
  writeExactly(descriptor, elf);
  checked(
    "fcntl",
    descriptor,
    F.F_ADD_SEALS,
    F_SEAL.F_SEAL_SEAL | F_SEAL.F_SEAL_SHRINK | F_SEAL.F_SEAL_GROW | F_SEAL.F_SEAL_WRITE,
  );
  unsealed.move();
  return result;
}

/** Directories of root's that every system has, on three filesystems where they are many. */
const EXECUTABLE_DIRECTORIES: readonly string[] = ["/run", "/var/lib", "/", "/tmp"];

function executableFile(elf: Uint8Array<ArrayBuffer>, directories: readonly string[]): Descriptor {
  const temporary = openFlags(ARCHITECTURE, "O_WRONLY", "__O_TMPFILE", "O_DIRECTORY", "O_CLOEXEC").value;
  for (const directory of directories) {
    const opened = syscall("openat", AT.AT_FDCWD, directory, temporary, 0o500);
    if (opened < 0) continue;
    // Closed before it is executed: a file that is open for writing can't be.
    using writer = new Descriptor(opened);
    if (!allowsExec(opened)) continue;
    writeExactly(opened, elf);
    const own = `/proc/self/fd/${writer.number}`;
    return new Descriptor(checked("openat", AT.AT_FDCWD, own, O.O_RDONLY | O.O_CLOEXEC, 0));
  }
  throw new SyscallError("memfd_create", E.EACCES);
}

/** Whether the filesystem of an open file isn't mounted noexec. */
function allowsExec(descriptor: number): boolean {
  const ST_NOEXEC = 8;
  // struct statfs, asm-generic/statfs.h: f_flags is its eleventh word.
  const statfs = new Uint8Array(120);
  return syscall("fstatfs", descriptor, statfs) === 0 &&
    (new DataView(statfs.buffer).getUint32(80, true) & ST_NOEXEC) === 0;
}

function writeExactly(descriptor: number, bytes: Uint8Array<ArrayBuffer>): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(checked("write", descriptor, rest, rest.length));
}

/** What {@link spawn} needs. */
export interface SpawnOptions {
  /** From {@link executable}; or the path of a program of the host's. */
  readonly executable: Descriptor | string;
  /** Its arguments, the first its own name; together less than two kilobytes. */
  readonly argv?: readonly string[];
  /** `CLONE_NEW*`, and `CLONE_INTO_CGROUP` with `cgroup`. */
  readonly flags: number;
  /** Where the stub and the interpreter report a failure; also given to the child by `descriptors`. */
  readonly report: number;
  /** `[here, in the child]` */
  readonly descriptors: readonly (readonly [number, number])[];
  /** Let it wait for {@link Child.release}: until an id map is written, or a cgroup joined. */
  readonly hold?: boolean;
  /** The cgroup v2 directory to be born in. */
  readonly cgroup?: number;
  /**
   * How many capabilities, from number 0 on, the image keeps: in a new user namespace `execve` takes them from all but its
   * root, and who is born there isn't always root. 0 if left out.
   */
  readonly keepCapabilities?: number;
}

/** How a process ended. */
export interface ExitStatus {
  /** The exit code, or 128 + the signal's number. */
  readonly code: number;
  /** The signal that killed it: "SIGKILL". */
  readonly signal?: Signal;
}

/** Reads the raw status that `wait4` gives. */
export function exitStatus(status: number): ExitStatus {
  const number = status & 0x7f;
  return number === 0 ? { code: status >> 8 & 0xff } : { code: 128 + number, ...signalName(number) };
}

function signalName(number: number): { signal?: Signal } {
  for (const [name, value] of Object.entries(SIG)) if (value === number) return { signal: name as Signal };
  return {};
}

/** A process in new namespaces, whoever is its parent. */
export interface Spawned extends Disposable {
  readonly pid: number;
  /** The process that waits for it, where that isn't this one. */
  readonly monitor?: number;
  /** Lets one that is held execute the image. */
  release(): void;
  /** Sends a signal; false when it has ended already. */
  signal(signal: number): boolean;
  /** Settles when it has ended. */
  wait(): Promise<ExitStatus>;
}

/** A child in its new namespaces. */
export class Child implements Spawned {
  #block: NativeMemory | undefined;
  #reaped: Promise<ExitStatus> | undefined;
  readonly #gate: Descriptor | undefined;

  /** Only {@link spawn} and {@link adopt} make one. */
  constructor(readonly pid: number, readonly pidfd: Descriptor, gate?: Descriptor, block?: NativeMemory) {
    this.#gate = gate;
    this.#block = block;
  }

  /** Lets one that is held execute the image. */
  release(): void {
    if (this.#gate === undefined) return;
    checked("write", this.#gate.number, new Uint8Array([1]), 1);
    this.#gate.close();
  }

  /** Ends it, if it was never released; does nothing to a released one. */
  abandon(): void {
    this.#gate?.close();
  }

  /** Sends a signal, by pidfd; false when it has ended already. */
  signal(signal: number): boolean {
    return this.pidfd.isOpen && syscall("pidfd_send_signal", this.pidfd.number, signal, 0, 0) === 0;
  }

  /** Waits for its end and reaps it; every call gives the same promise. */
  wait(): Promise<ExitStatus> {
    return this.#reaped ??= this.#wait();
  }

  async #wait(): Promise<ExitStatus> {
    try {
      await ready(this.pidfd.number, POLL.POLLIN);
    } catch {
      // There is no descriptor left to wait with: on a thread of its own, so that no zombie stays.
      await syscallInBackground(
        "waitid",
        WAIT.P_PIDFD,
        this.pidfd.number,
        0,
        WAIT.WEXITED | WAIT.WALL | WAIT.WNOWAIT,
        0,
      );
    }
    const info = new Uint8Array(128);
    checked("waitid", WAIT.P_PIDFD, this.pidfd.number, info, WAIT.WEXITED | WAIT.WALL, 0);
    this.#recycle();
    const view = new DataView(info.buffer);
    const CLD_EXITED = 1;
    const status = view.getInt32(24, true);
    return view.getInt32(8, true) === CLD_EXITED ? { code: status } : { code: 128 + status, ...signalName(status) };
  }

  /** Closes its descriptors; an unreleased child ends by itself. Wait first. */
  [Symbol.dispose](): void {
    this.abandon();
    this.pidfd.close();
  }

  #recycle(): void {
    // The stub read this memory until it exec'ed; a reaped child can't any more.
    if (this.#block !== undefined) blocks.push(this.#block);
    this.#block = undefined;
  }
}

/** A child that another one has made for this process, by `CLONE_PARENT`: its number is its own until it is reaped. */
export function adopt(pid: number): Child {
  return new Child(pid, new Descriptor(checked("pidfd_open", pid, 0)));
}

const BLOCK_SIZE = 4096;
const blocks: NativeMemory[] = [];
/** Offsets within a block. */
const AREA = { words: 0, cloneArgs: 176, pidfd: 264, empty: 272, pairs: 320, argv: 1024, strings: 1536 } as const;
/** `_LINUX_CAPABILITY_VERSION_3` */
const CAPABILITY_VERSION = 0x20080522;
const ARGV = ["libflux-init"];

/** Clones a child into new namespaces, which executes an image there. */
export function spawn(options: SpawnOptions): Child {
  keepChildStatuses();
  const block = blocks.pop() ?? new NativeMemory(BLOCK_SIZE);
  const gate = pipe();
  const moved: Descriptor[] = [];
  // The child fills its descriptors in order: none of them may be the source of a later one.
  const bound = options.descriptors.reduce((most, [, there]) => Math.max(most, there + 1), 0);
  const above = (descriptor: number): number => {
    if (descriptor >= bound) return descriptor;
    const high = new Descriptor(checked("fcntl", descriptor, F.F_DUPFD_CLOEXEC, bound));
    moved.push(high);
    return high.number;
  };
  try {
    const view = new DataView(block.bytes.buffer);
    const word = (offset: number, value: number | bigint): void =>
      view.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), true);
    block.bytes.fill(0, 0, AREA.pairs);
    const argv = options.argv ?? ARGV;
    let end: number = AREA.strings;
    argv.forEach((text, index) => {
      word(AREA.argv + index * 8, block.address + end);
      const bytes = cString(text);
      block.bytes.set(bytes, end);
      end += bytes.length;
    });
    const { executable: program } = options;
    // By its path, what begins with "#!" finds itself.
    const path = block.address + (typeof program === "string" ? end : AREA.empty);
    if (typeof program === "string") block.bytes.set(cString(program), end);
    const noMore = AREA.argv + argv.length * 8;
    word(noMore, 0);
    // struct clone_args, linux/sched.h; no stack: the child touches none.
    word(AREA.cloneArgs, Number(BigInt(options.flags) | BigInt(CLONE.CLONE_VM | CLONE.CLONE_PIDFD)));
    word(AREA.cloneArgs + 8, block.address + AREA.pidfd);
    word(AREA.cloneArgs + 32, SIG.SIGCHLD);
    word(AREA.cloneArgs + 80, options.cgroup ?? 0);
    const fits = options.descriptors.length * 8 <= AREA.argv - AREA.pairs;
    const pairs = fits ? { bytes: block.bytes, offset: AREA.pairs, address: block.address } : many(options.descriptors);
    const table = new DataView(pairs.bytes.buffer);
    options.descriptors.forEach(([here, there], index) => {
      table.setUint32(pairs.offset + index * 8, above(here), true);
      table.setUint32(pairs.offset + index * 8 + 4, there, true);
    });
    const kept = options.keepCapabilities ?? 0;
    const words = [
      block.address + AREA.cloneArgs,
      88,
      above(gate.read.number),
      typeof program === "string" ? AT.AT_FDCWD : above(program.number),
      block.address + AREA.argv,
      // An empty environment: nothing of the host's reaches even the interpreter.
      block.address + noMore,
      above(options.report),
      pairs.address + pairs.offset,
      options.descriptors.length,
      0,
      -1,
      0,
      0,
      0,
      path,
      // The child's own copy of the gate's other end: with it open, a killed libflux would leave it waiting for ever.
      gate.write.number,
      bound,
      kept,
      CAPABILITY_VERSION,
      ...capabilityWords(kept),
    ];
    words.forEach((value, index) => word(AREA.words + index * 8, value));
    // One that isn't held finds what it waits for in the pipe already.
    if (options.hold !== true) checked("write", gate.write.number, new Uint8Array([1]), 1);
    const pid = callSpawnStub(block.address);
    if (pid < 0) throw new SyscallError("clone3", -pid);
    return new Child(pid, new Descriptor(view.getInt32(AREA.pidfd, true)), gate.write, block);
  } catch (error) {
    blocks.push(block);
    gate.write.close();
    throw error;
  } finally {
    gate.read.close();
    for (const descriptor of moved) descriptor.close();
  }
}

/** Room for more pairs than a block has; never given back, since who needs it once has thousands of published ports. */
function many(
  { length }: SpawnOptions["descriptors"],
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly offset: number; readonly address: number } {
  const { bytes, address } = new NativeMemory(length * 8);
  return { bytes, offset: 0, address };
}

/** `struct __user_cap_data_struct` twice, with the first `count` capabilities effective, permitted and inheritable. */
function capabilityWords(count: number): readonly bigint[] {
  const all = (1n << BigInt(count)) - 1n;
  const [low, high] = [all & 0xffffffffn, all >> 32n];
  return [low | low << 32n, low | high << 32n, high | high << 32n];
}

const SIG_IGN = 1n;
const SA_NOCLDWAIT = 2n;

/**
 * Where SIGCHLD is ignored the kernel reaps our children, and their statuses would be lost. A handler stays: it is the
 * program's that uses us.
 */
function keepChildStatuses(): void {
  // struct sigaction of the kernel's: handler, flags, restorer, mask.
  const action = new BigUint64Array(4);
  const bytes = new Uint8Array(action.buffer);
  checked("rt_sigaction", SIG.SIGCHLD, 0, bytes, 8);
  const [handler = 0n, flags = 0n] = action;
  if (handler !== SIG_IGN && (flags & SA_NOCLDWAIT) === 0n) return;
  action[0] = handler === SIG_IGN ? 0n : handler;
  action[1] = flags & ~SA_NOCLDWAIT;
  checked("rt_sigaction", SIG.SIGCHLD, bytes, 0, 8);
}
