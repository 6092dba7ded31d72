import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ASSEMBLED } from "../../../lib/seccomp/assembled.ts";
import { describeSeccomp } from "../../../lib/seccomp/describe.ts";
import { defaultProfile } from "../../../lib/seccomp/default_profile.ts";
import { compiledFilter, defaultSeccomp, isDefault } from "../../../lib/seccomp/filters.ts";
import { resolveProfile } from "../../../lib/seccomp/profile.ts";
import { syscallTable } from "../../../lib/seccomp/tables.ts";
import { ARCHITECTURES } from "../../../lib/seccomp/types.ts";
import { DEFAULT_CAPABILITIES } from "../../../lib/spec/defaults.ts";
import { openLibrary, text, TOKENS } from "../../../tasks/libseccomp.ts";
import { assembleDefault } from "../../../tasks/seccomp.ts";
import { readNumbers } from "../../../tasks/syscalls.ts";
import { decode, interpret } from "./bpf.ts";

Deno.test("lib/seccomp/assembled.ts is what tasks/seccomp.ts writes", () => {
  assertEquals(ASSEMBLED, { x86_64: assembleDefault("x86_64"), aarch64: assembleDefault("aarch64") });
});

Deno.test("lib/seccomp/syscall_numbers.ts has libseccomp's numbers, and all that it knows", () => {
  const library = openLibrary();
  let compared = 0;
  for (const architecture of ARCHITECTURES) {
    const table = syscallTable(architecture);
    for (const [name, number] of table) {
      const theirs = library.symbols.seccomp_syscall_resolve_name_arch(TOKENS[architecture], text(name));
      // Negative: it is too old to know it, or has it as one of socketcall's.
      if (theirs < 0) continue;
      assertEquals(number, theirs, `${architecture} ${name}`);
      compared++;
    }
  }
  assert(compared > 1800, `${compared}`);
  for (const [name, numbers] of readNumbers(library)) {
    numbers.forEach((number, index) => {
      const architecture = ARCHITECTURES[index] ?? "SCMP_ARCH_ARM";
      // A later libseccomp knows calls of later kernels.
      if (number !== undefined && (number & 0xffff) <= 469) {
        assertEquals(syscallTable(architecture).get(name), number, `${architecture} ${name}`);
      }
    });
  }
  library.close();
});

const ALLOW = 0x7fff0000;
const EPERM = 0x50001;
const ENOSYS = 0x50026;
const AUDIT = 0xc000003e;

Deno.test("the default filter lets everyday calls through, and refuses what is dangerous", () => {
  const filter = decode(compiledFilter(defaultSeccomp("x86_64", DEFAULT_CAPABILITIES)));
  const table = syscallTable("SCMP_ARCH_X86_64");
  const verdict = (name: string, ...args: bigint[]): number =>
    interpret(filter, { nr: table.get(name) ?? NaN, audit: AUDIT, args });
  for (
    const name of ["read", "execve", "mmap", "chroot", "setuid", "capset", "ppoll", "wait4", "statx", "futex", "rseq"]
  ) {
    assertEquals(verdict(name), ALLOW, name);
  }
  for (
    const name of [
      ...["mount", "umount2", "unshare", "setns", "pivot_root", "move_mount", "open_tree", "fsopen", "bpf", "ptrace"],
      ...["perf_event_open", "keyctl", "add_key", "request_key", "kexec_load", "init_module", "finit_module", "reboot"],
      ...["open_by_handle_at", "process_vm_readv", "userfaultfd", "swapon", "syslog", "iopl", "acct", "settimeofday"],
    ]
  ) assertEquals(verdict(name), EPERM, name);
  for (const name of ["clone3", "io_uring_setup", "io_uring_enter", "memfd_secret", "personality"]) {
    assertEquals(verdict(name, 0x1234n), ENOSYS, name);
  }
  assertEquals(verdict("clone", 0x01200011n), ALLOW);
  for (let bit = 0n; bit < 64n; bit++) {
    const isNamespace = (0x7e020000n >> bit & 1n) === 1n;
    assertEquals(verdict("clone", 1n << bit), isNamespace ? EPERM : ALLOW, `${bit}`);
  }
  assertEquals(verdict("socket", 2n, 1n, 6n), ALLOW);
  assertEquals(verdict("socket", 16n, 3n, 0n), ALLOW);
  assertEquals(verdict("socket", 16n, 3n, 9n), 0x50016);
  // AF_ALG, AF_VSOCK; and as the kernel would see it, in 32 bits.
  for (const family of [38n, 40n, 0x100000026n]) assertEquals(verdict("socket", family), 0x50061, `${family}`);
});

