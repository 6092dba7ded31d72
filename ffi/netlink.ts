/**
 * Messages to the kernel, and its answers.
 *
 * A batch is one write: the kernel works it off before that returns, in order, and answers each message with an error
 * number or none. Everything here could become instructions of a program.
 *
 * @module
 */
import { SOCKET } from "./abi/constants.ts";
import { AF, NETLINK, NLA_F_NESTED, NLM_F, NLMSG } from "./abi/netlink.ts";
import { checked, Descriptor, SyscallError, syscallInBackground } from "./libc.ts";

/** What an attribute holds: a text with a NUL after it, 32 bits, bytes as they are, or other attributes. */
export type Value = string | number | Uint8Array | readonly Attribute[];
/** `[type, value]` */
export type Attribute = readonly [number, Value];

/** One request. */
export interface Message {
  /** What it is for, as an infinitive without "to": "make the bridge libflux0". */
  readonly step: string;
  /** `RTM_*`. */
  readonly type: number;
  /** `NLM_F_*`, besides `NLM_F_REQUEST` and `NLM_F_ACK`. */
  readonly flags: number;
  /** Answered only where it is refused. */
  readonly quiet?: true;
  /** The structure that begins it: `struct ifinfomsg` or its like. */
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
}

const HEADER_SIZE = 16;
const encoder = new TextEncoder();
const aligned = (size: number): number => (size + 3) & ~3;

function bytesOf(value: Value): Uint8Array {
  if (typeof value === "string") return encoder.encode(`${value}\0`);
  if (typeof value === "number") return new Uint8Array(Uint32Array.of(value).buffer);
  return value instanceof Uint8Array ? value : encodeAttributes(value);
}

/** Attributes as the kernel reads them: length, type, value, padded to four bytes. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array<ArrayBuffer> {
  const parts = attributes.map(([type, value]) => {
    const bytes = bytesOf(value);
    const isNested = typeof value === "object" && !(value instanceof Uint8Array);
    const part = new Uint8Array(aligned(4 + bytes.length));
    const view = new DataView(part.buffer);
    view.setUint16(0, 4 + bytes.length, true);
    view.setUint16(2, isNested ? type | NLA_F_NESTED : type, true);
    part.set(bytes, 4);
    return part;
  });
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** A batch, each message with its index + 1 as its sequence number. */
export function encodeMessages(messages: readonly Message[]): Uint8Array<ArrayBuffer> {
  return joined(messages.map(({ type, flags, quiet, header, attributes }, index) => {
    const body = joined([header, encodeAttributes(attributes)]);
    const bytes = new Uint8Array(HEADER_SIZE + body.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags | NLM_F.NLM_F_REQUEST | (quiet === true ? 0 : NLM_F.NLM_F_ACK), true);
    view.setUint32(8, index + 1, true);
    bytes.set(body, HEADER_SIZE);
    return bytes;
  }));
}

/** A socket for links, addresses and routes of the network namespace that this thread is in. */
export function openNetlink(protocol: number = NETLINK.NETLINK_ROUTE): Descriptor {
  return new Descriptor(checked("socket", AF.AF_NETLINK, SOCKET.SOCK_RAW | SOCKET.SOCK_CLOEXEC, protocol));
}

/** A message that the kernel has refused. */
export class NetlinkError extends SyscallError {
  /** @param step What it was for. @param errno Positive. */
  constructor(readonly step: string, errno: number) {
    super("netlink", errno);
  }
}

/** Reads the answers to a batch: an errno, positive, or 0 for each. */
function answers(socket: Descriptor, count: number): number[] {
  const results = new Array<number>(count).fill(-1);
  const buffer = new Uint8Array(16384);
  for (let open = count; open > 0;) {
    const size = checked("read", socket.number, buffer, buffer.length);
    for (const { type, sequence, body } of splitMessages(buffer.subarray(0, size))) {
      if (type !== NLMSG.NLMSG_ERROR || results[sequence - 1] !== -1) continue;
      results[sequence - 1] = -new DataView(body.buffer, body.byteOffset).getInt32(0, true);
      open--;
    }
  }
  return results;
}

/** The messages in what was read. */
export function* splitMessages(
  bytes: Uint8Array<ArrayBuffer>,
): Generator<
  { readonly type: number; readonly sequence: number; readonly port: number; readonly body: Uint8Array<ArrayBuffer> }
> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let offset = 0; offset + HEADER_SIZE <= bytes.length;) {
    const length = view.getUint32(offset, true);
    if (length < HEADER_SIZE || offset + length > bytes.length) return;
    yield {
      type: view.getUint16(offset + 4, true),
      sequence: view.getUint32(offset + 8, true),
      port: view.getUint32(offset + 12, true),
      body: bytes.subarray(offset + HEADER_SIZE, offset + length),
    };
    offset += aligned(length);
  }
}

/** Sends a batch; answers an errno, positive, or 0 for each message. */
export function tryBatch(socket: Descriptor, messages: readonly Message[]): number[] {
  const bytes = encodeMessages(messages);
  checked("write", socket.number, bytes, bytes.length);
  return answers(socket, messages.length);
}

/** Throws where a message was refused. */
function check(messages: readonly Message[], errnos: readonly number[]): void {
  const failed = errnos.findIndex((errno) => errno !== 0);
  const message = messages[failed];
  if (message !== undefined) throw new NetlinkError(message.step, errnos[failed] ?? 0);
}

/** Sends a batch. Throws a {@link NetlinkError} that tells the first message that was refused. */
export function batch(socket: Descriptor, messages: readonly Message[]): void {
  check(messages, tryBatch(socket, messages));
}

/** {@link batch} on a thread of Deno's pool: what removes a link waits until no packet is on its way any more. */
export async function batchInBackground(socket: Descriptor, messages: readonly Message[]): Promise<void> {
  const bytes = encodeMessages(messages);
  const written = await syscallInBackground("write", socket.number, bytes, bytes.length);
  if (written < 0) throw new SyscallError("write", -written);
  check(messages, answers(socket, messages.length));
}

/** The attributes of a message, by their types; of those that come twice the last. */
export function decodeAttributes(bytes: Uint8Array<ArrayBuffer>): Map<number, Uint8Array<ArrayBuffer>> {
  const found = new Map<number, Uint8Array<ArrayBuffer>>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let offset = 0; offset + 4 <= bytes.length;) {
    const length = view.getUint16(offset, true);
    if (length < 4 || offset + length > bytes.length) break;
    found.set(view.getUint16(offset + 2, true) & ~NLA_F_NESTED, bytes.subarray(offset + 4, offset + length));
    offset += aligned(length);
  }
  return found;
}

/**
 * Asks for one thing.
 *
 * @returns What comes after the message's header; an errno, positive, where the kernel refuses.
 */
export function ask(socket: Descriptor, message: Message): Uint8Array<ArrayBuffer> | number {
  const bytes = encodeMessages([message]);
  checked("write", socket.number, bytes, bytes.length);
  const buffer = new Uint8Array(16384);
  let answer: Uint8Array<ArrayBuffer> | undefined;
  for (;;) {
    const size = checked("read", socket.number, buffer, buffer.length);
    for (const { type, body } of splitMessages(buffer.subarray(0, size))) {
      if (type !== NLMSG.NLMSG_ERROR) answer = body.slice();
      else return answer ?? -new DataView(body.buffer, body.byteOffset).getInt32(0, true);
    }
  }
}
