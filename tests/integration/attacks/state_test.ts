import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startTime } from "../../../lib/store/process.ts";
import { eventually } from "../detached/support.ts";
import {
  BUSYBOX,
  hostTest,
  isThere,
  LIBFLUX,
  libflux,
  rootTest,
  startLibflux,
  temporaryDirectory,
} from "../support.ts";

/** A process of the test's, which nobody else may end. */
function bystander(): AsyncDisposable & { readonly pid: number; readonly isThere: () => boolean } {
  const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  return {
    pid: child.pid,
    isThere: () => startTime(child.pid) !== undefined,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** A state root with one container's directory in it. */
function stateRoot(path: string, name = "forged"): string {
  Deno.mkdirSync(`${path}/state/containers/${name}`, { recursive: true, mode: 0o700 });
  return `${path}/state`;
}

/** What libflux keeps of a container in the foreground, while it runs. */
const FILES = ["config.json", "ledger", "lock", "state.json"];

hostTest("rule 22: state is in directories of mode 0700 and files of mode 0600", async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/state`;
  const child = startLibflux(["run", "modes", "--root", root, "--image", BUSYBOX, "--", "sh", "-c", "echo up; read x"]);
  const reader = child.stdout.getReader();
  await reader.read();
  const mode = (path: string) => ((Deno.lstatSync(path).mode ?? 0) & 0o7777).toString(8);
  const at = `${root}/containers/modes`;
  // Put in its place when the command runs already.
  await eventually(() => isThere(`${at}/config.json`), "the configuration is there");
  assertEquals([root, `${root}/containers`, at].map(mode), ["700", "700", "700"]);
  assertEquals(Array.from(Deno.readDirSync(at), ({ name }) => name).sort(), FILES);
  assertEquals(new Set(FILES.map((name) => mode(`${at}/${name}`))), new Set(["600"]));
  const kept = `${root}/history/modes`;
  assertEquals([`${root}/history`, kept].map(mode), ["700", "700"]);
  assertEquals(["log", "record.json"].map((name) => mode(`${kept}/${name}`)), ["600", "600"]);
  await child.stdin.close();
  await Promise.all([reader.cancel(), child.stderr.cancel(), child.status]);
});

rootTest("rule 22: a state root that somebody else could have written is not believed", async () => {
  using directory = temporaryDirectory();
  await using victim = bystander();
  const root = stateRoot(directory.path);
  const entry = JSON.stringify({ kind: "process", pid: victim.pid, startTime: startTime(victim.pid) });
  Deno.writeTextFileSync(`${root}/containers/forged/ledger`, entry + "\n");
  Deno.chmodSync(root, 0o777);
  for (const args of [["ps"], ["run", "x", "--image", BUSYBOX]]) {
    const rest = args[0] === "run" ? ["--", "true"] : [];
    const { code, stderr } = await libflux([...args, "--root", root, ...rest]);
    assertEquals(code, 125);
    assertStringIncludes(stderr, "can be written to by others; use another --root");
  }
  Deno.chmodSync(root, 0o700);
  Deno.chownSync(root, 65534, 65534);
  assertStringIncludes((await libflux(["ps", "--root", root])).stderr, "belongs to somebody else");
  assert(victim.isThere());
  assertEquals(((Deno.statSync(root).mode ?? 0) & 0o777).toString(8), "700");
});

hostTest("rule 22: a ledger that names another process, or init, ends neither", async () => {
  using directory = temporaryDirectory();
  await using victim = bystander();
  const root = stateRoot(directory.path);
  const start = startTime(victim.pid) ?? 0;
  const lines = [
    { kind: "process", pid: victim.pid, startTime: start + 1 },
    { kind: "process", pid: 1, startTime: startTime(1) },
    { kind: "process", pid: -1, startTime: start },
    { kind: "process", pid: String(victim.pid), startTime: start },
    { kind: "mountNamespace", inode: Deno.statSync("/proc/self/ns/mnt").ino },
    { kind: "file", path: "/etc/passwd" },
    { kind: "__proto__" },
    null,
    [],
  ].map((entry) => JSON.stringify(entry));
  Deno.writeTextFileSync(
    `${root}/containers/forged/ledger`,
    [...lines, '{"kind":"process","pid":', "\0\xff"].join("\n"),
  );
  const { code, stdout } = await libflux(["ps", "--quiet", "--root", root]);
  assertEquals([code, stdout], [0, ""]);
  assert(victim.isThere());
  assertEquals(Array.from(Deno.readDirSync(`${root}/containers`)).length, 0);
  assert(Deno.statSync("/etc/passwd").isFile);
});

hostTest("rule 22: a state file that isn't one is passed over", async () => {
  using directory = temporaryDirectory();
  const root = stateRoot(directory.path);
  const at = `${root}/containers/forged`;
  // Held, as by a container that runs: else it would be cleaned away.
  const holder = new Deno.Command("flock", {
    args: [`${at}/lock`, "sh", "-c", "echo held; read x"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = holder.stdout.getReader();
  await reader.read();
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      '{"name":1}',
      '{"name":"other"}',
      '{"__proto__":{}}',
      '{"name":"forged","pid":1e400}',
      "x".repeat(1_000_000),
    ]
  ) {
    Deno.writeTextFileSync(`${at}/state.json`, text);
    const { code, stdout, stderr } = await libflux(["ps", "--quiet", "--root", root]);
    assertEquals([code, stdout, stderr], [0, "", ""], text.slice(0, 40));
  }
  const { code, stderr } = await libflux(["run", "forged", "--root", root, "--image", BUSYBOX, "--", "true"]);
  assertEquals(code, 125);
  assertMatch(stderr, /the name forged is in use by a container that is just being made/);
  await holder.stdin.close();
  await Promise.all([reader.cancel(), holder.status]);
});

hostTest("rule 22: links in the state directory are not followed", async () => {
  using directory = temporaryDirectory();
  const outside = `${directory.path}/outside`;
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(`${outside}/lock`, "mine");
  // Who follows the link ends it.
  await using victim = bystander();
  const ledger = JSON.stringify({ kind: "process", pid: victim.pid, startTime: startTime(victim.pid) }) + "\n";
  Deno.writeTextFileSync(`${outside}/ledger`, ledger);
  const root = stateRoot(directory.path, "a");
  Deno.symlinkSync(outside, `${root}/containers/linked`);
  Deno.symlinkSync(`${outside}/lock`, `${root}/containers/a/lock`);
  stateRoot(directory.path, "b");
  for (const name of ["ledger", "state.json.new"]) {
    Deno.symlinkSync(`${outside}/ledger`, `${root}/containers/b/${name}`);
  }
  await libflux(["ps", "--root", root]);
  await libflux(["run", "linked", "--root", root, "--image", BUSYBOX, "--", "true"]);
  for (const name of ["a", "b"]) await libflux(["run", name, "--root", root, "--image", BUSYBOX, "--", "true"]);
  assertEquals(Deno.readTextFileSync(`${outside}/lock`), "mine");
  assertEquals(Deno.readTextFileSync(`${outside}/ledger`), ledger);
  assert(victim.isThere());
});

hostTest("rule 22: hostile labels and commands can't drive the terminal of 'ps'", async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/state`;
  const evil = "\x1b]0;owned\x07\x1b[2J\nfake  running";
  const child = startLibflux([
    "run",
    "evil",
    "--root",
    root,
    "--image",
    BUSYBOX,
    "--label",
    `a=${evil}`,
    "--",
    "sh",
    "-c",
    "echo up; read x",
    evil,
  ]);
  const reader = child.stdout.getReader();
  await reader.read();
  const { stdout } = await libflux(["ps", "--root", root, "--format", "{{.Command}} {{.Labels}}"]);
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x09\x0b-\x1f\x7f]/.test(stdout), JSON.stringify(stdout));
  assertEquals(stdout.split("\n").length, 2);
  await child.stdin.close();
  await Promise.all([reader.cancel(), child.stderr.cancel(), child.status]);
});

