import { assertEquals } from "@std/assert";
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { link, type LinkOptions } from "../../ffi/link.ts";
import { ProgramBuilder } from "../../ffi/program.ts";

const HOST = Deno.build.arch;
const EMULATOR: Readonly<Record<Architecture, string>> = {
  x86_64: "qemu-x86_64-static",
  aarch64: "qemu-aarch64-static",
};

/** Runs a linked program as an executable of its own: natively, or under qemu where the architecture is the other one. */
async function execute(
  builder: ProgramBuilder,
  options: LinkOptions = {},
): Promise<{ code: number; output: string; report: Uint8Array }> {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-image-" });
  try {
    const file = `${directory}/image`;
    Deno.writeFileSync(file, link(builder.build(), options).elf, { mode: 0o755 });
    const command = builder.architecture === HOST ? file : `${EMULATOR[builder.architecture]} ${file}`;
    const child = new Deno.Command("sh", {
      args: ["-c", `exec 3>${directory}/report; exec ${command}`],
      stdout: "piped",
    });
    const { code, stdout } = await child.output();
    return { code, output: new TextDecoder().decode(stdout), report: Deno.readFileSync(`${directory}/report`) };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

for (const architecture of ["x86_64", "aarch64"] as const) {
  const subject = `${architecture} interpreter`;

  Deno.test(`${subject}: makes syscalls, stores results, copies, counts in a loop and exits`, async () => {
    const b = new ProgramBuilder(architecture);
    const letters = b.bytes(new TextEncoder().encode("abc"));
    const out = b.buffer(8);
    b.copy(out, b.at(letters, 1), 2, "copy");
    const pipes = b.buffer(8);
    b.syscall("pipe2", [pipes, 0], { label: "pipe" });
    const [reader, writer] = [b.slot("reader"), b.slot("writer")];
    b.copy(b.addressOf(reader), pipes, 4, "reader");
    b.copy(b.addressOf(writer), b.at(pipes, 4), 4, "writer");
    const loop = b.place();
    const done = b.target();
    // Two bytes go in at a time; the pipe's content is read back until it says "bcbc".
    const written = b.call("write", [writer, out, 2], "written", { label: "write" });
    b.branch(written, "!=", 2, done, "never");
    const count = b.slot("count");
    b.syscall("ioctl", [reader, 0x541b, b.addressOf(count)], { label: "FIONREAD" });
    b.branch(count, "<", 4, loop, "again");
    b.place(done);
    const content = b.buffer(8);
    const size = b.call("read", [reader, content, 8], "size", { label: "read" });
    b.syscall("write", [1, content, size], { label: "write out" });
    b.exit(7 << 8, "exit");
    assertEquals(await execute(b), { code: 7, output: "bcbc", report: new Uint8Array() });
  });

  for (
    const [condition, expected] of [
      ["<", [true, false, false]],
      ["<=", [true, true, false]],
      ["==", [false, true, false]],
      ["!=", [true, false, true]],
      [">=", [false, true, true]],
      [">", [false, false, true]],
      ["always", [true, true, true]],
    ] as const
  ) {
    Deno.test(`${subject}: branches on ${condition}, signed`, async () => {
      const b = new ProgramBuilder(architecture);
      [-1, 0, 1].forEach((value) => {
        const taken = b.target();
        const end = b.target();
        b.branch(value, condition, 0, taken, "compare");
        b.syscall("write", [1, b.string("0"), 1], { label: "not taken" });
        b.goto(end, "end");
        b.place(taken);
        b.syscall("write", [1, b.string("1"), 1], { label: "taken" });
        b.place(end);
      });
      b.exit(0, "exit");
      assertEquals((await execute(b)).output, expected.map((taken) => taken ? "1" : "0").join(""));
    });
  }

  Deno.test(`${subject}: adds and subtracts 64 bits`, async () => {
    const b = new ProgramBuilder(architecture);
    const sum = b.slot("sum");
    const shown = b.target();
    b.add(sum, 2 ** 40, 5, "add", 7);
    b.add(sum, sum, -(2 ** 40), "add a negative number");
    b.branch(sum, "==", -2, shown, "as it must be");
    b.exit(1 << 8, "not so");
    b.place(shown);
    b.add(sum, 0, sum, "subtract a slot", sum);
    b.branch(sum, "!=", 0, shown, "never");
    b.exit(7 << 8, "exit");
    assertEquals((await execute(b)).code, 7);
  });

  Deno.test(`${subject}: copies as much as a slot says, from and to where slots say`, async () => {
    const b = new ProgramBuilder(architecture);
    const text = b.bytes(new TextEncoder().encode("..abcdef"));
    const [from, to, width] = [b.slot("from"), b.slot("to"), b.slot("width")];
    b.add(from, text, 2, "where the text is");
    b.add(to, text, 0, "where it is to be");
    b.add(width, 0, 6, "how long it is");
    // Over each other, as what is left of a buffer is moved to its beginning.
    b.copy(to, from, width, "move");
    b.add(width, 0, 0, "nothing");
    b.copy(to, b.string("x"), width, "copy nothing");
    b.syscall("write", [1, text, 8], { label: "write" });
    b.exit(0, "exit");
    assertEquals((await execute(b)).output, "abcdefef");
  });

  for (
    const [what, byte, first, last, found] of [
      ["the first of several", "l", 0, 11, 2],
      ["one at the beginning", "h", 0, 11, 0],
      ["the last byte", "d", 0, 11, 10],
      ["the end where there is none", "x", 0, 11, 11],
      ["the end where it comes only then", "d", 0, 10, 10],
      ["the next one", "o", 5, 11, 7],
      ["a byte above 127", "\xff", 0, 11, 5],
      ["the end of nothing", "h", 0, 0, 0],
    ] as const
  ) {
    Deno.test(`${subject}: finds ${what}`, async () => {
      const b = new ProgramBuilder(architecture);
      const text = b.bytes(Uint8Array.from("hello\xffworld", (letter) => letter.charCodeAt(0)));
      const at = b.slot("at");
      b.find(at, byte.charCodeAt(0), b.at(text, first), b.at(text, last), "find");
      const right = b.target();
      b.branch(at, "==", b.at(text, found), right, "as it must be");
      b.exit(1 << 8, "not so");
      b.place(right);
      b.exit(0, "exit");
      assertEquals((await execute(b)).code, 0);
    });
  }

  Deno.test(`${subject}: exits with 128 + the signal of a wait status`, async () => {
    const b = new ProgramBuilder(architecture);
    b.exit(9, "exit");
    assertEquals((await execute(b)).code, 137);
  });

  Deno.test(`${subject}: passes over tolerated and optional errors, and reports any other`, async () => {
    const b = new ProgramBuilder(architecture);
    b.syscall("close", [77], { label: "tolerated", tolerate: 9 });
    b.syscall("close", [77], { label: "optional", optional: true });
    b.syscall("close", [77], { label: "another errno is tolerated", tolerate: 13 });
    b.exit(0, "exit");
    const { code, report } = await execute(b);
    const { decodeReport } = await import("../../ffi/link.ts");
    const { index, errno, instruction } = decodeReport(link(b.build()), new Uint8Array(report));
    assertEquals([code, index, errno, instruction?.label], [125, 2, 9, "another errno is tolerated"]);
  });

  Deno.test(`${subject}: fails where a test asks for it, even at an optional instruction`, async () => {
    const b = new ProgramBuilder(architecture);
    b.syscall("getpid", [], { label: "get the pid", optional: true });
    b.exit(0, "exit");
    const { code, report } = await execute(b, { failAt: 0 });
    const { decodeReport } = await import("../../ffi/link.ts");
    const { index, errno } = decodeReport(link(b.build()), new Uint8Array(report));
    assertEquals([code, index, errno], [125, 0, 38]);
  });
}
