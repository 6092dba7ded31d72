import { assert, assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { MASKED_PATHS, READONLY_PATHS } from "../../../lib/spec/defaults.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
import { checkSecurity, protectedPaths } from "../../../lib/spec/security.ts";

const check = (options: Partial<RunOptions>): void => checkSecurity({ command: ["true"], ...options });
const refused = (options: Partial<RunOptions>, says: string): string =>
  assertThrows(() => check(options), UsageError, says).hint ?? "";

Deno.test("protectedPaths() takes away and adds", () => {
  assertEquals(protectedPaths({}), { masked: MASKED_PATHS as string[], readonly: READONLY_PATHS as string[] });
  assertEquals(protectedPaths({ unmask: ["ALL"] }), { masked: [], readonly: [] });
  assertEquals(protectedPaths({ unmask: ["ALL"], mask: ["/etc/x"] }).masked, ["/etc/x"]);
  const { masked, readonly } = protectedPaths({ unmask: ["/proc/acpi", "/proc/sys"], mask: ["/proc/kcore", "/opt"] });
  assertEquals(masked, [...MASKED_PATHS.filter((path) => path !== "/proc/acpi"), "/opt"]);
  assertEquals(readonly, READONLY_PATHS.filter((path) => path !== "/proc/sys"));
  assertEquals(protectedPaths({ unmask: ["/proc/*"] }), {
    masked: MASKED_PATHS.filter((path) => path.startsWith("/sys")),
    readonly: [],
  });
  // A dot is a dot.
  assertEquals(protectedPaths({ unmask: ["/proc.acpi", "/proc/acp"] }).masked, MASKED_PATHS as string[]);
});

Deno.test("checkSecurity() refuses what is no path", () => {
  check({ mask: ["/etc/x"], unmask: ["ALL", "/proc/*"] });
  for (const path of ["", "x", "ALL", "/", "//", "/a/", "/a//b", "/a\0b"]) {
    refused({ mask: [path] }, "is no absolute path");
  }
  for (const path of ["", "x", "all"]) refused({ unmask: [path] }, "is no absolute path");
  for (const path of ["/proc/../etc", "/./x", "/x/.."]) refused({ mask: [path] }, "'.' or '..'");
});

Deno.test("checkSecurity() gives nobody the host's loopback whom pasta connects", () => {
  for (const name of ["net_raw", "CAP_NET_ADMIN", "ALL"]) {
    refused({ network: "pasta", capAdd: [name] }, "pasta connects");
  }
  check({ network: "pasta", capAdd: ["SYS_PTRACE"] });
  check({ network: "bridge", capAdd: ["NET_RAW"] });
});

Deno.test("checkSecurity() takes sysctls of the container's own namespaces, and no others", () => {
  const own = [
    ...["net.core.somaxconn", "net.ipv4.conf.eth0/100.forwarding", "net.ipv6.conf.all.disable_ipv6"],
    ...["kernel.msgmax", "kernel.sem", "kernel.shm_rmid_forced", "kernel.domainname", "fs.mqueue.msg_max"],
  ];
  for (const name of own) check({ sysctls: { [name]: "1" } });
  const foreign = ["kernel.panic", "vm.swappiness", "fs.file-max", "kernel.core_pattern", "kernel.msgmax2", "user.x"];
  for (const name of foreign) refused({ sysctls: { [name]: "1" } }, "is the whole host's");
  for (
    const name of [
      "",
      "net",
      "net.",
      "net..x",
      ".net.x",
      "net/core",
      "Net.core",
      "net.a b",
      "net.x\n",
      "net.//.kernel.panic",
      "net./x",
    ]
  ) {
    refused({ sysctls: { [name]: "1" } }, "is no name of a sysctl");
  }
  refused({ sysctls: { "net.x": "a\0b" } }, "is no name of a sysctl");
  assert(refused({ sysctls: { "kernel.hostname": "x" } }, "no sysctl here").includes("--hostname"));
});

Deno.test("checkSecurity() refuses sysctls of namespaces that are shared", () => {
  for (const network of ["host", "container:web", "ns:/run/netns/x"]) {
    refused({ network, sysctls: { "net.core.somaxconn": "1" } }, "takes a namespace of the container's own");
  }
  refused({ ipc: "host", sysctls: { "kernel.sem": "1" } }, "takes a namespace");
  refused({ ipc: "host", sysctls: { "fs.mqueue.msg_max": "1" } }, "takes a namespace");
  refused({ uts: "host", sysctls: { "kernel.domainname": "x" } }, "takes a namespace");
  check({ network: "none", ipc: "host", sysctls: { "net.core.somaxconn": "1" } });
});
