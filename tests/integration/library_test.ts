import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  attach,
  benchmark,
  CommandNotFoundError,
  explain,
  FluxError,
  ImageError,
  list,
  NameInUseError,
  run,
  type RunOptions,
  UsageError,
} from "../../mod.ts";
import { readIfThere } from "../../lib/store/directory.ts";
import { BUSYBOX, hostTest, IS_USER, openDescriptors, patience, quietDescriptors, uniqueName } from "./support.ts";

const sh = (script: string, options: Partial<RunOptions> = {}) =>
  run({ image: BUSYBOX, command: ["sh", "-c", script], ...options });

hostTest("run() gives the command's output and its status", async () => {
  await using container = await sh("echo out; echo err >&2; exit 3");
  const [stdout, stderr] = await Promise.all([
    new Response(container.stdout).text(),
    new Response(container.stderr).text(),
  ]);
  const { code, signal, created, started, finished } = await container.status;
  assertEquals([stdout, stderr, code, signal], ["out\n", "err\n", 3, undefined]);
  assert(created <= started && started <= finished);
});

hostTest("run() pipes standard input, binary-safe, with back pressure", async () => {
  await using container = await run({ image: BUSYBOX, command: ["md5sum"], stdin: "piped" });
  const chunk = new Uint8Array(65536).fill(0xff);
  const writer = container.stdin.getWriter();
  for (let i = 0; i < 64; i++) await writer.write(chunk);
  await writer.close();
  const [sum = ""] = (await new Response(container.stdout).text()).split(" ");
  const expected = new Deno.Command("sh", {
    args: ["-c", "head -c 4194304 /dev/zero | tr '\\0' '\\377' | md5sum"],
    stdout: "piped",
  }).outputSync();
  assertEquals(sum, new TextDecoder().decode(expected.stdout).split(" ")[0]);
});

hostTest("run(): writing to a command that has closed its input is a BrokenPipe", async () => {
  await using container = await sh("exec <&-; echo closed; sleep 1000", { stdin: "piped" });
  const reader = container.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  const writer = container.stdin.getWriter();
  await assertRejects(() => writer.write(new Uint8Array([1])), Deno.errors.BrokenPipe);
});

hostTest("Container.stdin is no stream unless it was asked for", async () => {
  await using container = await sh("true");
  assertThrows(() => container.stdin, TypeError, "stdin of this container is not piped");
});

hostTest("Container.kill() sends signals to the command", async () => {
  await using container = await sh("trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.01; done");
  const reader = container.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "ready\n");
  container.kill();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "got it\n");
  reader.releaseLock();
  assertEquals((await container.status).code, 5);
  // Once more does nothing.
  container.kill("SIGKILL");
});

hostTest("Container.kill() of one that has ended never reaches another", async () => {
  const ended = await sh("true");
  await ended.status;
  // Descriptors are numbered anew: one of these has the number that the first one's pidfd had.
  await using stack = new AsyncDisposableStack();
  const others = [];
  for (let i = 0; i < 5; i++) others.push(stack.use(await sh("read x; exit 4", { stdin: "piped" })));
  ended.kill("SIGKILL");
  await ended[Symbol.asyncDispose]();
  for (const other of others) {
    await other.stdin.close();
    assertEquals((await other.status).code, 4);
  }
});

hostTest("Container.status tells the signal that killed the command", async () => {
  await using container = await sh("kill -USR1 $$");
  const { code, signal } = await container.status;
  assertEquals([code, signal], [138, "SIGUSR1"]);
});

hostTest("an AbortSignal kills the container, before and after it has started", async () => {
  const controller = new AbortController();
  await using container = await sh("sleep 1000", { signal: controller.signal });
  controller.abort();
  assertEquals((await container.status).signal, "SIGKILL");
  const during = new AbortController();
  const launching = sh("sleep 1000", { signal: during.signal });
  queueMicrotask(() => during.abort(new Error("stop")));
  await assertRejects(() => launching, Error, "stop");
  await assertRejects(() => sh("true", { signal: AbortSignal.abort(new Error("too late")) }), Error, "too late");
});

hostTest("`await using` kills what still runs", async () => {
  const name = uniqueName();
  {
    await using container = await sh("sleep 1000 & sleep 1000", { name });
    assertEquals((await list()).map((one) => one.name), [name]);
    assertEquals(container.name, name);
  }
  assertEquals(await list(), []);
});

hostTest("a reader that is still reading gets to the end when the container is disposed of", async () => {
  let rest: Promise<ReadableStreamReadResult<Uint8Array>>;
  {
    await using container = await sh("echo first; sleep 1000");
    const reader = container.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "first\n");
    rest = reader.read();
  }
  assertEquals((await rest).done, true);
});

hostTest("errors are typed, and tell apart what went wrong", async () => {
  await assertRejects(() => run({ command: [] }), UsageError);
  await assertRejects(() => run({ image: "/nowhere", command: ["true"] }), ImageError);
  const error = await assertRejects(() => run({ image: BUSYBOX, command: ["nowhere"] }), CommandNotFoundError);
  assertEquals([error.exitCode, error.path], [127, "nowhere"]);
  const name = uniqueName();
  await using container = await sh("sleep 1000", { name });
  await assertRejects(() => sh("true", { name }), NameInUseError, container.id.slice(0, 12));
});

