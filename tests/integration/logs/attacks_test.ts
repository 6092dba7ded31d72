import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Container, run, type RunOptions } from "../../../mod.ts";
import {
  BUSYBOX,
  hostTest,
  libflux,
  patience,
  rootTest,
  startLibflux,
  temporaryDirectory,
  uniqueName,
} from "../support.ts";
import { call, checksum, Log, LOGS, mountHistory, oneGigabyte, pumpOf, until } from "./support.ts";

const options = (root: string, log: RunOptions["log"] = {}) =>
  ({ image: BUSYBOX, network: "none", root, log: log ?? {} }) as const;

hostTest("1 GB that is written as fast as it can is in the log, every byte", async () => {
  using root = temporaryDirectory(LOGS);
  const { command, expected } = oneGigabyte();
  await using container = await run({
    ...options(root.path, { maxSize: 100_000_000, maxFile: 12 }),
    ...{ stdout: "null", stderr: "null" },
    command: ["sh", "-c", command],
  });
  assertEquals((await container.status).code, 0);
  const log = new Log(container.name, root.path);
  assertEquals(checksum(log.records()), expected);
  for (const file of log.files()) assert(Deno.statSync(file).size <= 100_000_000);
});

hostTest("short lines one at a time are all in the log, in files no larger than they may be", async () => {
  using root = temporaryDirectory(LOGS);
  const [lines, maxSize] = [100_000, 65_536];
  await using container = await run({
    ...options(root.path, { maxSize, maxFile: 1000 }),
    ...{ stdout: "null", stderr: "null" },
    // The shell writes each line by itself.
    command: ["sh", "-c", `i=0; while [ $i -lt ${lines} ]; do echo line $i; i=$((i+1)); done`],
  });
  assertEquals((await container.status).code, 0);
  const log = new Log(container.name, root.path);
  const files = log.files();
  const sizes = files.map((file) => Deno.statSync(file).size);
  assert(files.length > 10, `${files.length}`);
  for (const size of sizes) assert(size <= maxSize, sizes.join());
  assertEquals(log.text(), Array.from({ length: lines }, (_, index) => `line ${index}\n`).join(""));
});

hostTest("a log keeps as many files as it may, which are the last", async () => {
  using root = temporaryDirectory();
  await using container = await run({
    ...options(root.path, { maxSize: 4096, maxFile: 3 }),
    ...{ stdout: "null", stderr: "null" },
    command: ["sh", "-c", "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done"],
  });
  await container.status;
  const log = new Log(container.name, root.path);
  assertEquals(log.files().map((file) => file.slice(log.directory.length + 1)), ["log.2", "log.1", "log"]);
  const text = log.text();
  assert(text.length > 1000);
  assert(Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join("").endsWith(text));
});

hostTest("binary output is in the log as it was", async () => {
  using root = temporaryDirectory();
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  await using container = await run({ ...options(root.path), command: ["cat"], stdin: "piped" });
  const output = new Response(container.stdout).bytes();
  const writer = container.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  assertEquals(await output, bytes);
  await container.status;
  const records = [...new Log(container.name, root.path).records()];
  const logged = new Uint8Array(await new Blob(records.map(({ data }) => data)).arrayBuffer());
  assertEquals(logged, bytes);
});

hostTest("a container that closes one of its outputs goes on with the other", async () => {
  using root = temporaryDirectory();
  await using container = await run({
    ...options(root.path),
    command: ["sh", "-c", "echo out; exec >&-; echo err >&2; exit 4"],
  });
  const [stdout, stderr] = await Promise.all([
    new Response(container.stdout).text(),
    new Response(container.stderr).text(),
  ]);
  assertEquals([(await container.status).code, stdout, stderr], [4, "out\n", "err\n"]);
  assertEquals(new Log(container.name, root.path).text(), "out\nerr\n");
});

/** A container that says what it is told. */
async function echoing(
  root: string,
): Promise<{ readonly container: Container; readonly say: (text: string) => Promise<void> }> {
  const container = await run({ ...options(root), command: ["cat"], stdin: "piped", stderr: "null" });
  const writer = container.stdin.getWriter();
  const reader = container.stdout.getReader();
  const say = async (text: string): Promise<void> => {
    await writer.write(new TextEncoder().encode(text));
    // What has been passed on has been logged before.
    for (let left = text.length; left > 0;) {
      const { value, done } = await reader.read();
      assert(!done);
      left -= value.length;
    }
  };
  return { container, say };
}

hostTest("a log that is deleted is begun anew", async () => {
  using root = temporaryDirectory();
  const { container, say } = await echoing(root.path);
  await using _ = container;
  const log = new Log(container.name, root.path);
  await say("before\n");
  assertEquals(log.text(), "before\n");
  Deno.removeSync(`${log.directory}/log`);
  await say("after\n");
  assertEquals(log.text(), "after\n");
});

