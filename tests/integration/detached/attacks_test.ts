import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { defaultRoot } from "../../../lib/store/directory.ts";
import { BUSYBOX, hostTest, isThere, libflux, patience, rootTest, temporaryDirectory, uniqueName } from "../support.ts";
import { detached, eventually, isRunning, script, signal } from "./support.ts";

/** Everything that a container of these tests is on the host, by the cgroups that its processes were in. */
function hasCgroups(
  cgroups: { readonly unified?: string; readonly legacy: Readonly<Record<string, string>> },
): boolean {
  return [...cgroups.unified === undefined ? [] : [cgroups.unified], ...Object.values(cgroups.legacy)].some(isThere);
}

hostTest("SIGKILL to the monitor ends the container, and the next command cleans up", async () => {
  for (const flags of [[], ["--no-init"]]) {
    await using container = await detached(flags, ["sleep", "60"]);
    const { state } = container;
    assert(state !== undefined);
    signal(state.monitor, "SIGKILL");
    await eventually(() => !isRunning(state.pid), "PID 1 is gone");
    assertEquals((await libflux(["ps", "-q"])).stdout.split("\n").includes(container.name), false);
    assertEquals([container.state, hasCgroups(state.cgroups)], [undefined, false]);
    // Whoever kills a monitor kills its container.
    assertEquals([container.record?.code, container.record?.signal], [137, "SIGKILL"]);
  }
});

hostTest("SIGKILL to PID 1 ends the container, and its monitor writes that down", async () => {
  await using container = await script("echo before; sleep 60");
  await eventually(() => container.output() === "before\n", "it runs");
  signal(container.state?.pid ?? 0, "SIGKILL");
  await container.gone();
  assertEquals([container.record?.code, container.record?.signal], [137, "SIGKILL"]);
  assertEquals(container.output(), "before\n");
});

hostTest("SIGKILL to both at once leaves what the next command removes", async () => {
  await using container = await script("sleep 60");
  const { state } = container;
  assert(state !== undefined);
  for (const pid of [state.monitor, state.pid]) signal(pid, "SIGKILL");
  await eventually(() => !isRunning(state.pid), "PID 1 is gone");
  assertEquals((await libflux(["ps", "-q"])).code, 0);
  assertEquals([container.state, hasCgroups(state.cgroups)], [undefined, false]);
});

hostTest("SIGKILL to the libflux that cleans up leaves what the next command removes", async () => {
  // Again and again: each time a little later in its course.
  for (let round = 0; round < 12; round++) {
    await using container = await script("sleep 60");
    const { state } = container;
    assert(state !== undefined);
    signal(state.pid, "SIGKILL");
    await eventually(() => {
      try {
        return Deno.readTextFileSync(`/proc/${state.monitor}/comm`) !== "libflux-monitor\n";
      } catch {
        return true;
      }
    }, "the monitor has become libflux");
    await new Promise((resolve) => setTimeout(resolve, round * 3));
    try {
      signal(state.monitor, "SIGKILL");
    } catch (error) {
      // It has done already.
      assert(error instanceof Deno.errors.NotFound);
    }
    await eventually(() => !isRunning(state.monitor), "libflux is gone");
    assertEquals((await libflux(["ps", "-q"])).stdout.split("\n").includes(container.name), false);
    assertEquals([container.state, hasCgroups(state.cgroups)], [undefined, false], `round ${round}`);
    assertEquals(container.record?.code, 137, `round ${round}`);
  }
});

