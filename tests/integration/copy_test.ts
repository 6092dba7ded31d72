import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { copyFrom, copyTo, FluxError, NoContainerError, onWarning, PermissionError, UsageError } from "../../mod.ts";
import { detached } from "./detached/support.ts";
import { shell } from "./inside.ts";
import { HAS_USERS, hostTest, IS_USER, libflux, rootTest, temporaryDirectory } from "./support.ts";

/** Has warnings kept for as long as it lasts. */
function warnings(): Disposable & { readonly all: string[] } {
  const all: string[] = [];
  onWarning((sentence) => all.push(sentence));
  return { all, [Symbol.dispose]: () => onWarning(undefined) };
}

/** A tree with everything in it that can be copied, and a FIFO. */
function makeTree(path: string): void {
  Deno.mkdirSync(`${path}/sub/empty`, { recursive: true });
  Deno.writeTextFileSync(`${path}/file`, "text\n");
  Deno.chmodSync(`${path}/file`, 0o640);
  Deno.linkSync(`${path}/file`, `${path}/sub/same`);
  Deno.symlinkSync("../file", `${path}/sub/link`);
  Deno.symlinkSync("/no/such", `${path}/dangling`);
  Deno.writeTextFileSync(`${path}/sparse`, "begin");
  Deno.truncateSync(`${path}/sparse`, 64 * 2 ** 20);
  Deno.chmodSync(`${path}/sub/empty`, 0o700);
  Deno.utimeSync(`${path}/file`, 1_000_000_000, 1_234_567_890);
  Deno.utimeSync(`${path}/sub`, 1_000_000_000, 1_111_111_111);
  const { success } = new Deno.Command("mkfifo", { args: [`${path}/fifo`] }).outputSync();
  assert(success);
}

hostTest("cp: a tree goes in and comes out as it was, but for its FIFO", async () => {
  using host = temporaryDirectory();
  await using inside = await shell();
  makeTree(`${host.path}/tree`);
  using told = warnings();
  const result = await copyTo(inside.name, `${host.path}/tree`, "/tmp");
  assertEquals({ ...result }, { files: 2, directories: 3, links: 3, skipped: 1 });
  assertEquals(told.all, ["tree/fifo was not copied: it is a fifo"]);
  const listed = await inside.run(
    "cd /tmp/tree; stat -c '%n %a %u %g %F %h' file sub sub/same sub/link sub/empty dangling",
  );
  assertEquals(
    listed,
    "file 640 0 0 regular file 2\nsub 755 0 0 directory 3\nsub/same 640 0 0 regular file 2\n" +
      "sub/link 777 0 0 symbolic link 1\nsub/empty 700 0 0 directory 2\ndangling 777 0 0 symbolic link 1\n",
  );
  assertEquals(
    await inside.run("stat -c %Y file sub; cat sub/link; readlink dangling"),
    "1234567890\n1111111111\ntext\n/no/such\n",
  );
  // Not its 64 MiB.
  assert(Number((await inside.run("du -k sparse | cut -f 1")).trim()) < 1024);

  await copyFrom(inside.name, "/tmp/tree", `${host.path}/back`);
  const compared = new Deno.Command("diff", {
    args: ["-r", "--no-dereference", "-x", "fifo", "tree", "back"],
    cwd: host.path,
  });
  const { stdout, success } = compared.outputSync();
  assert(success, new TextDecoder().decode(stdout));
  const [one, other] = [Deno.statSync(`${host.path}/back/file`), Deno.statSync(`${host.path}/back/sub/same`)];
  assertEquals([one.ino, (one.mode ?? 0) & 0o7777, one.uid], [other.ino, 0o640, Deno.uid()]);
  assertEquals(one.mtime?.getTime(), 1_234_567_890_000);
  assert((Deno.statSync(`${host.path}/back/sparse`).blocks ?? 0) < 2048);
});

