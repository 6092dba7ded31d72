import { assertEquals } from "@std/assert";
import { ASSEMBLED } from "../../ffi/routines/assembled.ts";
import { assembleAll } from "../../tasks/assemble.ts";
import * as aarch64 from "../../ffi/routines/aarch64.ts";
import * as x86_64 from "../../ffi/routines/x86_64.ts";
import { AArch64 } from "../../ffi/assembler/aarch64.ts";
import { X86_64 } from "../../ffi/assembler/x86_64.ts";

/** What GNU binutils make of a source: the bytes of `.text`. */
function gnu(architecture: "x86_64" | "aarch64", source: string): Uint8Array {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-as-" });
  try {
    const [input, object, output] = [`${directory}/in.s`, `${directory}/out.o`, `${directory}/out.bin`];
    Deno.writeTextFileSync(input, source);
    run(`${architecture}-linux-gnu-as`, ["-o", object, input]);
    run(`${architecture}-linux-gnu-objcopy`, ["-O", "binary", "-j", ".text", object, output]);
    return Deno.readFileSync(output);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function run(program: string, args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args, stderr: "piped" }).outputSync();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}

Deno.test("assembled.ts holds what the assemblers make: run tasks/assemble.ts after a change", () => {
  assertEquals(assembleAll(), ASSEMBLED);
});

const hex = (bytes: Uint8Array): string[] => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));

for (const routine of ["syscall", "spawn", "sequence", "interpreter"] as const) {
  Deno.test(`x86-64 ${routine}: the same bytes as GNU as`, () => {
    const code = x86_64[routine]();
    assertEquals(hex(code.assemble()), hex(gnu("x86_64", code.source)));
  });
  Deno.test(`aarch64 ${routine}: the same bytes as GNU as`, () => {
    const code = aarch64[routine]();
    assertEquals(hex(code.assemble()), hex(gnu("aarch64", code.source)));
  });
}

Deno.test("X86_64: every instruction, on low and high registers, near and far, as GNU as", () => {
  const a = new X86_64();
  for (const r of ["rax", "rbx", "rsp", "rbp", "rdi", "r8", "r12", "r13", "r15"] as const) {
    a.move(r, "rcx");
    a.move("r9", r);
    a.set(r, 0);
    a.set(r, 1);
    a.set(r, 0xffffffff);
    for (const offset of [0, 8, -8, 127, 128, 4096]) {
      for (const bits of [8, 16, 32, 64] as const) {
        a.load("rdx", r, offset, bits);
        a.load("r10", r, offset, bits);
      }
      a.store(r, offset, "rsi");
      a.store(r, offset, "r14");
      for (const source of ["rax", "rbx", "rsp", "rsi", "rdi", "r9"] as const) a.storeByte(r, offset, source);
      a.address("rdi", r, offset);
      a.testByte(r, offset, 0x81);
      a.testWithMemory("rax", r, offset);
    }
    for (const operation of ["add", "or", "and", "sub", "xor", "cmp"] as const) {
      a.arithmetic(operation, r, "r11");
      for (const value of [0, 1, -1, 127, -128, 128, 65536]) a.arithmeticWith(operation, r, value);
    }
    a.test(r);
    a.shiftRight(r, 8);
    a.divide(r);
    a.push(r);
    a.pop(r);
    a.jumpTo(r);
    a.addressOfLabel(r, "middle");
  }
  a.jump("end");
  for (const condition of ["b", "ae", "e", "ne", "be", "a", "s", "ns", "l", "ge", "le", "g"] as const) {
    a.jumpIf(condition, "middle");
  }
  a.label("middle");
  a.jump("middle");
  a.data(new Uint8Array(200));
  a.jumpIf("e", "middle");
  a.jumpIf("e", "end");
  a.copyBytes();
  a.label("end");
  a.syscall();
  a.return();
  assertEquals(hex(a.assemble()), hex(gnu("x86_64", a.source)));
});

Deno.test("AArch64: every instruction, as GNU as", () => {
  const a = new AArch64();
  a.label("start");
  for (const r of ["x0", "x7", "x19", "x30"] as const) {
    a.move(r, "x5");
    a.move("x3", r);
    a.set(r, 0);
    a.set(r, 65535);
    a.set(r, 0xffffffff);
    for (const bits of [8, 16, 32, 64] as const) {
      a.load(r, "x20", bits / 8 * 3, bits);
      a.load("x1", r, 0, bits);
    }
    a.load(r, "sp", 8);
    a.store(r, 16, "x2");
    a.store(r, 1, "x2", 8);
    a.add(r, "x9", 4095);
    a.subtract(r, "x9", 1);
    a.addRegisters(r, "x1", "x2");
    a.subtractRegisters(r, "x1", "x2");
    a.divide(r, "x1", "x2");
    a.divide("x4", "x30", r);
    a.multiplySubtract(r, "x1", "x2", "x3");
    a.multiplySubtract("x4", "x30", r, "x29");
    a.compare(r, "x4");
    a.compareWith(r, 4095);
    a.compareWith(r, -4095);
    a.test(r, "x6");
    a.bits(r, "x6", 8, 8);
    a.bits(r, "x6", 0, 7);
    a.jumpTo(r);
    a.addressOfLabel(r, "end");
    a.addressOfLabel(r, "start");
    for (const bit of [0, 5, 31, 63]) {
      a.jumpIfBit(r, bit, "end", true);
      a.jumpIfBit(r, bit, "start", false);
    }
    a.jumpIfZero(r, "start");
    a.jumpIfZero(r, "end", false);
  }
  a.move("sp", "x1");
  a.move("x1", "sp");
  for (const condition of ["eq", "ne", "hs", "lo", "mi", "pl", "hi", "ls", "ge", "lt", "gt", "le"] as const) {
    a.jumpIf(condition, "start");
  }
  a.jump("start");
  a.jump("end");
  a.data([1, 2, 3, 4]);
  a.label("end");
  a.syscall();
  a.return();
  assertEquals(hex(a.assemble()), hex(gnu("aarch64", a.source)));
});
