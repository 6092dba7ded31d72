import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BUSYBOX, DEBIAN, hostTest, IS_USER, LIBFLUX, rootTest, runContainer, uniqueName } from "../support.ts";
import { attack, linkInstead, trap } from "./tree.ts";

for (const name of ["proc", "sys", "dev"]) {
  hostTest(
    `rules 7 and 8: /${name} as a symbolic link is refused (CVE-2019-19921, CVE-2023-27561, CVE-2023-28642)`,
    async () => {
      using bait = trap();
      for (const target of [bait.outside, "/tmp", "../../../../../../tmp", "/"]) {
        linkInstead(`${bait.image}/${name}`, target);
        const { code, stderr } = await attack(bait.image, "true");
        assertEquals(code, 125);
        assertMatch(stderr, new RegExp(`^libflux: could not mount [a-z]+ on /${name}: .*a real directory.*\\n$`));
      }
      assertEquals(Deno.readTextFileSync(`${bait.outside}/file`), "the host's");
    },
  );

  hostTest(`rule 8: /${name} as a file is refused`, async () => {
    using bait = trap();
    Deno.removeSync(`${bait.image}/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${bait.image}/${name}`, "");
    assertEquals((await attack(bait.image, "true")).code, 125);
  });
}

hostTest("rule 7: a bind's destination that leads out of the image stays inside (CVE-2021-30465)", async () => {
  using bait = trap();
  linkInstead(`${bait.image}/out`, bait.outside);
  linkInstead(`${bait.image}/up`, "../../../../../../../../../../tmp");
  const source = `${bait.outside}:`;
  // In the middle of a path a link is looked up inside; at its end it is refused.
  for (const destination of ["/out/made", "/up/made"]) {
    const { code, stderr } = await attack(bait.image, "true", ["--bind", source + destination]);
    assert(code === 0 || code === 125, stderr);
  }
  for (const destination of ["/out", "/up"]) {
    const { code, stderr } = await attack(bait.image, "true", ["--bind", source + destination]);
    assertEquals(code, 125);
    assertStringIncludes(stderr, "it must be a real directory in the image");
  }
  assertEquals(Array.from(Deno.readDirSync(bait.outside), ({ name }) => name), ["file"]);
  assert(!Array.from(Deno.readDirSync("/tmp")).some(({ name }) => name === "made"));
});

hostTest("rule 7: the files that libflux puts into /etc follow no link", async () => {
  using bait = trap();
  for (const name of ["hosts", "hostname", "resolv.conf"]) {
    linkInstead(`${bait.image}/etc/${name}`, `${bait.outside}/file`);
  }
  for (const flags of [[], ["--writable"]]) {
    const { code, stdout } = await attack(bait.image, "cat /etc/hostname; echo x >/etc/hosts", [
      "--hostname",
      "ours",
      ...flags,
    ]);
    assertEquals([code, stdout], [0, "ours\n"]);
  }
  assertEquals(Deno.readTextFileSync(`${bait.outside}/file`), "the host's");
});

hostTest("rule 7: /etc as a link to the host's directory changes nothing there", async () => {
  using bait = trap();
  linkInstead(`${bait.image}/etc`, bait.outside);
  await attack(bait.image, "echo x >/etc/file; echo y >/etc/new");
  await attack(bait.image, "echo x >/etc/file; echo y >/etc/new", ["--writable"]);
  assertEquals(Array.from(Deno.readDirSync(bait.outside), ({ name }) => name), ["file"]);
  assertEquals(Deno.readTextFileSync(`${bait.outside}/file`), "the host's");
});

hostTest("rule 7: a mount's destination may not be the root", async () => {
  for (const destination of ["/", "//", "/.", "/./"]) {
    const { code, stderr } = await attack(BUSYBOX, "true", ["--bind", `/tmp:${destination}`]);
    assertEquals([code, stderr.split("\n").length], [125, 2], stderr);
  }
  assertEquals((await attack(BUSYBOX, "true", ["--bind", "/tmp:/a/../.."])).code, 125);
});

