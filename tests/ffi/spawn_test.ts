import { assert, assertEquals } from "@std/assert";
import { CLONE, F, SIG } from "../../ffi/abi/constants.ts";
import { pipe, syscall } from "../../ffi/libc.ts";
import { decodeReport, link } from "../../ffi/link.ts";
import { ProgramBuilder } from "../../ffi/program.ts";
import { abandon, read } from "../../ffi/reactor.ts";
import { executable, exitStatus, spawn } from "../../ffi/spawn.ts";

const program = (fill: (b: ProgramBuilder) => void): ReturnType<typeof link> => {
  const b = new ProgramBuilder(Deno.build.arch);
  fill(b);
  return link(b.build());
};

const openDescriptors = (): string[] => Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => name).sort();

const children = (): string =>
  Deno.readTextFileSync("/proc/thread-self/children") +
  [...Deno.readDirSync("/proc/self/task")].map(({ name }) => Deno.readTextFileSync(`/proc/self/task/${name}/children`))
    .join("");

const residentPages = (): number => Number(Deno.readTextFileSync("/proc/self/statm").split(" ")[1]);

Deno.test("spawn() runs an image with the descriptors it was given, and nothing else", async () => {
  const { elf } = program((b) => {
    b.syscall("write", [5, b.string("hello"), 5], { label: "write" });
    b.syscall("fcntl", [77, 1], { label: "no such descriptor", tolerate: 9 });
    b.exit(3 << 8, "exit");
  });
  using image = executable(elf);
  using out = pipe().read;
  const { read: reader, write: writer } = pipe();
  using child = spawn({ executable: image, flags: 0, report: writer.number, descriptors: [[writer.number, 5]] });
  writer.close();
  const buffer = new Uint8Array(16);
  const size = await read(reader.number, buffer);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, size)), "hello");
  assertEquals(await child.wait(), { code: 3 });
  reader.close();
  assert(out.number > 0);
});

Deno.test("executable() is sealed against every change", () => {
  const { elf } = program((b) => b.exit(0, "exit"));
  using image = executable(elf);
  assertEquals(syscall("fcntl", image.number, F.F_GET_SEALS, 0), 15);
  assertEquals(syscall("write", image.number, new Uint8Array(1), 1), -1);
  assertEquals(syscall("ftruncate", image.number, 0), -1);
});

Deno.test("executable() leaves no descriptor where the image can't be written", async () => {
  // In a process of its own, which ignores the signal that comes with a file's largest size.
  const script = `
    import { syscall } from "${new URL("../../ffi/libc.ts", import.meta.url)}";
    import { executable } from "${new URL("../../ffi/spawn.ts", import.meta.url)}";
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const RLIMIT_FSIZE = 1;
    syscall("prlimit64", 0, RLIMIT_FSIZE, new Uint8Array(new BigUint64Array([2n, 2n]).buffer), 0);
    const before = open();
    try {
      executable(new Uint8Array([1, 2, 3]));
    } catch ({ message }) {
      console.log(message, open() - before);
    }`;
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `trap '' XFSZ; exec "$0" eval --no-lock "$1"`, Deno.execPath(), script],
  }).output();
  const EFBIG = 27;
  assertEquals(new TextDecoder().decode(stdout), `write: errno ${EFBIG} 0\n`);
});

Deno.test("spawn() reports an image that can't be executed", async () => {
  using broken = executable(new Uint8Array([1, 2, 3]));
  const { read: reader, write: writer } = pipe();
  using child = spawn({ executable: broken, flags: 0, report: writer.number, descriptors: [] });
  writer.close();
  const report = new Uint8Array(16);
  assertEquals(await read(reader.number, report), 16);
  const { index, errno } = decodeReport(program((b) => b.exit(0, "exit")), report);
  assertEquals([index, errno], [-1, 8]);
  assertEquals((await child.wait()).code, 125);
  reader.close();
});

Deno.test("a child that is never released ends by itself", async () => {
  const { elf } = program((b) => b.exit(0, "exit"));
  using image = executable(elf);
  const { read: reader, write: writer } = pipe();
  const child = spawn({ executable: image, flags: 0, report: writer.number, descriptors: [], hold: true });
  writer.close();
  const ended = child.wait();
  child.abandon();
  assertEquals((await ended).code, 125);
  child[Symbol.dispose]();
  reader.close();
});

