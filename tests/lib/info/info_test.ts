import { assertEquals, assertStringIncludes } from "@std/assert";
import { showInfo } from "../../../lib/commands/info.ts";
import { parseStatus, privileges, subordinateIds } from "../../../lib/info/caller.ts";
import { parseIdRanges } from "../../../lib/spec/id_ranges.ts";
import {
  type CgroupView,
  judgeCgroups,
  judgeDelegation,
  judgeDevices,
  judgeManager,
} from "../../../lib/info/cgroup.ts";
import { parseHierarchies } from "../../../lib/cgroups/hierarchies.ts";
import { tried } from "../../../lib/info/feature.ts";
import { judgeRefusedOverlay } from "../../../lib/info/filesystems.ts";
import { iptablesVersion, ipVersion, pastaVersion } from "../../../lib/info/tools.ts";
import { ignoredSignals } from "../../../lib/signals.ts";

const V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
const V2_BESIDE = "31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 none rw";
const V1 =
  "32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 24 0:29 / /s rw - cgroup c rw,blkio\n34 24 0:30 / /n rw - cgroup c rw,name=systemd,xattr";

Deno.test("parseHierarchies() tells unified, hybrid and legacy apart", () => {
  const modes = [V2, `${V1}\n${V2_BESIDE}`, V1, ""].map((table) => {
    const { mode, nsdelegate, legacy } = parseHierarchies(table);
    return [mode, nsdelegate, [...legacy.keys()]];
  });
  assertEquals(modes, [
    ["unified", true, []],
    ["hybrid", false, ["cpu", "cpuacct", "blkio"]],
    ["legacy", false, ["cpu", "cpuacct", "blkio"]],
    ["none", false, []],
  ]);
});

const UNIFIED: CgroupView = {
  mode: "unified",
  unified: "/sys/fs/cgroup",
  nsdelegate: true,
  v2: ["cpuset", "cpu", "io", "memory", "pids"],
  v1: [],
  nested: false,
};

Deno.test("judgeCgroups() names what is missing, and what to write where", () => {
  assertEquals(judgeCgroups(UNIFIED).map(({ ok }) => ok), [true, true, true]);
  const [, nested] = judgeCgroups({ ...UNIFIED, v2: ["pids"], nested: true });
  assertEquals(nested?.ok, false);
  assertStringIncludes(nested?.remedy ?? "", 'echo "+cpu +cpuset +io +memory" >cgroup.subtree_control');
  const [, disabled] = judgeCgroups({ ...UNIFIED, v2: ["cpu", "cpuset", "io", "pids"] });
  assertEquals(disabled?.effect, "containers can't have limits of memory");
  assertStringIncludes(disabled?.remedy ?? "", "cgroup_disable");
  const [, hybrid, delegation] = judgeCgroups({
    ...UNIFIED,
    mode: "hybrid",
    nsdelegate: false,
    v2: ["hugetlb"],
    v1: ["cpu", "cpuset", "memory", "pids"],
  });
  assertStringIncludes(hybrid?.remedy ?? "", "mount -t cgroup -o blkio none /sys/fs/cgroup/blkio");
  assertEquals(delegation?.remedy, "mount -o remount,nsdelegate /sys/fs/cgroup");
  assertEquals(judgeCgroups({ ...UNIFIED, mode: "none", v2: [] }).map(({ ok }) => ok), [false]);
});

Deno.test("judgeDevices() tells by what containers are kept from the host's devices", () => {
  const judge = (view: Partial<CgroupView>, result: number, privileged = true) =>
    judgeDevices({ ...UNIFIED, ...view }, { privileged }, () => result);
  assertEquals([judge({}, 0).ok, judge({}, 0).value], [true, "by an eBPF program on cgroup v2"]);
  // Not even tried.
  assertEquals([judge({ v1: ["devices"] }, -1).ok, judge({ v1: ["devices"] }, -1).value], [true, "by cgroup v1"]);
  const refused = judge({}, -22);
  assertEquals([refused.ok, refused.value], [false, "load an eBPF program: invalid argument (EINVAL)"]);
  assertStringIncludes(refused.remedy ?? "", "CONFIG_CGROUP_BPF");
  // `run` goes without where nobody lets it try, and nowhere else.
  assertEquals([judge({}, -1), judge({}, -38), refused].map(({ required }) => required), [false, false, true]);
  assertEquals(judge({ unified: undefined }, 0).ok, false);
  assertEquals(judge({}, 0, false).remedy, "run libflux with sudo");
});

Deno.test("judgeDelegation() tells a user which controllers systemd hasn't handed down, and how it would", () => {
  const facts = { uid: 1000, systemd: true, unifiedOnly: true, bus: "reachable" } as const;
  assertEquals(judgeDelegation({ uid: 1000 }, facts, ["cpu", "cpuset", "io", "memory", "pids"]).ok, true);
  const some = judgeDelegation({ uid: 1000 }, facts, ["memory", "pids"]);
  assertEquals([some.ok, some.value], [false, "memory pids"]);
  assertStringIncludes(some.effect ?? "", "limits of cpu, cpuset, io");
  assertStringIncludes(some.remedy ?? "", "Delegate=cpu cpuset io memory pids");
  const none = judgeDelegation({ uid: 1000 }, { ...facts, bus: "no bus" }, []);
  assertStringIncludes(none.remedy ?? "", "enable-linger");
  assertEquals(judgeDelegation({ uid: 0 }, { ...facts, uid: 0, systemd: false }, []).ok, true);
  assertEquals(judgeManager({ ...facts, uid: 0 }).value, "systemd, by scopes");
  assertStringIncludes(judgeManager({ ...facts, systemd: false }).value, "cgroupfs: for systemd, it isn't PID 1");
});

