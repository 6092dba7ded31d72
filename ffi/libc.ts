/**
 * The one door to the kernel: raw syscalls that return `-errno`.
 *
 * libc's `syscall` is used twice, to map a page for the routines of `routines/`. From there on every call goes through our
 * own routine, so that no result depends on libc's thread-local `errno` surviving between two FFI calls.
 *
 * @module
 */
import { MMAP } from "./abi/constants.ts";
import { type Architecture, type SyscallName, syscallNumber } from "./abi/syscalls.ts";
import { routines } from "./routines/mod.ts";

/** The architecture of this process. */
export const ARCHITECTURE: Architecture = Deno.build.arch;

/** What a syscall takes: numbers, memory (its address is passed), or text (passed as a C string). */
export type Argument = number | bigint | Uint8Array<ArrayBuffer> | string;

/** Six at most; those left out are 0. */
type Arguments = [a?: Argument, b?: Argument, c?: Argument, d?: Argument, e?: Argument, f?: Argument];

/** A syscall that failed on the host's side. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  /** @param errno The positive error number. @param path What it was about, where there is a path. */
  constructor(readonly syscall: string, readonly errno: number, readonly path?: string) {
    super(`${syscall}${path === undefined ? "" : ` ${path}`}: errno ${errno}`);
  }
}

const SIX = ["i64", "i64", "i64", "i64", "i64", "i64"] as const;
const SIGNATURE = { parameters: ["i64", ...SIX], result: "i64" } as const;
/**
 * The same to libc: a structure of one word is passed as the word is. Deno compiles machine code for functions without
 * structures, which takes longer than the two calls.
 */
const LIBC_SIGNATURE = { parameters: [{ struct: ["i64"] }, ...SIX], result: "i64" } as const;
const BLOCK_SIGNATURE = { parameters: ["i64"], result: "i64" } as const;
const PAGE = 4096n;

interface Native {
  readonly call: Deno.UnsafeFnPointer<typeof SIGNATURE>;
  readonly callInBackground: Deno.UnsafeFnPointer<typeof SIGNATURE & { nonblocking: true }>;
  readonly spawn: Deno.UnsafeFnPointer<typeof BLOCK_SIGNATURE>;
  readonly sequence: Deno.UnsafeFnPointer<typeof BLOCK_SIGNATURE & { nonblocking: true }>;
}

let native: Native | undefined;

/** Maps the routines on first use: commands that make no syscall (`help`, `explain`) don't pay for it. */
function load(): Native {
  if (native !== undefined) return native;
  const libc = Deno.dlopen("libc.so.6", { syscall: LIBC_SIGNATURE });
  const number = (name: SyscallName) =>
    new Uint8Array(new BigInt64Array([BigInt(syscallNumber(name, ARCHITECTURE))]).buffer);
  const page = libc.symbols.syscall(
    number("mmap"),
    0n,
    PAGE,
    BigInt(MMAP.PROT_READ | MMAP.PROT_WRITE),
    BigInt(MMAP.MAP_PRIVATE | MMAP.MAP_ANONYMOUS),
    -1n,
    0n,
  );
  if (page === -1n) throw new SyscallError("mmap", 12);
  const code = routines(ARCHITECTURE);
  // Each starts on a cache line of its own, so that no length matters to another.
  const after = (offset: number, { length }: Uint8Array): number => (offset + length + 63) & ~63;
  const spawnOffset = after(0, code.syscall);
  const sequenceOffset = after(spawnOffset, code.spawn);
  const view = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer(page), Number(PAGE)));
  view.set(code.syscall);
  view.set(code.spawn, spawnOffset);
  view.set(code.sequence, sequenceOffset);
  // Never writable and executable at once.
  if (
    libc.symbols.syscall(number("mprotect"), page, PAGE, BigInt(MMAP.PROT_READ | MMAP.PROT_EXEC), 0n, 0n, 0n) !== 0n
  ) {
    throw new SyscallError("mprotect", 13);
  }
  return native = {
    call: new Deno.UnsafeFnPointer(pointer(page), SIGNATURE),
    callInBackground: new Deno.UnsafeFnPointer(pointer(page), { ...SIGNATURE, nonblocking: true }),
    spawn: new Deno.UnsafeFnPointer(pointer(page + BigInt(spawnOffset)), BLOCK_SIGNATURE),
    sequence: new Deno.UnsafeFnPointer(pointer(page + BigInt(sequenceOffset)), {
      ...BLOCK_SIGNATURE,
      nonblocking: true,
    }),
  };
}

function pointer<T = unknown>(address: bigint): Deno.PointerObject<T> {
  const result = Deno.UnsafePointer.create<T>(address);
  if (result === null) throw new TypeError("null address");
  return result;
}

const encoder = new TextEncoder();

/** A NUL-terminated copy of a text, in UTF-8. Throws a `TypeError` where the text itself has a NUL. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError("a NUL byte can't be passed to the kernel");
  return encoder.encode(text + "\0");
}

/** The address of a buffer's first byte; the buffer must stay referenced while it is used. */
export function addressOf(memory: Uint8Array<ArrayBuffer>): number {
  return memory.length === 0 ? 0 : Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}

/** Numbers for the kernel, and what they point into, which must outlive the call. */
function lower(args: readonly Argument[]): { words: readonly bigint[]; kept: readonly unknown[] } {
  const kept = args.map((arg) => typeof arg === "string" ? cString(arg) : arg);
  return { words: kept.map((arg) => BigInt(arg instanceof Uint8Array ? addressOf(arg) : arg)), kept };
}

