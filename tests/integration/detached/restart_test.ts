import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { holdDirectory } from "../../../lib/store/naming.ts";
import { BUSYBOX, hostTest, IS_USER, isThere, libflux, startLibflux, temporaryDirectory } from "../support.ts";
import { type Detached, detached, eventually, isRunning, script, signal } from "./support.ts";

hostTest("--restart on-failure:2 tries it three times, goes on with the log, and says how often", async () => {
  await using container = await script("echo run; exit 9", ["--restart", "on-failure:2"]);
  await eventually(() => container.record?.restarts === 2 && container.record.finished !== undefined, "it has tried");
  await container.gone();
  assertEquals([container.output(), container.record?.code], ["run\nrun\nrun\n", 9]);
});

hostTest("--restart on-failure leaves alone what has ended well", async () => {
  await using container = await script("echo run", ["--restart", "on-failure"]);
  await container.gone();
  assertEquals([container.output(), container.record?.restarts], ["run\n", 0]);
});

hostTest("--restart always goes on until it is stopped, at any moment", async () => {
  await using container = await script("echo run; sleep 0.05", ["--restart", "always"]);
  const id = container.state?.id;
  await eventually(() => (container.record?.restarts ?? 0) >= 2, "it was started again");
  assertEquals(container.record?.id, id);
  // It may just run, or wait for the next time.
  assertEquals((await libflux(["stop", container.name])).code, 0);
  const { restarts } = container.record ?? {};
  assertEquals(container.state, undefined);
  assertEquals(container.record?.restarts, restarts);
});

hostTest(
  "between two starts a container is restarting: shown by ps, without a process, and ended by stop",
  async () => {
    // The fourth pause is 800 ms long.
    await using container = await script("exit 1", ["--restart", "always"]);
    await eventually(() => container.state?.restarting === true && (container.state.attempts ?? 0) >= 4, "it waits");
    const { state } = container;
    const { stdout } = await libflux(["ps", "--format", "{{.Name}} {{.State}}", "--filter", `name=${container.name}`]);
    assertEquals(stdout, `${container.name} restarting\n`);
    assertEquals((await libflux(["stop", container.name])).code, 0);
    assert(!isRunning(state?.monitor ?? 0));
    assertEquals([container.state, container.record?.error], [undefined, undefined]);
  },
);

hostTest("a container that waits to be started again and is killed leaves nothing behind", async () => {
  await using container = await script("exit 1", ["--restart", "always"]);
  await eventually(() => container.state?.restarting === true && (container.state.attempts ?? 0) >= 4, "it waits");
  signal(container.state?.monitor ?? 0, "SIGKILL");
  await eventually(async () => !(await libflux(["ps", "-q"])).stdout.includes(container.name), "it is gone");
});

const KILLED = "libflux was killed before it had started it again";

/** Kills a container's libflux once it is there, and waits for what is in hand here. */
async function killFinishing({ state }: Detached): Promise<void> {
  const monitor = state?.monitor ?? 0;
  await eventually(() => Deno.readTextFileSync(`/proc/${monitor}/cmdline`).includes("finish"), "its libflux is there");
  signal(monitor, "SIGKILL");
  await eventually(() => !isRunning(monitor), "it was killed");
}

hostTest("a container whose libflux is killed before a restart has ended, and says why it wasn't started", async () => {
  const kills: Readonly<Record<string, (container: Detached) => Promise<void>>> = {
    "at its end": killFinishing,
    "while it waits": async ({ state }) => {
      signal(state?.monitor ?? 0, "SIGKILL");
      await eventually(() => !isRunning(state?.monitor ?? 0), "it was killed");
    },
    "when it starts": killFinishing,
  };
  for (const [when, kill] of Object.entries(kills)) {
    const isFirst = when === "at its end";
    await using container = await script(isFirst ? "sleep 60" : "exit 3", ["--restart", "always"]);
    // The fourth pause is 800 ms long.
    const waits = (): boolean => container.state?.restarting === true && (container.state.attempts ?? 0) >= 4;
    if (!isFirst) await eventually(waits, "it waits");
    using hold = await holdDirectory(container.directory);
    if (isFirst) signal(container.state?.pid ?? 0, "SIGKILL");
    await kill(container);
    hold?.close();
    const { stdout } = await libflux(["ps", "-a", "--filter", `name=${container.name}`, "--format", "{{.State}}"]);
    assertEquals(
      [stdout, container.record?.code, container.record?.error],
      ["exited\n", isFirst ? 137 : 3, KILLED],
      when,
    );
    assertEquals(isThere(container.directory), false);
  }
});

