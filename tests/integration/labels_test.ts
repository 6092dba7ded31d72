import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CLONE } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE } from "../../ffi/libc.ts";
import { Context, named } from "../../lib/compile/context.ts";
import { securityLabels } from "../../lib/compile/labels.ts";
import { CAPABILITIES } from "../../lib/spec/capabilities.ts";
import { attempt } from "../../lib/info/probe.ts";
import { buildSpec } from "../../lib/spec/build.ts";
import { openPath } from "../../ffi/files.ts";
import { isOfHost } from "../../lib/selinux.ts";
import { IdLock } from "../../lib/user_namespace.ts";
import { hostTest, rootTest, temporaryDirectory } from "./support.ts";

const FACTS = {
  name: "web",
  id: "0".repeat(64),
  image: "/",
  passwd: "",
  group: "",
  hostname: "host",
  cgroupsPath: "/x",
  architecture: ARCHITECTURE,
};
const LAUNCH = {
  architecture: ARCHITECTURE,
  writable: false,
  init: false,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  rlimits: [],
  lastCapability: CAPABILITIES.length - 1,
  legacyGroups: [],
  kinds: new Map(),
};

/** What the kernel says to the labels of a container's command. */
async function label(spec: Partial<Parameters<typeof buildSpec>[1]>) {
  const options = { command: ["true"], selinux: { level: "s0" } };
  return await attempt({
    flags: CLONE.CLONE_NEWNS,
    fill: (builder) => {
      const context = new Context(buildSpec(options, { ...FACTS, ...spec }), LAUNCH, builder);
      context.procfs = context.filesystem("proc", [["source", "proc"]], named(0, "0"), { label: "mount proc" });
      securityLabels(context);
    },
  });
}

rootTest("a label that the kernel doesn't take fails by the step that writes it, by the private procfs", async () => {
  assertEquals(await label({}), { errno: 0, step: "" });
  // What nobody's policy has. Where no module takes labels the kernel refuses all of them.
  const contexts = { process: "nobody_u:nobody_r:libflux_nothing_t:s0", file: "a:b:c:s0" };
  const { errno, step } = await label({ selinux: contexts });
  assertEquals([errno, step], [22, "have SELinux label the command nobody_u:nobody_r:libflux_nothing_t:s0"]);
});

rootTest("a profile that the kernel doesn't take fails by the step that names it", async () => {
  const { errno, step } = await label({ apparmor: "libflux-nothing" });
  // Without AppArmor there is no such file; with it no such profile.
  assertEquals(errno, 2);
  assertStringIncludes(step, "have AppArmor confine the command by the profile libflux-nothing");
});

hostTest("two containers never have the same categories, nor ids, while both run", () => {
  using one = new IdLock();
  const other = new IdLock();
  for (const what of ["ids", "categories"] as const) {
    assertEquals(one.take(what, [400_000_000, 400_000_001], 1), 400_000_000);
    assertEquals(other.take(what, [400_000_000, 400_000_001], 1), 400_000_001);
    assertEquals(other.take(what, [400_000_000], 1), undefined);
  }
  assertEquals([one.held.length, other.held.length], [2, 2]);
  other.close();
  for (const what of ["ids", "categories"] as const) assertEquals(one.take(what, [400_000_001], 1), 400_000_001);
});

hostTest("nothing of the host's own is taken for what could be a container's, by whatever path", () => {
  using directory = temporaryDirectory();
  Deno.symlinkSync("/etc", `${directory.path}/link`);
  const isRefused = (path: string): boolean => {
    const file = openPath(path, ["O_PATH"]);
    assert(typeof file === "object", path);
    using opened = file;
    return isOfHost(opened);
  };
  const refused = ["/", "/etc", "/usr/../var", "/proc/self/root/usr", "/etc/passwd", `${directory.path}/link`];
  for (const path of [...refused, Deno.env.get("HOME") ?? "/root"]) assert(isRefused(path), path);
  for (const path of [directory.path, "/etc/hostname", "/usr/share/doc"]) assert(!isRefused(path), path);
});
