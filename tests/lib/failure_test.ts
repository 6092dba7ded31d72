import { assertEquals, assertStringIncludes } from "@std/assert";
import { E } from "../../ffi/abi/constants.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { LaunchError, PermissionError } from "../../lib/errors.ts";
import { hostError } from "../../lib/failure.ts";

Deno.test("hostError() tells which call was refused, and the capability that it takes", () => {
  const cases = { clone3: "CAP_SYS_ADMIN", unshare: "CAP_SYS_ADMIN", setns: "CAP_SYS_ADMIN", ioctl: "CAP_NET_ADMIN" };
  for (const [call, capability] of Object.entries(cases)) {
    const error = hostError(new SyscallError(call, E.EPERM));
    assertEquals([error instanceof PermissionError, error.errno], [true, E.EPERM], call);
    assertStringIncludes(error.message, "the kernel doesn't let libflux ");
    assertStringIncludes(error.hint ?? "", capability);
  }
  assertStringIncludes(hostError(new SyscallError("ioctl", E.EPERM)).message, "bring up lo");
  assertEquals(hostError(new SyscallError("mkdirat", E.EPERM)) instanceof LaunchError, true);
});

Deno.test("hostError() tells limits that are reached, and what raises them", () => {
  assertStringIncludes(hostError(new SyscallError("unshare", E.ENOSPC)).hint ?? "", "max_*_namespaces");
  assertStringIncludes(hostError(new SyscallError("pipe2", E.EMFILE)).hint ?? "", "ulimit -n");
});
