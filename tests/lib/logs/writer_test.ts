import { assert, assertEquals } from "@std/assert";
import type { Architecture } from "../../../ffi/abi/syscalls.ts";
import { link } from "../../../ffi/link.ts";
import { ProgramBuilder } from "../../../ffi/program.ts";
import { decodeRecord, type LogRecord } from "../../../lib/logs/format.ts";
import { LogWriter } from "../../../lib/logs/writer.ts";

const EMULATOR: Readonly<Record<Architecture, string>> = {
  x86_64: "qemu-x86_64-static",
  aarch64: "qemu-aarch64-static",
};
const [SOURCE, OTHER, TEE, DIRECTORY, FILE] = [4, 5, 6, 8, 9];
const LIMITS = { maxSize: -1, maxFile: 3 };

/** All records of a file. */
function records(file: string): LogRecord[] {
  const bytes = Deno.readFileSync(file);
  const found: LogRecord[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = decodeRecord(bytes, at);
    assert(next !== undefined, `${file} has no record at ${at} of ${bytes.length}`);
    found.push(next.record);
    at = next.end;
  }
  return found;
}

const text = (found: readonly LogRecord[]): string =>
  found.map(({ stream, data }) => stream === "lost" ? "<lost>" : new TextDecoder().decode(data)).join("");

