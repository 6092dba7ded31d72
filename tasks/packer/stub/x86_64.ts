/**
 * The stub for x86-64.
 *
 * @module
 */
import { F, MFD, MMAP } from "../../../ffi/abi/constants.ts";
import { type SyscallName, syscallNumber } from "../../../ffi/abi/syscalls.ts";
import { X86_64 } from "../../../ffi/assembler/x86_64.ts";
import {
  ADDED,
  ADDED_ARGUMENTS,
  ARGUMENTS,
  EINVAL,
  ENVIRONMENT,
  FAILURE,
  labelOf,
  MFD_NOEXEC_SEAL,
  PAGE,
  PATH,
  PATH_END,
  PATH_PADDING,
  SENTENCE,
  type StubOptions,
} from "./content.ts";

/** The stub's instructions, without its strings. */
export function x86_64({ address, entry, bundleSize, environ }: StubOptions): X86_64 {
  const a = new X86_64();
  const call = (name: SyscallName) => {
    a.set("rax", syscallNumber(name, "x86_64"));
    a.syscall();
  };
  a.label("start");
  // what the dynamic loader wants to run at exit; the kernel's zero where there is none
  a.move("rbx", "rdx");

  a.addressOfLabel("rdi", "name");
  a.set("rsi", MFD.MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  call("memfd_create");
  a.arithmeticWith("cmp", "rax", -EINVAL);
  a.jumpIf("ne", "created");
  a.set("rsi", MFD.MFD_CLOEXEC);
  call("memfd_create");
  a.label("created");

  // a closed standard stream must not become the bundle
  a.move("r12", "rax");
  a.arithmeticWith("cmp", "rax", 2);
  a.jumpIf("g", "write");
  a.test("rax");
  a.jumpIf("s", "fail");
  a.move("rdi", "rax");
  a.set("rsi", F.F_DUPFD_CLOEXEC);
  a.set("rdx", 3);
  call("fcntl");
  a.move("r12", "rax");
  call("close");
  a.test("r12");
  a.jumpIf("s", "fail");

  a.label("write");
  a.addressOfLabel("rsi", "bundle");
  a.set("rdx", bundleSize);
  a.label("more");
  a.test("rdx");
  a.jumpIf("e", "written");
  a.move("rdi", "r12");
  call("write");
  a.test("rax");
  a.jumpIf("le", "fail");
  a.arithmetic("add", "rsi", "rax");
  a.arithmetic("sub", "rdx", "rax");
  a.jump("more");
  a.label("written");

  // the path needs memory that stays: below the stack pointer nothing does
  a.set("rdi", 0);
  a.set("rsi", PAGE);
  a.set("rdx", MMAP.PROT_READ | MMAP.PROT_WRITE);
  a.set("r10", MMAP.MAP_PRIVATE | MMAP.MAP_ANONYMOUS);
  a.set("r8", 0xffffffff);
  a.set("r9", 0);
  call("mmap");
  a.test("rax");
  a.jumpIf("s", "fail");

  a.address("rdi", "rax", PATH_END);
  a.move("rax", "r12");
  a.set("rcx", 10);
  a.label("digit");
  a.set("rdx", 0);
  a.divide("rcx");
  a.arithmeticWith("add", "rdx", 0x30);
  a.arithmeticWith("sub", "rdi", 1);
  a.storeByte("rdi", 0, "rdx");
  a.test("rax");
  a.jumpIf("ne", "digit");
  a.arithmeticWith("sub", "rdi", PATH.length);
  a.addressOfLabel("rsi", "path");
  for (const offset of [0, 8]) {
    a.load("rdx", "rsi", offset);
    a.store("rdi", offset, "rdx");
  }
  a.arithmeticWith("add", "rdi", PATH_PADDING);

  // the arguments move down, so that there is room before the environment
  a.load("r8", "rsp", 0);
  a.load("r9", "rsp", 8);
  a.address("rsi", "rsp", 16);
  a.label("argument");
  a.load("rax", "rsi", 0);
  a.store("rsi", -ENVIRONMENT.length * 8, "rax");
  a.arithmeticWith("add", "rsi", 8);
  a.test("rax");
  a.jumpIf("ne", "argument");
  ENVIRONMENT.forEach((variable, index) => {
    a.addressOfLabel("rdx", labelOf(variable));
    a.store("rsi", (index - ENVIRONMENT.length) * 8, "rdx");
  });
  if (environ !== undefined) {
    a.address("rsi", "rsi", -ENVIRONMENT.length * 8);
    a.addressOfLabel("rax", "start");
    a.set("rcx", address - environ);
    a.arithmetic("sub", "rax", "rcx");
    a.load("rax", "rax", 0);
    a.store("rax", 0, "rsi");
  }

  // argc and argv[0] move further; what the kernel put behind the arguments stays where it is
  a.arithmeticWith("sub", "rsp", ADDED * 8);
  a.arithmeticWith("add", "r8", ADDED_ARGUMENTS);
  a.store("rsp", 0, "r8");
  a.store("rsp", 8, "r9");
  ARGUMENTS.forEach((argument, index) => {
    a.addressOfLabel("rdx", labelOf(argument));
    a.store("rsp", 16 + index * 8, "rdx");
  });
  a.store("rsp", 16 + ARGUMENTS.length * 8, "rdi");

  a.addressOfLabel("rax", "start");
  a.set("rcx", address - entry);
  a.arithmetic("sub", "rax", "rcx");
  a.move("rdx", "rbx");
  a.jumpTo("rax");

  a.label("fail");
  a.set("rdi", 2);
  a.addressOfLabel("rsi", "sentence");
  a.set("rdx", SENTENCE.length);
  call("write");
  a.set("rdi", FAILURE);
  call("exit_group");
  return a;
}
