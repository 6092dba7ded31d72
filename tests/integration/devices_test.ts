import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { loadDeviceProgram } from "../../ffi/bpf.ts";
import { deviceProgram } from "../../lib/cgroups/device_rules.ts";
import { DEFAULT_RULES } from "../../lib/spec/device_rules.ts";
import { type Container, run } from "../../mod.ts";
import { randomRules } from "../lib/cgroups/ebpf.ts";
import { allPrograms, hostDisk, isByLines, liftRules, ownPrograms } from "./device_rules.ts";
import {
  BUSYBOX,
  DEBIAN,
  hostTest,
  isThere,
  LIBFLUX,
  patience,
  rootTest,
  runContainer,
  temporaryDirectory,
  uniqueName,
} from "./support.ts";

const sh = (flags: readonly string[], script: string, image = BUSYBOX) =>
  runContainer(["--image", image, "--network", "none", ...flags], ["sh", "-c", script]);

/** Opens each for reading, then for writing: "name ro rw" with 0 where that works. */
const OPEN = "try() { for f; do r=1 w=1; (: <$f) 2>/tmp/r && r=0; (: >>$f) 2>/tmp/w && w=0; echo $f $r $w; done; }; ";

const fuse = "/dev/fuse";
/** A device that does nothing when it is opened. A machine may load its driver only when it is asked to. */
function needFuse(): void {
  if (!isThere(fuse)) new Deno.Command("modprobe", { args: ["fuse"] }).outputSync();
  assert(isThere(fuse), "this kernel has no fuse");
}

const makeNode = (path: string, ...numbers: string[]): void => {
  assert(new Deno.Command("mknod", { args: [path, ...numbers] }).outputSync().success);
};

hostTest("rule 20: every container opens the usual devices", async () => {
  const script = `${OPEN} try /dev/null /dev/zero /dev/random /dev/urandom /dev/ptmx; (: </dev/full) && echo full
    head -c 4 /dev/urandom | wc -c; echo x >/dev/null && cat /dev/null`;
  const { stdout } = await sh([], script);
  const names = ["null", "zero", "random", "urandom", "ptmx"];
  assertEquals(stdout, `${names.map((name) => `/dev/${name} 0 0\n`).join("")}full\n4\n`);
  await using container = await run({
    image: BUSYBOX,
    network: "none",
    command: ["sh", "-c", "tty; echo through >/dev/tty; stat -c %F $(tty)"],
    terminal: { columns: 80, rows: 24 },
  });
  const text = await new Response(container.stdout).text();
  assertEquals(text.replaceAll("\r", ""), "/dev/pts/0\nthrough\ncharacter special file\n");
});

/** A container that has made a node of the host's disk, and tries to read it whenever it is asked to. */
async function withDisk(
  capAdd: readonly string[],
  prelude: string,
  use: (ask: () => Promise<string>, container: Container) => Promise<void>,
): Promise<void> {
  const { major, minor } = hostDisk();
  const attempt = "if dd if=/dev/disk of=/dev/null bs=512 count=1 2>/tmp/e; then echo opened; else cat /tmp/e; fi";
  await using container = await run({
    image: BUSYBOX,
    network: "none",
    capAdd,
    command: ["sh", "-c", `mknod /dev/disk b ${major} ${minor} && ${prelude} while read line; do ${attempt}; done`],
    stdin: "piped",
  });
  const [writer, reader] = [container.stdin.getWriter(), container.stdout.getReader()];
  await use(async () => {
    await writer.write(new TextEncoder().encode("go\n"));
    return new TextDecoder().decode((await reader.read()).value);
  }, container);
  await writer.close();
  await reader.cancel();
  assertEquals((await container.status).code, 0);
}