/** Runs a program with inputs of files, and a log in a directory. */
async function run(
  t: { readonly architecture: Architecture; readonly input?: string; readonly other?: string },
  fill: (b: ProgramBuilder) => void,
  check: (directory: string, output: string) => void,
): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-log-" });
  try {
    const b = new ProgramBuilder(t.architecture);
    fill(b);
    Deno.writeFileSync(`${directory}/image`, link(b.build()).elf, { mode: 0o755 });
    Deno.writeTextFileSync(`${directory}/input`, t.input ?? "");
    Deno.writeTextFileSync(`${directory}/other`, t.other ?? "");
    Deno.mkdirSync(`${directory}/d`);
    const image = t.architecture === Deno.build.arch ? "./image" : `${EMULATOR[t.architecture]} ./image`;
    const redirections = `3>report ${SOURCE}<input ${OTHER}<other ${TEE}>tee ${DIRECTORY}<d ${FILE}>>d/log`;
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", `exec ${image} ${redirections}`],
      cwd: directory,
      stdin: "null",
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    assertEquals(Deno.readFileSync(`${directory}/report`).length, 0);
    check(`${directory}/d`, Deno.readTextFileSync(`${directory}/tee`));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

for (const architecture of ["x86_64", "aarch64"] as const) {
  const subject = `LogWriter on ${architecture}`;

  Deno.test(`${subject}: writes what two streams give, and passes one on`, async () => {
    const [input, other] = ["a".repeat(100_000), "error\n"];
    const before = Date.now();
    await run({ architecture, input, other }, (b) => {
      const writer = new LogWriter(b, { log: LIMITS, directory: DIRECTORY, file: FILE });
      const [second, ended] = [b.target(), b.target()];
      const first = b.place();
      writer.copy({ source: SOURCE, stream: "stdout", tee: TEE }, { ended: second, broken: ended });
      b.goto(first, "again");
      b.place(second);
      writer.copy({ source: OTHER, stream: "stderr" }, { ended });
      b.goto(second, "again");
      b.place(ended);
      b.exit(0, "end");
      writer.end();
    }, (directory, output) => {
      const found = records(`${directory}/log`);
      assertEquals(found.map(({ stream, data }) => [stream, data.length]), [
        ["stdout", 65536],
        ["stdout", 100_000 - 65536],
        ["stderr", 6],
      ]);
      assertEquals([text(found), output], [input + other, input]);
      for (const { time } of found) assert(time >= before - 1 && time <= Date.now() + 1, `${time}`);
    });
  });

  for (const maxFile of [1, 2, 4]) {
    Deno.test(`${subject}: rotates ${maxFile} files, none of them larger than it may be`, async () => {
      const input = Array.from({ length: 1000 }, (_, index) => `${index}\n`).join("");
      await run({ architecture, input }, (b) => {
        const writer = new LogWriter(b, { log: { maxSize: 1024, maxFile }, directory: DIRECTORY, file: FILE });
        const [first, ended] = [b.place(), b.target()];
        writer.copy({ source: SOURCE, stream: "stdout" }, { ended });
        b.goto(first, "again");
        b.place(ended);
        b.exit(0, "end");
        writer.end();
      }, (directory) => {
        const files = Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
        assertEquals(files, ["log", "log.1", "log.2", "log.3"].slice(0, maxFile));
        // 976 bytes of data and 24 of the record's own leave no room for another one that large.
        const sizes = files.toReversed().map((file) => Deno.statSync(`${directory}/${file}`).size);
        const last = input.length % 976;
        assertEquals(sizes, [...new Array(maxFile - 1).fill(1000), last + 24]);
        assertEquals(
          files.toReversed().map((file) => text(records(`${directory}/${file}`))).join(""),
          input.slice(-(976 * (maxFile - 1) + last)),
        );
      });
    });
  }

  Deno.test(`${subject}: leaves out what can't be written as a whole, and tells so before the next record`, async () => {
    const lines = ["first\n", "second\n", "third\n"];
    await run({ architecture, input: lines.join("") }, (b) => {
      const writer = new LogWriter(b, { log: { maxSize: 1024, maxFile: 3 }, directory: DIRECTORY, file: FILE });
      const ended = b.target();
      b.syscall("rt_sigprocmask", [2, b.bytes(new Uint8Array(8).fill(0xff)), 0, 8], { label: "block all signals" });
      const [RLIMIT_FSIZE, infinity] = [1, 2n ** 64n - 1n];
      const limit = (value: bigint): void => {
        const bytes = new Uint8Array(new BigUint64Array([value, infinity]).buffer);
        b.syscall("prlimit64", [0, RLIMIT_FSIZE, b.bytes(bytes), 0], { label: "limit files" });
      };
      // Reads as much as it may; so what is left of the input is put into a pipe line by line.
      const pipes = b.buffer(8);
      b.syscall("pipe2", [pipes, 0], { label: "pipe" });
      const [source, end] = [b.slot("reader"), b.slot("end")];
      b.copy(b.addressOf(source), pipes, 4, "reader");
      b.copy(b.addressOf(end), b.at(pipes, 4), 4, "writer");
      lines.forEach((line, index) => {
        b.syscall("write", [end, b.string(line), line.length], { label: "write a line" });
        limit(index === 1 ? 40n : infinity);
        writer.copy({ source, stream: "stdout" }, { ended });
      });
      b.place(ended);
      b.exit(0, "end");
      writer.end();
    }, (directory) => {
      assertEquals(text(records(`${directory}/log`)), "first\n<lost>third\n");
    });
  });

  Deno.test(`${subject}: makes a deleted file anew`, async () => {
    await run({ architecture }, (b) => {
      const writer = new LogWriter(b, { log: LIMITS, directory: DIRECTORY, file: FILE });
      const ended = b.target();
      const pipes = b.buffer(8);
      b.syscall("pipe2", [pipes, 0], { label: "pipe" });
      const [source, end] = [b.slot("reader"), b.slot("end")];
      b.copy(b.addressOf(source), pipes, 4, "reader");
      b.copy(b.addressOf(end), b.at(pipes, 4), 4, "writer");
      for (const line of ["1", "2", "3"]) {
        b.syscall("write", [end, b.string(line), 1], { label: "write" });
        if (line === "2") b.syscall("unlinkat", [DIRECTORY, b.string("log"), 0], { label: "delete" });
        writer.copy({ source, stream: "stderr" }, { ended });
      }
      b.place(ended);
      b.exit(0, "end");
      writer.end();
    }, (directory) => {
      assertEquals(text(records(`${directory}/log`)), "23");
      assertEquals(Deno.statSync(`${directory}/log`).mode, 0o100600);
    });
  });
}
