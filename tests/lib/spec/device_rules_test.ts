import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import {
  checkDevice,
  checkNodes,
  DEFAULT_RULES,
  type DeviceMapping,
  deviceRules,
  isRestricted,
} from "../../../lib/spec/device_rules.ts";
import { findDevices } from "../../../lib/spec/devices.ts";
import { parseDevice } from "../../../lib/spec/parse_device.ts";

const node = (path: string, minor = 229) => ({
  path,
  type: "c" as const,
  major: 10,
  minor,
  fileMode: 0o600,
  uid: 0,
  gid: 0,
});

Deno.test("parseDevice() reads what docker and podman read", () => {
  const cases: readonly (readonly [string, DeviceMapping])[] = [
    ["/dev/fuse", { source: "/dev/fuse" }],
    ["/dev//fuse", { source: "/dev/fuse" }],
    ["/dev/fuse:/dev/mine", { source: "/dev/fuse", destination: "/dev/mine" }],
    ["/dev/fuse:rw", { source: "/dev/fuse", access: "rw" }],
    ["/dev/fuse:/dev/mine:r", { source: "/dev/fuse", destination: "/dev/mine", access: "r" }],
  ];
  for (const [text, mapping] of cases) assertEquals(parseDevice(text), mapping);
  assertEquals(parseDevice("x").source, `${Deno.cwd()}/x`);
  for (const text of ["", ":/dev/x", "/dev/x:", "/dev/x:/dev/y:", "/dev/x::r", "/dev/x:/dev/y:r:w", "\x1b:"]) {
    assertThrows(() => parseDevice(text), UsageError, "is no device");
  }
});

Deno.test("checkDevice() names what can't be", () => {
  const cases: readonly (readonly [DeviceMapping, string])[] = [
    [{ source: "fuse" }, "absolute path of the host"],
    [{ source: "/dev/x\0" }, "NUL"],
    [{ source: "/dev/x", access: "" }, 'not for ""'],
    [{ source: "/dev/x", access: "rr" }, 'not for "rr"'],
    [{ source: "/dev/x", access: "x" }, 'not for "x"'],
    [{ source: "/dev/x", destination: "mine" }, "absolute path inside"],
    [{ source: "/dev/x", destination: "/dev/../etc/x" }, '".."'],
  ];
  for (const [mapping, says] of cases) {
    assertStringIncludes(assertThrows(() => checkDevice(mapping), UsageError).message, says);
  }
  for (const access of ["r", "w", "m", "rw", "mwr"]) checkDevice({ source: "/dev/x", access });
});

Deno.test("checkNodes() lets nodes only be below /dev, beside what is libflux's own", () => {
  checkNodes([node("/dev/fuse"), node("/dev/net/tun"), node("/dev/net/tap"), node("/dev/nullx")]);
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["/tmp/fuse"], "only be below /dev"],
    [["/dev"], "only be below /dev"],
    [["/device/x"], "only be below /dev"],
    [["/dev/null"], "every container has its own"],
    [["/dev/pts/0"], "every container has its own"],
    [["/dev/shm/x"], "every container has its own"],
    [["/dev/a", "/dev/a"], "two devices go to /dev/a"],
    [["/dev/a/b/c", "/dev/a"], "/dev/a is one and no directory"],
  ];
  for (const [paths, says] of cases) {
    const nodes = paths.map((path) => node(path));
    assertStringIncludes(assertThrows(() => checkNodes(nodes), UsageError).message, says);
  }
});

Deno.test("deviceRules() has one rule for a device, with all that its names allow", () => {
  assertEquals(deviceRules([]), DEFAULT_RULES as typeof DEFAULT_RULES[number][]);
  const rules = deviceRules([
    { source: "/dev/x", node: node("/dev/a"), access: "r" },
    { source: "/dev/x", node: node("/dev/b", 200), access: "rwm" },
    { source: "/dev/x", node: node("/dev/c"), access: "w" },
  ]);
  assertEquals(rules.slice(DEFAULT_RULES.length), [
    { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
    { allow: true, type: "c", major: 10, minor: 200, access: "rwm" },
  ]);
  assertEquals(
    [undefined, "rwm", "rw", "r", "wm"].map((access) =>
      isRestricted({ source: "/dev/x", ...(access === undefined ? {} : { access }) })
    ),
    [false, false, false, true, true],
  );
});

Deno.test("findDevices() looks at the host's, and refuses what is none", () => {
  assertEquals(findDevices([{ source: "/dev/zero", destination: "/dev/./mine", access: "r" }]), [{
    source: "/dev/zero",
    node: { path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 0o666, uid: 0, gid: 0 },
    access: "r",
  }]);
  const cases: readonly (readonly [string, string])[] = [
    ["/dev/nowhere", "there is no device /dev/nowhere"],
    ["/etc/passwd", "/etc/passwd is no device: it is a file of another kind"],
    ["/etc", "/etc is no device: it is a directory without one"],
  ];
  for (const [source, says] of cases) {
    assertStringIncludes(assertThrows(() => findDevices([{ source }]), UsageError).message, says);
  }
});
