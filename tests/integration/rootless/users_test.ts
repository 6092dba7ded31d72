/**
 * Containers of an ordinary user: run by `enter.sh`, with ranges of ids and without.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  BUSYBOX,
  DEBIAN,
  HAS_USERS,
  hostTest,
  LIBFLUX,
  libflux,
  runContainer,
  startLibflux,
  temporaryDirectory,
  uniqueName,
} from "../support.ts";

const UID = Deno.uid() ?? 0;
assert(UID !== 0, "these tests are an ordinary user's: see enter.sh");

const NONE = ["--network", "none"] as const;
const IMAGE = ["--image", BUSYBOX, ...NONE] as const;
const inside = (flags: readonly string[], script: string) => runContainer(flags, ["sh", "-c", script]);

/** `name:x:FIRST:…` */
const FIRST_OF_RANGE = Number(/^fluxuser:(\d+):/m.exec(Deno.readTextFileSync("/etc/subuid"))?.[1]);

hostTest("rootless: no flag is needed, and root inside is this user", async () => {
  const { code, stdout, stderr } = await libflux(["run", uniqueName(), ...NONE, "--", "cat", "/proc/self/uid_map"]);
  assertEquals([code, stderr], [0, ""]);
  const lines = stdout.trim().split("\n").map((line) => line.trim().split(/ +/).map(Number));
  assertEquals(lines, HAS_USERS ? [[0, UID, 1], [1, FIRST_OF_RANGE, 65536]] : [[0, UID, 1]]);
});

hostTest("rootless: the container is locked down as root's is", async () => {
  const { stdout } = await inside(IMAGE, "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status");
  assertEquals(stdout, "CapEff:\t00000000800405fb\nCapBnd:\t00000000800405fb\nNoNewPrivs:\t1\nSeccomp:\t2\n");
});

hostTest("rule 4: groups that deny something can't be left (CVE-2014-8989)", async () => {
  const own = ["--uidmap", `0:${UID}:1`, "--gidmap", `0:${Deno.gid()}:1`];
  // By ranges that root has given to this user it may; of its own group alone never, whether it has ranges or not.
  for (const [flags, may] of [[[], HAS_USERS], [own, false]] as const) {
    const { stdout } = await inside(
      [...IMAGE, ...flags, "--cap-add", "ALL", "--seccomp", "unconfined"],
      "cat /proc/self/setgroups; su -s /bin/sh -c 'echo left' 2>/dev/null",
    );
    assertEquals(stdout, may ? "allow\nleft\n" : "deny\n", flags.join(" "));
  }
});

hostTest("rule 14: cgroups can't be written to, whoever is root inside (CVE-2023-25809)", async () => {
  for (const flags of [IMAGE, ["--image", BUSYBOX, "--network", "host"], [...IMAGE, "--cap-add", "SYS_ADMIN"]]) {
    const script =
      "for f in $(find /sys/fs/cgroup -name cgroup.procs -o -name tasks -o -name release_agent 2>/dev/null); do " +
      "(echo 1 >$f) 2>/dev/null && echo wrote $f; done; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; echo end";
    const { stdout } = await inside(flags, script);
    assertEquals(stdout, "end\n", flags.join(" "));
  }
});

hostTest("rootless: root inside has no more than this user on the host", async () => {
  using directory = temporaryDirectory();
  const flags = [...IMAGE, "--bind", "/etc:/host-etc", "--bind", `${directory.path}:/own`];
  const { stdout, stderr } = await inside(
    flags,
    "cat /host-etc/shadow; echo x >/host-etc/passwd; echo mine >/own/file",
  );
  assertEquals(stdout, "");
  assertEquals(stderr.match(/Permission denied/g)?.length, 2, stderr);
  assertEquals(Deno.statSync(`${directory.path}/file`).uid, UID);
});

hostTest("rootless: files made inside belong to whom the map says", async () => {
  using directory = temporaryDirectory();
  const flags = [...IMAGE, "--bind", `${directory.path}:/own`];
  const made = "touch /own/root; touch /own/web; chown 1000:1001 /own/web";
  const { code } = await inside(flags, made);
  const uids = ["root", "web"].map((name) => Deno.statSync(`${directory.path}/${name}`).uid);
  assertEquals([code === 0, ...uids], HAS_USERS ? [true, UID, FIRST_OF_RANGE + 999] : [false, UID, UID]);
  // Only inside are there users who may remove what the others made.
  await inside(flags, "rm -f /own/*");
});

hostTest("rootless: this host's own root can be used and changed, and stays as it is", async () => {
  const script = "for d in / /etc /tmp /var /var/tmp /root /usr /home; do " +
    "echo new >$d/.libflux-test && cat $d/.libflux-test || echo $d; done; mkdir /usr/x/ && rmdir /usr/x && echo done";
  const { code, stdout, stderr } = await inside(NONE, script);
  assertEquals([code, stdout, stderr], [0, "new\n".repeat(8) + "done\n", ""]);
  assertEquals(
    ["/etc", "/tmp"].filter((path) => [...Deno.readDirSync(path)].some(({ name }) => name === ".libflux-test")),
    [],
  );
});