Deno.test("the default filter opens what capabilities are for", () => {
  const table = syscallTable("SCMP_ARCH_AARCH64");
  for (
    const [capability, call] of [
      ["CAP_SYS_ADMIN", "mount"],
      ["CAP_SYS_ADMIN", "clone3"],
      ["CAP_SYS_PTRACE", "ptrace"],
      ["CAP_BPF", "bpf"],
      ["CAP_SYS_TIME", "clock_settime"],
      ["CAP_DAC_READ_SEARCH", "open_by_handle_at"],
    ] as const
  ) {
    const of = (capabilities: readonly string[]): number =>
      interpret(decode(compiledFilter(defaultSeccomp("aarch64", capabilities))), {
        nr: table.get(call) ?? NaN,
        audit: 0xc00000b7,
        args: [],
      });
    assertEquals(of([capability]), ALLOW, call);
    assertEquals(of([]) === ALLOW, false, call);
  }
});

Deno.test("defaultSeccomp() makes a filter once for those capabilities that matter", () => {
  const made = defaultSeccomp("x86_64", ["CAP_CHOWN"]);
  assert(isDefault(made));
  assert(defaultSeccomp("x86_64", ["CAP_KILL", "CAP_SETUID"]) === made);
  assert(defaultSeccomp("x86_64", ["CAP_SYS_ADMIN"]) !== made);
  assert(compiledFilter(made) === compiledFilter(made));
  assert(!isDefault({ ...made }));
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const whole = resolveProfile(defaultProfile(), { architecture, kernel: "", capabilities: DEFAULT_CAPABILITIES });
    assertEquals({ ...defaultSeccomp(architecture, DEFAULT_CAPABILITIES) }, whole);
  }
});

Deno.test("describeSeccomp() tells what becomes of which calls", () => {
  const shown = describeSeccomp(defaultSeccomp("x86_64", DEFAULT_CAPABILITIES));
  for (
    const part of [
      "the filter of syscalls: libflux's default, ",
      "for x86_64, x86, x32\n",
      "clone: argument 1 & 0x7e020000 == 0\n",
      "fail with EPERM:\n",
      "fail with ENOSYS: everything else\n",
    ]
  ) assertStringIncludes(shown, part);
  for (const line of shown.split("\n")) assert(line.length <= 120, line);
  const own = describeSeccomp({
    defaultAction: "SCMP_ACT_LOG",
    architectures: ["SCMP_ARCH_X86_64"],
    flags: ["SECCOMP_FILTER_FLAG_LOG"],
    syscalls: [
      { names: ["ptrace"], action: "SCMP_ACT_TRACE", errnoRet: 7 },
      { names: ["acct"], action: "SCMP_ACT_TRAP" },
      { names: ["sync"], action: "SCMP_ACT_KILL", args: [{ index: 0, value: 9, op: "SCMP_CMP_LE" }] },
      { names: ["swapon"], action: "SCMP_ACT_KILL_PROCESS" },
      { names: ["read"], action: "SCMP_ACT_LOG" },
    ],
  });
  for (
    const part of [
      "the caller's",
      "flags: SECCOMP_FILTER_FLAG_LOG",
      "tell a tracer (7):\n     ptrace",
      "send SIGSYS:\n     acct",
      "kill the thread, where\n     sync: argument 1 <= 9",
      "kill the process:\n     swapon",
      "let through and log: everything else",
    ]
  ) assertStringIncludes(own, part);
});