hostTest("cp: what the destination means is as docker has it", async () => {
  using host = temporaryDirectory();
  await using inside = await shell();
  const { name } = inside;
  await inside.run("mkdir -p /tmp/d/e /tmp/to; echo one >/tmp/d/f; ln -s d /tmp/link; ln -s f /tmp/d/l; cd /tmp");
  const at = (path: string): string => `${host.path}/${path}`;
  const names = (path: string): string[] => Array.from(Deno.readDirSync(at(path)), ({ name }) => name).sort();
  // A file: to a new name, over a file, into a directory.
  await copyFrom(name, "/tmp/d/f", at("new"));
  Deno.writeTextFileSync(at("old"), "much longer than the other");
  await copyFrom(name, "tmp/d/f", at("old"));
  Deno.mkdirSync(at("dir"));
  await copyFrom(name, "/tmp/d/f", at("dir"));
  assertEquals(["new", "old", "dir/f"].map((file) => Deno.readTextFileSync(at(file))), ["one\n", "one\n", "one\n"]);
  await assertRejects(() => copyFrom(name, "/tmp/d/f", at("nowhere/")), FluxError, "isn't there");
  await assertRejects(() => copyFrom(name, "/tmp/d/f", at("no/where")), FluxError, "belongs in");
  await assertRejects(() => copyFrom(name, "/tmp/d/f/", at("x")), FluxError, "not a directory");
  await assertRejects(() => copyFrom(name, "/tmp/none", at("x")), FluxError, "no such file");
  // A directory: to a new name, into a directory, what is in it.
  await copyFrom(name, "/tmp/d", at("tree"));
  await copyFrom(name, "/tmp/d", at("dir"));
  await copyFrom(name, "/tmp/d/.", at("dir"));
  await copyFrom(name, "/tmp/d", at("slash/"));
  assertEquals([names("tree"), names("dir"), names("slash")], [["e", "f", "l"], ["d", "e", "f", "l"], ["e", "f", "l"]]);
  await assertRejects(() => copyFrom(name, "/tmp/d", at("new")), FluxError, "something else has its name");
  await copyTo(name, at("tree/."), "/tmp/to");
  await copyTo(name, at("tree"), "/tmp/to/");
  assertEquals(await inside.run("cd to; find . | sort | xargs"), ". ./e ./f ./l ./tree ./tree/e ./tree/f ./tree/l\n");
  await assertRejects(() => copyTo(name, at("new"), "/tmp/to/tree/e/../../tree/none/x"), FluxError, "belongs in");
  // A file over a directory.
  Deno.mkdirSync(at("into/f"), { recursive: true });
  await assertRejects(() => copyFrom(name, "/tmp/d/f", at("into")), FluxError, "a directory has its name");
  assertEquals(names("into"), ["f"]);
  // A link, and what it leads to.
  await copyFrom(name, "/tmp/link", at("link"));
  await copyFrom(name, "/tmp/link", at("followed"), { followLink: true });
  assertEquals([Deno.readLinkSync(at("link")), names("followed")], ["d", ["e", "f", "l"]]);
});

hostTest("cp: the command says in one sentence what can't be", async () => {
  using host = temporaryDirectory();
  await using inside = await shell();
  const { name } = inside;
  Deno.writeTextFileSync(`${host.path}/file`, "x");
  const cases: [args: string[], says: string][] = [
    [[], "takes a source and a destination"],
    [["a", "b"], "neither a nor b is in a container"],
    [[`${name}:/a`, `${name}:/b`], "both paths are in containers"],
    [["-", `${name}:/b`], ":/b can't be opened"],
    [["nobody:/a", host.path], "there is no container nobody"],
    [[`${name}:`, host.path], "a path is empty"],
    [[`${name}:/proc/uptime`, host.path], "is the kernel's own"],
    [[`${name}:/dev/null`, host.path], "is a device"],
    [[`${host.path}/file`, `${name}:/proc/`], "the kernel's own"],
    [[`${host.path}/file`, `${name}:/sys/x`], "the kernel's own"],
  ];
  for (const [args, says] of cases) {
    const { code, stdout, stderr } = await libflux(["cp", ...args]);
    assertEquals([code, stdout], [125, ""], args.join(" "));
    assertMatch(stderr, /^libflux: [^\n]+\n$/);
    assertStringIncludes(stderr, says);
  }
  const { code, stderr } = await libflux(["cp", "./file", `${name}:/tmp/got`], { cwd: host.path });
  assertEquals([code, stderr, await inside.run("cat /tmp/got")], [0, "", "x"]);
  await assertRejects(() => copyTo("nobody", "/etc/passwd", "/"), NoContainerError);
  await assertRejects(() => copyTo(name, "", "/"), UsageError);
});

hostTest("cp: a read-only container takes files only where something is mounted", async () => {
  using host = temporaryDirectory();
  await using inside = await shell({
    readOnly: true,
    mounts: [{ destination: "/tmp", type: "tmpfs", source: "tmpfs" }],
  });
  Deno.writeTextFileSync(`${host.path}/file`, "x");
  const error = await assertRejects(() => copyTo(inside.name, `${host.path}/file`, "/root/"), PermissionError);
  assertStringIncludes(error.hint ?? "", "--read-only");
  await copyTo(inside.name, `${host.path}/file`, "/tmp");
  assertEquals(await inside.run("cat /tmp/file; ls -A /tmp"), "xfile\n");
});

