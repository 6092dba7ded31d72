/**
 * The stub's machine on x86-64.
 *
 * @module
 */
import { syscallNumber } from "../../../ffi/abi/syscalls.ts";
import type { Register as Native, X86_64 } from "../../../ffi/assembler/x86_64.ts";
import type { Machine, Register } from "./machine.ts";

const REGISTERS: Readonly<Record<Register, Native>> = {
  stack: "rsp",
  loader: "rbx",
  memory: "r12",
  a: "r13",
  b: "r14",
  c: "r15",
  result: "rax",
};
const ARGUMENTS: readonly Native[] = ["rdi", "rsi", "rdx", "r10", "r8", "r9"];
const CONDITIONS = { "=": "e", "!=": "ne", "<": "b" } as const;

/** Translates the stub's program for an assembler. */
export function x86_64(assembler: X86_64): Machine {
  const a = assembler;
  const to = (register: Register): Native => REGISTERS[register];
  return {
    label: (name) => a.label(name),
    data: (bytes) => a.data(bytes),
    begin: () => a.move(to("loader"), "rdx"),
    enter(distance) {
      a.addressOfLabel("rax", "start");
      a.arithmeticWith("sub", "rax", distance);
      a.move("rdx", to("loader"));
      a.jumpTo("rax");
    },
    set: (destination, value) => a.set(to(destination), value),
    address(destination, label, less = 0) {
      a.addressOfLabel(to(destination), label);
      if (less !== 0) a.arithmeticWith("sub", to(destination), less);
    },
    add: (destination, source, value) => a.address(to(destination), to(source), value),
    addRegister: (destination, source) => a.arithmetic("add", to(destination), to(source)),
    subtractRegister: (destination, source) => a.arithmetic("sub", to(destination), to(source)),
    load: (destination, base, offset, bits = 64) => a.load(to(destination), to(base), offset, bits),
    store(base, offset, source, bits = 64) {
      if (bits === 64) a.store(to(base), offset, to(source));
      else a.storeByte(to(base), offset, to(source));
    },
    bits(destination, source, first, width) {
      if (destination !== source) a.move(to(destination), to(source));
      a.shiftRight(to(destination), first);
      if (first + width < 64) a.arithmeticWith("and", to(destination), 2 ** width - 1);
    },
    divideByTen(remainder) {
      a.set("rdx", 0);
      a.set("rcx", 10);
      a.divide("rcx");
      a.move(to(remainder), "rdx");
    },
    jump: (label) => a.jump(label),
    jumpIf(first, relation, second, label) {
      if (typeof second === "number") a.arithmeticWith("cmp", to(first), second);
      else a.arithmetic("cmp", to(first), to(second));
      a.jumpIf(CONDITIONS[relation], label);
    },
    jumpIfError(label) {
      a.test("rax");
      a.jumpIf("s", label);
    },
    call(name, ...args) {
      args.forEach((arg, index) => {
        const target = ARGUMENTS[index] ?? "r9";
        if (typeof arg === "number") a.set(target, arg >>> 0);
        else if (typeof arg === "string") a.move(target, to(arg));
        else if ("label" in arg) a.addressOfLabel(target, arg.label);
        else a.address(target, to("memory"), arg.memory);
      });
      a.set("rax", syscallNumber(name, "x86_64"));
      a.syscall();
    },
  };
}
