/**
 * How a monitor comes by the command's input, and hands it out.
 *
 * @module
 */
import { O, or } from "../../ffi/abi/constants.ts";
import type { ProgramBuilder, Reference } from "../../ffi/program.ts";
import { named } from "./context.ts";
import { MONITOR } from "./monitor_options.ts";

const MSG = { MSG_DONTWAIT: 0x40, MSG_NOSIGNAL: 0x4000, MSG_CMSG_CLOEXEC: 0x40000000 } as const;
const SOCK = { SOCK_CLOEXEC: 0o2000000, SOCK_NONBLOCK: 0o4000 } as const;

/**
 * The terminal takes the places of the command's output and input.
 *
 * @param polled The `pollfd` that waits for output.
 */
export function takeTerminal(b: ProgramBuilder, polled: Reference): void {
  const control = b.buffer(24);
  const iov = b.words([b.buffer(8), 1]);
  const message = b.words([0, 0, iov, 1, control, 24, 0]);
  const size = b.call("recvmsg", [MONITOR.console, message, or(MSG, "MSG_DONTWAIT", "MSG_CMSG_CLOEXEC")], "size", {
    label: "take the terminal",
    optional: true,
  });
  const none = b.target();
  b.branch(size, "<=", 0, none, "if there is none, the launch has failed");
  const master = b.slot("master");
  b.copy(b.addressOf(master), b.at(control, 16), 4, "which descriptor it is");
  for (const number of [MONITOR.stdout, MONITOR.input]) {
    b.syscall("dup3", [master, number, named(O.O_CLOEXEC, "O_CLOEXEC")], { label: `make it descriptor ${number}` });
  }
  b.syscall("close", [master], { label: "have it no more often" });
  const number = new Uint8Array(4);
  number[0] = MONITOR.stdout;
  b.copy(polled, b.bytes(number), 4, "watch what it shows");
  b.place(none);
}

/** Gives whoever connects the command's input. */
export function handOut(b: ProgramBuilder): void {
  const none = b.target();
  const client = b.call(
    "accept4",
    [MONITOR.attach, 0, 0, or(SOCK, "SOCK_CLOEXEC", "SOCK_NONBLOCK")],
    "client",
    { label: "see who is there", optional: true },
  );
  b.branch(client, "<", 0, none, "if nobody is, go on");
  // struct cmsghdr with one descriptor (linux/socket.h): length, level SOL_SOCKET, type SCM_RIGHTS, the descriptor.
  const control = new Uint8Array(24);
  const header = new DataView(control.buffer);
  header.setBigUint64(0, 20n, true);
  header.setUint32(8, 1, true);
  header.setUint32(12, 1, true);
  header.setUint32(16, MONITOR.input, true);
  const iov = b.words([b.string("i"), 1]);
  const message = b.words([0, 0, iov, 1, b.bytes(control), 24, 0]);
  b.syscall("sendmsg", [client, message, or(MSG, "MSG_DONTWAIT", "MSG_NOSIGNAL")], {
    label: "hand out the command's input",
    optional: true,
  });
  b.syscall("close", [client], { label: "have done with it" });
  b.place(none);
}
