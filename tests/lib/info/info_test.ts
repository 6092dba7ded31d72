import { assertEquals, assertStringIncludes } from "@std/assert";
import { showInfo } from "../../../lib/commands/info.ts";
import { parseIdRanges, parseStatus, privileges, subordinateIds } from "../../../lib/info/caller.ts";
import { judgeCgroups, parseCgroups } from "../../../lib/info/cgroup.ts";
import { tried } from "../../../lib/info/feature.ts";
import { iptablesVersion, ipVersion } from "../../../lib/info/tools.ts";
import { ignoredSignals } from "../../../lib/signals.ts";

const V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
const V2_BESIDE = "31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 none rw";
const V1 =
  "32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 24 0:29 / /s rw - cgroup c rw,blkio\n34 24 0:30 / /n rw - cgroup c rw,name=systemd,xattr";

Deno.test("parseCgroups() tells unified, hybrid and legacy apart", () => {
  const all = () => "cpuset cpu io memory pids\n";
  assertEquals(parseCgroups(V2, all), { mode: "unified", v2: ["cpuset", "cpu", "io", "memory", "pids"], v1: [] });
  assertEquals(parseCgroups(`${V1}\n${V2_BESIDE}`, () => "hugetlb"), {
    mode: "hybrid",
    v2: ["hugetlb"],
    v1: ["blkio", "cpu", "cpuacct"],
  });
  assertEquals(parseCgroups(V1, () => "").mode, "legacy");
  assertEquals(parseCgroups("", () => ""), { mode: "none", v2: [], v1: [] });
});

Deno.test("judgeCgroups() names what is missing, and how to get it", () => {
  assertEquals(
    judgeCgroups({ mode: "unified", v2: ["cpuset", "cpu", "io", "memory", "pids"], v1: [] }).map(({ ok }) => ok),
    [true, true],
  );
  const [, controllers] = judgeCgroups({ mode: "unified", v2: ["pids"], v1: [] });
  assertEquals(controllers?.ok, false);
  assertStringIncludes(controllers?.remedy ?? "", "+cpu +cpuset +io +memory");
  assertEquals(judgeCgroups({ mode: "none", v2: [], v1: [] }).map(({ ok }) => ok), [false]);
});

Deno.test("parseStatus() reads who asks, and privileges() judges", () => {
  const root = parseStatus("Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
  assertEquals([root, privileges(root).ok], [{ uid: 0, privileged: true }, true]);
  const user = parseStatus("Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n");
  assertEquals([user, privileges(user).remedy], [{ uid: 1000, privileged: false }, "run libflux with sudo"]);
  assertEquals(privileges(parseStatus("Uid:\t0\t0\nCapEff:\t00000000a80425fb\n")).ok, false);
});

Deno.test("subordinateIds() prints the usermod line that is missing, above all ranges that are taken", () => {
  const user = { uid: 1000, privileged: false };
  const passwd = "me:x:1000:1000::/:\n";
  assertEquals(subordinateIds(user, "me:100000:65536\n", "1000:100000:65536\n", passwd).ok, true);
  const missing = subordinateIds(user, "other:100000:65536\n", "", passwd);
  assertEquals([missing.ok, missing.remedy], [
    false,
    "sudo usermod --add-subuids 165536-231071 --add-subgids 165536-231071 me",
  ]);
  assertEquals(parseIdRanges("# a\na:1:2\nb:x:2\nc:1\n"), [{ owner: "a", start: 1, count: 2 }]);
});

Deno.test("versions are read off what ip and iptables say", () => {
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
