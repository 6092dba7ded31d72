import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { cgroupsPath, chooseManager, type ManagerFacts, planScope, slicePath } from "../../../lib/cgroups/manager.ts";
import { attachArguments, keeperProgram, scopeArguments } from "../../../lib/cgroups/scope.ts";
import { LimitError, UsageError } from "../../../lib/errors.ts";
import { isContainerCgroup, parseLedger } from "../../../lib/store/ledger.ts";
import { listing } from "../../../ffi/listing.ts";

const SYSTEMD: ManagerFacts = { uid: 0, systemd: true, unifiedOnly: true, bus: "reachable" };
const WITHOUT: ManagerFacts = { uid: 0, systemd: false, unifiedOnly: true, bus: "no bus" };
const ID = "0123456789abcdef".repeat(4);

Deno.test("chooseManager() takes systemd where it is PID 1, delegates on v2 and can be asked", () => {
  assertEquals(chooseManager("auto", undefined, SYSTEMD), "systemd");
  assertEquals(chooseManager("auto", "web.slice", SYSTEMD), "systemd");
  assertEquals(chooseManager("auto", "/web", SYSTEMD), "cgroupfs");
  assertEquals(chooseManager("cgroupfs", undefined, SYSTEMD), "cgroupfs");
  assertEquals(chooseManager("auto", undefined, WITHOUT), "cgroupfs");
  assertEquals(chooseManager("auto", undefined, { ...SYSTEMD, unifiedOnly: false }), "cgroupfs");
  assertEquals(chooseManager("auto", undefined, { ...SYSTEMD, bus: "no busctl" }), "cgroupfs");
});

Deno.test("chooseManager() tells why systemd can't manage, and what to do", () => {
  const cases: readonly (readonly [Partial<ManagerFacts>, string, string])[] = [
    [{ systemd: false }, "it isn't PID 1", "--cgroup-manager cgroupfs"],
    [{ unifiedOnly: false }, "cgroup v2 alone", "systemd.unified_cgroup_hierarchy=1"],
    [{ bus: "no busctl" }, "busctl isn't there", "systemd"],
    [{ bus: "no bus" }, "system's D-Bus", "dbus"],
    [{ bus: "no bus", uid: 1000 }, "no session bus", "enable-linger"],
  ];
  for (const [facts, reason, hint] of cases) {
    const error = assertThrows(() => chooseManager("systemd", undefined, { ...SYSTEMD, ...facts }), LimitError);
    assertStringIncludes(error.message, reason);
    assertStringIncludes(error.hint ?? "", hint);
  }
});

Deno.test("chooseManager() refuses a cgroup for systemd, and a slice without it", () => {
  assertThrows(() => chooseManager("systemd", "/web", SYSTEMD), UsageError, "is no slice");
  assertThrows(() => chooseManager("auto", "web.slice", WITHOUT), UsageError, "isn't PID 1");
  assertThrows(() => chooseManager("cgroupfs", "web.slice", SYSTEMD), UsageError, "slices are systemd's");
  assertEquals(chooseManager("auto", "/odd.slice", WITHOUT), "cgroupfs");
});

Deno.test("slicePath() puts a slice below those that its name begins with, and refuses what is no name of one", () => {
  assertEquals(["-.slice", "a.slice", "a-b.slice", "a-b-c.d.slice"].map(slicePath), [
    "",
    "/a.slice",
    "/a.slice/a-b.slice",
    "/a.slice/a-b.slice/a-b-c.d.slice",
  ]);
  for (const slice of ["-a.slice", "a-.slice", "a--b.slice", ".slice", "a/b.slice", "a..slice/x.slice", "a b.slice"]) {
    assertThrows(() => slicePath(slice), UsageError, "can't be a slice's name", slice);
  }
});

Deno.test("planScope() finds the cgroup of a scope: for root, for a user, and in a container that runs systemd", () => {
  const at = (parent: string | undefined, uid: number, init: string) =>
    planScope(cgroupsPath("systemd", parent, ID, uid), uid, "/sys/fs/cgroup", init);
  assertEquals(at(undefined, 0, "0::/init.scope\n"), {
    unit: `libflux-${ID}.scope`,
    slice: "machine.slice",
    user: false,
    directory: `/sys/fs/cgroup/machine.slice/libflux-${ID}.scope`,
  });
  assertEquals(
    at("a-b.slice", 0, "0::/docker/1/init.scope\n").directory,
    `/sys/fs/cgroup/docker/1/a.slice/a-b.slice/libflux-${ID}.scope`,
  );
  assertEquals(
    at(undefined, 1000, "0::/init.scope\n").directory,
    `/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/libflux-${ID}.scope`,
  );
  assertEquals(cgroupsPath("cgroupfs", undefined, ID, 0), `/libflux-${ID}`);
  assertEquals(cgroupsPath("cgroupfs", "/web", ID, 0), `/web/${ID}`);
});

Deno.test("a ledger names a scope of libflux's and nothing else of systemd's", () => {
  const scope = `/sys/fs/cgroup/machine.slice/libflux-${ID}.scope`;
  const entry = (directory: string) => parseLedger(JSON.stringify({ kind: "scope", directory })).length;
  assertEquals(entry(scope), 1);
  for (
    const other of ["/sys/fs/cgroup/init.scope", "/sys/fs/cgroup/machine.slice", `${scope}/container`, `${scope}/../x`]
  ) {
    assertEquals(entry(other), 0, other);
  }
  assertEquals(isContainerCgroup(`${scope}/container`), true);
  assertEquals([scope, `${scope}/keeper`, "/sys/fs/cgroup/x.scope/container"].map(isContainerCgroup), [
    false,
    false,
    false,
  ]);
});

Deno.test("scopeArguments() asks for a delegated scope without a limit of systemd's own", () => {
  const scope = planScope(cgroupsPath("systemd", undefined, ID, 1000), 1000, "/sys/fs/cgroup", "0::/init.scope\n");
  assertEquals(scopeArguments(scope, "web", 42, true), [
    ...["--user", "--timeout=10", "call"],
    ...["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"],
    ...["StartTransientUnit", "ssa(sv)a(sa(sv))", `libflux-${ID}.scope`, "fail", "7"],
    ...["Description", "s", "web", "PIDs", "au", "1", "42", "Delegate", "b", "true", "Slice", "s", "user.slice"],
    ...["TasksMax", "t", "18446744073709551615", "CollectMode", "s", "inactive-or-failed"],
    ...["OOMPolicy", "s", "continue", "0"],
  ]);
  assertEquals(scopeArguments({ ...scope, user: false }, "web", 42, false).includes("OOMPolicy"), false);
  assertEquals(scopeArguments({ ...scope, user: false }, "web", 42, false)[0], "--system");
  assertEquals(attachArguments(scope, 43).slice(-6), [
    ...["AttachProcessesToUnit", "ssau", `libflux-${ID}.scope`, "/container", "1", "43"],
  ]);
});

Deno.test("a keeper waits for the end of its pipe and does nothing else", () => {
  const calls = [...listing(keeperProgram()).matchAll(/^ +\d+ +(\w+)\(/gm)].map(([, name]) => name);
  assertEquals(calls, ["prctl", "chdir", "close", "read"]);
});