hostTest("rootless: what this user can't read on the host, root inside can't", async () => {
  const { stdout, stderr } = await inside(NONE, "cat /etc/shadow /etc/gshadow; find /root -type f");
  assertEquals(stdout, "");
  assertMatch(stderr, /Permission denied/);
});

hostTest("rootless: --read-only holds for a root of parts", async () => {
  const script = "for d in / /etc /usr /tmp /var /home; do (echo x >$d/x) 2>&1 | grep -c 'Read-only'; done";
  const { stdout } = await inside([...NONE, "--read-only"], script);
  assertEquals(stdout, "1\n".repeat(6));
});

hostTest("rootless: a container is connected by pasta", async () => {
  const { code, stdout, stderr } = await inside(["--image", BUSYBOX], "ip -4 -o address show eth0; id -u");
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "inet 10.99.0.2/24");
});

hostTest("rootless: what takes root is refused in one sentence, and leaves nothing", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--network", "bridge"], /the network bridge changes this host's network, which takes root; use --network pasta/],
    [["--network", "ns:/proc/self/ns/net"], /joining a network namespace takes root/],
    [["--network", "pasta", "--pid", "host", "--cap-add", "SYS_PTRACE"], /can't have CAP_SYS_PTRACE with --pid host/],
    [["--uidmap", "0:0:1"], /the user ids 0 aren't this user's to map/],
    [["--userns", "1000:1000:5"], /the user ids 1000 to 1004 aren't this user's to map/],
    ...(HAS_USERS ? [] : [
      [
        ["--userns", "keep-id"],
        /takes more ids than this user's own.*sudo usermod --add-subuids \d+-\d+ --add-subgids \d+-\d+ fluxuser/,
      ],
      [["--userns", "auto"], /sudo usermod/],
      [["--user", "web"], /the container has no user 1000: those that it has are 0; .*'libflux info'/],
    ] as const),
  ];
  for (const [flags, sentence] of cases) {
    const { code, stdout, stderr } = await runContainer(["--image", BUSYBOX, ...flags], ["true"]);
    assertEquals([code, stdout], [125, ""], flags.join(" "));
    assertMatch(stderr, /^libflux: [^\n]+\n$/);
    assertMatch(stderr, sentence);
  }
});

hostTest("rootless: info says that containers run, and what of them doesn't", async () => {
  const { code, stdout } = await libflux(["info"]);
  assertEquals(code, 0, stdout);
  assertMatch(stdout, /subuid and subgid +(ok|missing)/);
  assertEquals(/subuid and subgid +ok/.test(stdout), HAS_USERS);
});

hostTest("rootless: --group-add keep-groups keeps what this user is in", async () => {
  const { code, stdout } = await inside([...IMAGE, "--group-add", "keep-groups"], "grep ^Groups /proc/self/status");
  assertEquals([code, stdout.trim()], [0, "Groups:"]);
});

const userTest: typeof hostTest = HAS_USERS ? hostTest : () => {};

userTest("rootless: keep-id: this user has its own id inside, and owns its files", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "mine", { mode: 0o600 });
  const flags = [...IMAGE, "--userns", "keep-id", "--bind", `${directory.path}:/own`];
  const { stdout, stderr } = await inside(flags, "id -u; stat -c %u /own/file; cat /own/file; touch /own/new");
  assertEquals([stdout, stderr], [`${UID}\n${UID}\nmine`, ""]);
  assertEquals(Deno.statSync(`${directory.path}/new`).uid, UID);
  assertEquals((await inside([...flags, "--user", "0"], "cat /own/file")).stdout, "mine");
});

userTest("rootless: --userns auto takes ids that no other container has, and not this user's own", async () => {
  const { stdout, stderr } = await inside([...IMAGE, "--userns", "auto"], "cat /proc/self/uid_map");
  assertEquals([stdout.trim().split(/ +/).map(Number), stderr], [[0, FIRST_OF_RANGE, 1024], ""]);
});

userTest("rootless: a Debian tree has all its users", async () => {
  const script = "su -s /bin/sh -c 'id -u; touch /tmp/x && stat -c %U /tmp/x' www-data; useradd -m new && id -u new; " +
    "install -o mail -g mail /dev/null /var/mail/x && stat -c %U:%G /var/mail/x";
  const { code, stdout, stderr } = await inside(["--image", DEBIAN, ...NONE], script);
  assertEquals([code, stdout, stderr], [0, "33\nwww-data\n1000\nmail:mail\n", ""]);
});

