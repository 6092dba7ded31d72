import { assertEquals } from "@std/assert";
import { cgroupBelow, userScope } from "../../lib/exec_cgroup.ts";

Deno.test("cgroupBelow() follows a container's PID 1 below its own cgroup, and nowhere else", () => {
  const own = "/sys/fs/cgroup/libflux-id";
  assertEquals(cgroupBelow(own, "1:cpu:/x\n0::/libflux-id/init.scope\n"), `${own}/init.scope`);
  assertEquals(cgroupBelow(own, "0::/above/libflux-id/a/b\n"), `${own}/a/b`);
  for (
    const text of ["", "0::/libflux-id\n", "0::/other/init.scope\n", "0::/libflux-id/../x\n", "0::/libflux-idx/a\n"]
  ) {
    assertEquals(cgroupBelow(own, text), undefined, text);
  }
});

Deno.test("userScope() is that of a user's own systemd only", () => {
  assertEquals(userScope("user.slice:libflux:id", 1000), { unit: "libflux-id.scope", slice: "user.slice", user: true });
  for (const [path, uid] of [["machine.slice:libflux:id", 0], ["/libflux-id", 1000], [undefined, 1000]] as const) {
    assertEquals(userScope(path, uid), undefined);
  }
});
