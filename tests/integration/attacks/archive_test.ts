import { assert, assertEquals, assertRejects } from "@std/assert";
import { BLOCK, encodeHeader } from "../../../lib/files/tar_format.ts";
import { archiveFrom, extractTo, FluxError } from "../../../mod.ts";
import { shell } from "../inside.ts";
import { hostTest } from "../support.ts";
import { swapper } from "./swapper.ts";
import { attempt, below, HOSTS, OURS, victim } from "./victim.ts";

type Entry = Partial<Parameters<typeof encodeHeader>[0]> & { readonly flag?: string };

/** An archive of entries; each is a file unless it says otherwise. */
function archive(...entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry) => {
    const text = new TextEncoder().encode(entry.type === undefined || entry.type === "file" ? OURS : "");
    const blocks = encodeHeader({
      ...{ type: "file", name: "x", target: "", mode: 0o644, uid: 0, gid: 0, modified: [0n, 0], size: text.length },
      ...entry,
    });
    const header = blocks.at(-1);
    if (entry.flag !== undefined && header !== undefined) {
      header[156] = entry.flag.charCodeAt(0);
      header.fill(32, 148, 156);
      const sum = header.reduce((a, b) => a + b, 0).toString(8).padStart(6, "0");
      header.set(new TextEncoder().encode(`${sum}\0 `), 148);
    }
    const contents = new Uint8Array(Math.ceil(text.length / BLOCK) * BLOCK);
    contents.set(text);
    return [...blocks, contents];
  });
  return new Uint8Array([...parts, new Uint8Array(2 * BLOCK)].flatMap((part) => [...part]));
}

/** Something to read. */
function source(bytes: Uint8Array): { readSync(room: Uint8Array): number | null } {
  let at = 0;
  return {
    readSync: (room) => {
      const part = bytes.subarray(at, at + room.length);
      at += part.length;
      room.set(part);
      return part.length === 0 ? null : part.length;
    },
  };
}

hostTest("cp - extracts nothing outside of its directory, whatever an archive's names and links are", async () => {
  using host = victim();
  await using inside = await shell();
  const { outside } = host;
  await inside.run(
    `mkdir -p /tmp/t ${outside}; printf "${HOSTS}" >/tmp/file; printf "${HOSTS}" >${outside}/file; ln -s /tmp /tmp/t/old`,
  );
  const up = "../".repeat(20);
  const refused: readonly (readonly Entry[])[] = [
    [{ name: "../file" }],
    [{ name: `${up}${outside}/file` }],
    [{ name: "a/../../file" }],
    [{ name: "..", type: "directory" }],
    [{ name: "" }],
    [{ name: "./", type: "link", target: "/" }],
    // By links: one of the archive's own, one that was there, one after another, and one in place of a directory.
    [{ type: "link", target: "/tmp", name: "l" }, { name: "l/file" }],
    [{ type: "link", target: outside, name: "l" }, { name: "l/file" }],
    [{ type: "link", target: "..", name: "l" }, { type: "directory", name: "l/new" }],
    [{ type: "link", target: "..", name: "l" }, { type: "directory", name: "l" }],
    [{ name: "old/file" }],
    [{ type: "link", target: ".", name: "l" }, { type: "link", target: "l/..", name: "m" }, { name: "m/file" }],
    [{ type: "directory", name: "d" }, { type: "link", target: "/tmp", name: "d" }],
    // Hard links to what isn't in the archive's directory.
    [{ type: "hardlink", target: "../file", name: "h" }],
    [{ type: "hardlink", target: `${up}${outside}/file`, name: "h" }],
    [{ type: "hardlink", target: "old/file", name: "h" }],
    [{ type: "link", target: "/tmp/file", name: "l" }, { type: "hardlink", target: "l", name: "h" }, { name: "h" }],
    [{ type: "hardlink", target: "/tmp/file", name: "h" }],
    [{ type: "hardlink", target: "", name: "h" }],
    [{ name: "n".repeat(256) }],
    [{ name: "n/".repeat(2048) }],
  ];
  for (const entries of refused) {
    const shown = JSON.stringify(entries, (_key, value) => typeof value === "bigint" ? String(value) : value).slice(
      0,
      200,
    );
    await assertRejects(
      () => extractTo(inside.name, source(archive(...entries)), "/tmp/t"),
      FluxError,
      undefined,
      shown,
    );
    // A link that was extracted before is one, and no more.
    assertEquals(
      await inside.run(
        `cat /tmp/file ${outside}/file; ls -A /tmp; ls -A ${outside}; find /tmp/t -type f; rm -rf /tmp/t/[a-np-z]*`,
      ),
      `${HOSTS}${HOSTS}${["file", outside.split("/")[2] ?? "", "t"].toSorted().join("\n")}\nfile\n`,
      shown,
    );
    host.assertSame();
  }
  // What is absolute is below the directory, as tar has it, and what replaces a link isn't written through it.
  await extractTo(inside.name, source(archive({ name: "/tmp/file" }, { name: "old" })), "/tmp/t");
  assertEquals(
    await inside.run("cat /tmp/file /tmp/t/tmp/file; stat -c %F /tmp/t/old"),
    `${HOSTS}${OURS}regular file\n`,
  );
});

