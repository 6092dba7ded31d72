/**
 * The routines for x86-64: see `mod.ts` for what they do.
 *
 * @module
 */
import { CLOSE_RANGE, PR } from "../abi/constants.ts";
import { type SyscallName, syscallNumber } from "../abi/syscalls.ts";
import { type Register, X86_64 } from "../assembler/x86_64.ts";
import { DATA_ADDRESS } from "../elf.ts";
import { INSTRUCTION_SIZE, SEQUENCE_CALL_SIZE } from "./format.ts";

const LAST_ERRNO = -4095;
const EINTR = -4;
const FAILED = 125;

const number = (name: SyscallName): number => syscallNumber(name, "x86_64");

/** The C calling convention to the kernel's. */
export function syscall(): X86_64 {
  const a = new X86_64();
  a.move("rax", "rdi");
  a.move("rdi", "rsi");
  a.move("rsi", "rdx");
  a.move("rdx", "rcx");
  a.move("r10", "r8");
  a.move("r8", "r9");
  a.load("r9", "rsp", 8);
  a.syscall();
  a.return();
  return a;
}

/** Clones a child that never touches its stack, which is its parent's. */
export function spawn(): X86_64 {
  const a = new X86_64();
  const call = (name: SyscallName): void => {
    a.set("rax", number(name));
    a.syscall();
  };
  const signalMask = (): void => {
    a.set("rdi", 2); // SIG_SETMASK
    a.set("r10", 8);
    call("rt_sigprocmask");
  };
  a.push("rbx");
  a.push("r12");
  a.move("rbx", "rdi");
  a.address("rsi", "rbx", 80);
  a.address("rdx", "rbx", 72);
  signalMask();
  a.load("rdi", "rbx", 0);
  a.load("rsi", "rbx", 8);
  call("clone3");
  a.test("rax");
  a.jumpIf("e", "child");

  a.move("r12", "rax");
  a.address("rsi", "rbx", 72);
  a.set("rdx", 0);
  signalMask();
  a.move("rax", "r12");
  a.pop("r12");
  a.pop("rbx");
  a.return();

  a.label("child");
  a.load("rdi", "rbx", 120);
  call("close");
  a.label("wait");
  a.load("rdi", "rbx", 16);
  a.address("rsi", "rbx", 88);
  a.set("rdx", 1);
  call("read");
  a.arithmeticWith("cmp", "rax", EINTR);
  a.jumpIf("e", "wait");
  a.arithmeticWith("cmp", "rax", 1);
  a.jumpIf("ne", "end");
  a.load("r12", "rbx", 56);
  a.load("r13", "rbx", 64);
  a.set("r14", 1);
  a.label("pair");
  a.test("r13");
  a.jumpIf("e", "execute");
  a.load("rdi", "r12", 0, 32);
  a.load("rsi", "r12", 4, 32);
  a.set("rdx", 0);
  call("dup3");
  a.arithmeticWith("cmp", "rax", LAST_ERRNO);
  a.jumpIf("ae", "failed");
  a.arithmeticWith("add", "r12", 8);
  a.arithmeticWith("sub", "r13", 1);
  a.jump("pair");
  a.label("execute");
  a.load("r13", "rbx", 136);
  a.test("r13");
  a.jumpIf("e", "kept");
  a.address("rdi", "rbx", 144);
  a.address("rsi", "rbx", 152);
  call("capset");
  a.label("keep");
  a.arithmeticWith("sub", "r13", 1);
  a.set("rdi", PR.PR_CAP_AMBIENT);
  a.set("rsi", PR.PR_CAP_AMBIENT_RAISE);
  a.move("rdx", "r13");
  a.set("r10", 0);
  a.set("r8", 0);
  call("prctl");
  a.test("r13");
  a.jumpIf("ne", "keep");
  a.label("kept");
  a.load("rdi", "rbx", 128);
  a.set("rsi", 0xffffffff);
  a.set("rdx", CLOSE_RANGE.CLOSE_RANGE_CLOEXEC);
  call("close_range");
  a.load("rdi", "rbx", 24);
  a.load("rsi", "rbx", 112);
  a.load("rdx", "rbx", 32);
  a.load("r10", "rbx", 40);
  a.set("r8", 0x1000); // AT_EMPTY_PATH
  call("execveat");
  a.set("r14", 2);
  a.label("failed");
  a.store("rbx", 96, "r14");
  a.store("rbx", 104, "rax");
  a.load("rdi", "rbx", 48);
  a.address("rsi", "rbx", 96);
  a.set("rdx", 16);
  call("write");
  a.label("end");
  a.set("rdi", FAILED);
  call("exit_group");
  return a;
}

const ARGUMENTS: readonly Register[] = ["rdi", "rsi", "rdx", "r10", "r8", "r9"];