hostTest("rule 7: no mount of the host's is left in the container, not even hidden", async () => {
  using bait = trap();
  const { stdout } = await attack(bait.image, "cat /proc/self/mountinfo");
  const lines = stdout.trim().split("\n");
  assertEquals(lines.filter((line) => line.split(" ")[4] === "/").length, 1);
  const types = new Set(lines.map((line) => line.split(" - ")[1]?.split(" ")[0]));
  // An ordinary user can't make devices: those of the host are bound, each alone.
  const devices = lines.filter((line) => / \/dev\/(null|zero|full|random|urandom|tty) /.test(line)).length;
  assertEquals(devices, IS_USER ? 6 : 0);
  types.delete("devtmpfs");
  assertEquals([...types].sort(), ["cgroup2", "devpts", "mqueue", "overlay", "proc", "sysfs", "tmpfs"]);
  assertEquals(lines.filter((line) => line.includes(" - devtmpfs ") && line.split(" ")[3] === "/"), []);
  assert(!stdout.includes(bait.outside));
});

hostTest("rule 7: the usual ways out of a root lead nowhere", async () => {
  using bait = trap();
  const script = `cd /; for i in 1 2 3 4 5 6 7 8 9; do cd ..; done; ls
    ls /proc/1/root /proc/self/root /proc/1/cwd/..
    cat /proc/1/root${bait.outside}/file /proc/1/cwd/../../../..${bait.outside}/file /../../../..${bait.outside}/file`;
  const { stdout, stderr } = await attack(bait.image, script);
  assert(!stdout.includes("the host's"));
  assert(!stdout.includes("boot"), stdout);
  assertEquals(stderr.match(/can't open/g)?.length, 3, stderr);
});

hostTest("rule 7: chroot twice doesn't leave the container", async () => {
  using bait = trap();
  // The classical escape: keep a descriptor outside of a new root, then walk up from it.
  const perl = `mkdir "/jail"; opendir(my $d, "/"); chroot "/jail" or die; chdir $d; chdir ".." for 1..50; chroot ".";
    print -e "${bait.outside}/file" ? "out" : "in"`;
  const { stdout } = await runContainer(["--image", DEBIAN], ["perl", "-e", perl]);
  assertEquals(stdout, "in");
});

hostTest("rule 8: nothing may be mounted over /proc or below it, but what lxcfs serves (CVE-2019-16884)", async () => {
  for (
    const destination of [
      "/proc",
      "/proc/",
      "//proc",
      "/proc/self",
      "/proc/sys/kernel",
      "/./proc/1",
      "/proc/self/attr/exec",
    ]
  ) {
    const { code, stderr } = await attack(BUSYBOX, "true", ["--bind", `/tmp:${destination}`]);
    assertEquals(code, 125, destination);
    assertStringIncludes(stderr, "nothing may be mounted over /proc");
    assertEquals((await attack(BUSYBOX, "true", ["--tmpfs", destination])).code, 125, destination);
  }
  const { stdout } = await attack(BUSYBOX, "cat /proc/meminfo", ["--bind", "/proc/version:/proc/meminfo:ro"]);
  assertMatch(stdout, /^Linux version/);
});

hostTest("rule 8: a link in the image can't lead a mount into /proc (CVE-2019-19921, CVE-2023-28642)", async () => {
  using bait = trap();
  linkInstead(`${bait.image}/a`, "/proc/self");
  linkInstead(`${bait.image}/b`, "proc");
  for (const destination of ["/a/attr", "/b/sys/kernel", "/a/task"]) {
    const script = "cat /proc/self/attr/file /proc/sys/kernel/file /proc/self/task/file; cat /proc/sys/kernel/ostype";
    const { code, stdout } = await attack(bait.image, `(${script}) 2>/dev/null`, [
      ...["--bind", `${bait.outside}:${destination}`],
    ]);
    // What is mounted there before there is a /proc is below it from then on.
    if (code !== 125) assertEquals([code, stdout], [0, "Linux\n"], destination);
  }
});

hostTest(
  "rule 9: libflux writes to a procfs of its own, whatever the image says that /proc is (CVE-2025-52881)",
  async () => {
    using bait = trap();
    Deno.mkdirSync(`${bait.image}/proc/self`);
    Deno.symlinkSync(`${bait.outside}/file`, `${bait.image}/proc/self/timens_offsets`);
    const { code, stdout } = await attack(bait.image, "cut -d. -f1 /proc/uptime || cat /proc/uptime", [
      "--time-offset",
      "1000000",
      "--writable",
    ]);
    assertEquals(code, 0);
    assert(parseInt(stdout) > 1_000_000);
    assertEquals(Deno.readTextFileSync(`${bait.outside}/file`), "the host's");
  },
);

hostTest("rules 10 and 13: what is masked reads as empty and can't be uncovered", async () => {
  using bait = trap();
  // An image that brings a /dev of its own, to have it bound over the masked files.
  Deno.writeTextFileSync(`${bait.image}/dev/null`, "not the device");
  const masked = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "timer_list",
    "timer_stats",
    "sched_debug",
    "scsi",
  ]
    .map((name) => `/proc/${name}`).concat(["/sys/firmware", "/sys/devices/virtual/powercap", "/sys/fs/selinux"]);
  const script = `for f in ${masked.join(" ")}; do
      if test -d $f; then ls -A $f; touch $f/x 2>/dev/null && echo "wrote to $f"
      elif test -e $f; then cat $f; stat -c %t:%T $f | grep -v '^1:3$'; fi
      umount $f 2>/dev/null && echo "uncovered $f"; done; echo end`;
  assertEquals((await attack(bait.image, script)).stdout, "end\n");
});

hostTest("rule 10: a mount on /dev/null covers nothing, and is nobody's stream (CVE-2025-31133)", async () => {
  using bait = trap();
  linkInstead(`${bait.image}/lnk`, "/dev");
  const script = "cat /proc/keys; stat -Lc %t:%T /proc/keys /proc/timer_list /proc/self/fd/0";
  const bind = (destination: string) => ["--bind", `${bait.outside}/file:${destination}`, "--no-interactive"];
  const { code, stdout, stderr } = await attack(bait.image, script, bind("/lnk/null"));
  assertEquals([code, stdout], [0, "1:3\n".repeat(3)], stderr);
  for (const destination of ["/dev/null", "/dev//./null", "/dev/null/"]) {
    const refused = await attack(bait.image, script, bind(destination));
    assertEquals([refused.code, refused.stdout], [125, ""], destination);
    assertStringIncludes(refused.stderr, "nothing may be mounted over /dev/null");
  }
});

rootTest("rule 13: what libflux itself can't see is masked all the same", async () => {
  // A /sys of the caller's, with nothing but the cgroups.
  const script = `mount --make-rprivate / && mount -t tmpfs none /mnt && mkdir /mnt/cgroup &&
    mount --rbind /sys/fs/cgroup /mnt/cgroup && mount -t tmpfs none /sys && mkdir -p /sys/fs/cgroup &&
    mount --rbind /mnt/cgroup /sys/fs/cgroup && test ! -e /sys/firmware && exec "$@"`;
  const { code, stdout } = await new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", script, "sh", LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--"]
      .concat(["sh", "-c", "test -d /sys/firmware && echo there; ls -A /sys/firmware"]),
    stdin: "null",
    stdout: "piped",
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "there\n"]);
});