userTest("rootless: devices are bound, and what isn't this user's can't be opened", async () => {
  const flags = [...IMAGE, "--device", "/dev/zero:/dev/mine/zero", "--device", "/dev/console:/dev/mine/console"];
  const { stdout, stderr } = await inside(
    flags,
    "head -c 3 /dev/mine/zero | wc -c; cat /dev/mine/console; mknod /tmp/x c 1 3",
  );
  assertEquals(stdout, "3\n");
  assertEquals(stderr.match(/Permission denied|not permitted/g)?.length, 2, stderr);
});

/** An image that the kernel mounts no overlay over: see enter.sh. */
const UNSTACKABLE = BUSYBOX.replace(/busybox$/, "twice");
const SERVED = ["--image", UNSTACKABLE, ...NONE] as const;

hostTest(
  "rootless: where the kernel mounts no overlay, fuse-overlayfs serves the root, unseen from inside",
  async () => {
    const script =
      `awk '$5 == "/" { print $9 }' /proc/self/mountinfo; cat /etc/passwd | head -1; echo new >/etc/new; rm /etc/group; mkdir /var/x
    cat /etc/new; ls /etc/group; grep -c ' / / ' /proc/self/mountinfo; set -- /proc/[0-9]*; echo $#
    [ -e /dev/fuse ] || echo none`;
    const { code, stdout, stderr } = await inside(SERVED, script);
    assertEquals(
      [code, stdout, stderr],
      [
        0,
        "fuse-overlayfs\nroot:x:0:0:root:/root:/bin/sh\nnew\n1\n2\nnone\n",
        "ls: /etc/group: No such file or directory\n",
      ],
    );
    assertEquals([...Deno.readDirSync(`${UNSTACKABLE}/etc`)].map(({ name }) => name).sort(), ["group", "passwd"]);
    const readOnly = await inside([...SERVED, "--read-only"], "echo x >/x");
    assertMatch(readOnly.stderr, /Read-only file system/);
  },
);

hostTest(
  "rootless: fuse-overlayfs ends with the container, in the background and with a killed libflux too",
  async () => {
    const name = uniqueName();
    const started = await libflux(["run", name, "--detach", "--rm", ...SERVED, "--", "sleep", "1000"]);
    assertEquals([started.code, started.stderr], [0, ""]);
    const user = HAS_USERS ? ["--user", "web"] : [];
    const entered = await libflux(["exec", ...user, name, "--", "sh", "-c", "id -u; head -1 /etc/group"]);
    assertEquals([entered.code, entered.stdout], [0, `${HAS_USERS ? 1000 : 0}\nroot:x:0:\n`]);
    const copied = await libflux(["cp", `${name}:/etc/group`, "/tmp/"]);
    assertEquals([copied.code, copied.stderr], [
      125,
      `libflux: the files of ${name} can't be reached: fuse-overlayfs serves them to nobody outside of it; ` +
      "let its own tar do it, by 'libflux exec'\n",
    ]);
    assertEquals((await libflux(["stop", "--time", "0", name])).code, 0);

    const child = startLibflux(["run", uniqueName(), ...SERVED, "--", "sh", "-c", "echo up; sleep 1000"]);
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGKILL");
    await Promise.all([child.stdin.close(), reader.cancel(), child.stderr.cancel(), child.status]);
    assertEquals((await libflux(["ps", "--quiet"])).stdout, "");
  },
);

hostTest("rootless: where fuse-overlayfs is missing, or fails, one sentence tells what to do", async () => {
  using directory = temporaryDirectory();
  const broken = `${directory.path}/broken`;
  Deno.writeTextFileSync(broken, "#!/bin/sh\necho it is broken >&2\nexit 1\n", { mode: 0o755 });
  const plain = `${directory.path}/plain`;
  Deno.writeTextFileSync(plain, "");
  Deno.chmodSync(plain, 0o444);
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      ...[plain, "/dev/fuse"] as const,
      /^libflux: could not create the overlay filesystem: .*; or install fuse-overlayfs, .* \/dev\/fuse \(mode 0666\)\n$/,
    ],
    [
      ...[plain, "/usr/bin/fuse-overlayfs"] as const,
      /^libflux: could not create the overlay filesystem: .*; or install fuse-overlayfs, [^\n]*\n$/,
    ],
    [
      ...[broken, "/usr/bin/fuse-overlayfs"] as const,
      /^libflux: fuse-overlayfs could not serve the root: it is broken; --writable takes no overlay\n$/,
    ],
  ];
  const own = ["--uidmap", `0:${UID}:1`, "--gidmap", `0:${Deno.gid()}:1`];
  for (const [source, target, says] of cases) {
    // In namespaces where this user may put one file over another, for itself.
    const script =
      `mount --bind ${source} ${target} && exec setpriv --inh-caps=-all --ambient-caps=-all -- ${LIBFLUX} "$@"`;
    const { code, stderr } = await new Deno.Command("unshare", {
      args: [
        ...["--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-c", script, "sh"],
        ...["run", uniqueName(), ...SERVED, ...own, "--", "true"],
      ],
    }).output();
    assertEquals(code, 125);
    assertMatch(new TextDecoder().decode(stderr), says);
  }
});
