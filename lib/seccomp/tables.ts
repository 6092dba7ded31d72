/**
 * Syscall numbers by name, for each ABI.
 *
 * @module
 */
import { SYSCALL_NUMBERS } from "./syscall_numbers.ts";
import type { SeccompArchitecture } from "./types.ts";

/** `__X32_SYSCALL_BIT`, `asm/unistd.h`: x86_64's kernel under other numbers. */
export const X32_BIT = 0x40000000;

/** Names and numbers of an ABI. */
export type SyscallTable = ReadonlyMap<string, number>;

let tables: Readonly<Record<SeccompArchitecture, SyscallTable>> | undefined;

/** Reads the tables. Not before they are needed: the usual filter is compiled already. */
function read(): Readonly<Record<SeccompArchitecture, SyscallTable>> {
  const made = {
    SCMP_ARCH_X86_64: new Map<string, number>(),
    SCMP_ARCH_X86: new Map<string, number>(),
    SCMP_ARCH_X32: new Map<string, number>(),
    SCMP_ARCH_AARCH64: new Map<string, number>(),
    SCMP_ARCH_ARM: new Map<string, number>(),
  };
  for (const entry of SYSCALL_NUMBERS.trim().split(/\s+/)) {
    const [name = "", numbers = ""] = entry.split(":");
    const [x86_64 = "", x86 = x86_64, x32 = "=", aarch64 = x86_64, arm = x86_64] = numbers.split(",");
    const set = (architecture: SeccompArchitecture, number: string, bit = 0): void => {
      if (number !== "") made[architecture].set(name, Number(number) + bit);
    };
    set("SCMP_ARCH_X86_64", x86_64);
    set("SCMP_ARCH_X86", x86);
    set("SCMP_ARCH_X32", x32 === "=" ? x86_64 : x32, X32_BIT);
    set("SCMP_ARCH_AARCH64", aarch64);
    set("SCMP_ARCH_ARM", arm);
  }
  return made;
}

/** The table of an ABI. */
export function syscallTable(architecture: SeccompArchitecture): SyscallTable {
  tables ??= read();
  return tables[architecture];
}

/**
 * Calls that x86 once had only as a number to `socketcall` or `ipc` (`linux/net.h`, `linux/ipc.h`), and where it still has
 * them so: a rule about one is about both ways.
 */
export const MULTIPLEXED: Readonly<Record<"socketcall" | "ipc", Readonly<Record<string, number>>>> = {
  socketcall: {
    socket: 1,
    bind: 2,
    connect: 3,
    listen: 4,
    accept: 5,
    getsockname: 6,
    getpeername: 7,
    socketpair: 8,
    send: 9,
    recv: 10,
    sendto: 11,
    recvfrom: 12,
    shutdown: 13,
    setsockopt: 14,
    getsockopt: 15,
    sendmsg: 16,
    recvmsg: 17,
    accept4: 18,
    recvmmsg: 19,
    sendmmsg: 20,
  },
  ipc: {
    semop: 1,
    semget: 2,
    semctl: 3,
    semtimedop: 4,
    msgsnd: 11,
    msgrcv: 12,
    msgget: 13,
    msgctl: 14,
    shmat: 21,
    shmdt: 22,
    shmget: 23,
    shmctl: 24,
  },
};
