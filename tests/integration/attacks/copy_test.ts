import { assert, assertEquals, assertRejects } from "@std/assert";
import { copyFrom, copyTo, diff, FluxError } from "../../../mod.ts";
import { shell } from "../inside.ts";
import { hostTest, isThere } from "../support.ts";
import { swapper } from "./swapper.ts";
import { attempt, below, files, HOSTS, OURS, victim } from "./victim.ts";

hostTest(
  "cp from a container that swaps a directory for a link reads none of the host's files (CVE-2018-15664)",
  async () => {
    using host = victim();
    await using inside = await shell();
    await inside.run(`mkdir -p /tmp/t/d; printf "${OURS}" >/tmp/t/d/file; ln -s ${host.outside} /tmp/t/l`);
    await using _swapping = swapper(below(inside, "/tmp/t/d"), below(inside, "/tmp/t/l"));
    // Who goes by paths reads the host's file soon: the attack works, where nobody keeps it from that.
    let isLed = false;
    for (let i = 0; i < 5000 && !isLed; i++) {
      try {
        isLed = Deno.readTextFileSync(below(inside, "/tmp/t/d/file")) === HOSTS;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    assert(isLed, "nobody was led out");
    let whole = 0;
    for (let i = 0; i < 100; i++) {
      const target = `${host.place}/${i}`;
      const source = ["/tmp/t", "/tmp/t/d/file", "/tmp/t/d/.", "/tmp/t/d"][i % 4] ?? "";
      if (await attempt(() => copyFrom(inside.name, source, target, { followLink: i % 8 > 3 }))) whole++;
    }
    assert(whole > 0, "nothing was ever copied");
    const found = files(host.place);
    assert(found.length > 0);
    for (const path of found) assertEquals(Deno.readTextFileSync(path), OURS, path);
    host.assertSame();
  },
);

hostTest(
  "cp to a container that swaps a directory for a link writes none of the host's files (CVE-2018-15664)",
  async () => {
    using host = victim();
    await using inside = await shell();
    await inside.run(`mkdir -p /tmp/t/d; ln -s ${host.outside} /tmp/t/l`);
    Deno.mkdirSync(`${host.place}/d`);
    for (const name of ["file", "other"]) Deno.writeTextFileSync(`${host.place}/d/${name}`, OURS);
    await using _swapping = swapper(below(inside, "/tmp/t/d"), below(inside, "/tmp/t/l"));
    let whole = 0;
    for (let i = 0; i < 100; i++) {
      const [source, target] = [
        [`${host.place}/d`, "/tmp/t"],
        [`${host.place}/d/file`, "/tmp/t/d/file"],
        [`${host.place}/d/.`, "/tmp/t/d"],
        [`${host.place}/d/other`, "/tmp/t/d/"],
      ][i % 4] ?? ["", ""];
      if (await attempt(() => copyTo(inside.name, source ?? "", target ?? ""))) whole++;
    }
    assert(whole > 0, "nothing was ever copied");
    host.assertSame();
  },
);

hostTest(
  "cp never follows a link, a magic link or '..' out of the container (CVE-2018-15664, CVE-2019-10152)",
  async () => {
    using host = victim();
    await using inside = await shell();
    const up = "../../../../../../../..";
    await inside.run(
      `cd /tmp; ln -s ${host.outside}/file file; ln -s ${host.outside} dir; ln -s ${up}${host.outside} up;
     ln -s /proc/1/root root; ln -s /proc/self/root self; ln -s /proc/1/cwd cwd; ln -s /proc/self/fd/0 fd`,
    );
    const sources = [
      "/tmp/file",
      "/tmp/dir/file",
      "/tmp/up/file",
      `${up}${host.outside}/file`,
      `/tmp/../..${host.outside}`,
    ];
    for (const magic of ["root", "self", "cwd", "fd"]) sources.push(`/tmp/${magic}/etc`, `/tmp/${magic}`);
    sources.push("/proc/1/root/etc/passwd", "/proc/self/root/etc", "/proc/thread-self/cwd/etc");
    for (const source of sources) {
      await assertRejects(
        () => copyFrom(inside.name, source, `${host.place}/got`, { followLink: true }),
        FluxError,
        "can't be opened",
        source,
      );
    }
    Deno.writeTextFileSync(`${host.place}/new`, OURS);
    for (const target of ["/tmp/dir/x", "/tmp/up/file", "/tmp/up/", "/tmp/root/tmp/x", "/proc/1/root/tmp/x"]) {
      await assertRejects(() => copyTo(inside.name, `${host.place}/new`, target), FluxError, undefined, target);
    }
    // A link at the very end is replaced: what it leads to isn't written.
    await copyTo(inside.name, `${host.place}/new`, "/tmp/file");
    await copyTo(inside.name, `${host.place}/new`, `${up}/tmp/dir`);
    assertEquals(await inside.run("cat file dir; stat -c %F file dir"), `${OURS}${OURS}regular file\nregular file\n`);
    assert(!isThere(`${host.place}/got`));
    host.assertSame();
  },
);

hostTest("cp waits for no FIFO and opens no device, also where a file is swapped for one", async () => {
  using host = victim();
  await using inside = await shell();
  await inside.run(`mkdir /tmp/t; printf "${OURS}" >/tmp/t/file; mkfifo /tmp/fifo`);
  await assertRejects(() => copyFrom(inside.name, "/tmp/fifo", host.place), FluxError, "is a fifo");
  await assertRejects(() => copyFrom(inside.name, "/dev/zero", host.place), FluxError, "is a device");
  await using _swapping = swapper(below(inside, "/tmp/t/file"), below(inside, "/tmp/fifo"));
  let whole = 0;
  for (let i = 0; i < 60; i++) {
    const source = i % 2 === 0 ? "/tmp/t" : "/tmp/t/file";
    if (await attempt(() => copyFrom(inside.name, source, `${host.place}/${i}`))) whole++;
    await attempt(() => copyTo(inside.name, `${host.outside}/file`, "/tmp/t/file"));
  }
  assert(whole > 0, "nothing was ever copied");
  for (const path of files(host.place)) assert([OURS, HOSTS].includes(Deno.readTextFileSync(path)), path);
  host.assertSame();
});

hostTest(
  "cp out writes through no link that is in the destination, or put there meanwhile (CVE-2019-10152)",
  async () => {
    using host = victim();
    await using inside = await shell();
    await inside.run(`mkdir -p /tmp/t/sub; printf "${OURS}" | tee /tmp/t/file /tmp/t/hard >/tmp/t/sub/file`);
    const { place, outside } = host;
    Deno.symlinkSync(`${outside}/file`, `${place}/file`);
    Deno.linkSync(`${outside}/file`, `${place}/hard`);
    Deno.symlinkSync(outside, `${place}/sub`);
    await assertRejects(() => copyFrom(inside.name, "/tmp/t/.", place), FluxError, "something else has its name");
    host.assertSame();
    assertEquals(["file", "hard"].map((name) => Deno.readTextFileSync(`${place}/${name}`)), [OURS, OURS]);
    Deno.mkdirSync(`${place}/dir`);
    await using _swapping = swapper(`${place}/dir`, `${place}/sub`);
    let whole = 0;
    for (let i = 0; i < 100; i++) {
      if (await attempt(() => copyFrom(inside.name, "/tmp/t/.", place))) whole++;
    }
    assert(whole > 0, "nothing was ever copied");
    host.assertSame();
  },
);

hostTest("cp runs nothing of the container's, whatever its programs and libraries are (CVE-2019-14271)", async () => {
  using host = victim();
  await using inside = await shell();
  await inside.run(
    `mkdir -p /lib /tmp/t; for name in /bin/tar /bin/cp /bin/gzip /lib/libnss_files.so.2 /lib/ld-linux-x86-64.so.2; do
       rm -f $name; printf '#!/bin/sh\\ntouch ${host.outside}/ran /tmp/ran\\n' >$name; chmod 755 $name; done
     echo 'passwd: evil' >/etc/nsswitch.conf; printf "${OURS}" >/tmp/t/file`,
  );
  await copyFrom(inside.name, "/tmp/t", host.place);
  await copyTo(inside.name, `${host.place}/t`, "/root", { archive: true });
  assertEquals(await inside.run("ls -A /tmp; cat /root/t/file"), `t\n${OURS}`);
  host.assertSame();
});

hostTest(
  "diff of a container that swaps a directory for a link tells nothing of the host (CVE-2018-15664)",
  async () => {
    using host = victim();
    await using inside = await shell();
    await inside.run(`mkdir -p /tmp/t/d; touch /tmp/t/d/own; ln -s ${host.outside} /tmp/t/l`);
    await using _swapping = swapper(below(inside, "/tmp/t/d"), below(inside, "/tmp/t/l"));
    let seen = 0;
    for (let i = 0; i < 200; i++) {
      const paths = (await diff(inside.name)).map(({ path }) => path);
      // What is below the directory by either of its names is its own file.
      for (const path of paths.filter((path) => /^\/tmp\/t\/[dl]\//.test(path))) {
        assertEquals(path.slice("/tmp/t/d".length), "/own");
        seen++;
      }
    }
    assert(seen > 0, "nobody ever looked into it");
    host.assertSame();
  },
);
