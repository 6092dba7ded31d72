import { assert, assertEquals } from "@std/assert";
import { listing } from "../../../ffi/listing.ts";
import { compile, type Launch, wantsLandlock } from "../../../lib/compile/mod.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { CAPABILITIES } from "../../../lib/spec/capabilities.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
import type { Spec } from "../../../lib/spec/types.ts";

const FACTS = {
  name: "web",
  image: "/srv/image",
  passwd: "",
  group: "",
  hostname: "host",
  id: "0123456789abcdef".repeat(4),
  architecture: "x86_64" as const,
  capabilities: () => CAPABILITIES,
  cgroupsPath: "/libflux-id",
};
const LAUNCH: Launch = {
  architecture: "x86_64",
  writable: false,
  init: true,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  lastCapability: CAPABILITIES.length - 1,
  rlimits: [],
  legacyGroups: [],
  kinds: new Map(),
};
const build = (options: Partial<RunOptions> = {}): Spec => buildSpec({ command: ["true"], ...options }, FACTS);
const program = (version: number, options: Partial<RunOptions> = {}, streams: readonly number[] = []) =>
  compile(build(options), { ...LAUNCH, landlock: { version, streams } });
/** The words that the ruleset is made of, and their size. */
const ruleset = (version: number, options: Partial<RunOptions> = {}) =>
  /landlock_create_ruleset\(\{([^}]*)\}, (\d+), 0\)/.exec(listing(program(version, options)))?.slice(1);

Deno.test("wantsLandlock() is for user namespaces that can't mount anyway", () => {
  const withUser = (options: Partial<RunOptions> = {}): boolean => {
    const spec = build(options);
    const namespaces = [...spec.linux?.namespaces ?? [], { type: "user" as const }];
    return wantsLandlock({ ...spec, linux: { ...spec.linux, namespaces } });
  };
  assertEquals([wantsLandlock(build()), withUser()], [false, true]);
  assertEquals(withUser({ noNewPrivileges: false, network: "host" }), true);
  for (const options of [{ capAdd: ["SYS_ADMIN"] }, { seccomp: "unconfined" }, { privileged: true }]) {
    assertEquals(withUser(options), false, JSON.stringify(options));
  }
});

Deno.test("the wall is about all that a version of Landlock's interface knows, and about nothing that it doesn't", () => {
  assertEquals(ruleset(2), [String(0x3fff), "8"]);
  assertEquals(ruleset(3), [String(0x7fff), "8"]);
  assertEquals(ruleset(4), [String(0x7fff), "8"]);
  assertEquals(ruleset(5), [String(0xffff), "8"]);
  assertEquals(ruleset(6), [String(0xffff) + ", 0, 3", "24"]);
  assertEquals(ruleset(7), ruleset(6));
  // The first version forbids to rename from one directory to another; a negative one is an error.
  for (const version of [1, 0, -38, -95]) assertEquals(ruleset(version), undefined);
});

Deno.test("the wall keeps apart what namespaces keep apart", () => {
  const scoped = (options: Partial<RunOptions>) => ruleset(7, options)?.[0]?.split(", ")[2];
  assertEquals(scoped({ network: "host" }), "2");
  assertEquals(scoped({ pid: "host" }), "1");
  assertEquals(scoped({ pid: "host", network: "host" }), "0");
});

Deno.test("the wall is closed after the last mount, before the filter and before PID 1 and the command part", () => {
  const made = program(7, {}, [0, 2]);
  const at = (words: string): number => made.instructions.findLastIndex(({ label }) => label.includes(words));
  const order = ["make the root", "wait until libflux", "begin a second wall", "which the wall is around"]
    .concat(["allow all that is in it", "descriptor 0 is", "descriptor 2 is", "close the second wall"])
    .concat(["close what it was made of", "filter the syscalls", "make a process for the command"]);
  const places = order.slice(1).map(at);
  assert(!places.includes(-1), places.join());
  assertEquals(places, places.toSorted((a, b) => a - b));
  const mounts = made.instructions.findLastIndex((one) =>
    one.op === "syscall" && ["mount", "move_mount", "mount_setattr", "pivot_root", "umount2"].includes(one.name)
  );
  assert(mounts > 0 && mounts < at("begin a second wall"));
  assert(!listing(compile(build(), LAUNCH)).includes("landlock"));
});

Deno.test("message queues are within the wall, where the container has some", () => {
  const has = (spec: Spec): boolean =>
    compile(spec, { ...LAUNCH, kinds: new Map([["/dev/null", "file"]]), landlock: { version: 7, streams: [] } })
      .instructions
      .some(({ label }) => label === "open the container's message queues");
  const spec = build();
  // An ordinary user's containers have none where they share the host's.
  const mounts = (spec.mounts ?? []).filter(({ destination }) => destination !== "/dev/mqueue");
  const bound = [...mounts, { destination: "/dev/mqueue", type: "bind", source: "/dev/null", options: ["bind"] }];
  assertEquals([has(spec), has({ ...spec, mounts }), has({ ...spec, mounts: bound })], [true, false, false]);
});
