import { assertEquals } from "@std/assert";
import { userNamespaceFilter } from "../../../lib/compile/seccomp.ts";

const ALLOW = 0x7fff0000;
const EPERM = 0x50001;
const ENOSYS = 0x50026;
const NEWUSER = 0x10000000;

/** Runs a filter as the kernel does (`Documentation/userspace-api/seccomp_filter.rst`): its verdict on a call. */
function verdict(architecture: "x86_64" | "aarch64", audit: number, nr: number, flags: number): number {
  const filter = userNamespaceFilter(architecture);
  const data = new Map([[0, nr], [4, audit], [16, flags >>> 0]]);
  let accumulator = 0;
  for (let at = 0; at < filter.length; at++) {
    const [code, then, otherwise, k] = filter[at] ?? [0, 0, 0, 0];
    const jump = (holds: boolean): void => void (at += holds ? then : otherwise);
    if (code === 0x20) accumulator = data.get(k) ?? NaN;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else if (code === 0x06) return k;
    else throw new Error(`unknown instruction 0x${code.toString(16)}`);
  }
  throw new Error("the filter ends without a verdict");
}

/** `[architecture, AUDIT_ARCH_*, clone, unshare, setns]`, from the tables of arch/x86/entry/syscalls and asm-generic/unistd.h. */
const ABIS = [
  ["x86_64", 0xc000003e, 56, 272, 308],
  ["x86_64", 0x40000003, 120, 310, 346],
  ["aarch64", 0xc00000b7, 220, 97, 268],
  ["aarch64", 0x40000028, 120, 337, 375],
] as const;

Deno.test("userNamespaceFilter() refuses new user namespaces by every ABI, whatever else is asked with them", () => {
  for (const [architecture, audit, clone, unshare, setns] of ABIS) {
    for (const call of [clone, unshare]) {
      for (const flags of [NEWUSER, NEWUSER | 0x20000, 0x7e020011, -1]) {
        assertEquals(verdict(architecture, audit, call, flags), EPERM, `${architecture} ${call} ${flags}`);
      }
      for (const flags of [0, 17, 0x4111, 0x3d0f00, 0x20000]) {
        assertEquals(verdict(architecture, audit, call, flags), ALLOW, `${architecture} ${call} ${flags}`);
      }
    }
    assertEquals(verdict(architecture, audit, 435, 0), ENOSYS);
    assertEquals(verdict(architecture, audit, setns, 0), EPERM);
  }
});

Deno.test("userNamespaceFilter() lets everything else pass, and knows no ABI but its architecture's", () => {
  for (const [architecture, audit, clone, unshare, setns] of ABIS) {
    for (let nr = 0; nr < 600; nr++) {
      if (nr === clone || nr === unshare || nr === setns || nr === 435) continue;
      assertEquals(verdict(architecture, audit, nr, -1), ALLOW, `${architecture} ${nr}`);
    }
    const other = architecture === "x86_64" ? "aarch64" : "x86_64";
    assertEquals(verdict(other, audit, 1, 0), ENOSYS);
    assertEquals(verdict(architecture, audit, 0x40000000 | clone, NEWUSER), ENOSYS);
  }
});
