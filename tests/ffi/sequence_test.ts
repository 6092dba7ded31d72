import { assertEquals } from "@std/assert";
import { type Architecture, type SyscallName, syscallNumber } from "../../ffi/abi/syscalls.ts";
import { AArch64 } from "../../ffi/assembler/aarch64.ts";
import { X86_64 } from "../../ffi/assembler/x86_64.ts";
import { DATA_ADDRESS, elfImage } from "../../ffi/elf.ts";
import { routines, SEQUENCE_CALL_SIZE } from "../../ffi/routines/mod.ts";

/** Calls the routine on the block at the beginning of the data, and exits with what it returns, negated. */
const DRIVERS: Readonly<Record<Architecture, (routine: Uint8Array<ArrayBuffer>) => Uint8Array>> = {
  x86_64: (routine) => {
    const a = new X86_64();
    a.set("rdi", DATA_ADDRESS);
    a.addressOfLabel("rax", "after");
    a.push("rax");
    a.jump("routine");
    a.label("after");
    a.set("rdi", 0);
    a.arithmetic("sub", "rdi", "rax");
    a.set("rax", syscallNumber("exit_group", "x86_64"));
    a.syscall();
    a.label("routine");
    a.data(routine);
    return a.assemble();
  },
  aarch64: (routine) => {
    const a = new AArch64();
    a.set("x0", DATA_ADDRESS);
    a.addressOfLabel("x30", "after");
    a.jump("routine");
    a.label("after");
    a.set("x1", 0);
    a.subtractRegisters("x0", "x1", "x0");
    a.set("x8", syscallNumber("exit_group", "aarch64"));
    a.syscall();
    a.label("routine");
    a.data(routine);
    return a.assemble();
  },
};

type Call = readonly [name: SyscallName, args: readonly number[], result?: number];

/** Runs the calls in a process of their own, natively or under qemu. `text` is at `TEXT`. */
async function execute(architecture: Architecture, calls: readonly Call[]): Promise<{ code: number; output: string }> {
  const data = new Uint8Array(TEXT - DATA_ADDRESS + 16);
  const view = new DataView(data.buffer);
  const word = (offset: number, value: number): void => view.setBigInt64(offset, BigInt(value), true);
  word(0, calls.length - 1);
  calls.forEach(([name, args, result], index) => {
    const at = 8 + index * SEQUENCE_CALL_SIZE;
    word(at, syscallNumber(name, architecture));
    args.forEach((value, place) => word(at + 8 + place * 8, value));
    word(at + 56, result ?? 0);
  });
  data.set(new TextEncoder().encode("abc"), TEXT - DATA_ADDRESS);
  const text = DRIVERS[architecture](routines(architecture).sequence);
  const file = Deno.makeTempFileSync({ prefix: "libflux-sequence-" });
  try {
    Deno.writeFileSync(file, elfImage({ architecture, text, data, bss: 0 }));
    Deno.chmodSync(file, 0o700);
    const emulated = architecture === Deno.build.arch ? [] : [`qemu-${architecture}-static`];
    const [program = "", ...args] = [...emulated, file];
    const { code, stdout } = await new Deno.Command(program, { args }).output();
    return { code, output: new TextDecoder().decode(stdout) };
  } finally {
    Deno.removeSync(file);
  }
}

const TEXT = DATA_ADDRESS + 1024;
const write = (offset: number): Call => ["write", [1, TEXT + offset, 1]];
const BAD_DESCRIPTOR: Call = ["close", [77]];
const EBADF = 9;
const EINVAL = 22;

for (const architecture of ["x86_64", "aarch64"] as const) {
  const subject = `${architecture} sequence`;

  Deno.test(`${subject}: makes every call, and the last`, async () => {
    assertEquals(await execute(architecture, [write(0), write(1), write(2)]), { code: 0, output: "abc" });
  });

  Deno.test(`${subject}: puts a result where a later call takes it`, async () => {
    const lengthOfSecond = DATA_ADDRESS + 8 + SEQUENCE_CALL_SIZE + 8 + 16;
    const calls: Call[] = [["write", [1, TEXT, 2], lengthOfSecond], ["write", [1, TEXT + 1, 0]], write(0)];
    assertEquals(await execute(architecture, calls), { code: 0, output: "abbca" });
  });

  Deno.test(`${subject}: ends at the first failure, makes the last call all the same, and tells the failure`, async () => {
    const calls = [write(0), BAD_DESCRIPTOR, write(1), write(1), write(2)];
    assertEquals(await execute(architecture, calls), { code: EBADF, output: "ac" });
    assertEquals(await execute(architecture, [write(0), BAD_DESCRIPTOR, write(2)]), { code: EBADF, output: "ac" });
  });

  Deno.test(`${subject}: of two failures tells the first`, async () => {
    const calls: Call[] = [["fcntl", [1, 9999]], BAD_DESCRIPTOR];
    assertEquals(await execute(architecture, calls), { code: EINVAL, output: "" });
  });

  Deno.test(`${subject}: tells the last call's failure`, async () => {
    assertEquals(await execute(architecture, [write(0), BAD_DESCRIPTOR]), { code: EBADF, output: "a" });
    assertEquals(await execute(architecture, [write(0)]), { code: 0, output: "a" });
  });
}
