import { assert, assertEquals, assertRejects } from "@std/assert";
import { AT, CLONE, O } from "../../ffi/abi/constants.ts";
import { checked, Descriptor, pipe, syscall } from "../../ffi/libc.ts";
import { decodeReport, link, REPORT_DESCRIPTOR } from "../../ffi/link.ts";
import { executable, spawn } from "../../ffi/spawn.ts";
import { CHILD } from "../../lib/compile/context.ts";
import { cloneFlags, joinsNetwork, type Launch } from "../../lib/compile/mod.ts";
import { landlockVersion } from "../../lib/labels.ts";
import { compileProgram, prepare, type Prepared } from "../../lib/prepare.ts";
import type { RunOptions } from "../../lib/spec/options.ts";
import { DEBIAN, rootTest, temporaryDirectory } from "./support.ts";

/** A kernel without it can't tell anything here. */
const VERSION = landlockVersion();
const landlockTest = (name: string, body: () => Promise<void>): void => rootTest(name, body, VERSION < 2);

const open = (path: string, flags: number): Descriptor =>
  new Descriptor(checked("openat", AT.AT_FDCWD, path, flags | O.O_CLOEXEC, 0o600));

/**
 * A container as `run` makes them, but that some of its walls are down: a directory of the host's is its standard input,
 * which `run` never lets happen, and its new pid and network namespaces are the host's. Its output is a file of the host's.
 */
async function contain(
  outside: string,
  script: string,
  landlock: Launch["landlock"] | undefined,
  more: Partial<RunOptions> = {},
  failAt = -1,
): Promise<{ readonly code: number; readonly text: string }> {
  const shared = { network: "none", init: false } as const;
  const options: RunOptions = { image: DEBIAN, command: ["sh", "-c", script], ...shared, ...more };
  const plain = prepare(options);
  const prepared: Prepared = landlock === undefined ? plain : { ...plain, launch: { ...plain.launch, landlock } };
  const image = link(compileProgram(prepared, options), { failAt });
  using memfd = executable(image.elf);
  using input = open(outside, O.O_RDONLY | O.O_DIRECTORY);
  using output = open(`${outside}/output`, O.O_RDWR | O.O_CREAT | O.O_TRUNC | O.O_APPEND);
  const ends = [pipe(), pipe()] as const;
  using _ = ends[0].read;
  using report = ends[0].write;
  using sync = ends[1].read;
  using ready = ends[1].write;
  syscall("write", ready.number, new Uint8Array([1]), 1);
  using network = open("/proc/self/ns/net", O.O_RDONLY);
  using child = spawn({
    executable: memfd,
    flags: cloneFlags(prepared.spec) & ~CLONE.CLONE_NEWPID,
    report: report.number,
    descriptors: [
      [input.number, 0],
      [output.number, 1],
      [output.number, 2],
      [report.number, REPORT_DESCRIPTOR],
      [sync.number, CHILD.sync],
      ...joinsNetwork(prepared.spec) ? [[network.number, CHILD.network] as const] : [],
    ],
  });
  report.close();
  const bytes = new Uint8Array(16);
  const reported = await new Promise<number>((resolve) =>
    setTimeout(() => resolve(syscall("read", ends[0].read.number, bytes, bytes.length)))
  );
  const { code } = await child.wait();
  if (reported > 0) throw new Error(decodeReport(image, bytes).instruction?.label);
  return { code, text: Deno.readTextFileSync(`${outside}/output`) };
}

const WALL: Launch["landlock"] = { version: VERSION, streams: [1] };

landlockTest(
  "Landlock: by a descriptor of a directory outside nothing can be opened, and without it all of it can",
  async () => {
    using directory = temporaryDirectory();
    const outside = `${directory.path}/outside`;
    Deno.mkdirSync(`${outside}/below`, { recursive: true });
    Deno.writeTextFileSync(`${outside}/below/secret`, "secret\n");
    const script =
      `cat /proc/self/fd/0/below/secret; ls /proc/self/fd/0/below; cd -P /proc/self/fd/0 && cat below/secret
    echo changed 2>&1 >>/proc/self/fd/0/below/secret; echo x >/proc/self/fd/0/new; mkdir /proc/self/fd/0/below/made
    mv /proc/self/fd/0/below/secret /tmp; rm -f /proc/self/fd/0/below/secret`;
    const held = await contain(outside, script, WALL);
    assert(!/^(secret|changed)$/m.test(held.text), held.text);
    assert((held.text.match(/Permission denied/g) ?? []).length >= 6, held.text);
    assertEquals(Deno.readTextFileSync(`${outside}/below/secret`), "secret\n");
    assertEquals([...Deno.readDirSync(`${outside}/below`)].map(({ name }) => name), ["secret"]);
    const open = await contain(outside, "cat /proc/self/fd/0/below/secret; ls /proc/self/fd/0/below", undefined);
    assertEquals(open, { code: 0, text: "secret\nsecret\n" });
  },
);