rootTest("cp: owners and set-id bits go along with --archive alone", async () => {
  using host = temporaryDirectory();
  await using inside = await shell();
  const file = `${host.path}/file`;
  Deno.writeTextFileSync(file, "x");
  Deno.chownSync(file, 1234, 5678);
  Deno.chmodSync(file, 0o6755);
  await copyTo(inside.name, file, "/tmp/plain");
  await copyTo(inside.name, file, "/tmp/kept", { archive: true });
  assertEquals(await inside.run("stat -c '%u %g %a' /tmp/plain /tmp/kept"), "0 0 755\n1234 5678 6755\n");
  await inside.run("cp -p /tmp/kept /tmp/again; chown 7:8 /tmp/again; chmod 4711 /tmp/again");
  await copyFrom(inside.name, "/tmp/again", `${host.path}/plain`);
  await copyFrom(inside.name, "/tmp/again", `${host.path}/kept`, { archive: true });
  const facts = ["plain", "kept"].map((name) => Deno.statSync(`${host.path}/${name}`)).map(({ uid, gid, mode }) => [
    uid,
    gid,
    (mode ?? 0) & 0o7777,
  ]);
  assertEquals(facts, [[0, 0, 0o711], [7, 8, 0o4711]]);
});

rootTest(
  "cp: in a user namespace files belong to its root, or to whom --archive says, in whoever's directory",
  async () => {
    using host = temporaryDirectory();
    await using inside = await shell({ userns: "auto" });
    makeTree(`${host.path}/tree`);
    Deno.chownSync(`${host.path}/tree/file`, 1234, 5678);
    await inside.run("mkdir -m 700 /tmp/theirs; chown 1000:1000 /tmp/theirs");
    await copyTo(inside.name, `${host.path}/tree`, "/tmp/theirs/");
    await copyTo(inside.name, `${host.path}/tree`, "/tmp/kept", { archive: true });
    assertEquals(
      await inside.run("stat -c '%u %g %a' /tmp/theirs/tree /tmp/theirs/tree/file /tmp/kept/file /tmp/kept/sub/link"),
      "0 0 755\n0 0 640\n1234 5678 640\n0 0 777\n",
    );
    await copyFrom(inside.name, "/tmp/kept/file", `${host.path}/kept`, { archive: true });
    await copyFrom(inside.name, "/tmp/kept/file", `${host.path}/plain`);
    assertEquals(["kept", "plain"].map((name) => Deno.statSync(`${host.path}/${name}`).uid), [1234, 0]);
    Deno.chownSync(`${host.path}/plain`, 2_000_000_000, 0);
    using told = warnings();
    await copyTo(inside.name, `${host.path}/plain`, "/tmp/foreign", { archive: true });
    assertStringIncludes(told.all[0] ?? "", "has no user 2000000000");
    assertEquals(await inside.run("stat -c %u /tmp/foreign"), "0\n");
  },
);

if (IS_USER && HAS_USERS) {
  hostTest("cp: files of a container's other users are out of an ordinary user's reach, and it says so", async () => {
    using host = temporaryDirectory();
    await using inside = await shell();
    await inside.run("mkdir -m 700 /tmp/theirs; chown 1000:1000 /tmp/theirs");
    Deno.writeTextFileSync(`${host.path}/file`, "x");
    const error = await assertRejects(() => copyTo(inside.name, `${host.path}/file`, "/tmp/theirs/"), PermissionError);
    assertStringIncludes(error.hint ?? "", "libflux exec");
  });
}

rootTest(
  "cp: a program of a user that the container hasn't got runs as nobody inside, and not as its root",
  async () => {
    using host = temporaryDirectory();
    Deno.writeTextFileSync(`${host.path}/file`, "x");
    Deno.chownSync(`${host.path}/file`, 4242, 4242);
    Deno.chmodSync(`${host.path}/file`, 0o6755);
    await using inside = await shell({ uidMap: [{ containerID: 0, hostID: 700_000, size: 10 }] });
    using _told = warnings();
    await copyTo(inside.name, `${host.path}/file`, "/tmp/in", { archive: true });
    assertEquals(await inside.run("stat -c '%u %a' /tmp/in"), "0 755\n");
  },
);