hostTest(
  "a container that can't be started again ends with the code of that, and events, ps and inspect tell",
  async () => {
    const host = temporaryDirectory();
    await using container = await script("until test -e /x/end; do sleep 0.01; done", [
      ...["--restart", "always", "--volume", `${host.path}:/x`],
    ]);
    const [path, { name }] = [host.path, container];
    // Its libflux finds the directory gone.
    const hold = await holdDirectory(container.directory);
    Deno.writeTextFileSync(`${path}/end`, "");
    await eventually(() => !isRunning(container.state?.pid ?? 0), "it has ended");
    host[Symbol.dispose]();
    hold?.close();
    await container.gone();
    // Its name is free before it is written down how that ended.
    await eventually(() => container.record?.code === 125, "the failure is written down");
    const { record } = container;
    assertStringIncludes(record?.error ?? "", path);
    assertStringIncludes((await libflux(["ps", "-a", "--filter", `name=${name}`])).stdout, "exited (125)");
    const filter = ["--filter", `name=${name}`, "--filter", "type=exited"];
    const { stdout } = await libflux(["events", ...filter, "--format", "{{.Code}} {{.Error}}"]);
    assertEquals(stdout, `0 \n125 ${record?.error}\n`);
    assertStringIncludes((await libflux(["inspect", name, "--format", "{{.error}}"])).stdout, path);
  },
);

hostTest("restart starts it again with the same options, name, id and log", async () => {
  await using container = await detached(["--env", "A=b", "--hostname", "other"], [
    ...["sh", "-c", "echo $A $(hostname); sleep 60"],
  ]);
  await eventually(() => container.output() === "b other\n", "it runs");
  const before = container.state;
  const { code, stdout, stderr } = await libflux(["restart", "--time", "0", container.name]);
  assertEquals([code, stdout, stderr], [0, `${container.name}\n`, ""]);
  await eventually(() => container.output() === "b other\nb other\n", "it runs again");
  assertEquals(container.state?.id, before?.id);
  assert(container.state?.pid !== before?.pid);
  // One that has ended, too; from another directory, since the image's path was relative.
  await libflux(["stop", "--time", "0", container.name]);
  assertEquals((await libflux(["restart", container.name], { cwd: "/" })).code, 0);
  await eventually(() => container.output() === "b other\n".repeat(3), "it runs a third time");
});

hostTest("restart refuses whom nobody knows, and what runs in the foreground", async () => {
  assertStringIncludes((await libflux(["restart", "nobody-at-all"])).stderr, "there is no container nobody-at-all");
});

hostTest("a container that is removed at its end can be started again before", async () => {
  await using container = await detached(["--rm"], ["sleep", "60"]);
  assertEquals((await libflux(["restart", "-t", "0", container.name])).stderr, "");
  assert(isRunning(container.state?.pid ?? 0));
});

hostTest("a stop that is interrupted changes nothing: what it was to end goes on, and is started again", async () => {
  await using container = await script("trap 'echo term' TERM; while ! test -e /tmp/end; do sleep 0.05; done; exit 4", [
    ...["--restart", "on-failure:1"],
  ]);
  const stop = startLibflux(["stop", "-t", "60", container.name]);
  await stop.stdin.close();
  await eventually(() => container.output() === "term\n", "it was asked to end");
  stop.kill("SIGKILL");
  await stop.output();
  const end = await libflux(["exec", container.name, "--", "touch", "/tmp/end"]);
  assertEquals(end.stderr, "");
  await eventually(() => container.record?.restarts === 1, "it was started again");
});

hostTest("nobody but a monitor finishes a container", async () => {
  await using container = await script("sleep 60");
  const { directory } = container;
  const command = new Deno.Command("sh", {
    args: ["-c", `./libflux finish 5<"${directory}/lock" 6<"${directory}"`],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stderr } = await command.output();
  assertEquals(code, 125);
  assertStringIncludes(new TextDecoder().decode(stderr), "only a container's monitor calls 'finish'");
  assert(isRunning(container.state?.pid ?? 0));
});

hostTest("nobody gets onto the host by a container that waits to be started again", async () => {
  using outside = temporaryDirectory();
  await using container = await script("exit 1", ["--restart", "always"]);
  // The sixth pause is 3.2 s long, and leaves time for all that is tried.
  await eventually(() => container.state?.restarting === true && (container.state.attempts ?? 0) >= 6, "it waits");
  const { name } = container;
  const { stdout } = await libflux(["ps", "--filter", `name=${name}`, "--format", "{{.Status}} {{.Pid}}"]);
  assertMatch(stdout, /^Restarting \(1\) .* ago 0\n$/);
  for (
    const args of [
      ["exec", name, "--", "touch", `${outside.path}/touched`],
      ["cp", `${name}:/etc/hostname`, `${outside.path}/copied`],
      ["cp", "README.md", `${name}:${outside.path}/copied`],
      ["diff", name],
      ["top", name],
      ["pause", name],
      ["kill", "-s", "TERM", name],
      ["attach", name],
      // Ordinary users may join no container's network at all.
      ...IS_USER ? [] : [["run", "joins", "--network", `container:${name}`, "--image", BUSYBOX, "--", "true"]],
    ]
  ) {
    const { code, stderr } = await libflux(args);
    assertEquals(code, 125, args.join(" "));
    assertStringIncludes(stderr, `the container ${name} has ended, and is about to be started again`);
  }
  assertEquals(Array.from(Deno.readDirSync(outside.path)), []);
  assertEquals((await libflux(["kill", name])).code, 0);
  assertEquals(container.state, undefined);
});
