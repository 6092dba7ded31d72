import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseHierarchies } from "../../../lib/cgroups/hierarchies.ts";
import { planCgroups } from "../../../lib/cgroups/plan.ts";
import { unifiedSettings } from "../../../lib/cgroups/settings.ts";
import { LimitError, UsageError } from "../../../lib/errors.ts";
import { checkLimits, type Limits, parseSize, toResources, unaskedFields } from "../../../lib/spec/limits.ts";
import { DEFAULT_RULES } from "../../../lib/spec/device_rules.ts";
import type { Resources } from "../../../lib/spec/types.ts";

const mountinfo = (lines: readonly (readonly [string, string, string])[]): string =>
  lines.map(([point, type, options]) => `30 20 0:26 / ${point} rw,relatime - ${type} none rw,${options}`).join("\n");
const UNIFIED = parseHierarchies(mountinfo([["/sys/fs/cgroup", "cgroup2", "nsdelegate"]]));
const LEGACY = parseHierarchies(mountinfo([
  ["/sys/fs/cgroup/memory", "cgroup", "memory"],
  ["/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct"],
  ["/sys/fs/cgroup/systemd", "cgroup", "name=systemd"],
  ["/sys/fs/cgroup/odd\\040name", "cgroup", "pids"],
]));
const HYBRID = { ...LEGACY, unified: "/sys/fs/cgroup/unified" };
const ALL = ["cpu", "cpuset", "io", "memory", "hugetlb", "pids"];

const files = (limits: Limits): string[] =>
  unifiedSettings(toResources(limits)).map(({ file, value }) => `${file}=${value}`).filter((one) =>
    one !== "pids.max=4096"
  );