Deno.test("Child.signal() and wait() tell how it ended", async () => {
  const { elf } = program((b) => {
    b.syscall("ppoll", [0, 0, 0, 0, 8], { label: "wait for ever" });
    b.exit(0, "exit");
  });
  using image = executable(elf);
  const { read: reader, write: writer } = pipe();
  using child = spawn({ executable: image, flags: 0, report: writer.number, descriptors: [] });
  writer.close();
  assert(child.signal(SIG.SIGKILL));
  assertEquals(await child.wait(), { code: 137, signal: "SIGKILL" });
  assertEquals(child.signal(SIG.SIGKILL), false);
  reader.close();
});

Deno.test("Child.signal() of a disposed child never reaches who got its descriptor's number", async () => {
  const { elf } = program((b) => b.exit(0, "exit"));
  using image = executable(elf);
  const { read: reader, write: writer } = pipe();
  const child = spawn({ executable: image, flags: 0, report: writer.number, descriptors: [] });
  const other = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  await child.wait();
  child[Symbol.dispose]();
  const opened: number[] = [];
  for (let i = 0; i < 100 && !opened.includes(child.pidfd.number); i++) {
    opened.push(syscall("pidfd_open", other.pid, 0));
  }
  assertEquals(child.signal(SIG.SIGKILL), false);
  assertEquals(syscall("pidfd_send_signal", child.pidfd.number, 0, 0, 0), 0);
  other.kill("SIGTERM");
  assertEquals((await other.status).signal, "SIGTERM");
  for (const number of opened) syscall("close", number);
  reader.close();
  writer.close();
});

Deno.test("abandon() of a closed descriptor doesn't take another's turn to be waited for", async () => {
  const first = pipe();
  first.read.close();
  const second = pipe();
  assertEquals(second.read.number, first.read.number);
  const buffer = new Uint8Array(1);
  const reading = read(second.read.number, buffer);
  abandon(first.read);
  syscall("write", second.write.number, new Uint8Array([7]), 1);
  assertEquals([await reading, buffer[0]], [1, 7]);
  for (const descriptor of [first.write, second.read, second.write]) descriptor.close();
});

Deno.test("spawn() takes away no SIGCHLD handler, and a SIGCHLD that is ignored", async () => {
  const { elf } = program((b) => b.exit(3 << 8, "exit"));
  using image = executable(elf);
  const once = async (): Promise<number> => {
    using writer = pipe().write;
    using child = spawn({ executable: image, flags: 0, report: writer.number, descriptors: [] });
    return (await child.wait()).code;
  };
  let signals = 0;
  const listener = (): void => void signals++;
  Deno.addSignalListener("SIGCHLD", listener);
  assertEquals(await once(), 3);
  const deadline = performance.now() + 2000;
  while (signals === 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  Deno.removeSignalListener("SIGCHLD", listener);
  assert(signals > 0);
  const SIG_IGN = 1n;
  const SA_NOCLDWAIT = 2n;
  for (const action of [[SIG_IGN, 0n], [0n, SA_NOCLDWAIT]]) {
    const words = new BigUint64Array([...action, 0n, 0n]);
    assertEquals(syscall("rt_sigaction", SIG.SIGCHLD, new Uint8Array(words.buffer), 0, 8), 0);
    assertEquals(await once(), 3);
  }
});

Deno.test("exitStatus() reads raw wait statuses", () => {
  assertEquals(exitStatus(0), { code: 0 });
  assertEquals(exitStatus(42 << 8), { code: 42 });
  assertEquals(exitStatus(15), { code: 143, signal: "SIGTERM" });
  assertEquals(exitStatus(11 | 0x80), { code: 139, signal: "SIGSEGV" });
});

Deno.test("1,000 spawns in a row leave no zombie, no descriptor, no growth in memory", async () => {
  const { elf } = program((b) => b.exit(0, "exit"));
  const flags = Deno.uid() === 0 ? CLONE.CLONE_NEWNS | CLONE.CLONE_NEWPID | CLONE.CLONE_NEWUTS : 0;
  const once = async (): Promise<void> => {
    using image = executable(elf);
    const { read: reader, write: writer } = pipe();
    using child = spawn({ executable: image, flags, report: writer.number, descriptors: [] });
    writer.close();
    assertEquals((await child.wait()).code, 0);
    reader.close();
  };
  // The first ones map what the rest reuses.
  for (let i = 0; i < 300; i++) await once();
  const before = { descriptors: openDescriptors(), pages: residentPages() };
  for (let i = 0; i < 1000; i++) await once();
  assertEquals(openDescriptors(), before.descriptors);
  assertEquals(children().trim(), "");
  const PAGES_OF_8_MB = 2048;
  assert(residentPages() - before.pages < PAGES_OF_8_MB, `grew by ${residentPages() - before.pages} pages`);
});
