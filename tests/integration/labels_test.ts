import { assertEquals, assertStringIncludes } from "@std/assert";
import { CLONE } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE } from "../../ffi/libc.ts";
import { Context, named } from "../../lib/compile/context.ts";
import { securityLabels } from "../../lib/compile/labels.ts";
import { CAPABILITIES } from "../../lib/spec/capabilities.ts";
import { attempt } from "../../lib/info/probe.ts";
import { buildSpec } from "../../lib/spec/build.ts";
import { rootTest } from "./support.ts";

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