Deno.test("parseHierarchies() finds each controller where it is mounted", () => {
  assertEquals(UNIFIED, { mode: "unified", unified: "/sys/fs/cgroup", nsdelegate: true, legacy: new Map() });
  assertEquals(LEGACY.unified, undefined);
  assertEquals(
    LEGACY.legacy,
    new Map([
      ["memory", "/sys/fs/cgroup/memory"],
      ["cpu", "/sys/fs/cgroup/cpu,cpuacct"],
      ["cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
      ["pids", "/sys/fs/cgroup/odd name"],
    ]),
  );
});

Deno.test("limits are written to the files of cgroup v2 as its documentation has them", () => {
  const device = { major: 8, minor: 0, rate: 1000 };
  const cases: readonly (readonly [Limits, readonly string[]])[] = [
    [{ memory: 2 ** 20 }, ["memory.max=1048576", "memory.swap.max=1048576"]],
    [{ memory: 2 ** 20, memorySwap: 2 ** 20 }, ["memory.max=1048576", "memory.swap.max=0"]],
    [{ memory: 2 ** 20, memorySwap: -1 }, ["memory.max=1048576", "memory.swap.max=max"]],
    [{ memoryReservation: 4096, memoryHigh: 8192 }, ["memory.low=4096", "memory.high=8192"]],
    [{ cpus: 1.5 }, ["cpu.max=150000 100000"]],
    [{ cpuWeight: 10000, ioWeight: 1 }, ["cpu.weight=10000", "io.weight=1"]],
    [{ cpusetCpus: "0-2,7", cpusetMems: "0" }, ["cpuset.cpus=0-2,7", "cpuset.mems=0"]],
    [{ deviceReadBps: [device], deviceWriteIops: [device] }, ["io.max=8:0 rbps=1000", "io.max=8:0 wiops=1000"]],
    [{ hugetlb: { "2MB": 2 ** 30 } }, ["hugetlb.2MB.max=1073741824"]],
    [{ pids: 0 }, ["pids.max=max"]],
    [{ pids: 7 }, ["pids.max=7"]],
  ];
  for (const [limits, expected] of cases) assertEquals(files(limits), expected, JSON.stringify(limits));
});

Deno.test("planCgroups() on v2 makes one directory, on v1 one in each hierarchy that is used", () => {
  const resources = toResources({ memory: 2 ** 20, cpuWeight: 200 });
  const unified = planCgroups(UNIFIED, "/libflux/id", resources, { controllers: ALL });
  assertEquals(unified.directories, ["/sys/fs/cgroup/libflux/id"]);
  assertEquals(unified.legacy.size, 0);
  const legacy = planCgroups(LEGACY, "/libflux/id", resources, {
    controllers: [],
    unasked: unaskedFields({ memory: 2 ** 20, cpuWeight: 200 }),
  });
  assertEquals(legacy.directories.toSorted(), [
    "/sys/fs/cgroup/cpu,cpuacct/libflux/id",
    "/sys/fs/cgroup/memory/libflux/id",
    "/sys/fs/cgroup/odd name/libflux/id",
  ]);
  assertEquals([...legacy.required].toSorted(), [
    "/sys/fs/cgroup/cpu,cpuacct/libflux/id",
    "/sys/fs/cgroup/memory/libflux/id",
  ]);
  assertEquals(legacy.writes.map(({ file, value, required }) => [file, value, required]), [
    ["memory.limit_in_bytes", "1048576", true],
    ["memory.memsw.limit_in_bytes", "2097152", false],
    ["pids.max", "4096", false],
    ["cpu.shares", "2048", true],
  ]);
});

Deno.test("planCgroups() puts a container into v2 too where both are mounted", () => {
  const plan = planCgroups(HYBRID, "/libflux/id", toResources({ hugetlb: { "2MB": 0 } }), { controllers: ["hugetlb"] });
  assertEquals(plan.unified, "/sys/fs/cgroup/unified/libflux/id");
  assertEquals(plan.writes.find(({ controller }) => controller === "hugetlb")?.directory, plan.unified);
});

Deno.test("planCgroups() has the rules about devices above the container's cgroup where it could lift its own", () => {
  const resources = { ...toResources({ memory: 2 ** 20 }), devices: DEFAULT_RULES };
  const plan = (host: typeof UNIFIED, above: boolean, required = false) =>
    planCgroups(host, "/id", resources, { controllers: ALL, unasked: unaskedFields({}), devices: { above, required } });
  const [usual, nested] = [plan(UNIFIED, false), plan(UNIFIED, true, true)];
  assertEquals([usual.devices?.directory, usual.devices?.inhabited], ["/sys/fs/cgroup/id", "/sys/fs/cgroup/id"]);
  assertEquals(nested.directories, ["/sys/fs/cgroup/id", "/sys/fs/cgroup/id/container"]);
  assertEquals([nested.unified, nested.devices?.directory], ["/sys/fs/cgroup/id/container", "/sys/fs/cgroup/id"]);
  assertEquals([...nested.required].toSorted(), ["/sys/fs/cgroup/id", "/sys/fs/cgroup/id/container"]);
  assertEquals(nested.writes[0]?.directory, "/sys/fs/cgroup/id/container");
  const lines = [["/d", "cgroup", "devices"], ["/m", "cgroup", "memory"]] as const;
  const legacy = plan(parseHierarchies(mountinfo(lines)), true);
  assertEquals(legacy.directories, ["/d/id", "/m/id"]);
  assertEquals([legacy.legacy.get("devices"), legacy.devices?.directory], ["/d/id/container", "/d/id"]);
  // Both of one hierarchy: there it can only be in one cgroup, that of its limits.
  const together = plan(parseHierarchies(mountinfo([["/dm", "cgroup", "devices,memory"]])), true);
  assertEquals([together.legacy.get("devices"), together.directories], ["/dm/id", ["/dm/id"]]);
});

Deno.test("planCgroups() asks v2 for the memory controller where it is to measure", () => {
  const written = (limits: Limits, measure: boolean) =>
    planCgroups(UNIFIED, "/x", toResources(limits), { controllers: ALL, measure }).writes
      .filter(({ controller }) => controller === "memory").map(({ file, value, required }) => [file, value, required]);
  assertEquals(written({}, false), []);
  assertEquals(written({}, true), [["memory.max", "max", false]]);
  assertEquals(written({ memoryHigh: 2 ** 20 }, true), [["memory.high", "1048576", true]]);
});

Deno.test("planCgroups() refuses what was asked for and can't be, and passes over what wasn't", () => {
  const NONE = parseHierarchies("");
  const refusal = (host: typeof UNIFIED, limits: Limits, controllers: readonly string[] = []): LimitError =>
    assertThrows(
      () => planCgroups(host, "/x/y", toResources(limits), { controllers, unasked: unaskedFields(limits) }),
      LimitError,
    );
  assertStringIncludes(
    refusal(NONE, { cpus: 1 }).message,
    `--cpus can't be enforced: this host has no cgroup controller "cpu"`,
  );
  assertStringIncludes(refusal(NONE, { cpus: 1 }).hint ?? "", "mount -t cgroup2");
  assertStringIncludes(refusal(UNIFIED, { memory: 2 ** 20 }, ["cpu"]).message, `--memory can't be enforced`);
  assertStringIncludes(refusal(LEGACY, { memoryHigh: 2 ** 20 }).message, "which has no --memory-high");
  assertStringIncludes(refusal(LEGACY, { cpusetCpus: "0" }).hint ?? "", "mount -t cgroup -o cpuset");
  assertEquals(
    planCgroups(NONE, "/x/y", toResources({}), { controllers: [], unasked: unaskedFields({}) }).directories,
    [],
  );
});

Deno.test("unifiedSettings() refuses files that are no limits, and resources that contradict each other", () => {
  const cases: readonly (readonly [Resources, string])[] = [
    [{ unified: { "cgroup.procs": "1" } }, "is no file of a controller"],
    [{ unified: { "../memory.max": "1" } }, "is no file of a controller"],
    [{ unified: { "memory.max/../x": "1" } }, "is no file of a controller"],
    [{ memory: { swap: 5 } }, "needs a memory.limit"],
    [{ memory: { swap: 5, limit: 6 } }, "less than memory.limit"],
  ];
  for (const [resources, message] of cases) {
    assertStringIncludes(assertThrows(() => unifiedSettings(resources), TypeError).message, message);
  }
});

Deno.test("checkLimits() names the limit that can't be", () => {
  const cases: readonly (readonly [Limits, string])[] = [
    [{ memory: 5 }, "memory is a whole number at least"],
    [{ memory: 2 ** 20 + 0.5 }, "memory is"],
    [{ memory: 2 ** 20, memorySwap: 2 ** 19 }, "memory and swap together"],
    [{ memorySwap: 2 ** 20 }, "memory and swap together"],
    [{ cpus: 0 }, "cpus is from 0.01"],
    [{ cpus: NaN }, "cpus is from 0.01"],
    [{ cpuWeight: 0 }, "cpuWeight is a whole number from 1 to 10000"],
    [{ ioWeight: 10_001 }, "ioWeight is a whole number from 1 to 10000"],
    [{ cpusetCpus: "all" }, "cpusetCpus is a list"],
    [{ pids: -2 }, "pids is a whole number at least -1"],
    [{ hugetlb: { "../x": 1 } }, "no size of huge pages"],
  ];
  for (const [limits, message] of cases) {
    assertStringIncludes(assertThrows(() => checkLimits(limits), UsageError).message, message, JSON.stringify(limits));
  }
});

Deno.test("parseSize() reads powers of 1024 in every way they are written", () => {
  const cases = { "512M": 2 ** 29, "512m": 2 ** 29, "1.5G": 1.5 * 2 ** 30, "2GiB": 2 ** 31, "4k": 4096, "4kb": 4096 };
  for (const [text, bytes] of Object.entries({ ...cases, "1T": 2 ** 40, "123": 123 })) {
    assertEquals(parseSize(text, "memory"), bytes, text);
  }
  for (const text of ["", "M", "-1", "1X", "1 M", "1e9", "9999999T", "0x10"]) {
    assertThrows(() => parseSize(text, "memory"), UsageError, "--memory is an amount of memory");
  }
});
