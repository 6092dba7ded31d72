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
