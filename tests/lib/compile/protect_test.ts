import { assertEquals, assertThrows } from "@std/assert";
import type { Launch } from "../../../lib/compile/context.ts";
import { compile } from "../../../lib/compile/mod.ts";
import { UsageError } from "../../../lib/errors.ts";
import { buildSpec } from "../../../lib/spec/build.ts";

const LAUNCH: Launch = {
  architecture: "x86_64",
  writable: false,
  init: false,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  lastCapability: 40,
  rlimits: [],
  legacyGroups: [],
  kinds: new Map(),
};
const FACTS = {
  ...{ name: "web", image: "/image", passwd: "", group: "", hostname: "host", id: "0".repeat(64) },
  ...{ architecture: "x86_64" as const, cgroupsPath: "/libflux-id" },
};

/** The texts of the program that sets a sysctl. */
function texts(name: string): string[] {
  const spec = buildSpec({ command: ["true"] }, FACTS);
  const { data } = compile({ ...spec, linux: { ...spec.linux, sysctl: { [name]: "1" } } }, LAUNCH);
  return data.flatMap((block) =>
    block.kind === "bytes" ? [new TextDecoder().decode(block.bytes).replace(/\0.*$/s, "")] : []
  );
}

Deno.test("sysctls: dots are directories, and slashes the dots in the name of a link", () => {
  assertEquals(texts("net.core.somaxconn").includes("sys/net/core/somaxconn"), true);
  assertEquals(texts("net.ipv4.conf.eth0/100.forwarding").includes("sys/net/ipv4/conf/eth0.100/forwarding"), true);
});

Deno.test("sysctls: no name leads out of its directory, whoever wrote the spec", () => {
  for (const name of ["net.//.kernel.panic", "net./.x", "net..x", ".net.x", "net.x.", ""]) {
    assertThrows(() => texts(name), UsageError, "is no name of a sysctl");
  }
});
