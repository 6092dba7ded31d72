/**
 * A message to the kernel that somebody else sends, and waits for.
 *
 * Whoever removes a link waits until no packet of it is on its way any more: 20 to 50 ms for a bridge, though nobody sees it
 * after 2. A thread of this process would hold up its end as long. So a process of a few pages does it, by a launch program.
 *
 * @module
 */
import { AT, O, or } from "./abi/constants.ts";
import { ARCHITECTURE, pipe } from "./libc.ts";
import { link, REPORT_DESCRIPTOR } from "./link.ts";
import { encodeMessages, type Message, openNetlink } from "./netlink.ts";
import { ProgramBuilder } from "./program.ts";
import { executable, spawn } from "./spawn.ts";

/**
 * Sends a batch on links, addresses and routes, whose answer nobody hears.
 *
 * @param settings What is written below /proc/sys before that: `["net/ipv4/ip_forward", "0"]`. The kernel has them wait as well.
 */
export function sendAside(messages: readonly Message[], settings: readonly (readonly [string, string])[] = []): void {
  const bytes = encodeMessages(messages);
  const b = new ProgramBuilder(ARCHITECTURE);
  const [SOCKET, LABEL] = [0, messages[0]?.step ?? "send"];
  // Whoever reads what libflux prints isn't to wait for this one's end.
  b.syscall("close_range", [1, 2, 0], { label: "close the streams" });
  for (const [path, value] of settings) {
    const meaning = { path: `/proc/sys/${path}`, optional: true };
    const flags = or(O, "O_WRONLY", "O_CLOEXEC");
    const file = b.call("openat", [AT.AT_FDCWD, b.string(meaning.path), flags, 0], "file", {
      ...meaning,
      label: "open",
    });
    b.syscall("write", [file, b.string(value), value.length], { ...meaning, label: `set it to ${value}` });
    b.syscall("close", [file], { ...meaning, label: "close it" });
  }
  if (bytes.length > 0) b.syscall("write", [SOCKET, b.bytes(bytes), bytes.length], { label: LABEL, optional: true });
  b.exit(0, "end");
  using image = executable(link(b.build()).elf);
  using socket = openNetlink();
  const report = pipe();
  using _near = report.read;
  using far = report.write;
  const child = spawn({
    executable: image,
    flags: 0,
    report: far.number,
    descriptors: [[socket.number, SOCKET], [far.number, REPORT_DESCRIPTOR]],
  });
  // Reaped when it has ended; a libflux that ends before leaves that to init.
  child.wait().catch(() => {}).finally(() => child[Symbol.dispose]());
}
