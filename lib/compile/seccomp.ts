/**
 * Step 9: the filter of syscalls that the spec has; and, where that one doesn't, one that keeps the container from making
 * user namespaces.
 *
 * Whoever is root of a user namespace may mount cgroups, and so lift the container's own limits on v1 and use the host's hierarchies
 * (SECURITY.md, rule 14; CVE-2022-0492), besides all else that kernels have let such a root do. docker and podman forbid it
 * in the same way.
 *
 * @module
 */
import { CLONE, type Named, or } from "../../ffi/abi/constants.ts";
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { encodeFilter, type FilterInstruction } from "../seccomp/filter.ts";
import { compiledFilter, isDefault } from "../seccomp/filters.ts";
import { FLAGS } from "../seccomp/types.ts";
import { type Context, named } from "./context.ts";

/** `linux/bpf_common.h` and `linux/filter.h`: the instructions that the filter is made of. */
const BPF = { LD_W_ABS: 0x20, JEQ: 0x15, JGE: 0x35, JSET: 0x45, RET: 0x06 } as const;
/** `linux/seccomp.h` */
const SECCOMP = {
  SECCOMP_SET_MODE_FILTER: 1,
  SECCOMP_RET_ALLOW: 0x7fff0000,
  SECCOMP_RET_ERRNO: 0x00050000,
} as const;
/** Offsets in `struct seccomp_data`; of the first argument the half that has the flags, on little-endian machines. */
const DATA = { nr: 0, arch: 4, flags: 16 } as const;
const EPERM = 1;
const ENOSYS = 38;
/** `__X32_SYSCALL_BIT`, `asm/unistd.h`: the same kernel under other numbers. */
const X32 = 0x40000000;

/** An ABI that a process can call the kernel by: its name for seccomp (`linux/audit.h`), and its numbers. */
interface Abi {
  readonly audit: number;
  readonly clone: number;
  readonly unshare: number;
  readonly clone3: number;
  readonly setns: number;
}

/** The ABIs of each architecture's kernel: its own and the 32-bit one. */
const ABIS: Readonly<Record<Architecture, readonly Abi[]>> = {
  x86_64: [
    { audit: 0xc000003e, clone: 56, unshare: 272, clone3: 435, setns: 308 },
    { audit: 0x40000003, clone: 120, unshare: 310, clone3: 435, setns: 346 },
  ],
  aarch64: [
    { audit: 0xc00000b7, clone: 220, unshare: 97, clone3: 435, setns: 268 },
    { audit: 0x40000028, clone: 120, unshare: 337, clone3: 435, setns: 375 },
  ],
};

/**
 * The filter: no new user namespace by `clone` or `unshare`, nor another's by `setns` (EPERM), no `clone3` (ENOSYS, since a
 * filter can't see its flags, and libcs then use `clone`), and no call of an ABI that it doesn't know (ENOSYS). Pure.
 */
export function userNamespaceFilter(architecture: Architecture): FilterInstruction[] {
  const fail = (errno: number): FilterInstruction => [BPF.RET, 0, 0, SECCOMP.SECCOMP_RET_ERRNO | errno];
  const check = ({ clone, unshare, clone3, setns }: Abi): FilterInstruction[] => [
    [BPF.LD_W_ABS, 0, 0, DATA.nr],
    [BPF.JGE, 6, 0, X32],
    [BPF.JEQ, 5, 0, clone3],
    [BPF.JEQ, 5, 0, setns],
    [BPF.JEQ, 1, 0, clone],
    [BPF.JEQ, 0, 4, unshare],
    [BPF.LD_W_ABS, 0, 0, DATA.flags],
    [BPF.JSET, 1, 2, CLONE.CLONE_NEWUSER],
    fail(ENOSYS),
    fail(EPERM),
    [BPF.RET, 0, 0, SECCOMP.SECCOMP_RET_ALLOW],
  ];
  return [
    [BPF.LD_W_ABS, 0, 0, DATA.arch],
    ...ABIS[architecture].flatMap((abi): FilterInstruction[] => {
      const body = check(abi);
      return [[BPF.JEQ, 0, body.length, abi.audit], ...body];
    }),
    fail(ENOSYS),
  ];
}

/**
 * Whether the container could make user namespaces by what its own filter lets through, and must not, since its limits are
 * on v1: their root may mount v1's hierarchies and lift them. On v2 the limits are in the cgroup above its own, and
 * `unconfined` means what it says.
 */
function guardsLegacyLimits({ spec, launch }: Context): boolean {
  const { seccomp } = spec.linux ?? {};
  const isGuarded = launch.guardsLegacyGroups ?? launch.legacyGroups.length > 0;
  if (!isGuarded || seccomp !== undefined && isDefault(seccomp)) return false;
  // Who may do that much already has no limits that a filter could keep.
  return spec.process.capabilities?.bounding?.includes("CAP_SYS_ADMIN") !== true;
}

/**
 * Installs the filters. Before the capabilities go: without no_new_privs it takes CAP_SYS_ADMIN. What libflux itself does
 * from here on, a profile must let through, as with runc.
 */
export function filterSyscalls(context: Context): void {
  const { builder: b, spec, launch } = context;
  const install = (filter: Uint8Array<ArrayBuffer>, flags: number | Named, label: string, field: string): void => {
    // struct sock_fprog: a 16-bit length, and where the instructions are.
    const program = b.words([filter.length / 8, b.bytes(filter)]);
    b.syscall("seccomp", [or(SECCOMP, "SECCOMP_SET_MODE_FILTER"), flags, program], {
      label,
      field,
      hint: "does this kernel have seccomp? 'libflux info' tells",
    });
  };
  if (guardsLegacyLimits(context)) {
    install(encodeFilter(userNamespaceFilter(launch.architecture)), 0, "forbid new user namespaces", "process");
  }
  const { seccomp } = spec.linux ?? {};
  if (seccomp === undefined) return;
  const flags = (seccomp.flags ?? []).reduce((sum, flag) => sum | FLAGS[flag], 0);
  const shown = flags === 0 ? 0 : named(flags, (seccomp.flags ?? []).join("|"));
  install(compiledFilter(seccomp), shown, "filter the syscalls", "linux.seccomp");
}
