import { assert, assertEquals, assertThrows } from "@std/assert";
import { listing } from "../../../ffi/listing.ts";
import { compile, type Launch } from "../../../lib/compile/mod.ts";
import { UsageError } from "../../../lib/errors.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { CAPABILITIES } from "../../../lib/spec/capabilities.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";

const HELD = CAPABILITIES.filter((name) => name !== "CAP_SYS_RESOURCE");
const FACTS = {
  name: "web",
  image: "/srv/image",
  passwd: "root:x:0:0::/root:/bin/sh\n",
  group: "",
  hostname: "host",
  id: "0123456789abcdef".repeat(4),
  architecture: "x86_64" as const,
  cgroupsPath: "/libflux-id",
  capabilities: () => HELD,
};
const LAUNCH: Launch = {
  architecture: "x86_64",
  writable: false,
  openDevices: true,
  init: true,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  lastCapability: CAPABILITIES.length - 1,
  rlimits: [],
  legacyGroups: [{ name: "pids", directory: "/sys/fs/cgroup/pids/x", required: true }],
  kinds: new Map(),
};
const build = (options: Partial<RunOptions> = {}) =>
  buildSpec({ command: ["true"], privileged: true, ...options }, FACTS);

Deno.test("privileged takes every wall away that is not a namespace", () => {
  const { linux, mounts = [], process } = build();
  assertEquals(process.capabilities, { bounding: HELD, effective: HELD, permitted: HELD });
  assertEquals(process.noNewPrivileges, false);
  assertEquals([linux?.seccomp, linux?.maskedPaths, linux?.readonlyPaths], [undefined, [], []]);
  assertEquals(linux?.namespaces?.length, 6);
  assertEquals(mounts.filter(({ options }) => options?.includes("ro") === true), []);
  // A default container has both of them read-only.
  const usual = build({ privileged: false }).mounts?.filter(({ options }) => options?.includes("ro") === true);
  assertEquals(usual?.map(({ destination }) => destination), ["/sys", "/sys/fs/cgroup"]);
});

Deno.test("privileged leaves what is asked for besides", () => {
  const { linux, process } = build({
    noNewPrivileges: true,
    mask: ["/srv"],
    capDrop: ["SYS_ADMIN"],
    capAdd: ["MKNOD"],
  });
  assertEquals(process.noNewPrivileges, true);
  assertEquals(linux?.maskedPaths, ["/srv"]);
  assertEquals(process.capabilities?.bounding, HELD.filter((name) => name !== "CAP_SYS_ADMIN"));
  assertEquals(build({ capDrop: ["ALL"] }).process.capabilities?.bounding, []);
  assertEquals(build({ unmask: ["/proc/acpi"] }).linux?.maskedPaths, []);
});

Deno.test("privileged gives a user who isn't root only what set-id programs may have, and what is added", () => {
  assertEquals(build({ user: "1000" }).process.capabilities, { bounding: HELD, effective: [], permitted: [] });
  assertEquals(build({ user: "1000", capAdd: ["NET_RAW"] }).process.capabilities?.ambient, ["CAP_NET_RAW"]);
});

Deno.test("privileged can't be with pasta, which lets nobody near the host's loopback", () => {
  assertThrows(() => build({ network: "pasta" }), UsageError, "can't have all capabilities");
});

Deno.test("privileged guards limits on cgroup v1 only as far as a filter could keep them", () => {
  const guards = (options: Partial<RunOptions>) => listing(compile(build(options), LAUNCH)).includes("user namespaces");
  assertEquals([guards({}), guards({ capDrop: ["SYS_ADMIN"] })], [false, true]);
});

Deno.test("privileged lets the image's device nodes open their devices", () => {
  const root = (openDevices: boolean) =>
    /mount an overlay over the image[^]*?fsmount\([^)]*\)/.exec(listing(compile(build(), { ...LAUNCH, openDevices })))
      ?.[0];
  assert(root(false)?.includes("MOUNT_ATTR_NODEV") === true, root(false));
  assert(root(true)?.includes("MOUNT_ATTR_NODEV") === false, root(true));
});
