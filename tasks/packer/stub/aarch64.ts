/**
 * The stub's machine on AArch64.
 *
 * @module
 */
import { syscallNumber } from "../../../ffi/abi/syscalls.ts";
import type { AArch64, Register as Native } from "../../../ffi/assembler/aarch64.ts";
import type { Machine, Register } from "./machine.ts";

const REGISTERS: Readonly<Record<Register, Native>> = {
  stack: "sp",
  loader: "x19",
  memory: "x20",
  a: "x21",
  b: "x22",
  c: "x23",
  result: "x0",
};
const CONDITIONS = { "=": "eq", "!=": "ne", "<": "lo" } as const;

/** Translates the stub's program for an assembler. */
export function aarch64(assembler: AArch64): Machine {
  const a = assembler;
  const to = (register: Register): Native => REGISTERS[register];
  const add = (destination: Native, source: Native, value: number): void => {
    if (value < 0) a.subtract(destination, source, -value);
    // what is larger is a place in memory
    else if (value > 4095) {
      a.set("x9", value);
      a.addRegisters(destination, source, "x9");
    } else a.add(destination, source, value);
  };
  const address = (destination: Native, label: string, less = 0): void => {
    a.addressOfLabel(destination, label);
    if (less === 0) return;
    a.set("x9", less);
    a.subtractRegisters(destination, destination, "x9");
  };
  return {
    label: (name) => a.label(name),
    data: (bytes) => a.data(bytes),
    begin: () => a.move(to("loader"), "x0"),
    enter(distance) {
      address("x16", "start", distance);
      a.move("x0", to("loader"));
      a.jumpTo("x16");
    },
    set: (destination, value) => a.set(to(destination), value),
    address: (destination, label, less) => address(to(destination), label, less),
    add: (destination, source, value) => add(to(destination), to(source), value),
    addRegister: (destination, source) => a.addRegisters(to(destination), to(destination), to(source)),
    subtractRegister: (destination, source) => a.subtractRegisters(to(destination), to(destination), to(source)),
    load: (destination, base, offset, bits = 64) => a.load(to(destination), to(base), offset, bits),
    store: (base, offset, source, bits = 64) => a.store(to(base), offset, to(source), bits),
    bits: (destination, source, first, width) => a.bits(to(destination), to(source), first, width),
    divideByTen(remainder) {
      a.set("x9", 10);
      a.divide("x10", "x0", "x9");
      a.multiplySubtract(to(remainder), "x10", "x9", "x0");
      a.move("x0", "x10");
    },
    jump: (label) => a.jump(label),
    jumpIf(first, relation, second, label) {
      if (typeof second !== "number") a.compare(to(first), to(second));
      else if (second <= 4095) a.compareWith(to(first), second);
      else {
        a.set("x9", second);
        a.compare(to(first), "x9");
      }
      a.jumpIf(CONDITIONS[relation], label);
    },
    jumpIfError: (label) => a.jumpIfBit("x0", 63, label, true),
    call(name, ...args) {
      args.forEach((arg, index) => {
        const target: Native = `x${index}`;
        if (typeof arg === "number") a.set(target, arg >>> 0);
        else if (typeof arg === "string") a.move(target, to(arg));
        else if ("label" in arg) a.addressOfLabel(target, arg.label);
        else add(target, to("memory"), arg.memory);
      });
      a.set("x8", syscallNumber(name, "aarch64"));
      a.syscall();
    },
  };
}
