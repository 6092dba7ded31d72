/**
 * Debian's libseccomp, as a source of syscall numbers and as a reference for the compiler. Only tasks and tests use it.
 *
 * @module
 */
import type { SeccompArchitecture } from "../lib/seccomp/types.ts";

/** `SCMP_ARCH_*` of `seccomp.h`: what `linux/audit.h` calls them; x32 is a number of libseccomp's own. */
export const TOKENS: Readonly<Record<SeccompArchitecture, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
};

/** The functions of `seccomp.h` that are used here. */
export const openLibrary = () =>
  Deno.dlopen("libseccomp.so.2", {
    seccomp_init: { parameters: ["u32"], result: "pointer" },
    seccomp_release: { parameters: ["pointer"], result: "void" },
    seccomp_arch_add: { parameters: ["pointer", "u32"], result: "i32" },
    seccomp_arch_remove: { parameters: ["pointer", "u32"], result: "i32" },
    seccomp_rule_add_array: { parameters: ["pointer", "u32", "i32", "u32", "buffer"], result: "i32" },
    seccomp_export_bpf: { parameters: ["pointer", "i32"], result: "i32" },
    seccomp_syscall_resolve_name: { parameters: ["buffer"], result: "i32" },
    seccomp_syscall_resolve_name_arch: { parameters: ["u32", "buffer"], result: "i32" },
    seccomp_syscall_resolve_num_arch: { parameters: ["u32", "i32"], result: "pointer" },
  });

/** An open library. */
export type Library = ReturnType<typeof openLibrary>;

/** A C string. */
export const text = (value: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(value + "\0");