hostTest("rule 13: what is read-only can't be written to, remounted, or uncovered", async () => {
  const script = `echo 1 >/proc/sys/kernel/panic && echo wrote
    (echo 1 >/proc/sysrq-trigger) 2>/dev/null && test -e /proc/sysrq-trigger && echo wrote
    for f in bus fs irq sys; do
      touch /proc/$f/x && echo wrote; umount /proc/$f && echo uncovered; mount -o remount,rw /proc/$f && echo remounted
    done; mount -t proc proc /tmp && echo mounted; mount -o bind /proc /tmp && echo bound; echo end`;
  assertEquals((await attack(BUSYBOX, `(${script}) 2>/dev/null`)).stdout, "end\n");
});

hostTest(
  "rule 11: /dev has devices that were verified, and none of the image's (CVE-2026-41579, CVE-2026-47766)",
  async () => {
    using bait = trap();
    new Deno.Command("mknod", { args: [`${bait.image}/dev/mem`, "c", "1", "1"] }).outputSync();
    new Deno.Command("mknod", { args: [`${bait.image}/dev/null`, "c", "1", "1"] }).outputSync();
    const script =
      "test -e /dev/mem && echo image; stat -c '%F %t:%T' /dev/null; mknod /tmp/mem c 1 1 2>/dev/null && echo made; true";
    assertEquals((await attack(bait.image, script)).stdout, "character special file 1:3\n");
  },
);

