import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { diff, NoContainerError, onWarning, UsageError } from "../../mod.ts";
import { type Shell, shell } from "./inside.ts";
import { detached, eventually } from "./detached/support.ts";
import { BUSYBOX, HAS_USERS, hostTest, IS_USER, libflux, rootTest, temporaryDirectory } from "./support.ts";

const lines = async ({ name }: Shell): Promise<string[]> =>
  (await diff(name)).map(({ kind, path }) => `${kind} ${path}`);

/** A copy of the busybox tree with what there is to change. */
function image(): Disposable & { readonly path: string } {
  const directory = temporaryDirectory();
  const script = `cp -a "$1" "$2" && cd "$2" && mkdir -p data/deep/er data/gone/sub data/same &&
    touch data/one data/two data/deep/er/file data/gone/sub/file data/same/file && ln -s one data/link && chmod 644 data/one`;
  const { success } = new Deno.Command("sh", { args: ["-ec", script, "sh", BUSYBOX, `${directory.path}/image`] })
    .outputSync();
  assert(success);
  return { path: `${directory.path}/image`, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

hostTest("diff: a container that has changed nothing has no changes, whatever libflux has put there", async () => {
  await using inside = await shell({ mounts: [{ destination: "/made/for/it", type: "tmpfs", source: "tmpfs" }] });
  await inside.run(
    "cat /etc/passwd /etc/hosts; echo x >/dev/shm/x; echo x >/made/for/it/x; mkdir /tmp/a; rmdir /tmp/a",
  );
  assertEquals(await lines(inside), []);
  // What the command does there is its own.
  await inside.run("touch /made/x");
  assertEquals(await lines(inside), ["A /made", "A /made/x"]);
});

hostTest("diff: what was added, changed and deleted, sorted, with the directories above", async () => {
  using tree = image();
  await using inside = await shell({ image: tree.path });
  assertEquals(await lines(inside), []);
  await inside.run(
    `cd /data; echo new >one; chmod 600 two; mkdir -p new/dir; touch new/dir/file; rm -rf gone; rm deep/er/file
     ln -sf two link; touch "$(printf 'a\\nb')"; rm -r same; mkdir same; touch same/file; mkfifo /tmp/p; rm -r /root; touch /root`,
  );
  assertEquals(await lines(inside), [
    "C /data",
    "A /data/a\nb",
    "C /data/deep",
    "C /data/deep/er",
    "D /data/deep/er/file",
    "D /data/gone",
    "C /data/link",
    "A /data/new",
    "A /data/new/dir",
    "A /data/new/dir/file",
    "C /data/one",
    "C /data/same",
    "C /data/same/file",
    "C /data/two",
    "C /root",
    "C /tmp",
    "A /tmp/p",
  ]);
  // What is as before again is no change, but a file that was written to is one.
  await inside.run("rm '/data/a\nb'; rm /tmp/p");
  const { code, stdout, stderr } = await libflux(["diff", inside.name]);
  assertEquals([code, stderr], [0, ""]);
  assert(
    !stdout.includes("/tmp") && stdout.startsWith("C /data\nC /data/deep\n") && stdout.endsWith("C /root\n"),
    stdout,
  );
  const { stdout: json } = await libflux(["diff", "--format", "json", inside.name]);
  assertEquals(JSON.parse(json)[3], { kind: "D", path: "/data/deep/er/file" });
});

hostTest("diff: a change that hides its time and its size is told", async () => {
  using tree = image();
  Deno.writeTextFileSync(`${tree.path}/data/one`, "abc");
  Deno.utimeSync(`${tree.path}/data/one`, 1_000_000_000, 1_000_000_000);
  await using inside = await shell({ image: tree.path });
  await inside.run("touch -r /data/one /tmp/time; printf xyz >/data/one; touch -r /tmp/time /data/one; rm /tmp/time");
  assertEquals(await lines(inside), ["C /data", "C /data/one"]);
});

hostTest("diff: names aren't shown so that they could drive a terminal", async () => {
  await using inside = await shell();
  await inside.run("touch \"$(printf '/tmp/\\033[2Jx')\"");
  const { stdout } = await libflux(["diff", inside.name]);
  assertEquals(stdout, "C /tmp\nA /tmp/\\x1b[2Jx\n");
});

rootTest("diff: in a user namespace owners are compared as the container numbers them", async () => {
  using tree = image();
  Deno.chownSync(`${tree.path}/data/one`, 1000, 1000);
  await using inside = await shell({ image: tree.path, userns: "auto" });
  assertEquals(await lines(inside), []);
  await inside.run("chown 1000:1000 /data/two /data/same; chmod 700 /data/deep");
  assertEquals(await lines(inside), ["C /data", "C /data/deep", "C /data/same", "C /data/two"]);
});

rootTest("diff: this host's whole root as the image is compared", async () => {
  await using inside = await shell({ image: "/" });
  await inside.run("touch /usr/share/libflux-test-added; rm /etc/group");
  const found = await lines(inside);
  assertEquals(found, ["C /etc", "D /etc/group", "C /usr", "C /usr/share", "A /usr/share/libflux-test-added"]);
});

hostTest("diff: who isn't there, and what can't be, is told in one sentence", async () => {
  await assertRejects(() => diff("nobody"), NoContainerError);
  using tree = image();
  await using inside = await shell({ image: tree.path, writable: true });
  const error = await assertRejects(() => diff(inside.name), UsageError);
  assertStringIncludes(error.message, "they go into the image itself");
  for (const args of [[], ["a", "b"], ["a", "--format", "yaml"]]) {
    const { code, stderr } = await libflux(["diff", ...args]);
    assertEquals([code, stderr.split("\n").length], [125, 2]);
  }
});

hostTest("diff: a container in the background is looked at as one in the foreground", async () => {
  await using container = await detached([], ["sh", "-c", "echo x >/tmp/x; rm /etc/group; exec sleep 60"]);
  const expected = "C /etc\nD /etc/group\nC /tmp\nA /tmp/x\n";
  await eventually(async () => (await libflux(["diff", container.name])).stdout === expected, "all changes are told");
});

if (IS_USER && HAS_USERS) {
  hostTest("diff: what is closed to an ordinary user keeps nobody from all else", async () => {
    await using inside = await shell();
    await inside.run("mkdir -m 700 /tmp/theirs; touch /tmp/theirs/x /tmp/y; chown 1000:1000 /tmp/theirs");
    const told: string[] = [];
    onWarning((sentence) => told.push(sentence));
    try {
      assertEquals(await lines(inside), ["C /tmp", "A /tmp/theirs", "A /tmp/y"]);
    } finally {
      onWarning(undefined);
    }
    assertEquals(told, ["what has changed in /tmp/theirs isn't known: it is closed to this user"]);
  });
}
