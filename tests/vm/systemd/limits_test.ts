import { assertEquals } from "@std/assert";
import { run } from "../../../mod.ts";
import { groupOf, isUnified } from "../../integration/cgroups.ts";
import { BUSYBOX, hostTest, runContainer } from "../../integration/support.ts";

Deno.test("this machine has systemd as PID 1, and nothing but cgroup v2", () => {
  assertEquals([Deno.readTextFileSync("/proc/1/comm"), isUnified], ["systemd\n", true]);
});

hostTest("systemd: a container has its limits, and is killed past them", async () => {
  const flags = ["--image", BUSYBOX, "--memory", "32M", "--memory-swap", "32M"];
  const { code, stderr } = await runContainer(flags, ["sh", "-c", "x=a; while :; do x=$x$x; done"]);
  assertEquals([code, stderr], [137, "libflux: killed: out of memory (limit 32 MiB, peak 32 MiB)\n"]);
  await using container = await run({ image: BUSYBOX, command: ["sleep", "60"], limits: { pids: 5, cpus: 0.5 } });
  const read = (file: string): string => Deno.readTextFileSync(`${groupOf(container, "cpu")}/${file}`);
  assertEquals([read("cpu.max"), read("pids.max")], ["50000 100000\n", "5\n"]);
});
