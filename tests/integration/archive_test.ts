import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { archiveFrom, extractTo } from "../../mod.ts";
import { type Shell, shell } from "./inside.ts";
import { hostTest, IS_USER, isThere, libflux, libfluxBytes, temporaryDirectory } from "./support.ts";

const LONG = "l".repeat(120);
/** Longer than any header of an archive has room for. */
const DEEP = Array(6).fill(LONG).join("/");

/** Runs a program of the host. */
async function host(command: string, cwd: string): Promise<string> {
  const process = new Deno.Command("sh", { args: ["-c", command], cwd, env: { LC_ALL: "C.UTF-8" } });
  const { success, stdout, stderr } = await process.output();
  const text = new TextDecoder().decode(stdout);
  assert(success, text + new TextDecoder().decode(stderr));
  return text;
}

/** What is in a tree: names, types, permissions, owners, times, sums, and where links lead. */
const LIST = "find . | sort | while read -r f; do stat -c '%n %A %u %g %h %Y' \"$f\"; " +
  '[ -L "$f" ] && readlink "$f"; [ -f "$f" ] && [ ! -L "$f" ] && md5sum <"$f"; done; true';

/** A tree with everything that an archive keeps. */
async function makeTree(inside: Shell): Promise<string> {
  return await inside.run(`
    mkdir -p /tmp/t/empty /tmp/t/${DEEP}; cd /tmp/t
    echo text >file; chmod 4751 file; echo deep >${DEEP}/deep; ln file "$(printf 'h\\303\\244rd')"; ln -s ../file link
    ln -s ${"/target".repeat(40)} long; dd if=/dev/urandom of=big bs=1000 count=1500 2>/dev/null; : >none
    ${IS_USER ? "" : "chown 1234:70000 big; chown -h 5:6 link;"} chmod 700 empty
    for f in $(find . -depth); do touch -h -d @1234567890 "$f"; done; ${LIST}`);
}

hostTest(
  "cp NAME:PATH - writes an archive that tar and busybox read, and that goes in again by cp - NAME:DIR",
  async () => {
    using temporary = temporaryDirectory();
    await using inside = await shell();
    const listed = await makeTree(inside);
    const { code, stdout, stderr } = await libfluxBytes(["cp", `${inside.name}:/tmp/t`, "-"]);
    assertEquals([code, stderr, stdout.length % 10240], [0, "", 0]);
    Deno.writeFileSync(`${temporary.path}/a.tar`, stdout);
    for (const tar of ["tar", "busybox tar"]) {
      if (IS_USER) {
        const names = await host(`${tar} -tf a.tar`, temporary.path);
        assertEquals(names.split("\n").length - 1, Number(await inside.run("find /tmp/t | wc -l")), tar);
      } else {
        Deno.mkdirSync(`${temporary.path}/${tar}`);
        // busybox warns of nothing here, and keeps owners as numbers where nobody has the names.
        await host(`${tar} ${tar === "tar" ? "--numeric-owner " : ""}-xpf ../a.tar`, `${temporary.path}/${tar}`);
        // busybox itself restores neither times of directories and links nor owners of links.
        const same = (text: string): string => tar === "tar" ? text : text.replaceAll(/ ([dl]\S+) .*$/gm, " $1");
        assertEquals(same(await host(LIST, `${temporary.path}/${tar}/t`)), same(listed), tar);
      }
    }
    await inside.run("mkdir /tmp/back");
    const back = await libflux(["cp", "--archive", "-", `${inside.name}:/tmp/back`], { input: new Uint8Array(stdout) });
    assertEquals([back.code, back.stderr], [0, ""]);
    assertEquals(await inside.run(`cd /tmp/back/t; ${LIST}`), listed);
  },
);

