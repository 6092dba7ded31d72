/**
 * The routines for AArch64: see `mod.ts` for what they do.
 *
 * @module
 */
import { CLOSE_RANGE, PR } from "../abi/constants.ts";
import { type SyscallName, syscallNumber } from "../abi/syscalls.ts";
import { AArch64, type Register } from "../assembler/aarch64.ts";
import { DATA_ADDRESS } from "../elf.ts";
import { INSTRUCTION_SIZE, SEQUENCE_CALL_SIZE } from "./format.ts";

const LAST_ERRNO = -4095;
const EINTR = -4;
const FAILED = 125;

const number = (name: SyscallName): number => syscallNumber(name, "aarch64");

/** The C calling convention to the kernel's. */
export function syscall(): AArch64 {
  const a = new AArch64();
  a.move("x8", "x0");
  for (let i = 0; i < 6; i++) a.move(`x${i}`, `x${i + 1}`);
  a.syscall();
  a.return();
  return a;
}

/** Clones a child that never touches its stack, which is its parent's. */
export function spawn(): AArch64 {
  const a = new AArch64();
  const call = (name: SyscallName): void => {
    a.set("x8", number(name));
    a.syscall();
  };
  const signalMask = (): void => {
    a.set("x0", 2); // SIG_SETMASK
    a.set("x3", 8);
    call("rt_sigprocmask");
  };
  // x9 to x15 are the caller's to save, and no syscall changes them.
  a.move("x9", "x0");
  a.add("x1", "x9", 80);
  a.add("x2", "x9", 72);
  signalMask();
  a.load("x0", "x9", 0);
  a.load("x1", "x9", 8);
  call("clone3");
  a.jumpIfZero("x0", "child");

  a.move("x10", "x0");
  a.add("x1", "x9", 72);
  a.set("x2", 0);
  signalMask();
  a.move("x0", "x10");
  a.return();

  a.label("child");
  a.load("x0", "x9", 120);
  call("close");
  a.label("wait");
  a.load("x0", "x9", 16);
  a.add("x1", "x9", 88);
  a.set("x2", 1);
  call("read");
  a.compareWith("x0", EINTR);
  a.jumpIf("eq", "wait");
  a.compareWith("x0", 1);
  a.jumpIf("ne", "end");
  a.load("x10", "x9", 56);
  a.load("x11", "x9", 64);
  a.set("x12", 1);
  a.label("pair");
  a.jumpIfZero("x11", "execute");
  a.load("x0", "x10", 0, 32);
  a.load("x1", "x10", 4, 32);
  a.set("x2", 0);
  call("dup3");
  a.compareWith("x0", LAST_ERRNO);
  a.jumpIf("hs", "failed");
  a.add("x10", "x10", 8);
  a.subtract("x11", "x11", 1);
  a.jump("pair");
  a.label("execute");
  a.load("x11", "x9", 136);
  a.jumpIfZero("x11", "kept");
  a.add("x0", "x9", 144);
  a.add("x1", "x9", 152);
  call("capset");
  a.label("keep");
  a.subtract("x11", "x11", 1);
  a.set("x0", PR.PR_CAP_AMBIENT);
  a.set("x1", PR.PR_CAP_AMBIENT_RAISE);
  a.move("x2", "x11");
  a.set("x3", 0);
  a.set("x4", 0);
  call("prctl");
  a.jumpIfZero("x11", "keep", false);
  a.label("kept");
  a.load("x0", "x9", 128);
  a.set("x1", 0xffffffff);
  a.set("x2", CLOSE_RANGE.CLOSE_RANGE_CLOEXEC);
  call("close_range");
  a.load("x0", "x9", 24);
  a.load("x1", "x9", 112);
  a.load("x2", "x9", 32);
  a.load("x3", "x9", 40);
  a.set("x4", 0x1000); // AT_EMPTY_PATH
  call("execveat");
  a.set("x12", 2);
  a.label("failed");
  a.store("x9", 96, "x12");
  a.store("x9", 104, "x0");
  a.load("x0", "x9", 48);
  a.add("x1", "x9", 96);
  a.set("x2", 16);
  call("write");
  a.label("end");
  a.set("x0", FAILED);
  call("exit_group");
  return a;
}

const ARGUMENTS: readonly Register[] = ["x0", "x1", "x2", "x3", "x4", "x5"];