hostTest("SIGKILL to the libflux that starts it leaves a container that runs, or none", async () => {
  let killed = 0;
  for (let round = 0; round < 12; round++) {
    const name = uniqueName();
    const flags = ["--detach", "--image", BUSYBOX, "--network", "none", "--rm"];
    const child = new Deno.Command("./libflux", {
      args: ["run", name, ...flags, "--", "sleep", "60"],
      stdout: "null",
      stderr: "null",
    }).spawn();
    let ended = false;
    const status = child.status.finally(() => ended = true);
    // From the moment on that there is something of it, and each time a little later, however fast the machine is.
    while (!ended && !isThere(`${defaultRoot()}/containers/${name}`)) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (round > 0) await new Promise((resolve) => setTimeout(resolve, round));
    try {
      child.kill("SIGKILL");
    } catch {
      // It has done already.
    }
    if ((await status).signal === "SIGKILL") killed++;
    const runs = async (): Promise<boolean> => (await libflux(["ps", "-q"])).stdout.split("\n").includes(name);
    if (await runs()) {
      // It may just be ended by its monitor, which hasn't heard from libflux what it waits for.
      assertMatch((await libflux(["stop", "-t", "0", name])).stderr, /^(libflux: there is no container .*\n)?$/);
    }
    assertEquals(await runs(), false);
  }
  assert(killed > 0, "none was killed in the middle");
});

hostTest("all signals but SIGKILL leave a monitor alone", async () => {
  await using container = await script("trap 'echo usr; exit 0' USR1; echo ready; while :; do sleep 0.05; done");
  await eventually(() => container.output() === "ready\n", "it is ready");
  const monitor = container.state?.monitor ?? 0;
  const all = [
    "SIGTERM",
    "SIGINT",
    "SIGHUP",
    "SIGQUIT",
    "SIGPIPE",
    "SIGUSR1",
    "SIGALRM",
    "SIGSEGV",
    "SIGABRT",
  ] as const;
  for (const one of all) signal(monitor, one);
  await libflux(["kill", "-s", "USR1", container.name]);
  await container.gone();
  assertEquals([container.output(), container.record?.code], ["ready\nusr\n", 0]);
});

