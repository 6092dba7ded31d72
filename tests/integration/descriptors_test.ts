import { assert, assertEquals, assertRejects } from "@std/assert";
import { syscall } from "../../ffi/libc.ts";
import { defaultRoot } from "../../lib/store/directory.ts";
import { Store } from "../../lib/store/state.ts";
import { type Container, run } from "../../mod.ts";
import { BUSYBOX, hostTest, openDescriptors, patience, quietDescriptors, rootTest } from "./support.ts";

const RLIMIT_NOFILE = 7;
const HARD_AT = 8;

/** Lets this process have only new descriptors below a number, as long as the variable lasts. */
function descriptorsBelow(number: number): Disposable {
  const saved = new Uint8Array(16);
  syscall("prlimit64", 0, RLIMIT_NOFILE, 0, saved);
  const low = saved.slice();
  low.fill(0, 0, HARD_AT);
  new DataView(low.buffer).setUint32(0, number, true);
  syscall("prlimit64", 0, RLIMIT_NOFILE, low, 0);
  return { [Symbol.dispose]: () => void syscall("prlimit64", 0, RLIMIT_NOFILE, saved, 0) };
}

const terminal = { columns: 80, rows: 24 };

for (
  const [what, options] of [
    ["", { terminal }],
    [", with a log", { log: {} }],
    [", with a log of a terminal", { log: {}, terminal }],
  ] as const
) {
  hostTest(`run() leaves no descriptor wherever in a launch the last one is taken${what}`, async () => {
    const start = async (): Promise<boolean> => {
      try {
        await using container = await run({ image: BUSYBOX, command: ["true"], network: "none", ...options });
        assertEquals((await container.status).code, 0);
        return true;
      } catch {
        return false;
      }
    };
    assert(await start());
    const before = await quietDescriptors();
    let succeeded = 0;
    let failed = 0;
    for (let most = 3; most < 200 && succeeded < 3; most++) {
      {
        using _limit = descriptorsBelow(most);
        if (await start()) succeeded++;
        else failed++;
      }
      assertEquals(openDescriptors(), before, `with those below ${most}`);
    }
    // What there was no descriptor to clean up with is the next command's to remove.
    await new Store(defaultRoot()).reconcile();
    assert(succeeded === 3 && failed > 5, `${succeeded} succeeded, ${failed} failed`);
  });
}

hostTest("run() needs no more descriptors once the command runs", async () => {
  const { signal } = new AbortController();
  using limits = new DisposableStack();
  // The launch, once it is over, takes its listener off: the first that does.
  let launched = false;
  signal.removeEventListener = () => {
    if (!launched) limits.use(descriptorsBelow(3));
    launched = true;
  };
  const start = (): Promise<Container> =>
    run({ image: BUSYBOX, command: ["cat"], network: "none", terminal: { columns: 80, rows: 24 }, signal });
  await using container = await start();
  limits.dispose();
  container.kill();
  assertEquals((await container.status).signal, "SIGTERM");
});

hostTest("a disposed container keeps no descriptor, whoever holds its streams", async () => {
  const hold = async (): Promise<void> => {
    await using container = await run({
      image: BUSYBOX,
      command: ["sh", "-c", "echo first; sleep 1000"],
      network: "none",
      stdin: "piped",
    });
    container.stdin.getWriter();
    await container.stdout.getReader().read();
    container.stderr.getReader();
  };
  await hold();
  const before = await quietDescriptors();
  for (let i = 0; i < 10; i++) await hold();
  assertEquals(openDescriptors(), before);
});

hostTest("a container that has ended keeps no descriptor, and its output can still be asked for", async () => {
  const before = await quietDescriptors();
  for (const terminal of [undefined, { columns: 80, rows: 24 }]) {
    const container = await run({
      image: BUSYBOX,
      command: ["sh", "-c", "seq 1 5000; test -t 2 || echo error >&2"],
      network: "none",
      stdin: terminal === undefined ? "piped" : "null",
      ...(terminal === undefined ? {} : { terminal }),
    });
    if (terminal === undefined) await container.status;
    const stdout = new Response(container.stdout).text();
    await container.status;
    assertEquals(openDescriptors(), before);
    const lines = (await stdout).trim().split(/\r?\n/);
    assertEquals([lines.length, lines.at(-1)], [5000, "5000"]);
    if (terminal === undefined) assertEquals(await new Response(container.stderr).text(), "error\n");
    const writer = container.stdin.getWriter();
    await assertRejects(() => writer.write(new Uint8Array([1])), Deno.errors.BrokenPipe);
  }
});

hostTest("a write that waits when the container ends is told", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"], stdin: "piped" });
  const writer = container.stdin.getWriter();
  const writing = assertRejects(() => writer.write(new Uint8Array(1_000_000)), Deno.errors.BrokenPipe);
  container.kill("SIGKILL");
  await container.status;
  await writing;
});

rootTest("on a bridge, what is still done in the background when a container has ended is over soon", async () => {
  const ports = [{ containerPort: 80, protocol: "tcp" }] as const;
  const start = async (): Promise<void> => {
    await using container = await run({ image: BUSYBOX, command: ["true"], network: "bridge", ipv6: true, ports });
    await container.status;
  };
  // Not where an ordinary user's tests would load it: it asks for root's tools.
  const { assertNetwork, network } = await import("./network/state.ts");
  const untouched = await network();
  await start();
  const soon = async (before: readonly string[]): Promise<void> => {
    const deadline = performance.now() + patience(5_000);
    while (openDescriptors().length > before.length && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(openDescriptors(), before);
  };
  const before = await quietDescriptors();
  for (let i = 0; i < 10; i++) await start();
  await soon(before);
  // And wherever in a launch the last descriptor is taken.
  for (let most = before.length; most < before.length + 50; most++) {
    {
      using _limit = descriptorsBelow(most);
      await start().catch(() => {});
    }
    await soon(before);
  }
  // What was written down is done by the next command, and nothing was lost on the way.
  await new Store(defaultRoot()).reconcile();
  await assertNetwork(untouched);
});