hostTest("rule 22: what is no file of libflux's is passed over, and hides no other container", async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/state`;
  for (const name of ["dir", "fifo", "large"]) stateRoot(directory.path, name);
  for (const file of ["lock", "state.json", "ledger"]) Deno.mkdirSync(`${root}/containers/dir/${file}`);
  for (const file of ["state.json", "ledger"]) {
    await new Deno.Command("mkfifo", { args: [`${root}/containers/fifo/${file}`] }).output();
    Deno.writeTextFileSync(`${root}/containers/large/${file}`, "");
    Deno.truncateSync(`${root}/containers/large/${file}`, 2 ** 34);
  }
  const child = startLibflux(["run", "real", "--root", root, "--image", BUSYBOX, "--", "sh", "-c", "echo up; read x"]);
  const reader = child.stdout.getReader();
  await reader.read();
  assertEquals(await libflux(["ps", "-q", "--root", root]), { code: 0, stdout: "real\n", stderr: "" });
  const { code, stderr } = await libflux(["run", "dir", "--root", root, "--image", BUSYBOX, "--", "true"]);
  assertEquals(code, 125);
  assertMatch(stderr, /^libflux: \S+\/dir\/lock can't be written: is a directory \(EISDIR\); [^\n]+ --root\n$/);
  await child.stdin.close();
  await Promise.all([reader.cancel(), child.stderr.cancel(), child.status]);
});

rootTest("rule 22: a full state root is told, and nothing stays in it", async () => {
  const script = `mount -t tmpfs -o mode=700,nr_inodes=4 none "$1"
    "$2" run full --root "$1" --image "$3" -- true; echo $?; ls -A "$1/containers"
    umount "$1"; mount -t tmpfs -o mode=700,size=4k none "$1"; mkdir -m 700 "$1/containers"; dd if=/dev/zero of="$1/x" bs=4k count=1 2>/dev/null
    "$2" run full --root "$1" --image "$3" -- true; echo $?; ls -A "$1/containers"`;
  using directory = temporaryDirectory();
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", script, "sh", directory.path, LIBFLUX, BUSYBOX],
  }).output();
  const said = new TextDecoder().decode(stderr).trim().split("\n");
  assertEquals(new TextDecoder().decode(stdout), "125\n125\n");
  assertEquals(said.length, 2);
  for (const line of said) {
    assertMatch(
      line,
      /^libflux: (\S+ can't be written|the state directory \S+ can't be made): no space.*; use another --root$/,
    );
  }
});