hostTest("a monitor and its container take less than 200 KiB of memory beside the command's own", async () => {
  await using container = await script("sleep 60");
  const { state } = container;
  assert(state !== undefined);
  const size = (pid: number): number =>
    Number(/^Pss:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`))?.[1]);
  const both = size(state.monitor) + size(state.pid);
  assert(both > 0 && both <= 200, `${both} KiB`);
});

hostTest(
  "a monitor holds nothing of the host but what it needs: no terminal, no directory of the caller's",
  async () => {
    await using container = await script("sleep 60");
    const monitor = container.state?.monitor ?? 0;
    const open = Array.from(
      Deno.readDirSync(`/proc/${monitor}/fd`),
      ({ name }) => Deno.readLinkSync(`/proc/${monitor}/fd/${name}`),
    );
    const own = [container.directory, container.logs, Deno.realPathSync("libflux")];
    const strange = open.filter((path) =>
      !/^(pipe|socket|anon_inode):/.test(path) && path !== "/dev/null" && !own.some((one) => path.startsWith(one))
    );
    assertEquals(strange, []);
    assertEquals(Deno.readLinkSync(`/proc/${monitor}/cwd`), "/");
    assertStringIncludes(Deno.readTextFileSync(`/proc/${monitor}/status`), "SigBlk:\tfffffffffffbfeff\n");
  },
);

hostTest("a container that closes its output goes on, and ends when it ends", async () => {
  await using container = await script("echo last; exec >&- 2>&-; sleep 0.3; exit 4");
  await eventually(() => container.output() === "last\n", "it has written");
  await container.gone();
  assertEquals(container.record?.code, 4);
});

hostTest("a container that shares the host's processes ends with its command, whoever still writes", async () => {
  await using container = await script("(while echo still; do sleep 0.01; done) & echo started; sleep 0.2; exit 5", [
    ...["--pid", "host"],
  ]);
  await container.gone();
  assertEquals(container.record?.code, 5);
  assertStringIncludes(container.output(), "started\n");
});

rootTest("binary output and a gigabyte's hundredth are in the log, every byte", async () => {
  const SIZE = 10 << 20;
  await using container = await detached(
    ["--log-opt", "max-size=64m"],
    ["sh", "-c", `head -c ${SIZE} /dev/urandom | tee /dev/stderr | sha256sum >/tmp/sum; cat /tmp/sum`],
  );
  await eventually(() => container.record?.finished !== undefined, "it has ended", patience(20_000));
  const bytes = container.records().filter(({ stream }) => stream === "stderr").map(({ data }) => data);
  const whole = new Uint8Array(await new Blob(bytes).arrayBuffer());
  assertEquals(whole.length, SIZE);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", whole)).toHex();
  assertEquals(container.output().split(" ")[0], sum);
});

rootTest(
  "a history that is full keeps nothing of a container on the host, and not its exit code from who waits",
  async () => {
    using root = temporaryDirectory("/var/lib/libflux");
    using shared = temporaryDirectory();
    const history = `${root.path}/history`;
    Deno.mkdirSync(history, { mode: 0o700 });
    const mount = (...args: string[]) => new Deno.Command(args[0] ?? "", { args: args.slice(1) }).output();
    await mount("mount", "-t", "tmpfs", "-o", "mode=700,size=64k", "none", history);
    try {
      const at = ["--root", root.path];
      const name = uniqueName();
      const flags = ["--detach", "--image", BUSYBOX, "--network", "none", "--bind", `${shared.path}:/shared:ro`];
      const command = ["sh", "-c", "while ! test -e /shared/go; do sleep 0.02; done; exit 3"];
      assertEquals((await libflux(["run", name, ...at, ...flags, "--", ...command])).stderr, "");
      const waiting = libflux(["wait", ...at, name]);
      await mount("dd", "if=/dev/zero", `of=${history}/full`, "bs=4k");
      // It is waited for before it ends.
      await eventually(() => hasOpen(`${root.path}/containers/${name}/exit`), "somebody waits");
      Deno.writeTextFileSync(`${shared.path}/go`, "");
      assertEquals((await waiting).stdout, "3\n");
      assertEquals((await libflux(["ps", ...at, "--quiet"])).stdout, "");
      assertEquals(Array.from(Deno.readDirSync(`${root.path}/containers`)), []);
    } finally {
      await mount("umount", history);
    }
  },
);

/** Whether a process has a file open, other than its monitor's: `wait` reads it. */
function hasOpen(path: string): boolean {
  return Array.from(Deno.readDirSync("/proc")).some(({ name: pid }) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const isLibflux = Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("\0wait\0");
      return isLibflux &&
        Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).some(({ name }) =>
          Deno.readLinkSync(`/proc/${pid}/fd/${name}`) === path
        );
    } catch {
      return false;
    }
  });
}

hostTest("what an earlier container of the name has left isn't taken for that of one without a log", async () => {
  for (const flags of [["--detach"], []]) {
    await using container = await script("echo earlier; exit 7");
    await container.gone();
    const { name } = container;
    const args = ["--image", BUSYBOX, "--network", "none", "--log-driver", "none"];
    assertEquals((await libflux(["run", name, ...flags, ...args, "--", "true"])).code, 0);
    await container.gone();
    assertEquals((await libflux(["ps", "--all", "--quiet", "--filter", `name=${name}`])).stdout, "");
    const { code, stdout } = await libflux(["logs", name]);
    assertEquals([code, stdout], [125, ""]);
  }
});

hostTest("what is kept of an earlier container of the name stays until the next has really started", async () => {
  await using container = await script("echo earlier; exit 7");
  await container.gone();
  const { name, record } = container;
  for (const flags of [["--detach"], [], ["--log-driver", "none"], ["--detach", "--log-driver", "none"]]) {
    const { code } = await libflux(["run", name, ...flags, "--image", BUSYBOX, "--network", "none", "--", "/nowhere"]);
    assertEquals(code, 127);
    assertEquals([container.record, container.output()], [record, "earlier\n"]);
  }
  assertEquals((await libflux(["run", name, "--image", BUSYBOX, "--network", "none", "--", "true"])).code, 0);
  assertEquals([container.record?.code, container.output()], [0, ""]);
});