hostTest("the pump takes less than 200 KiB, and has nothing of the host's open", async () => {
  using root = temporaryDirectory();
  const { container, say } = await echoing(root.path);
  await using _ = container;
  for (let i = 0; i < 20; i++) await say("x".repeat(60_000));
  const pump = pumpOf(container.name);
  const [, pss] = /^Pss: +(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pump}/smaps_rollup`)) ?? [];
  assert(Number(pss) > 0 && Number(pss) < 200, `${pss} KiB`);
  assertEquals(Deno.readLinkSync(`/proc/${pump}/cwd`), "/");
  const open = Array.from(
    Deno.readDirSync(`/proc/${pump}/fd`),
    ({ name }) => Deno.readLinkSync(`/proc/${pump}/fd/${name}`),
  );
  const { directory } = new Log(container.name, root.path);
  // The report, two sources and a tee; and the log.
  assertEquals(open.map((path) => path.replace(/^pipe:.*/, "pipe")).toSorted(), [
    ...[directory, `${directory}/log`],
    ...["pipe", "pipe", "pipe", "pipe"],
  ]);
});

rootTest("a full disk holds nobody up; what is lost is told when there is room again", async () => {
  using root = temporaryDirectory();
  await using history = await mountHistory(root.path, "size=64k,mode=700");
  const { container, say } = await echoing(root.path);
  await using _ = container;
  const log = new Log(container.name, root.path);
  const line = `${"x".repeat(8000)}\n`;
  for (let i = 0; i < 20; i++) await say(line);
  const kept = log.text();
  assert(kept.length < 64_000 && kept.length % line.length === 0, `${kept.length}`);
  await call("mount", "-o", "remount,size=1m", history.path);
  await say("room\n");
  await say("again\n");
  assertEquals(log.text(), `${kept}<lost>room\nagain\n`);
});

hostTest("a slow reader slows the container down, and nothing is lost", async () => {
  using root = temporaryDirectory();
  const size = 2_000_000;
  await using container = await run({
    ...options(root.path),
    command: ["head", "-c", `${size}`, "/dev/zero"],
    stderr: "null",
  });
  const log = new Log(container.name, root.path);
  await until("the first output", () => log.size() > 65_536);
  // Two pipes, and what is between them.
  for (let i = 0; i < 50; i++) {
    assert(log.size() < 4 * 65_536, `${log.size()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assertEquals((await new Response(container.stdout).bytes()).length, size);
  assertEquals((await container.status).code, 0);
  assertEquals(log.text().length, size);
});

hostTest(
  "a reader that takes nothing doesn't keep libflux from ending, and gets everything when it reads",
  async () => {
    const log = new Log(uniqueName());
    const child = startLibflux(["run", log.name, "--image", BUSYBOX, "--", "yes", "0123456789abcdef"]);
    await until("a full pipe", () => log.size() > 65_536);
    assertEquals((await libflux(["kill", log.name])).code, 0);
    assertEquals((await child.status).code, 137);
    assertEquals(log.record?.code, 137);
    assert(pumpOf(log.name) !== undefined);
    const [output] = await Promise.all([new Response(child.stdout).text(), child.stderr.cancel(), child.stdin.close()]);
    await until("the end of the pump", () => pumpOf(log.name) === undefined);
    assert(output.length > 65_536);
    assertEquals(log.text(), output);
    log.remove();
  },
);

rootTest("a log that can't be begun is told, with what to do about it", async () => {
  using root = temporaryDirectory();
  await using history = await mountHistory(root.path, "ro,mode=700");
  const flags = ["--image", BUSYBOX, "--network", "none", "--root", root.path];
  const name = uniqueName();
  const { code, stderr } = await libflux(["run", name, ...flags, "--", "true"]);
  assertEquals(code, 125);
  assertMatch(stderr, /^libflux: what \S+ writes can't be logged: .*EROFS.*; --log-driver none logs nothing\n$/);
  assert(stderr.includes(history.path));
  assertEquals((await libflux(["run", name, ...flags, "--log-driver", "none", "--", "true"])).code, 0);
});

hostTest("a reader that has gone ends the command as a broken pipe does", async () => {
  using root = temporaryDirectory();
  await using container = await run({ ...options(root.path), command: ["yes"], stderr: "null" });
  const reader = container.stdout.getReader();
  await reader.read();
  await reader.cancel();
  assertEquals((await container.status).code, 141);
  const log = new Log(container.name, root.path);
  assertEquals(log.record?.code, 141);
  assertMatch(log.text(), /^(y\n)+y?$/);
});

hostTest("a reader that goes while nothing is written is noticed by the next that is", async () => {
  using root = temporaryDirectory();
  await using container = await run({
    ...options(root.path),
    ...{ stdin: "piped", stderr: "null" },
    command: ["sh", "-c", "echo first; read line; echo second; echo third; echo fourth"],
  });
  const reader = container.stdout.getReader();
  await reader.read();
  await reader.cancel();
  // The pump has closed the command's pipe before anything is written to it.
  const pump = pumpOf(container.name);
  await until("the end of the pump", () => pump !== undefined && !isOpen(pump, 4));
  const writer = container.stdin.getWriter();
  await writer.write(new Uint8Array([10]));
  assertEquals((await container.status).code, 141);
  assertEquals(new Log(container.name, root.path).text(), "first\n");
});

/** Whether a process has a descriptor open. */
function isOpen(pid: number, descriptor: number): boolean {
  try {
    Deno.readLinkSync(`/proc/${pid}/fd/${descriptor}`);
    return true;
  } catch {
    return false;
  }
}

hostTest("when the pump is killed the command is told so, and libflux tells it", async () => {
  const log = new Log(uniqueName());
  const child = startLibflux([
    "run",
    log.name,
    "--image",
    BUSYBOX,
    "--",
    "sh",
    "-c",
    "echo hello; while :; do echo more; done",
  ]);
  await until("the first line", () => log.size() > 0);
  const pump = pumpOf(log.name);
  assert(pump !== undefined);
  Deno.kill(pump, "SIGKILL");
  const timer = setTimeout(() => child.kill("SIGKILL"), patience(20_000));
  const { code, stderr } = await child.output();
  clearTimeout(timer);
  await child.stdin.close().catch(() => {});
  assertEquals(code, 141);
  assertMatch(new TextDecoder().decode(stderr), /output of .* wasn't passed on to its end: it was killed by SIGKILL/);
  assertEquals(log.record?.code, 141);
  log.remove();
});