if (IS_USER) {
  hostTest("cp: an ordinary user's --archive gives nothing away, and makes nothing that runs as somebody", async () => {
    using host = temporaryDirectory();
    await using inside = await shell();
    Deno.writeTextFileSync(`${host.path}/file`, "x");
    Deno.chmodSync(`${host.path}/file`, 0o4755);
    using told = warnings();
    await copyTo(inside.name, `${host.path}/file`, "/tmp/in", { archive: true });
    // Without ranges of ids there is nobody else inside who it could be given to.
    const nobody =
      `${inside.name} has no user ${Deno.uid()} or no group ${Deno.gid()}: what is theirs was given to its root`;
    const why = HAS_USERS ? "in was not given to its owner, as others may not be: only root may do that" : nobody;
    assertEquals(told.all, [why]);
    assertEquals(await inside.run("stat -c '%u %a' /tmp/in; chmod 4755 /tmp/in"), "0 755\n");
    await copyFrom(inside.name, "/tmp/in", `${host.path}/out`, { archive: true });
    const { uid, mode } = Deno.statSync(`${host.path}/out`);
    assertEquals([uid, (mode ?? 0) & 0o7777], [Deno.uid(), 0o755]);
  });
}

hostTest("cp: what is mounted on a single file isn't taken away, and a failed copy leaves nothing half", async () => {
  using host = temporaryDirectory();
  await using inside = await shell();
  Deno.mkdirSync(`${host.path}/tree`);
  Deno.writeTextFileSync(`${host.path}/tree/a`, "a");
  Deno.writeTextFileSync(`${host.path}/tree/hosts`, "mine");
  const before = await inside.run("cat /etc/hosts");
  const error = await assertRejects(() => copyTo(inside.name, `${host.path}/tree/.`, "/etc"), FluxError);
  assertStringIncludes(error.message, "1 file had been copied before, and stay");
  assertEquals(await inside.run("cat /etc/hosts; ls -a /etc | grep -c libflux; cat /etc/a"), `${before}0\na`);
});

hostTest("cp: a bound directory is copied into itself once, and no more", async () => {
  using host = temporaryDirectory();
  const { path } = host;
  Deno.mkdirSync(`${path}/sub`);
  Deno.writeTextFileSync(`${path}/file`, "x");
  await using inside = await shell({
    mounts: [{ destination: "/data", type: "bind", source: path, options: ["rbind"] }],
  });
  using told = warnings();
  // Out of it and into it, the copy is below what is copied.
  const [out, into] = [
    await copyFrom(inside.name, "/data", `${path}/sub/out`),
    await copyTo(inside.name, path, "/data/into"),
  ];
  const found = (directory: string) => Array.from(Deno.readDirSync(`${path}/${directory}`), ({ name }) => name).sort();
  assertEquals([found("sub/out"), found("sub/out/sub")], [["file", "sub"], []]);
  assertEquals([out.skipped, into.skipped], [1, 1]);
  assertEquals([found("into"), found("into/sub/out")], [["file", "sub"], ["file", "sub"]]);
  assertEquals(told.all.map((text) => text.replace(/^\S+ /, "")), [
    "was not copied: it is what is being copied to",
    "was not copied: it is what is being copied to",
  ]);
});

hostTest("cp: a file that is larger than memory could hold is copied as it is", async () => {
  using host = temporaryDirectory();
  await using inside = await shell();
  await inside.run("head -c 100000000 /dev/urandom >/tmp/big");
  const sum = (await inside.run("sha256sum </tmp/big")).split(" ")[0];
  const before = Deno.memoryUsage().rss;
  await copyFrom(inside.name, "/tmp/big", `${host.path}/big`);
  const grown = Deno.memoryUsage().rss - before;
  assert(grown < 32 * 2 ** 20, `${grown} bytes more`);
  const { stdout } = new Deno.Command("sha256sum", { args: [`${host.path}/big`] }).outputSync();
  assertEquals(new TextDecoder().decode(stdout).split(" ")[0], sum);
});

hostTest("cp: a container in the background gives and takes files, and none once it has ended", async () => {
  using host = temporaryDirectory();
  const file = `${host.path}/file`;
  Deno.writeTextFileSync(file, "there and back");
  await using container = await detached([], ["sleep", "60"]);
  const { name } = container;
  for (const args of [[file, `${name}:/tmp/copy`], [`${name}:/tmp/copy`, `${host.path}/back`]]) {
    assertEquals(await libflux(["cp", ...args]), { code: 0, stdout: "", stderr: "" });
  }
  assertEquals(Deno.readTextFileSync(`${host.path}/back`), "there and back");
  assertEquals((await libflux(["stop", "--time", "0", name])).code, 0);
  const { code, stderr } = await libflux(["cp", `${name}:/tmp/copy`, `${host.path}/late`]);
  assertEquals([code, stderr.split("\n").length], [125, 2]);
  assertStringIncludes(stderr, `the container ${name} has ended already`);
});