rootTest(
  "rule 20: a node of the host's disk can be made with CAP_MKNOD and not be opened, until root of the host lets it",
  async () => {
    await withDisk(["MKNOD"], "", async (ask, container) => {
      assertMatch(await ask(), /can't open '\/dev\/disk': Operation not permitted/);
      // The same attempt, with nothing else changed: it would have worked.
      assertEquals(liftRules(container), 1);
      assertEquals(await ask(), "opened\n");
    });
  },
);

rootTest(
  "rule 20: who has CAP_SYS_ADMIN too sees the cgroup with the rules nowhere, and so can't lift them",
  async () => {
    // It mounts what it can of the cgroups, and allows itself everything there.
    const lift = isByLines
      ? "mkdir /c && mount -t cgroup -o devices none /c && ! (echo a >/c/devices.allow) 2>/dev/null && ! test -e /c/container &&"
      : "mkdir /c && mount -t cgroup2 none /c && ! test -e /c/container &&";
    await withDisk(["MKNOD", "SYS_ADMIN"], lift, async (ask, container) => {
      assertMatch(await ask(), /can't open '\/dev\/disk': Operation not permitted/);
      if (!isByLines) assertEquals(ownPrograms(container), 0);
      assertEquals(liftRules(container), isByLines ? 2 : 1);
      assertEquals(await ask(), "opened\n");
    });
  },
);

hostTest("rule 20: no node can be made without CAP_MKNOD", async () => {
  const usual = await sh([], "for at in /dev /tmp /dev/shm; do mknod $at/x c 1 3 2>&1; done");
  assertEquals(usual.stdout.match(/Operation not permitted/g)?.length, 3, usual.stdout);
});

rootTest("rule 20: nodes can be made with CAP_MKNOD alone, and those of other devices open nothing", async () => {
  const script = `cd /dev; for n in "null2 c 1 3" "mem c 1 1" "port c 1 4" "kmsg c 1 11" "console2 c 5 1"; do
    set -- $n; mknod $1 $2 $3 $4 2>&1 && (: <$1) 2>&1 && echo $1 opened; done; true`;
  const made = await sh(["--cap-add", "MKNOD"], script);
  assertMatch(made.stdout, /^null2 opened\n(sh: [^\n]*: Operation not permitted\n){4}$/);
  assertEquals((await sh(["--cap-add", "ALL", "--cap-drop", "MKNOD"], "mknod /dev/x c 1 3 2>&1")).code, 1);
});

rootTest("rule 20: a devtmpfs that CAP_SYS_ADMIN mounts shows the host's disk, and doesn't open it", async () => {
  const { name } = hostDisk();
  const script =
    `mount -t devtmpfs none /tmp && stat -c %F /tmp/${name} && dd if=/tmp/${name} of=/dev/null count=1 2>&1`;
  const { stdout, code } = await sh(["--cap-add", "SYS_ADMIN"], script);
  assertMatch(stdout, /^block special file\ndd: can't open [^\n]*: Operation not permitted\n$/);
  assertEquals(code, 1);
});

hostTest("--device gives a device at the same place or another", async () => {
  needFuse();
  const { stdout } = await sh(
    ["--device", fuse, "--device", `${fuse}:/dev/my/own/fuse`],
    `${OPEN} try ${fuse} /dev/my/own/fuse`,
  );
  assertEquals(stdout, "/dev/fuse 0 0\n/dev/my/own/fuse 0 0\n");
});

rootTest("--device gives a device with the host's mode and owner", async () => {
  using directory = temporaryDirectory();
  makeNode(`${directory.path}/a`, "c", "1", "11");
  Deno.chownSync(`${directory.path}/a`, 12, 34);
  Deno.chmodSync(`${directory.path}/a`, 0o640);
  const { stdout: shown } = await sh(["--device", `${directory.path}/a:/dev/b`], "stat -c '%n %a %u %g %t %T' /dev/b");
  assertEquals(shown, "/dev/b 640 12 34 1 b\n");
});

rootTest("--device lets a device be used only as it says", async () => {
  needFuse();
  const script = `${OPEN} try ${fuse}; cat /tmp/r /tmp/w`;
  for (const [access, ro, rw] of [["r", 0, 1], ["w", 1, 0], ["m", 1, 1], ["rw", 0, 0]] as const) {
    const { stdout } = await sh(["--device", `${fuse}:${access}`], script);
    assertStringIncludes(stdout, `/dev/fuse ${ro} ${rw}\n`, access);
    assertEquals(stdout.match(/Operation not permitted/g)?.length ?? 0, ro + rw, stdout);
  }
  // Two names of one device: what one allows, the other can't take back.
  const both = await sh(
    ["--device", `${fuse}:r`, "--device", `${fuse}:/dev/other:w`],
    `${OPEN} try ${fuse} /dev/other`,
  );
  assertEquals(both.stdout, "/dev/fuse 0 0\n/dev/other 0 0\n");
});

rootTest("a device that is bound and can't be opened is told, and how to have it", async () => {
  needFuse();
  const { code, stderr } = await sh(["--bind", `${fuse}:/dev/x`], "true");
  assertEquals(code, 125);
  assertMatch(
    stderr,
    /^libflux: \/dev\/fuse is a device, and [^\n]+ only bound; write --device \/dev\/fuse:\/dev\/x\n$/,
  );
  const { stdout } = await sh(
    ["--bind", `${fuse}:/tmp/x`, "--device", fuse, "--bind", "/dev/null:/tmp/y"],
    `${OPEN} try /tmp/x /tmp/y`,
  );
  assertEquals(stdout, "/tmp/x 0 0\n/tmp/y 0 0\n");
});

rootTest("--device takes a directory of devices, and nothing else in it", async () => {
  using directory = temporaryDirectory();
  Deno.mkdirSync(`${directory.path}/sub`);
  makeNode(`${directory.path}/one`, "c", "1", "3");
  makeNode(`${directory.path}/sub/two`, "b", "7", "0");
  Deno.writeTextFileSync(`${directory.path}/file`, "");
  Deno.symlinkSync("/dev/mem", `${directory.path}/link`);
  const { stdout } = await sh(["--device", `${directory.path}:/dev/all`], "cd /dev/all; stat -c '%n %F %t:%T' * sub/*");
  assertEquals(
    stdout,
    "one character special file 1:3\nsub directory 0:0\nsub/two block special file 7:0\n",
  );
});

hostTest("--device: what can't be is told in one sentence", async () => {
  using directory = temporaryDirectory();
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--device", "/dev/nowhere"], /there is no device \/dev\/nowhere: no such file/],
    [["--device", "/etc/passwd"], /\/etc\/passwd is no device: it is a file of another kind; bind/],
    [["--device", `${directory.path}:/dev/etc`], /libflux-test-\w+ is no device: it is a directory without one/],
    [["--device", "/dev/zero:/dev/x:rx"], /can be used for r, w and m, not for "rx"/],
    [["--device", "/dev/zero:/dev/x:r:w"], /is no device; write --device HOST/],
    [["--device", "/dev/zero:/tmp/zero"], /can only be below \/dev, and \/tmp\/zero isn't/],
    [["--device", "/dev/zero:/dev/../zero"], /must not have "\.\." in it/],
    [["--device", "/dev/zero"], /no device can be at \/dev\/zero: every container has its own/],
    [["--device", "/dev/zero:/dev/x", "--device", "/dev/null:/dev/x"], /two devices go to \/dev\/x/],
    [["--device", "/dev/zero:/dev/x", "--device", "/dev/null:/dev/x/y"], /\/dev\/x is one and no directory/],
  ];
  for (const [flags, says] of cases) {
    const { code, stdout, stderr } = await sh(flags, "true");
    assertEquals([code, stdout], [125, ""], flags.join(" "));
    assertMatch(stderr, /^libflux: [^\n]+\n$/, flags.join(" "));
    assertMatch(stderr, says);
  }
});

rootTest(
  "without cgroups nobody gets CAP_MKNOD or a device for reading only, and containers run all the same",
  async () => {
    const script = 'mount -t tmpfs none /sys/fs/cgroup; exec "$@"';
    const without = async (...flags: string[]) => {
      const args = ["--mount", "sh", "-c", script, "sh", LIBFLUX, "run", uniqueName(), "--image", BUSYBOX];
      const { code, stderr } = await new Deno.Command("unshare", {
        args: [...args, "--network", "none", ...flags, "--", "true"],
      }).output();
      return [code, new TextDecoder().decode(stderr)] as const;
    };
    const [code, error] = await without("--cap-add", "MKNOD");
    assertEquals(code, 125);
    assertMatch(
      error,
      /^libflux: the capability CAP_MKNOD can't be added: this host has no rules about devices[^\n]+\n$/,
    );
    const [restricted, why] = await without("--device", "/dev/zero:/dev/x:r");
    assertEquals(restricted, 125);
    assertMatch(why, /^libflux: the rules about devices can't be enforced: this host has no cgroups; [^\n]+\n$/);
    for (const flags of [[], ["--cap-add", "ALL"], ["--device", "/dev/zero:/dev/x"]]) {
      assertEquals(await without(...flags), [0, ""], flags.join(" "));
    }
  },
);

rootTest("rule 20: the kernel takes the program of any rules, and none that it can't follow", () => {
  for (const rules of [DEFAULT_RULES, [], [{ allow: true }], ...randomRules(50)]) {
    const program = loadDeviceProgram(deviceProgram(rules), "test");
    if (typeof program === "number") throw new Error(`${program}: ${JSON.stringify(rules)}`);
    program.close();
  }
  // Without its last instruction it runs on into nothing.
  assertEquals(loadDeviceProgram(deviceProgram([]).slice(0, -8), "test"), -22);
});

// v1 has no program.
if (!isByLines) {
  hostTest("rule 20: the program of a container goes with it", async () => {
    const before = allPrograms();
    await using container = await run({ image: BUSYBOX, network: "none", command: ["sleep", "60"] });
    assertEquals(allPrograms().length, before.length + 1);
    container.kill("SIGKILL");
    await container.status;
    const deadline = performance.now() + patience(5000);
    while (allPrograms().length > before.length && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assertEquals(allPrograms(), before);
  });
}

rootTest("rule 20: rules hold for whatever a container starts, and for a user other than root", async () => {
  const { major, minor } = hostDisk();
  const script = `mknod -m 666 /dev/disk b ${major} ${minor}; (setsid sh -c 'head -c 1 /dev/disk' & wait) 2>&1
    chroot --userspec=1000:1000 / head -c 1 /dev/disk 2>&1; true`;
  const { stdout } = await sh(["--cap-add", "MKNOD"], script, DEBIAN);
  assertEquals(stdout.match(/Operation not permitted/g)?.length, 2, stdout);
});
