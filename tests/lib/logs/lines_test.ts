import { assert, assertEquals, assertThrows } from "@std/assert";
import { SOCKET } from "../../../ffi/abi/constants.ts";
import type { Architecture } from "../../../ffi/abi/syscalls.ts";
import { link } from "../../../ffi/link.ts";
import { ProgramBuilder } from "../../../ffi/program.ts";
import { LaunchError } from "../../../lib/errors.ts";
import { type Daemon, daemonOf, openDaemon, socketAddress } from "../../../lib/logs/daemon.ts";
import { MAX_LINE } from "../../../lib/logs/lines.ts";
import { listen, parseEntry } from "./journal.ts";
import { LogWriter } from "../../../lib/logs/writer.ts";

const ID = "0123456789abcdef".repeat(4);
const [DIRECTORY, FILE, DAEMON] = [8, 9, 10];

/** A chunk that a stream gives at one time. */
type Chunk = readonly ["stdout" | "stderr", string | Uint8Array<ArrayBuffer>];

/** Copies chunks by a program, and answers what the daemon got. */
async function send(
  architecture: Architecture,
  driver: Daemon["driver"],
  chunks: readonly Chunk[],
): Promise<Uint8Array[]> {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-lines-" });
  const path = `${directory}/socket`;
  try {
    const b = new ProgramBuilder(architecture);
    const daemon = { driver, path, name: "web", id: ID, socket: DAEMON };
    const writer = new LogWriter(b, { log: { maxSize: -1, maxFile: 1 }, directory: DIRECTORY, file: FILE, daemon });
    const socket = b.call("socket", [1, SOCKET.SOCK_DGRAM, 0], "socket", { label: "socket" });
    b.syscall("dup3", [socket, DAEMON, 0], { label: "dup" });
    for (const stream of ["stdout", "stderr"] as const) {
      const pipes = b.buffer(8);
      b.syscall("pipe2", [pipes, 0], { label: "pipe" });
      const [source, end, ended] = [b.slot("source"), b.slot("end"), b.target()];
      b.copy(b.addressOf(source), pipes, 4, "reader");
      b.copy(b.addressOf(end), b.at(pipes, 4), 4, "writer");
      for (const [, content] of chunks.filter(([of]) => of === stream)) {
        const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
        b.syscall("write", [end, b.bytes(bytes), bytes.length], { label: "write" });
        writer.copy({ source, stream }, { ended });
      }
      b.syscall("close", [end], { label: "close" });
      writer.copy({ source, stream }, { ended });
      b.exit(1 << 8, "it must have ended");
      b.place(ended);
    }
    b.exit(0, "end");
    writer.end();
    Deno.writeFileSync(`${directory}/image`, link(b.build()).elf, { mode: 0o755 });
    Deno.mkdirSync(`${directory}/d`);
    const image = architecture === Deno.build.arch ? "./image" : `qemu-${architecture}-static ./image`;
    const { messages, stop } = listen(path);
    const { code } = await new Deno.Command("sh", {
      args: ["-c", `exec ${image} 3>report ${DIRECTORY}<d ${FILE}>>d/log`],
      cwd: directory,
      stdin: "null",
    }).output();
    await stop();
    assertEquals([code, Deno.readFileSync(`${directory}/report`).length], [0, 0]);
    return messages;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const fieldsOf = (priority: number): (readonly [string, string])[] => [
  ["PRIORITY", `${priority}`],
  ["SYSLOG_IDENTIFIER", "web"],
  ["CONTAINER_NAME", "web"],
  ["CONTAINER_ID", ID.slice(0, 12)],
  ["CONTAINER_ID_FULL", ID],
];

for (const architecture of ["x86_64", "aarch64"] as const) {
  const subject = `LineSender on ${architecture}`;

  Deno.test(`${subject}: gives the journal one entry a line, with the fields that others' have`, async () => {
    const messages = await send(architecture, "journald", [
      ["stdout", "one\ntwo\n\n"],
      ["stderr", "bad\n"],
    ]);
    assertEquals(messages.map(parseEntry), [
      [...fieldsOf(6), ["MESSAGE", "one"]],
      [...fieldsOf(6), ["MESSAGE", "two"]],
      [...fieldsOf(6), ["MESSAGE", ""]],
      [...fieldsOf(3), ["MESSAGE", "bad"]],
    ]);
  });

  Deno.test(`${subject}: puts lines together that come in pieces, and sends the last at the end`, async () => {
    const messages = await send(architecture, "syslog", [
      ["stdout", "he"],
      ["stdout", "ll"],
      ["stdout", "o\nworld\nhalf"],
      ["stdout", " a line"],
      ["stderr", "e"],
      ["stderr", "\n"],
      ["stderr", "end"],
    ]);
    assertEquals(messages.map((message) => new TextDecoder().decode(message)), [
      "<30>web: hello",
      "<30>web: world",
      "<30>web: half a line",
      "<27>web: e",
      "<27>web: end",
    ]);
  });

  Deno.test(`${subject}: sends a line that is too long in parts, which say so`, async () => {
    const most = MAX_LINE.journald;
    const messages = await send(architecture, "journald", [
      ["stdout", "a".repeat(100)],
      ["stdout", `${"b".repeat(2 * most)}\n`],
      ["stdout", `${"c".repeat(most)}\n${"d".repeat(most + 1)}\n`],
    ]);
    const shown = messages.map(parseEntry).map((fields) => [
      Object.fromEntries(fields).MESSAGE ?? "",
      Object.fromEntries(fields).CONTAINER_PARTIAL_MESSAGE,
    ]);
    assertEquals(shown.map(([text = "", part]) => [text.length, text[0], part]), [
      [most, "a", "true"],
      [most, "b", "true"],
      [100, "b", undefined],
      [most, "c", undefined],
      [most, "d", "true"],
      [1, "d", undefined],
    ]);
  });

  Deno.test(`${subject}: passes any bytes on`, async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const messages = await send(architecture, "journald", [["stdout", bytes], ["stdout", bytes]]);
    const text = String.fromCharCode(...bytes);
    assertEquals(
      messages.map((message) => Object.fromEntries(parseEntry(message)).MESSAGE),
      [text.slice(0, 10), text.slice(11) + text.slice(0, 10), text.slice(11)],
    );
  });
}

Deno.test("openDaemon() says where nobody listens, or it can't be asked", () => {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-daemon-" });
  try {
    const daemon = (path: string): Daemon => ({ driver: "journald", path, name: "web", id: ID });
    const { message, hint } = assertThrows(() => openDaemon(daemon(`${directory}/no`)), LaunchError);
    assertEquals(message, `the journal can't be logged to: nobody listens at ${directory}/no`);
    assertEquals(hint, "is the daemon running? --log-driver file needs none");
    Deno.writeTextFileSync(`${directory}/file`, "");
    assertThrows(() => openDaemon(daemon(`${directory}/file`)), LaunchError, "nobody listens");
    using stream = Deno.listen({ transport: "unix", path: `${directory}/other` });
    assertThrows(() => openDaemon(daemon(`${directory}/other`)), LaunchError, "can't be opened");
    assert(stream.addr.transport === "unix");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("daemonOf() names the sockets of the journal and of syslog", () => {
  const path = (driver: "file" | "journald" | "syslog" | "none"): string | undefined =>
    daemonOf({ driver }, { name: "web", id: ID })?.path;
  assertEquals([path("file"), path("none"), path("journald"), path("syslog")], [
    undefined,
    undefined,
    "/run/systemd/journal/socket",
    "/dev/log",
  ]);
});

Deno.test("a socket's path that has no room in its address is refused", () => {
  assertThrows(() => socketAddress("/".repeat(108)), TypeError, "too long");
  assertEquals(socketAddress("/".repeat(107)).length, 110);
});
