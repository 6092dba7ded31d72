/**
 * libseccomp's filter for the same rules, to compare with.
 *
 * @module
 */
import { verdictOf } from "../../../lib/seccomp/compile.ts";
import { OPERATORS, type Seccomp, type SeccompArgument } from "../../../lib/seccomp/types.ts";
import { openLibrary, text, TOKENS } from "../../../tasks/libseccomp.ts";
import { decode } from "./bpf.ts";

const { symbols } = openLibrary();
const libc = Deno.dlopen("libc.so.6", {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
});

/** The filter without the calls that this libseccomp is too old to know. */
export function asKnown(seccomp: Seccomp): Seccomp {
  const isKnown = (name: string): boolean => symbols.seccomp_syscall_resolve_name(text(name)) !== -1;
  const syscalls = (seccomp.syscalls ?? []).map((rule) => ({ ...rule, names: rule.names.filter(isKnown) }));
  return { ...seccomp, syscalls };
}

/** `struct scmp_arg_cmp[]`; `SCMP_ACT_*` are the kernel's own values, and need no translation. */
function encode(args: readonly SeccompArgument[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(1, args.length) * 24);
  const view = new DataView(bytes.buffer);
  args.forEach(({ index, value, valueTwo = 0, op }, at) => {
    view.setUint32(at * 24, index, true);
    view.setUint32(at * 24 + 4, OPERATORS.indexOf(op) + 1, true);
    view.setBigUint64(at * 24 + 8, BigInt(value), true);
    view.setBigUint64(at * 24 + 16, BigInt(valueTwo), true);
  });
  return bytes;
}

/** What libseccomp makes of a filter, added to it as runc does. */
export function referenceFilter(seccomp: Seccomp) {
  const otherwise = verdictOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const context = symbols.seccomp_init(otherwise);
  if (context === null) throw new Error("seccomp_init failed");
  try {
    const wanted = (seccomp.architectures ?? []).map((one) => TOKENS[one]);
    for (const token of wanted) {
      const code = symbols.seccomp_arch_add(context, token);
      if (code !== 0 && code !== -17) throw new Error(`seccomp_arch_add: ${code}`);
    }
    for (const token of Object.values(TOKENS)) {
      if (!wanted.includes(token)) symbols.seccomp_arch_remove(context, token);
    }
    for (const { names, action: name, errnoRet, args = [] } of seccomp.syscalls ?? []) {
      const verdict = verdictOf(name, errnoRet);
      if (verdict === otherwise) continue;
      for (const call of names) {
        const number = symbols.seccomp_syscall_resolve_name(text(call));
        if (number === -1) continue;
        const rules = new Set(args.map(({ index }) => index)).size === args.length ? [args] : args.map((arg) => [arg]);
        for (const rule of rules) {
          const code = symbols.seccomp_rule_add_array(context, verdict, number, rule.length, encode(rule));
          if (code !== 0) throw new Error(`seccomp_rule_add_array ${call}: ${code}`);
        }
      }
    }
    const descriptor = libc.symbols.memfd_create(text("filter"), 1);
    try {
      const code = symbols.seccomp_export_bpf(context, descriptor);
      if (code !== 0) throw new Error(`seccomp_export_bpf: ${code}`);
      return decode(Deno.readFileSync(`/proc/self/fd/${descriptor}`));
    } finally {
      libc.symbols.close(descriptor);
    }
  } finally {
    symbols.seccomp_release(context);
  }
}