hostTest("cp - NAME:DIR extracts what tar and busybox write, in each of their formats", async () => {
  using temporary = temporaryDirectory();
  const { path } = temporary;
  await using inside = await shell();
  await host(
    `mkdir -p t/${DEEP} t/d; echo a >t/file; ln t/file t/hard; ln -s file t/link; echo b >t/${DEEP}/deep; echo c >"t/ä b"
     chmod 4755 t/file; chmod 1777 t/d; mkfifo t/fifo; truncate -s 3M t/zeroes; touch -d @1234567890.5 t/d t/file`,
    path,
  );
  for (const tar of ["tar --format=pax", "tar --format=gnu", "busybox tar", "tar --no-recursion --format=ustar"]) {
    const what = tar.includes("ustar") ? "t/file t/hard t/link 't/ä b' t/zeroes t/fifo t/d" : "t";
    await host(`${tar} -cf a.tar ${what} && gzip -c a.tar >a.gz`, path);
    await inside.run("rm -rf /tmp/x; mkdir /tmp/x");
    const { code, stderr } = await libflux(["cp", "-", `${inside.name}:/tmp/x`], {
      input: Deno.readFileSync(`${path}/a.tar`),
    });
    assertEquals([code, stderr], [0, "libflux: warning: t/fifo was not copied: it is a fifo\n"], tar);
    const deep = what === "t" ? "b\n" : "";
    assertEquals(
      await inside.run(
        `cd /tmp/x/t; cat link 'ä b'; ${deep === "" ? "" : `cat ${DEEP}/deep;`}
         stat -c '%n %a %u %g %h %s %Y' file zeroes; stat -c '%n %a %u %g %Y' d; ls -A | grep -c libflux`,
      ),
      `a\nc\n${deep}file 755 0 0 2 2 1234567890\nzeroes 644 0 0 1 3145728 ${
        Math.floor((Deno.statSync(`${path}/t/zeroes`).mtime?.getTime() ?? 0) / 1000)
      }\nd 1777 0 0 1234567890\n0\n`,
      tar,
    );
  }
});

hostTest("cp - says what can't be extracted, and with what it has to do", async () => {
  using temporary = temporaryDirectory();
  const { path } = temporary;
  await using inside = await shell();
  await host(
    "echo text >file; tar -cf a.tar file; gzip -c a.tar >a.gz; head -c 514 a.tar >cut.tar; echo no >garbage",
    path,
  );
  const refusal = async (file: string, to = "/tmp"): Promise<string> => {
    const input = file === "" ? "" : Deno.readFileSync(`${path}/${file}`);
    const { code, stderr } = await libflux(["cp", "-", `${inside.name}:${to}`], { input });
    assertEquals(code, 125);
    return stderr;
  };
  assertStringIncludes(await refusal("a.gz"), "it is compressed; put 'gzip --decompress |' before it");
  assertStringIncludes(await refusal("cut.tar"), "it ends in the middle of a file");
  assertStringIncludes(await refusal("garbage"), "it ends in the middle of a header");
  assertStringIncludes(await refusal(""), "nothing has come");
  assertStringIncludes(await refusal("a.tar", "/nowhere"), ":/nowhere can't be opened: no such file or directory");
  assertStringIncludes(await refusal("a.tar", "/etc/passwd"), ":/etc/passwd can't be opened: ");
  assertStringIncludes(await refusal("a.tar", "/proc"), "the files there are the kernel's own");
  assertEquals(await inside.run("ls -A /tmp"), "");
  await inside.run("mkdir -p /tmp/file/x");
  assertStringIncludes(await refusal("a.tar"), "a directory has its name there");
  assertStringIncludes((await libflux(["cp", `${inside.name}:/no`, "-"])).stderr, "no such file or directory");
  assertStringIncludes((await libflux(["cp", `${inside.name}:/dev/null`, "-"])).stderr, "is a device");
  assertStringIncludes((await libflux(["cp", "-", "-"])).stderr, "neither - nor - is in a container");
  // Nobody gets an archive to read on a terminal.
  for (
    const [args, sentence] of [[`${inside.name}:/tmp -`, "standard output is a terminal"], [
      `- ${inside.name}:/tmp`,
      "standard input is a terminal",
    ]]
  ) {
    const script = await host(`script -qec './libflux cp ${args}' /dev/null </dev/null; true`, Deno.cwd());
    assertStringIncludes(script, sentence ?? "");
  }
  assert(!isThere("-"));
});

hostTest("cp by archives keeps no more than a part of a file in memory", async () => {
  await using inside = await shell();
  const SIZE = 200 * 2 ** 20;
  await inside.run(`truncate -s ${SIZE} /tmp/big; mkdir /tmp/x`);
  const own = (): number => Deno.memoryUsage().rss;
  const file = await Deno.makeTempFile();
  try {
    using archive = await Deno.open(file, { read: true, write: true });
    const before = own();
    await archiveFrom(inside.name, "/tmp/big", archive);
    archive.seekSync(0, Deno.SeekMode.Start);
    await extractTo(inside.name, archive, "/tmp/x");
    assert(own() - before < SIZE / 2);
  } finally {
    Deno.removeSync(file);
  }
  assertEquals(await inside.run("cmp /tmp/big /tmp/x/big && stat -c %s /tmp/x/big"), `${SIZE}\n`);
});
