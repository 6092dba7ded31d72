import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run, stats, update } from "../../../mod.ts";
import { groupOf, isUnified } from "../../integration/cgroups.ts";
import {
  BUSYBOX,
  hostTest,
  libflux,
  patience,
  runContainer,
  startLibflux,
  uniqueName,
} from "../../integration/support.ts";

const sh = (flags: readonly string[], script: string) =>
  runContainer(["--image", BUSYBOX, ...flags], ["sh", "-c", script]);

Deno.test("this machine has systemd as PID 1, and nothing but cgroup v2", () => {
  assertEquals([Deno.readTextFileSync("/proc/1/comm"), isUnified], ["systemd\n", true]);
});

/** The units of libflux's that systemd knows. */
async function units(): Promise<string> {
  const { stdout } = await new Deno.Command("systemctl", {
    args: ["list-units", "--all", "--no-legend", "--plain", "libflux-*.scope"],
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + patience(10_000);
  while (performance.now() < deadline) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

hostTest("systemd: a container is in a delegated scope in machine.slice, which goes with it", async () => {
  const name = uniqueName();
  {
    await using container = await run({ name, image: BUSYBOX, command: ["sleep", "1000"], limits: { pids: 50 } });
    const unit = `libflux-${container.id}.scope`;
    assertEquals(groupOf(container, "pids"), `/sys/fs/cgroup/machine.slice/${unit}/container`);
    const { stdout } = await new Deno.Command("systemctl", {
      args: ["show", unit, "--property=Delegate,Slice,Description,TasksMax,ActiveState"],
    }).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n").sort();
    assertEquals(lines, [
      "ActiveState=active",
      "Delegate=yes",
      `Description=libflux container ${name}`,
      "Slice=machine.slice",
      "TasksMax=infinity",
    ]);
    // What systemd thinks of its units anew doesn't change what libflux has set below one.
    await new Deno.Command("systemctl", { args: ["daemon-reload"] }).output();
    assertEquals(Deno.readTextFileSync(`${groupOf(container, "pids")}/pids.max`), "50\n");
  }
  assertEquals(await units(), "");
});

hostTest(
  "systemd: limits hold, and what they did is told although systemd removes an empty scope at once",
  async () => {
    assertEquals(await sh(["--memory", "64M"], "cat /proc/self/cgroup /sys/fs/cgroup/memory.max"), {
      code: 0,
      stdout: "0::/\n67108864\n",
      stderr: "",
    });
    const eat = "x=a; while :; do x=$x$x; done";
    const { code, stderr } = await sh(["--memory", "32M", "--memory-swap", "32M"], eat);
    assertEquals([code, stderr], [137, "libflux: killed: out of memory (limit 32 MiB, peak 32 MiB)\n"]);
    const timed = await sh(["--time"], "true");
    assertMatch(timed.stderr, /most memory at one time +\d+ MiB/);
  },
);

hostTest("systemd: one process without memory isn't the end of the scope", async () => {
  const eat = "x=a; while :; do x=$x$x; done";
  const { code, stdout } = await sh(
    ["--memory", "32M", "--memory-swap", "32M"],
    `(${eat}); echo $?; sleep 1; echo still`,
  );
  assertEquals([code, stdout], [0, "137\nstill\n"]);
});

hostTest("systemd: --cgroup-parent is a slice; update, stats and pause find the container there", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"], cgroupParent: "libflux-test.slice" });
  const group = groupOf(container, "memory");
  assertStringIncludes(group, "/libflux.slice/libflux-test.slice/");
  await update(container.name, { memory: 2 ** 26, cpus: 0.5 });
  assertEquals(Deno.readTextFileSync(`${group}/memory.max`), `${2 ** 26}\n`);
  assertEquals(Deno.readTextFileSync(`${group}/cpu.max`), "50000 100000\n");
  assertEquals((await stats([container.name]))[0]?.memoryLimit, 2 ** 26);
  assertEquals((await libflux(["pause", container.name])).code, 0);
  assertEquals((await libflux(["unpause", container.name])).code, 0);
  container.kill("SIGKILL");
  await container.status;
  await new Deno.Command("systemctl", { args: ["stop", "libflux.slice"] }).output();
});

hostTest(
  "systemd: a killed libflux leaves a scope to nobody: systemd itself removes it, and the next command the rest",
  async () => {
    const name = uniqueName();
    const child = startLibflux(["run", name, "--image", BUSYBOX, "--", "sh", "-c", "echo up; exec sleep 1000"]);
    const reader = child.stdout.getReader();
    await reader.read();
    assertStringIncludes(await units(), "libflux-");
    child.kill("SIGKILL");
    await child.status;
    assert(await until(async () => await units() === ""), await units());
    assertEquals(await libflux(["ps", "-q"]), { code: 0, stdout: "", stderr: "" });
    await Promise.all([reader.cancel(), child.stderr.cancel()]);
  },
);

hostTest("systemd: without a bus nobody misses it, but who asked for it", async () => {
  const hidden = async (...flags: readonly string[]) => {
    const args = ["run", uniqueName(), "--image", BUSYBOX, ...flags, "--", "cat", "/proc/1/cgroup"];
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", 'mount -t tmpfs none /run/dbus && exec "$@"', "sh", "./libflux", ...args],
    }).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  };
  assertEquals(await hidden(), { code: 0, stdout: "0::/\n", stderr: "" });
  const { code, stderr } = await hidden("--cgroup-manager", "systemd");
  assertEquals(code, 125);
  assertEquals(
    stderr,
    "libflux: systemd can't manage the container's cgroups: the system's D-Bus isn't there; install and start dbus\n",
  );
  // A bus at which nobody answers is found out later, and is no reason either.
  const dead = 'mount -t tmpfs none /run/dbus && mkfifo /run/dbus/system_bus_socket && exec "$@"';
  const { code: second, stderr: said } = await new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", dead, "sh", "./libflux", "run", uniqueName(), "--image", BUSYBOX, "--", "true"],
  }).output();
  assertEquals(second, 0);
  assertMatch(
    new TextDecoder().decode(said),
    /^libflux: warning: systemd doesn't make the scope [^\n]+; libflux manages the cgroups of containers itself\n$/,
  );
});

hostTest("systemd: info tells that it manages", async () => {
  const { features } = JSON.parse((await libflux(["info", "--format", "json"])).stdout);
  const value = (name: string) => features.find((one: { name: string }) => one.name === name)?.value;
  assertEquals([value("cgroup"), value("cgroup manager")], ["unified", "systemd, by scopes"]);
});
