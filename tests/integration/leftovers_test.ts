import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BUSYBOX, libflux, rootTest, startLibflux, temporaryDirectory } from "./support.ts";

/** Where v1's freezer is: the one thing that keeps a killed process from ending. */
const FREEZER = "/sys/fs/cgroup/freezer";

/** A cgroup of this test's, that holds processes. */
function freezer(): Disposable & { readonly hold: (pids: readonly string[]) => void; readonly thaw: () => void } {
  const group = `${FREEZER}/libflux-test-${Deno.pid}`;
  Deno.mkdirSync(group);
  const write = (file: string, text: string): void => Deno.writeTextFileSync(`${group}/${file}`, text);
  return {
    hold: (pids) => {
      for (const pid of pids) write("cgroup.procs", pid);
      write("freezer.state", "FROZEN");
    },
    thaw: () => write("freezer.state", "THAWED"),
    [Symbol.dispose]: () => {
      write("freezer.state", "THAWED");
      for (let tries = 0; tries < 100; tries++) {
        try {
          return Deno.removeSync(group);
        } catch {
          // its processes are just ending
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
        }
      }
    },
  };
}

const hasFreezer = (() => {
  try {
    return Deno.statSync(`${FREEZER}/cgroup.procs`).isFile;
  } catch {
    return false;
  }
})();

// v2 kills what it holds: there nothing of the kind can be made to happen.
if (hasFreezer) {
  rootTest("leftovers: what can't be removed yet is told, holds no command up, and goes with a later one", async () => {
    using directory = temporaryDirectory();
    using frozen = freezer();
    const root = ["--root", `${directory.path}/state`];
    const child = startLibflux(["run", "stuck", ...root, "--image", BUSYBOX, "--", "sh", "-c", "echo up; sleep 60"]);
    const reader = child.stdout.getReader();
    await reader.read();
    const state = JSON.parse(Deno.readTextFileSync(`${directory.path}/state/containers/stuck/state.json`));
    const groups: string[] = [...Object.values<string>(state.cgroups.legacy), state.cgroups.unified ?? ""];
    const group = groups.find((path) => path !== "") ?? "";
    frozen.hold(Deno.readTextFileSync(`${group}/cgroup.procs`).trim().split("\n"));
    child.kill("SIGKILL");
    await child.status;

    const begin = performance.now();
    const first = await libflux(["ps", "-q", ...root]);
    assert(performance.now() - begin < 5_000, `${performance.now() - begin} ms`);
    assertEquals([first.code, first.stdout], [0, ""]);
    assertMatch(first.stderr, /^libflux: warning: [^\n]+; the next libflux command tries again\n$/);
    assertStringIncludes(first.stderr, group);
    assertStringIncludes(first.stderr, "container stuck");
    assert(Deno.statSync(group).isDirectory);
    for (const flags of [["--log-level", "error"], ["--log-level=error"]]) {
      assertEquals(await libflux(["ps", "-q", ...root, ...flags]), { code: 0, stdout: "", stderr: "" });
    }
    // The name is free all the same, and nothing of the first is forgotten with the second.
    const second = await libflux(["run", "stuck", ...root, "--image", BUSYBOX, "--", "echo", "again"]);
    assertEquals([second.code, second.stdout], [0, "again\n"]);
    assert(Deno.statSync(group).isDirectory);

    frozen.thaw();
    assertEquals(await libflux(["ps", "-q", ...root]), { code: 0, stdout: "", stderr: "" });
    for (const path of groups) if (path !== "") await assertGone(path);
    assertEquals(Array.from(Deno.readDirSync(`${directory.path}/state/containers`)), []);
    await reader.cancel();
    await child.stderr.cancel();
  });
}

async function assertGone(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch {
    return;
  }
  throw new Error(`${path} is still there`);
}