type Seven = [bigint, bigint, bigint, bigint, bigint, bigint, bigint];
const seven = (name: SyscallName, [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n]: readonly bigint[]): Seven => [
  BigInt(syscallNumber(name, ARCHITECTURE)),
  a,
  b,
  c,
  d,
  e,
  f,
];

/** Where texts are put for the kernel; what is longer gets memory of its own. */
const SCRATCH_SIZE = 2 ** 16;
let scratch: { readonly bytes: Uint8Array<ArrayBuffer>; readonly address: number } | undefined;
/** Bytes of it that the call being made has taken. */
let taken = 0;
/** The buffers of the last calls: nothing may free them between the look at their address and the call. */
const kept: unknown[] = [0, 0, 0, 0, 0, 0, 0, 0];
let calls = 0;

/** A number for the kernel, in memory that is there until the call has been made. */
function word(arg: Argument): bigint {
  if (typeof arg === "number") {
    if (!Number.isSafeInteger(arg)) throw new RangeError(`${arg} can't be passed to the kernel`);
    // Deno takes numbers as well, whatever its types say, and making a BigInt of each takes as long as the call.
    return arg as unknown as bigint;
  }
  if (typeof arg === "bigint") return arg;
  if (typeof arg === "string") {
    if (arg.includes("\0")) throw new TypeError("a NUL byte can't be passed to the kernel");
    scratch ??= inScratch();
    const { read, written } = encoder.encodeInto(arg, scratch.bytes.subarray(taken, -1));
    if (read === arg.length && taken < SCRATCH_SIZE) {
      const begin = taken;
      taken += written + 1;
      scratch.bytes[taken - 1] = 0;
      return (scratch.address + begin) as unknown as bigint;
    }
    arg = cString(arg);
  }
  kept[calls = (calls + 1) & 7] = arg;
  return addressOf(arg) as unknown as bigint;
}

function inScratch(): { readonly bytes: Uint8Array<ArrayBuffer>; readonly address: number } {
  const bytes = new Uint8Array(SCRATCH_SIZE);
  return { bytes, address: addressOf(bytes) };
}

/** Calls the kernel; returns its result, `-errno` on failure. */
export function syscall(
  name: SyscallName,
  a: Argument = 0,
  b: Argument = 0,
  c: Argument = 0,
  d: Argument = 0,
  e: Argument = 0,
  f: Argument = 0,
): number {
  taken = 0;
  const { call } = native ?? load();
  const number = syscallNumber(name, ARCHITECTURE) as unknown as bigint;
  return Number(call.call(number, word(a), word(b), word(c), word(d), word(e), word(f)));
}

/** Calls the kernel; throws a {@link SyscallError} on failure. */
export function checked(name: SyscallName, ...args: Arguments): number {
  const result = syscall(name, ...args);
  if (result < 0) throw new SyscallError(name, -result, args.find((arg) => typeof arg === "string"));
  return result;
}

/** Calls the kernel on a thread of Deno's pool: for calls that wait, never for those that change the calling thread. */
export async function syscallInBackground(name: SyscallName, ...args: readonly Argument[]): Promise<number> {
  const { words, kept } = lower(args);
  const result = Number(await load().callInBackground.call(...seven(name, words)));
  return kept.length >= 0 ? result : 0;
}

/** Runs the spawn stub on a block at this address: see `routines/mod.ts`. */
export function callSpawnStub(block: number): number {
  return Number(load().spawn.call(BigInt(block)));
}

/** Runs the sequence on a block at this address, on a thread of Deno's pool: see `routines/mod.ts`. */
export async function callSequence(block: number): Promise<number> {
  return Number(await load().sequence.call(BigInt(block)));
}

/** Memory outside the JavaScript heap, at an address that never moves. */
export class NativeMemory implements Disposable {
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** @param size in bytes; rounded up to a page by the kernel. */
  constructor(readonly size: number) {
    this.address = checked(
      "mmap",
      0,
      size,
      MMAP.PROT_READ | MMAP.PROT_WRITE,
      MMAP.MAP_PRIVATE | MMAP.MAP_ANONYMOUS,
      -1,
      0,
    );
    this.bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer(BigInt(this.address)), size));
  }
  /** Gives the memory back; `bytes` must not be touched afterwards. */
  [Symbol.dispose](): void {
    checked("munmap", this.address, this.size);
  }
}

/** A file descriptor that closes itself. */
export class Descriptor implements Disposable {
  #open = true;
  /** @param number The descriptor; owned from now on. */
  constructor(readonly number: number) {}
  /** Whether it is still ours: a closed one's number may be somebody else's by now. */
  get isOpen(): boolean {
    return this.#open;
  }
  /** Closes it; a second call does nothing, so that a reused number is never closed by mistake. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    syscall("close", this.number);
  }
  /** Closes it on a thread of Deno's pool: for what takes the kernel long to let go of. */
  async closeInBackground(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await syscallInBackground("close", this.number);
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A pipe, close-on-exec at both ends. */
export function pipe(flags = 0): { readonly read: Descriptor; readonly write: Descriptor } {
  const ends = new Uint8Array(8);
  checked("pipe2", ends, 0o2000000 | flags);
  const view = new DataView(ends.buffer);
  return { read: new Descriptor(view.getInt32(0, true)), write: new Descriptor(view.getInt32(4, true)) };
}