hostTest("replace ends the container that has the name", async () => {
  const name = uniqueName();
  await using first = await sh("sleep 1000", { name });
  await using second = await sh("echo second", { name, replace: true });
  assertEquals(await new Response(second.stdout).text(), "second\n");
  assertEquals((await first.status).signal, "SIGKILL");
});

hostTest("list() tells what runs", async () => {
  const name = uniqueName();
  await using container = await sh("sleep 1000", { name, labels: { tier: "web" } });
  const place = IS_USER ? {} : { network: "bridge", address: "10.87.0.2" };
  const [{ created, ...rest } = { created: new Date(0) }] = await list();
  assertEquals(rest, {
    name,
    id: container.id,
    state: "running",
    pid: container.pid,
    image: BUSYBOX,
    command: ["sh", "-c", "sleep 1000"],
    labels: { tier: "web" },
    ...place,
    ports: [],
  });
  assert(Date.now() - created.getTime() < 60_000);
});

hostTest("a terminal is one stream each way, and can be resized", async () => {
  await using container = await sh("stty size; read line; stty size; echo $line", {
    terminal: { columns: 100, rows: 30 },
  });
  const reader = container.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const readUntil = async (part: string): Promise<void> => {
    while (!text.includes(part)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`ended after ${JSON.stringify(text)}`);
      text += value;
    }
  };
  await readUntil("30 100\r\n");
  container.resize({ columns: 120, rows: 40 });
  const writer = container.stdin.getWriter();
  await writer.write(new TextEncoder().encode("hello\n"));
  await readUntil("40 120\r\nhello\r\n");
  assertEquals((await container.status).code, 0);
  await reader.cancel();
  assertThrows(() => container.stderr, TypeError);
  assertThrows(() => container.resize({ columns: 70_000, rows: 24 }), UsageError);
});

hostTest("attach() is for containers with a terminal", async () => {
  await using container = await sh("true");
  await assertRejects(() => attach(container), TypeError, "no terminal");
});

hostTest("30 containers at once keep apart", async () => {
  const outputs = await Promise.all(Array.from({ length: 30 }, async (_, index) => {
    await using container = await sh(`echo ${index}; hostname`, { name: `many-${index}` });
    return await new Response(container.stdout).text();
  }));
  assertEquals(outputs, Array.from({ length: 30 }, (_, index) => `${index}\nmany-${index}\n`));
});

/** This process's children by their pids, zombies too: what each is, and in which state. */
function children(): Record<string, string> {
  const pids = Array.from(
    Deno.readDirSync("/proc/self/task"),
    ({ name }) => readIfThere(`/proc/self/task/${name}/children`)?.trim().split(" ") ?? [],
  ).flat().filter((pid) => pid !== "");
  return Object.fromEntries(pids.map((pid) => [pid, readIfThere(`/proc/${pid}/stat`)?.slice(0, 60) ?? pid]));
}

hostTest("200 containers in a row leave no descriptor and no zombie", async () => {
  const once = async (): Promise<void> => {
    await using container = await sh("echo hello", { network: "none" });
    await new Response(container.stdout).text();
  };
  await once();
  const before = await quietDescriptors();
  // Those of a worker that has ended nobody waits for any more: another file's tests may have left some.
  const others = children();
  for (let i = 0; i < 200; i++) await once();
  assertEquals(openDescriptors(), before);
  const own = (): string[] => Object.entries(children()).flatMap(([pid, what]) => pid in others ? [] : [what]);
  const deadline = performance.now() + patience(5_000);
  while (own().length > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(own(), []);
});

hostTest("benchmark() measures every container", async () => {
  const seen: number[] = [];
  const result = await benchmark({ image: BUSYBOX, count: 5, memory: true, onProgress: (done) => seen.push(done) });
  assertEquals([result.count, result.totals.length, seen], [5, 5, [1, 2, 3, 4, 5]]);
  for (const { min, median, p95, max } of [result.creation, result.start, result.total, result.tearDown]) {
    assert(0 < min && min <= median && median <= p95 && p95 <= max);
  }
  assert((result.memory?.process ?? 0) > 1e6 && (result.memory?.container ?? 0) > 0);
  await assertRejects(() => benchmark({ image: BUSYBOX, count: 1, command: ["false"] }), FluxError, "exit code 1");
});

hostTest("explain() does nothing, and shows the program that run() executes", () => {
  const { listing, spec, instructions } = explain({ image: BUSYBOX, command: ["true"], readOnly: true });
  assertEquals([spec.root.path, spec.root.readonly], [BUSYBOX, true]);
  assert(listing.includes("pivot_root") && instructions > 100);
});

hostTest("explain() shows the cgroup that a container is born in, and the streams that are its own null device", () => {
  const options = { image: BUSYBOX, command: ["true"] };
  const { listing } = explain(options);
  assertStringIncludes(listing, "point descriptor 0 at the null device");
  assert(!listing.includes("point descriptor 1 at"));
  assertStringIncludes(explain({ ...options, stdout: "null" }).listing, "point descriptor 1 at the null device");
  const unified = Deno.readTextFileSync("/proc/self/mountinfo").includes(" - cgroup2 ");
  assertEquals(/clone3\(\{flags: [^}]*CLONE_INTO_CGROUP/.test(listing), unified);
});