/** Calls in a row: x9 is the call, x10 how many are left before the last, x11 the first failure. */
export function sequence(): AArch64 {
  const a = new AArch64();
  const call = (): void => {
    a.load("x8", "x9", 0);
    ARGUMENTS.forEach((register, index) => a.load(register, "x9", 8 + index * 8));
    a.syscall();
    a.compareWith("x0", LAST_ERRNO);
  };
  a.load("x10", "x0", 0);
  a.add("x9", "x0", 8);
  a.set("x11", 0);
  a.label("next");
  a.jumpIfZero("x10", "last");
  call();
  a.jumpIf("hs", "failed");
  a.load("x12", "x9", 56);
  a.jumpIfZero("x12", "advance");
  a.store("x12", 0, "x0");
  a.label("advance");
  a.add("x9", "x9", SEQUENCE_CALL_SIZE);
  a.subtract("x10", "x10", 1);
  a.jump("next");
  a.label("failed");
  a.move("x11", "x0");
  a.label("skip");
  a.add("x9", "x9", SEQUENCE_CALL_SIZE);
  a.subtract("x10", "x10", 1);
  a.jumpIfZero("x10", "skip", false);
  a.label("last");
  call();
  a.jumpIf("lo", "return");
  a.jumpIfZero("x11", "return", false);
  a.move("x11", "x0");
  a.label("return");
  a.move("x0", "x11");
  a.return();
  return a;
}

/** Six instructions, no stack: x19 is the instruction, x20 the program's data. */
export function interpreter(): AArch64 {
  const a = new AArch64();
  a.set("x20", DATA_ADDRESS);
  a.load("x19", "x20", 0);
  a.label("next");
  a.load("x9", "x19", 4, 8);
  ARGUMENTS.forEach((register, index) => {
    a.load(register, "x19", 16 + index * 8);
    a.jumpIfBit("x9", index, `direct${index}`, false);
    a.load(register, register, 0);
    a.label(`direct${index}`);
  });
  a.load("x9", "x19", 0, 8);
  a.compareWith("x9", 1);
  a.jumpIf("eq", "copy");
  a.compareWith("x9", 2);
  a.jumpIf("eq", "branch");
  a.jumpIf("hi", "others");

  a.load("x8", "x19", 8);
  a.syscall();
  a.compareWith("x0", EINTR);
  a.jumpIf("eq", "next");
  a.load("x9", "x19", 64);
  a.jumpIfZero("x9", "stored");
  a.store("x9", 0, "x0");
  a.label("stored");
  a.compareWith("x0", LAST_ERRNO);
  a.jumpIf("lo", "advance");
  a.load("x9", "x19", 1, 8);
  a.jumpIfBit("x9", 0, "advance", true);
  a.load("x9", "x19", 2, 16);
  a.addRegisters("x9", "x9", "x0");
  a.jumpIfZero("x9", "advance");
  a.store("x20", 16, "x19");
  a.store("x20", 24, "x0");
  a.set("x8", number("write"));
  a.load("x0", "x20", 8);
  a.add("x1", "x20", 16);
  a.set("x2", 16);
  a.syscall();
  a.set("x0", FAILED);
  a.label("end");
  a.set("x8", number("exit_group"));
  a.syscall();

  a.label("copy");
  a.label("byte");
  a.jumpIfZero("x2", "advance");
  a.load("x9", "x1", 0, 8);
  a.store("x0", 0, "x9", 8);
  a.add("x0", "x0", 1);
  a.add("x1", "x1", 1);
  a.subtract("x2", "x2", 1);
  a.jump("byte");
  a.label("advance");
  a.add("x19", "x19", INSTRUCTION_SIZE);
  a.jump("next");

  a.label("branch");
  a.compare("x0", "x1");
  a.set("x9", 1);
  a.jumpIf("lt", "compared");
  a.set("x9", 2);
  a.jumpIf("eq", "compared");
  a.set("x9", 4);
  a.label("compared");
  a.load("x10", "x19", 8);
  a.test("x9", "x10");
  a.jumpIf("eq", "advance");
  a.load("x19", "x19", 64);
  a.jump("next");

  a.label("others");
  a.compareWith("x9", 4);
  a.jumpIf("lo", "exit");
  a.jumpIf("eq", "add");
  a.label("find");
  a.compare("x0", "x1");
  a.jumpIf("hs", "result");
  a.load("x9", "x0", 0, 8);
  a.compare("x9", "x2");
  a.jumpIf("eq", "result");
  a.add("x0", "x0", 1);
  a.jump("find");
  a.label("add");
  a.addRegisters("x0", "x0", "x1");
  a.subtractRegisters("x0", "x0", "x2");
  a.label("result");
  a.load("x9", "x19", 64);
  a.store("x9", 0, "x0");
  a.jump("advance");

  a.label("exit");
  a.bits("x9", "x0", 0, 7);
  a.jumpIfZero("x9", "signalled", false);
  a.bits("x0", "x0", 8, 8);
  a.jump("end");
  a.label("signalled");
  a.add("x0", "x9", 128);
  a.jump("end");
  return a;
}