landlockTest("Landlock: inside all works that works without it", async () => {
  using directory = temporaryDirectory();
  const outside = `${directory.path}/outside`;
  const bound = `${directory.path}/bound`;
  for (const path of [outside, bound]) Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${bound}/file`, "bound\n");
  // Everything that Landlock knows of: files made, renamed and linked across directories, cut, executed, devices asked.
  const script =
    `set -e; exec </dev/null; cd /tmp; mkdir a b; echo one >a/x; mv a/x b/y; ln b/y a/z; ln -s ../b/y a/link
    cat a/link; : >b/y; test ! -s a/z; mkfifo f; rm f; mv a c; rm -r c; cp /bin/true own; ./own; truncate -s 3 own
    cat /data/file; echo more >>/data/file; mv /data/file /data/other; cat /scratch/none 2>/dev/null || echo x >/scratch/x
    mkdir /scratch/d; mv /scratch/x /scratch/d; ls /proc/1/fd /sys/class >/dev/null; cat /proc/self/status >/dev/null
    test -w /dev/full; head -c 4 /dev/urandom >/dev/null; stty -a </dev/null >/dev/null 2>&1 || true
    perl -e 'socketpair(A, B, 1, 1, 0) or die; pipe(R, W); open(F, "<", "/proc/self/fd/" . fileno(R)) or die'
    perl -e 'use Socket; socket(S, 1, 1, 0); bind(S, sockaddr_un("/tmp/s")) or die; unlink "/tmp/s"'
    sleep 1000 & kill $!; kill -0 $$; echo to the file of the host >>/dev/stdout; echo done >>/proc/self/fd/1; nice true`;
  const more: Partial<RunOptions> = {
    mounts: [
      { destination: "/data", type: "bind", source: bound },
      { destination: "/scratch", type: "tmpfs", source: "tmpfs" },
    ],
  };
  const expected = "one\nbound\nto the file of the host\ndone\n";
  const results = [];
  for (const landlock of [undefined, WALL]) {
    Deno.writeTextFileSync(`${bound}/file`, "bound\n");
    results.push(await contain(outside, script, landlock, more));
  }
  assertEquals(results, Array(2).fill({ code: 0, text: expected }));
});

landlockTest("Landlock: whoever has a user who isn't root, and new privileges, has the wall too", async () => {
  using directory = temporaryDirectory();
  Deno.chmodSync(directory.path, 0o755);
  Deno.writeTextFileSync(`${directory.path}/file`, "readable\n");
  for (const more of [{ user: "1000" }, { noNewPrivileges: false }]) {
    const script = "cat /proc/self/fd/0/file";
    assertEquals((await contain(directory.path, script, undefined, more)).text, "readable\n");
    assert((await contain(directory.path, script, WALL, more)).text.includes("Permission denied"));
  }
});

landlockTest("Landlock: a file that is standard output can be opened again, and no other by that", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/other`, "other\n");
  const script = "echo again >>/dev/stdout; cat /proc/self/fd/0/other; head -c 5 /proc/self/fd/0/output";
  const { text } = await contain(directory.path, script, WALL);
  assert(text.startsWith("again\n"), text);
  assertEquals(text.match(/Permission denied/g)?.length, 1, text);
  const none = await contain(directory.path, script, { version: VERSION, streams: [] });
  assertEquals(none.text.match(/Permission denied/g)?.length, 3, none.text);
});

landlockTest("Landlock: whoever is outside gets no signal and lends no abstract socket, though in sight", async () => {
  using directory = temporaryDirectory();
  const name = `libflux-test-${crypto.randomUUID()}`;
  const server = `use Socket; socket(S, 1, 1, 0); bind(S, "\\x01\\0\\0${name}") or die; listen(S, 9); sleep 60`;
  await using child = new Deno.Command("perl", { args: ["-e", server] }).spawn();
  const client = `perl -e 'use Socket; socket(S, 1, 1, 0); connect(S, "\\x01\\0\\0${name}") or exit 1'`;
  const script = `kill -0 ${child.pid} 2>/dev/null && echo signalled; ${client} && echo met
    sleep 1000 & kill $! && echo own`;
  try {
    while (!Deno.readTextFileSync("/proc/net/unix").includes(name)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals((await contain(directory.path, script, undefined)).text, "signalled\nmet\nown\n");
    const scoped = VERSION >= 6 ? "own\n" : "signalled\nmet\nown\n";
    assertEquals((await contain(directory.path, script, WALL)).text, scoped);
    // What is shared on purpose stays so.
    const shared: Partial<RunOptions> = { network: "host", pid: "host" };
    assertEquals((await contain(directory.path, script, WALL, shared)).text, "signalled\nmet\nown\n");
  } finally {
    child.kill("SIGKILL");
  }
});

landlockTest("Landlock: each of its instructions fails once, is told, and lets no command run", async () => {
  using directory = temporaryDirectory();
  const options = { image: DEBIAN, command: ["sh", "-c", "echo ran"], network: "none", init: false } as const;
  const prepared = prepare(options);
  const launch = { ...prepared.launch, landlock: { version: VERSION, streams: [1] } };
  const { instructions } = compileProgram({ ...prepared, launch }, options);
  const [first, last] = ["begin a second wall around the container's files", "close what it was made of"]
    .map((words) => instructions.findLastIndex(({ label }) => label === words));
  assert(first !== undefined && last !== undefined && first > 0 && last > first);
  for (let index = first; index <= last; index++) {
    const one = instructions[index];
    if (one?.op !== "syscall") continue;
    const error = await assertRejects(() => contain(directory.path, "echo ran", launch.landlock, {}, index), Error);
    assertEquals([error.message, Deno.readTextFileSync(`${directory.path}/output`)], [one.label, ""]);
  }
});