/** Calls in a row: rbx is the call, r12 how many are left before the last, r13 the first failure. */
export function sequence(): X86_64 {
  const a = new X86_64();
  const call = (): void => {
    a.load("rax", "rbx", 0);
    ARGUMENTS.forEach((register, index) => a.load(register, "rbx", 8 + index * 8));
    a.syscall();
    a.arithmeticWith("cmp", "rax", LAST_ERRNO);
  };
  a.push("rbx");
  a.push("r12");
  a.push("r13");
  a.load("r12", "rdi", 0);
  a.address("rbx", "rdi", 8);
  a.set("r13", 0);
  a.label("next");
  a.test("r12");
  a.jumpIf("e", "last");
  call();
  a.jumpIf("ae", "failed");
  a.load("rcx", "rbx", 56);
  a.test("rcx");
  a.jumpIf("e", "advance");
  a.store("rcx", 0, "rax");
  a.label("advance");
  a.arithmeticWith("add", "rbx", SEQUENCE_CALL_SIZE);
  a.arithmeticWith("sub", "r12", 1);
  a.jump("next");
  a.label("failed");
  a.move("r13", "rax");
  a.label("skip");
  a.arithmeticWith("add", "rbx", SEQUENCE_CALL_SIZE);
  a.arithmeticWith("sub", "r12", 1);
  a.test("r12");
  a.jumpIf("ne", "skip");
  a.label("last");
  call();
  a.jumpIf("b", "return");
  a.test("r13");
  a.jumpIf("ne", "return");
  a.move("r13", "rax");
  a.label("return");
  a.move("rax", "r13");
  a.pop("r13");
  a.pop("r12");
  a.pop("rbx");
  a.return();
  return a;
}

/** Six instructions, no stack: rbx is the instruction, r12 the program's data. */
export function interpreter(): X86_64 {
  const a = new X86_64();
  a.set("r12", DATA_ADDRESS);
  a.load("rbx", "r12", 0);
  a.label("next");
  ARGUMENTS.forEach((register, index) => {
    a.load(register, "rbx", 16 + index * 8);
    a.testByte("rbx", 4, 1 << index);
    a.jumpIf("e", `direct${index}`);
    a.load(register, register, 0);
    a.label(`direct${index}`);
  });
  a.load("rax", "rbx", 0, 8);
  a.arithmeticWith("cmp", "rax", 1);
  a.jumpIf("e", "copy");
  a.arithmeticWith("cmp", "rax", 2);
  a.jumpIf("e", "branch");
  a.jumpIf("a", "others");

  a.load("rax", "rbx", 8);
  a.syscall();
  a.arithmeticWith("cmp", "rax", EINTR);
  a.jumpIf("e", "next");
  a.load("rcx", "rbx", 64);
  a.test("rcx");
  a.jumpIf("e", "stored");
  a.store("rcx", 0, "rax");
  a.label("stored");
  a.arithmeticWith("cmp", "rax", LAST_ERRNO);
  a.jumpIf("b", "advance");
  a.testByte("rbx", 1, 1);
  a.jumpIf("ne", "advance");
  a.load("rcx", "rbx", 2, 16);
  a.arithmetic("add", "rcx", "rax");
  a.jumpIf("e", "advance");
  a.store("r12", 16, "rbx");
  a.store("r12", 24, "rax");
  a.set("rax", number("write"));
  a.load("rdi", "r12", 8);
  a.address("rsi", "r12", 16);
  a.set("rdx", 16);
  a.syscall();
  a.set("rdi", FAILED);
  a.label("end");
  a.set("rax", number("exit_group"));
  a.syscall();

  a.label("copy");
  a.move("rcx", "rdx");
  a.copyBytes();
  a.label("advance");
  a.arithmeticWith("add", "rbx", INSTRUCTION_SIZE);
  a.jump("next");

  a.label("branch");
  a.arithmetic("cmp", "rdi", "rsi");
  a.set("rax", 1);
  a.jumpIf("l", "compared");
  a.set("rax", 2);
  a.jumpIf("e", "compared");
  a.set("rax", 4);
  a.label("compared");
  a.testWithMemory("rax", "rbx", 8);
  a.jumpIf("e", "advance");
  a.load("rbx", "rbx", 64);
  a.jump("next");

  a.label("others");
  a.arithmeticWith("cmp", "rax", 4);
  a.jumpIf("b", "exit");
  a.jumpIf("e", "add");
  a.label("find");
  a.arithmetic("cmp", "rdi", "rsi");
  a.jumpIf("ae", "result");
  a.load("rax", "rdi", 0, 8);
  a.arithmetic("cmp", "rax", "rdx");
  a.jumpIf("e", "result");
  a.arithmeticWith("add", "rdi", 1);
  a.jump("find");
  a.label("add");
  a.arithmetic("add", "rdi", "rsi");
  a.arithmetic("sub", "rdi", "rdx");
  a.label("result");
  a.load("rcx", "rbx", 64);
  a.store("rcx", 0, "rdi");
  a.jump("advance");

  a.label("exit");
  a.move("rax", "rdi");
  a.arithmeticWith("and", "rax", 0x7f);
  a.jumpIf("ne", "signalled");
  a.shiftRight("rdi", 8);
  a.jump("end");
  a.label("signalled");
  a.address("rdi", "rax", 128);
  a.jump("end");
  return a;
}