hostTest("cp - makes no devices, and no programs that run as somebody else unless that is asked for", async () => {
  await using inside = await shell();
  const entries = archive(
    { name: "program", mode: 0o6755, uid: 1, gid: 1 },
    { name: "dir", type: "directory", mode: 0o3777 },
    { name: "null", flag: "3" },
    { name: "disk", flag: "4" },
    { name: "fifo", flag: "6" },
    { name: "odd", flag: "Z" },
    { name: "last" },
  );
  await inside.run("mkdir /tmp/a /tmp/b");
  const { skipped, files } = await extractTo(inside.name, source(entries), "/tmp/a");
  assertEquals([skipped, files], [4, 2]);
  assertEquals(
    await inside.run("cd /tmp/a; stat -c '%n %F %a %u %g' *"),
    "dir directory 1777 0 0\nlast regular file 644 0 0\nprogram regular file 755 0 0\n",
  );
  // An owner that nobody can be is nobody's, and gets nothing.
  const wild = archive({ name: "wild", mode: 0o4755, uid: 2 ** 40, gid: 5 });
  await attempt(() => extractTo(inside.name, source(wild), "/tmp/b", { archive: true }));
  assertEquals(await inside.run("cd /tmp/b; find . -perm -4000 ! -user 0"), "");
});

hostTest("cp by archives follows no link that a container puts in a directory's place meanwhile", async () => {
  using host = victim();
  await using inside = await shell();
  await inside.run(`mkdir -p /tmp/t/d; printf "${OURS}" >/tmp/t/d/file; ln -s ${host.outside} /tmp/t/l`);
  const bytes = archive({ type: "directory", name: "d" }, { name: "d/file" }, { name: "d/other" }, {
    ...{ type: "hardlink", target: "d/other", name: "d/third" },
  });
  await using _swapping = swapper(below(inside, "/tmp/t/d"), below(inside, "/tmp/t/l"));
  let [out, into] = [0, 0];
  for (let i = 0; i < 100; i++) {
    let text = "";
    const sink = { writeSync: (part: Uint8Array) => (text += new TextDecoder().decode(part), part.length) };
    if (await attempt(() => archiveFrom(inside.name, ["/tmp/t", "/tmp/t/d/."][i % 2] ?? "", sink))) out++;
    assert(!text.includes(HOSTS));
    if (await attempt(() => extractTo(inside.name, source(bytes), "/tmp/t"))) into++;
  }
  assert(out > 0 && into > 0, "nothing was ever copied");
  host.assertSame();
});