Deno.test("parseStatus() reads who asks, and privileges() judges", () => {
  const root = parseStatus("Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
  assertEquals([root, privileges(root).ok], [{ uid: 0, privileged: true, lacking: [] }, true]);
  const user = parseStatus("Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n");
  assertEquals([user.uid, user.privileged, user.lacking.length], [1000, false, 14]);
  assertEquals(privileges(user).remedy, "run libflux with sudo");
  // As docker starts root: with CAP_MKNOD and without CAP_SYS_ADMIN.
  const docker = privileges(parseStatus("Uid:\t0\t0\nCapEff:\t00000000a80425fb\n"));
  assertEquals([docker.ok, docker.value], [false, "uid 0, without CAP_NET_ADMIN, CAP_SYS_ADMIN"]);
  assertStringIncludes(docker.remedy ?? "", "grant CAP_NET_ADMIN, CAP_SYS_ADMIN");
});

Deno.test("subordinateIds() prints the usermod line that is missing, above all ranges that are taken", () => {
  const user = { uid: 1000, privileged: false, lacking: [] };
  const passwd = "me:x:1000:1000::/:\n";
  assertEquals(subordinateIds(user, "me:100000:65536\n", "1000:100000:65536\n", passwd).ok, true);
  const missing = subordinateIds(user, "other:100000:65536\n", "", passwd);
  assertEquals([missing.ok, missing.remedy], [
    false,
    "sudo usermod --add-subuids 165536-231071 --add-subgids 165536-231071 me",
  ]);
  assertEquals(parseIdRanges("# a\na:1:2\nb:x:2\nc:1\n"), [{ owner: "a", start: 1, count: 2 }]);
});

Deno.test("versions are read off what ip, iptables and pasta say", () => {
  assertEquals(pastaVersion("pasta 0.0~git20230309.7c7625d-1"), "0.0~git20230309.7c7625d-1");
  assertEquals(ipVersion("ip utility, iproute2-6.1.0, libbpf 1.1.0"), "iproute2-6.1.0");
  assertEquals(["iptables v1.8.9 (nf_tables)", "iptables v1.8.9 (legacy)", "iptables v1.6.1"].map(iptablesVersion), [
    "1.8.9, backend nf_tables",
    "1.8.9, backend legacy",
    "1.6.1, backend legacy",
  ]);
});

Deno.test("tried() tells the step, the error and the remedy", () => {
  const wanted = { name: "x", required: true, effect: "nothing works", remedy: "new kernel" };
  assertEquals(tried(wanted, { errno: 0, step: "" }, "works"), { name: "x", ok: true, required: true, value: "works" });
  assertEquals(
    tried(wanted, { errno: 38, step: "try it" }, "").value,
    "try it: not implemented by this kernel (ENOSYS)",
  );
  assertStringIncludes(tried(wanted, { errno: 1, step: "try it" }, "").remedy ?? "", "as root");
  assertEquals(tried(wanted, { errno: 1, step: "try it" }, "", "this takes CAP_X").remedy, "this takes CAP_X");
  assertEquals(tried(wanted, { errno: 38, step: "try it" }, "", "this takes CAP_X").remedy, "new kernel");
});

Deno.test("showInfo() is a table, what is missing, and a verdict", () => {
  const host = { version: "1", kernel: "6", architecture: "x86_64", canRun: false } as const;
  const feature = {
    name: "overlay",
    ok: false,
    required: true,
    value: "no",
    effect: "nothing",
    remedy: "modprobe overlay",
  };
  assertEquals(
    showInfo({ ...host, features: [feature] }),
    "libflux 1 on Linux 6, x86_64\n\nFEATURE  STATE    FOUND\noverlay  MISSING  no\n\noverlay (required)\n  without it: nothing\n  to get it:  modprobe overlay\n\nThis host can't run containers, or not as this user.\n",
  );
});

Deno.test("ignoredSignals() reads the mask of a status file", () => {
  assertEquals(ignoredSignals("SigIgn:\t0000000080001001\n"), [1, 13, 32]);
  assertEquals(ignoredSignals(""), []);
});

Deno.test("judgeRefusedOverlay(): an ordinary user has fuse-overlayfs, or is told how to come by it", () => {
  const wanted = { name: "overlay", required: true, effect: "no overlay", remedy: "modprobe overlay" };
  const refused = { errno: 1, step: "create overlay with fsconfig" };
  const judge = (uid: number, program?: string) => judgeRefusedOverlay(wanted, refused, { uid }, program);
  const { ok, value } = judge(1000, "/usr/bin/fuse-overlayfs");
  assertEquals([ok, value.startsWith("by fuse-overlayfs, since the kernel can't create overlay with fsconfig: ")], [
    true,
    true,
  ]);
  assertStringIncludes(judge(1000).remedy ?? "", "install fuse-overlayfs");
  // Root's containers aren't in a user namespace: there the kernel's is to be had.
  assertEquals([judge(0, "/usr/bin/fuse-overlayfs").ok, judge(0).remedy?.includes("fuse-overlayfs")], [false, false]);
});
