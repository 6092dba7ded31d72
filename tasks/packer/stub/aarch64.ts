/**
 * The stub for AArch64.
 *
 * @module
 */
import { F, MFD, MMAP } from "../../../ffi/abi/constants.ts";
import { type SyscallName, syscallNumber } from "../../../ffi/abi/syscalls.ts";
import { AArch64 } from "../../../ffi/assembler/aarch64.ts";
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
export function aarch64({ address, entry, bundleSize, environ }: StubOptions): AArch64 {
  const a = new AArch64();
  const call = (name: SyscallName) => {
    a.set("x8", syscallNumber(name, "aarch64"));
    a.syscall();
  };
  a.label("start");
  // what the dynamic loader wants to run at exit; the kernel's zero where there is none
  a.move("x19", "x0");

  a.addressOfLabel("x0", "name");
  a.set("x1", MFD.MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  call("memfd_create");
  a.compareWith("x0", -EINVAL);
  a.jumpIf("ne", "created");
  a.addressOfLabel("x0", "name");
  a.set("x1", MFD.MFD_CLOEXEC);
  call("memfd_create");
  a.label("created");

  // a closed standard stream must not become the bundle
  a.move("x20", "x0");
  a.compareWith("x0", 2);
  a.jumpIf("gt", "write");
  a.jumpIfBit("x0", 63, "fail", true);
  a.set("x1", F.F_DUPFD_CLOEXEC);
  a.set("x2", 3);
  call("fcntl");
  a.move("x21", "x0");
  a.move("x0", "x20");
  call("close");
  a.move("x20", "x21");
  a.jumpIfBit("x20", 63, "fail", true);

  a.label("write");
  a.addressOfLabel("x1", "bundle");
  a.set("x2", bundleSize);
  a.label("more");
  a.jumpIfZero("x2", "written");
  a.move("x0", "x20");
  call("write");
  a.compareWith("x0", 0);
  a.jumpIf("le", "fail");
  a.addRegisters("x1", "x1", "x0");
  a.subtractRegisters("x2", "x2", "x0");
  a.jump("more");
  a.label("written");

  // the path needs memory that stays: below the stack pointer nothing does
  a.set("x0", 0);
  a.set("x1", PAGE);
  a.set("x2", MMAP.PROT_READ | MMAP.PROT_WRITE);
  a.set("x3", MMAP.MAP_PRIVATE | MMAP.MAP_ANONYMOUS);
  a.set("x4", 0xffffffff);
  a.set("x5", 0);
  call("mmap");
  a.jumpIfBit("x0", 63, "fail", true);

  a.add("x0", "x0", PATH_END);
  a.set("x3", 10);
  a.label("digit");
  a.divide("x1", "x20", "x3");
  a.multiplySubtract("x2", "x1", "x3", "x20");
  a.add("x2", "x2", 0x30);
  a.subtract("x0", "x0", 1);
  a.store("x0", 0, "x2", 8);
  a.move("x20", "x1");
  a.jumpIfZero("x20", "digit", false);
  a.subtract("x0", "x0", PATH.length);
  a.addressOfLabel("x1", "path");
  for (const offset of [0, 8]) {
    a.load("x2", "x1", offset);
    a.store("x0", offset, "x2");
  }
  a.add("x0", "x0", PATH_PADDING);

  // the arguments move down, so that there is room before the environment
  a.load("x6", "sp", 0);
  a.load("x7", "sp", 8);
  a.add("x4", "sp", 16);
  a.subtract("x5", "x4", ENVIRONMENT.length * 8);
  a.label("argument");
  a.load("x1", "x4", 0);
  a.store("x5", 0, "x1");
  a.add("x4", "x4", 8);
  a.add("x5", "x5", 8);
  a.jumpIfZero("x1", "argument", false);
  ENVIRONMENT.forEach((variable, index) => {
    a.addressOfLabel("x1", labelOf(variable));
    a.store("x5", index * 8, "x1");
  });
  if (environ !== undefined) {
    a.addressOfLabel("x1", "start");
    a.set("x2", address - environ);
    a.subtractRegisters("x1", "x1", "x2");
    a.load("x1", "x1", 0);
    a.store("x1", 0, "x5");
  }

  // argc and argv[0] move further; what the kernel put behind the arguments stays where it is
  a.subtract("sp", "sp", ADDED * 8);
  a.add("x1", "x6", ADDED_ARGUMENTS);
  a.store("sp", 0, "x1");
  a.store("sp", 8, "x7");
  ARGUMENTS.forEach((argument, index) => {
    a.addressOfLabel("x1", labelOf(argument));
    a.store("sp", 16 + index * 8, "x1");
  });
  a.store("sp", 16 + ARGUMENTS.length * 8, "x0");

  a.addressOfLabel("x16", "start");
  a.set("x1", address - entry);
  a.subtractRegisters("x16", "x16", "x1");
  a.move("x0", "x19");
  a.jumpTo("x16");

  a.label("fail");
  a.set("x0", 2);
  a.addressOfLabel("x1", "sentence");
  a.set("x2", SENTENCE.length);
  call("write");
  a.set("x0", FAILURE);
  call("exit_group");
  return a;
}