hostTest("rule 14: cgroups are read-only inside", async () => {
  const script =
    "mkdir /sys/fs/cgroup/x && echo made; echo $$ >/sys/fs/cgroup/cgroup.procs && echo moved; mount -t cgroup2 none /tmp && echo mounted";
  assertEquals((await attack(BUSYBOX, `(${script}) 2>/dev/null; echo end`)).stdout, "end\n");
});

hostTest("rule 7: no link of an image leads to a descriptor of libflux's, and through it out", async () => {
  using bait = trap();
  const flags = ["--tmpfs", "/link/tmp", "--workdir", "/link/work"];
  // The image's own directory was among them, at 9 and once more: beside it is one of the host's.
  for (let number = 0; number < 32; number++) {
    for (const path of ["etc", "link"]) linkInstead(`${bait.image}/${path}`, `/proc/self/fd/${number}/../outside`);
    await runContainer(["--image", bait.image, ...number % 2 === 0 ? [] : flags], ["true"]);
  }
  assertEquals(Array.from(Deno.readDirSync(bait.outside), ({ name }) => name), ["file"]);
});

hostTest("rule 7: with the host's processes in sight no link of an image leads to their roots", async () => {
  using bait = trap();
  // This process, which its like may look into: not everybody's first process lets them.
  for (const way of ["root", `cwd/${"../".repeat(20)}`]) {
    linkInstead(`${bait.image}/etc`, `/proc/${Deno.pid}/${way}${bait.outside}`);
    linkInstead(`${bait.image}/link`, `/proc/${Deno.pid}/${way}${bait.outside}`);
    for (const flags of [[], ["--tmpfs", "/link/tmp"], ["--workdir", "/link/work"], ["--bind", "/etc/hosts:/link/b"]]) {
      await runContainer(["--image", bait.image, "--pid", "host", ...flags], ["true"]);
    }
  }
  assertEquals(Array.from(Deno.readDirSync(bait.outside), ({ name }) => name), ["file"]);
});

rootTest("rule 11: device nodes of an image open nothing", async () => {
  using bait = trap();
  for (const args of [["null", "c", "1", "3"], ["loop", "b", "7", "0"], ["tun", "c", "10", "200"]]) {
    const [name = "", ...numbers] = args;
    await new Deno.Command("mknod", { args: [`${bait.image}/${name}`, ...numbers] }).output();
    for (const flags of [[], ["--writable"], ["--read-only"]]) {
      const { stdout } = await attack(bait.image, `(cat /${name}; echo x >/${name}) 2>&1`, flags);
      const lines = stdout.trim().split("\n");
      assertEquals(lines.filter((line) => /denied|Read-only/.test(line)).length, lines.length, stdout);
      assertEquals(lines.length, 2);
    }
  }
});

hostTest("rule 2: no stream of the container's is a directory of the host's", async () => {
  for (const stream of ["0", "1", "2"]) {
    const { stdout, stderr } = await new Deno.Command("sh", {
      args: [
        "-c",
        `exec ${stream}</; exec "$0" run dir --image "$1" -- ls /proc/self/fd/${stream}/etc`,
        LIBFLUX,
        BUSYBOX,
      ],
    }).output();
    const decoder = new TextDecoder();
    assertEquals(decoder.decode(stdout), "");
    if (stream !== "2") assertMatch(decoder.decode(stderr), /^libflux: standard (in|out)put is a directory; [^\n]+\n$/);
  }
});

rootTest("rule 2: a file that is given for reading can't be opened for writing inside", async () => {
  using bait = trap();
  const file = `${bait.outside}/file`;
  const script = "(echo pwned >/proc/self/fd/0) 2>&1; (echo pwned >>/dev/stdin) 2>&1; (: <>/dev/stdin) 2>&1; cat";
  const { stdout } = await new Deno.Command("bash", {
    // The first word was read before: the rest is what is left.
    args: [
      "-c",
      `exec <"$2"; read -n 4 -r word; "$0" run ro --image "$1" -- sh -c '${script}'`,
      LIBFLUX,
      BUSYBOX,
      file,
    ],
  }).output();
  const lines = new TextDecoder().decode(stdout).split("\n");
  assertEquals(
    lines.slice(0, 3).map((line) => /Read-only file system/.test(line)),
    [true, true, true],
    lines.join("\n"),
  );
  assertEquals(lines.slice(3), ["host's"]);
  assertEquals(Deno.readTextFileSync(file), "the host's");
});
