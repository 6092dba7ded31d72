import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { FluxError, list, pause, run, stats, top } from "../../mod.ts";
import { groupOf, isUnified } from "../integration/cgroups.ts";
import {
  BUSYBOX,
  hostTest,
  LIBFLUX,
  libflux,
  patience,
  runContainer,
  startLibflux,
  uniqueName,
} from "../integration/support.ts";

const ROOT = "/sys/fs/cgroup";
const IMAGE = ["--image", BUSYBOX];
const sh = (flags: readonly string[], script: string) => runContainer([...IMAGE, ...flags], ["sh", "-c", script]);
const read = (path: string): string => Deno.readTextFileSync(path).trim();

/** A cgroup of the test's own. */
function cgroup(): Disposable & { readonly path: string; readonly directory: string } {
  const path = `/libflux-test-${uniqueName()}`;
  Deno.mkdirSync(ROOT + path);
  return { path, directory: ROOT + path, [Symbol.dispose]: () => Deno.removeSync(ROOT + path) };
}

Deno.test("this machine has nothing but cgroup v2", () => assertEquals(isUnified, true));

hostTest("v2: a container is born in its cgroup, and never was in libflux's", async () => {
  using parent = cgroup();
  Deno.writeTextFileSync(`${ROOT}/cgroup.subtree_control`, "+pids");
  // Going into a cgroup that has no process left to give is always allowed; being born in it isn't.
  Deno.writeTextFileSync(`${parent.directory}/pids.max`, "0");
  const error = await assertRejects(
    () => run({ image: BUSYBOX, command: ["true"], cgroupParent: parent.path }),
    FluxError,
  );
  assertStringIncludes(error.message, "EAGAIN");
  Deno.writeTextFileSync(`${parent.directory}/pids.max`, "max");
  await using container = await run({ image: BUSYBOX, command: ["sleep", "60"], cgroupParent: parent.path });
  assertEquals(groupOf(container, "pids"), `${parent.directory}/${container.id}`);
  container.kill("SIGKILL");
  await container.status;
});

hostTest("v2: its cgroup is the root of all that it sees, and read-only unless it is asked for", async () => {
  const script = "cat /proc/self/cgroup /proc/1/cgroup; cat /sys/fs/cgroup/pids.max; mkdir /sys/fs/cgroup/x";
  const { stdout, stderr } = await sh(["--pids-limit", "77"], script);
  assertEquals(stdout, "0::/\n0::/\n77\n");
  assertStringIncludes(stderr, "Read-only file system");
  const writable = ["--security-opt", "writable-cgroups", "--pids-limit", "77"];
  assertEquals(await sh(writable, "cd /sys/fs/cgroup && mkdir x && echo 1 >x/cgroup.procs && cat /proc/1/cgroup"), {
    code: 0,
    stdout: "0::/x\n",
    stderr: "",
  });
  // Its own limits stay out of its reach, and what it hands out itself is its own affair.
  const lift = "cd /sys/fs/cgroup; (echo max >pids.max) 2>/dev/null; cat pids.max; mkdir x; echo 1 >x/cgroup.procs; " +
    "echo $$ >x/cgroup.procs; echo +pids +memory >cgroup.subtree_control; echo 5 >x/pids.max; cat x/pids.max";
  assertEquals((await sh(writable, lift)).stdout, "77\n5\n");
});

hostTest("v2: processes in cgroups that the container made are counted, and removed with it", async () => {
  const script = "cd /sys/fs/cgroup; mkdir -p a/b; sleep 1000 & echo $! >a/b/cgroup.procs; echo made; wait";
  await using container = await run({
    image: BUSYBOX,
    command: ["sh", "-c", script],
    writableCgroups: true,
  });
  await container.stdout.getReader().read();
  const commands = (await top(container.name)).map(({ command }) => command);
  assert(commands.includes("sleep 1000"), commands.join(", "));
  assertEquals((await stats([container.name]))[0]?.pids, 3);
});

hostTest("v2: one that is held when libflux is killed is removed by the next command, at once", async () => {
  const name = uniqueName();
  const child = startLibflux([
    "run",
    name,
    ...IMAGE,
    "--no-init",
    "--pid",
    "host",
    "--",
    "sh",
    "-c",
    "echo up; sleep 1000",
  ]);
  await child.stdout.getReader().read();
  await pause(name);
  assertEquals((await list()).find((one) => one.name === name)?.state, "paused");
  child.kill("SIGKILL");
  await child.status;
  const begin = performance.now();
  assertEquals((await libflux(["ps", "--quiet"])).stdout, "");
  assert(performance.now() - begin < patience(2_000));
  await Promise.all([child.stdin.close(), child.stderr.cancel()]);
});

hostTest("v2: --time tells the most memory and for how long it was held back", async () => {
  const { stderr } = await sh(["--time", "--cpus", "0.3"], "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done");
  assertMatch(stderr, /^held back by the CPU limit +[1-9][\d.]* ms$/m);
  assertMatch(stderr, /^most memory at one time +\d+ (MiB|KiB)$/m);
});

hostTest("v2: stats tell who waits", async () => {
  const command = ["sh", "-c", "while :; do :; done"];
  await using container = await run({ image: BUSYBOX, command, limits: { cpus: 0.1 } });
  const deadline = performance.now() + patience(10_000);
  let waited = 0;
  while (waited < 10 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    waited = (await stats([container.name]))[0]?.pressure?.cpu ?? 0;
  }
  assert(waited >= 10, `${waited} % of the time`);
});

hostTest("v2: a host whose own processes are in the way is told what to do, and runs what needs no limit", async () => {
  using nested = cgroup();
  Deno.writeTextFileSync(`${ROOT}/cgroup.subtree_control`, "+pids +memory");
  // As in a container of another runtime: the cgroup that looks like the root has processes in it.
  const script = `echo $$ >${nested.directory}/cgroup.procs; exec unshare --cgroup --mount sh -c '
    umount ${ROOT}; mount -t cgroup2 none ${ROOT} && exec "$@"' sh "$@"`;
  const inside = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      // Who removes a bridge is in there for a moment longer.
      args: ["-c", script, "sh", LIBFLUX, "run", uniqueName(), ...IMAGE, "--network", "none", ...args],
    }).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  };
  assertEquals(await inside("--", "echo", "hello"), { code: 0, stdout: "hello\n", stderr: "" });
  const { code, stderr } = await inside("--memory", "32M", "--", "true");
  assertEquals(code, 125);
  assertMatch(
    stderr,
    /^libflux: --memory can't be enforced: the cgroup \S+ doesn't hand down "memory": there are .*\n$/,
  );
  assertStringIncludes(stderr, "move them into a cgroup below it");
  assertEquals(read(`${nested.directory}/cgroup.procs`), "");
});

hostTest(
  "v2: whatever cgroups a container makes, deep, with threads only, with paths longer than the host takes, all goes",
  async () => {
    const script = `cd /sys/fs/cgroup; mkdir -p x/y; echo threaded >x/cgroup.type; echo threaded >x/y/cgroup.type
    name=$(printf %0126d 0); i=0; while [ $i -lt 40 ]; do mkdir $name && cd $name || break; i=$((i + 1)); done
    echo $i`;
    const { code, stdout, stderr } = await sh(["--security-opt", "writable-cgroups"], script);
    assertEquals([code, stdout], [0, "32\n"], stderr);
  },
);
