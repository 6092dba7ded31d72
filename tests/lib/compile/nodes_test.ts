import { assert, assertEquals } from "@std/assert";
import { listing } from "../../../ffi/listing.ts";
import { Context, type Launch } from "../../../lib/compile/context.ts";
import { makedev } from "../../../lib/compile/devices.ts";
import { makeNodes } from "../../../lib/compile/nodes.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import type { Device } from "../../../lib/spec/types.ts";

const FACTS = { name: "web", id: "", image: "/", passwd: "", group: "", hostname: "host", cgroupsPath: "/x" };
const LAUNCH: Launch = {
  ...{ architecture: "x86_64", writable: false, init: true, files: [], nullStreams: [], ignoredSignals: [] },
  ...{ lastCapability: 40, rlimits: [], legacyGroups: [], kinds: new Map() },
};

/** The calls that make nodes, without their checks. */
function calls(nodes: readonly Device[]): string[] {
  const devices = nodes.map((node) => ({ source: node.path, node, access: "rwm" }));
  const spec = buildSpec({ command: ["true"] }, { ...FACTS, architecture: "x86_64", devices });
  const context = new Context(spec, LAUNCH);
  makeNodes(context, 7);
  const text = listing(context.builder.build());
  return text.split("\n").filter((line) => /^ +\d+ +(mk|fchown)/.test(line)).map((line) =>
    line.replace(/^ +\d+ +/, "")
  );
}

Deno.test("makedev() packs numbers of any size as the kernel does", () => {
  assertEquals(
    [[1, 3], [254, 255], [259, 256], [4095, 1_048_575]].map(([major = 0, minor = 0]) => makedev(major, minor)),
    [
      0x103,
      0xfeff,
      0x110300,
      0xffffffff,
    ],
  );
});

Deno.test("makeNodes() makes directories once, nodes with their mode and owner, and checks each", () => {
  const nodes: Device[] = [
    { path: "/dev/net/tun", type: "c", major: 10, minor: 200, fileMode: 0o666, uid: 0, gid: 0 },
    { path: "/dev/net/deep/disk", type: "b", major: 8, minor: 1, fileMode: 0o660, uid: 0, gid: 6 },
    { path: "/dev/plain", type: "c", major: 1, minor: 1 },
  ];
  assertEquals(calls(nodes), [
    'mkdirat(7, "net", 0755)',
    'mknodat(7, "net/tun", S_IFCHR|0666, makedev(10, 200))',
    'mkdirat(7, "net/deep", 0755)',
    'mknodat(7, "net/deep/disk", S_IFBLK|0660, makedev(8, 1))',
    'fchownat(7, "net/deep/disk", 0, 6, 0)',
    'mknodat(7, "plain", S_IFCHR|0666, makedev(1, 1))',
  ]);
});

Deno.test("makeNodes() makes nothing where nothing is named", () => assert(calls([]).length === 0));
