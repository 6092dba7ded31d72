import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { onDisk } from "./disk.ts";
import { BUSYBOX, LIBFLUX, rootTest, runContainer, temporaryDirectory, uniqueName } from "./support.ts";

const TREE = onDisk(BUSYBOX);
const IMAGE = ["--image", TREE, "--network", "none"] as const;
const MAPS = "cat /proc/self/uid_map /proc/self/gid_map";

/** A tree of its own, to be written into; on the filesystem of the checkout, which can be id-mapped where / can. */
function image(): Disposable & { readonly path: string } {
  const directory = temporaryDirectory(TREE.slice(0, TREE.lastIndexOf("/")));
  const path = `${directory.path}/image`;
  assert(new Deno.Command("cp", { args: ["-a", TREE, path] }).outputSync().success);
  return { path, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

/** `INSIDE HOST SIZE` of both maps, one after the other. */
async function maps(...flags: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runContainer([...IMAGE, ...flags], ["sh", "-c", MAPS]);
  assertEquals([code, stderr], [0, ""], flags.join(" "));
  return stdout.trim().split("\n").map((line) => line.trim().replaceAll(/ +/g, ":"));
}

rootTest("users: --userns auto gives a container of root's ids that nobody has", async () => {
  const [uids = "", gids = ""] = await maps("--userns", "auto");
  assertMatch(uids, /^0:\d+:65536$/);
  assertEquals(uids, gids);
  assert(Number(uids.split(":")[1]) >= 100_000);
  assertEquals(await maps("--userns", "auto:size=100"), [1, 2].map(() => uids.replace("65536", "100")));
  // The last one's were given back.
  assertEquals(await maps("--userns", "auto"), [uids, gids]);
});

rootTest("users: containers that run at the same time have no id in common", async () => {
  const children = Array.from({ length: 4 }, () =>
    new Deno.Command(LIBFLUX, {
      args: ["run", uniqueName(), ...IMAGE, "--userns", "auto", "--", "sh", "-c", "cat /proc/self/uid_map; cat"],
      stdin: "piped",
      stdout: "piped",
    }).spawn());
  const starts: number[] = [];
  for (const child of children) {
    const reader = child.stdout.getReader();
    starts.push(Number(new TextDecoder().decode((await reader.read()).value).trim().split(/ +/)[1]));
    reader.releaseLock();
  }
  assertEquals(new Set(starts).size, children.length, starts.join(" "));
  for (const child of children) {
    await child.stdin.close();
    await child.stdout.cancel();
    assertEquals((await child.status).code, 0);
  }
});

rootTest("users: ranges and lines of maps are taken as they are given", async () => {
  assertEquals(await maps("--userns", "700000:800000:10"), ["0:700000:10", "0:800000:10"]);
  assertEquals(await maps("--uidmap", "0:700000:1", "--uidmap", "1:900000:5"), [
    ...["0:700000:1", "1:900000:5", "0:700000:1", "1:900000:5"],
  ]);
  assertEquals(await maps("--uidmap", "0:700000:2", "--gidmap", "0:800000:3"), ["0:700000:2", "0:800000:3"]);
  assertEquals(await maps("--userns", "host"), ["0:0:4294967295", "0:0:4294967295"]);
});

rootTest("users: root inside owns the image, which is not changed, and nothing of the host's", async () => {
  using tree = image();
  const look = () => {
    const { uid, gid, size, mtime, ino } = Deno.statSync(`${tree.path}/etc/passwd`);
    return { uid, gid, size, mtime, ino };
  };
  const before = look();
  const script =
    "stat -c %u:%g / /etc/passwd; echo changed >/etc/passwd && cat /etc/passwd; stat -c %u /host; cat /host";
  using directory = temporaryDirectory();
  const secret = `${directory.path}/secret`;
  Deno.writeTextFileSync(secret, "secret", { mode: 0o600 });
  const flags = ["--image", tree.path, "--network", "none", "--userns", "auto", "--bind", `${secret}:/host`];
  const { stdout, stderr } = await runContainer(flags, ["sh", "-c", script]);
  // The bound file's owner is nobody here.
  assertEquals(stdout, "0:0\n0:0\nchanged\n65534\n");
  assertMatch(stderr, /can't open '\/host': Permission denied/);
  assertEquals(look(), before);
});

rootTest("users: what is written into an image belongs to whom the map says", async () => {
  using tree = image();
  const flags = ["--image", tree.path, "--network", "none", "--writable", "--userns", "auto"];
  const script = "touch /by-root; touch /by-web; chown 1000:1001 /by-web; stat -c %u:%g /by-web";
  const { code, stdout, stderr } = await runContainer(flags, ["sh", "-c", script]);
  assertEquals([code, stdout, stderr], [0, "1000:1001\n", ""]);
  // By the id-mapped mount they are the image's own users, whatever range the container had.
  const owners = ["by-root", "by-web"].map((name) => Deno.statSync(`${tree.path}/${name}`)).map((
    { uid, gid },
  ) => [uid, gid]);
  assertEquals(owners, [[0, 0], [1000, 1001]]);
});

rootTest("users: on the host the processes are nobody's", async () => {
  const name = uniqueName();
  const child = new Deno.Command(LIBFLUX, {
    args: ["run", name, ...IMAGE, "--userns", "700000:700000:65536", "--user", "web", "--", "sh", "-c", "echo up; cat"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const { stdout } = await new Deno.Command(LIBFLUX, { args: ["top", name] }).output();
  const rows = new TextDecoder().decode(stdout).trim().split("\n").slice(1).map((line) => line.split(/ +/));
  assert(rows.length >= 2, rows.join(" "));
  for (const [, pid, uid] of rows) {
    const owner = /^Uid:\t(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
    assertEquals([uid, owner], ["1000", "701000"]);
  }
  await child.stdin.close();
  await reader.cancel();
  await child.status;
});

rootTest("users: a container with users of its own is on a network as any other", async () => {
  const { code, stdout, stderr } = await runContainer(["--image", TREE, "--userns", "auto"], [
    "sh",
    "-c",
    "ip -4 -o address show eth0 | grep -o 'inet [0-9.]*'; ls /sys/class/net; ip link set eth0 down 2>&1",
  ]);
  assertStringIncludes(stdout, "inet 10.");
  assertStringIncludes(stdout, "eth0\nlo\n");
  assertMatch(stdout, /not permitted/);
  assertEquals(stderr, "", String(code));
});

rootTest("users: sysctls of its own namespaces can be set, others not", async () => {
  const flags = [...IMAGE, "--userns", "auto", "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=9000"];
  const { stdout, stderr } = await runContainer(flags, [
    "sh",
    "-c",
    "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; echo 1 >/proc/sys/vm/drop_caches",
  ]);
  assertEquals(stdout, "1\n9000\n");
  assertMatch(stderr, /drop_caches/);
});

rootTest("users: what can't be is told in one sentence", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--userns", "keep-id"], /keeps the ids of an ordinary user, and libflux runs as root; .*--userns auto/],
    [["--userns", "nomap"], /is host, auto, keep-id or UID:GID:SIZE, not "nomap"/],
    [["--uidmap", "1:1:1"], /the map of user ids has no 0/],
    [["--userns", "700000:700000:10", "--user", "10"], /the container has no user 10: those that it has are 0-9/],
    [["--userns", "700000:700000:10", "--group-add", "10"], /the container has no group 10/],
    [["--userns", "auto", "--network", "ns:/proc/self/ns/net"], /can't join another network namespace/],
    [["--userns", "auto", "--pid", "host", "--security-opt", "proc-opts=hidepid=2"], /has the host's \/proc as it is/],
    [["--userns", "auto:size=0"], /there is no free range of 0 ids/],
    [["--userns", "auto:size=4000000000"], /there is no free range of 4000000000 ids/],
  ];
  for (const [flags, sentence] of cases) {
    const usual = flags.includes("--network") ? ["--image", TREE] : IMAGE;
    const { code, stdout, stderr } = await runContainer([...usual, ...flags], ["true"]);
    assertEquals([code, stdout], [125, ""], flags.join(" "));
    assertMatch(stderr, /^libflux: [^\n]+\n$/);
    assertMatch(stderr, sentence);
  }
});

rootTest("users: an image that can't be id-mapped is told as that", async () => {
  using directory = temporaryDirectory();
  // No kernel id-maps an overlay.
  const script = `mkdir lower upper work image && mount -t tmpfs none . && mkdir lower upper work image &&
    cp -a ${BUSYBOX}/. lower && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay image &&
    exec ${LIBFLUX} run ${uniqueName()} --image image --network none --userns auto -- true`;
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      "--mount",
      "sh",
      "-c",
      `cd ${directory.path} && ${
        script.replace("mkdir lower upper work image && ", "")
          .replace("mount -t tmpfs none . &&", `mount -t tmpfs none ${directory.path} && cd ${directory.path} &&`)
      }`,
    ],
    stderr: "piped",
  }).output();
  assertEquals(code, 125);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^libflux: the image .*\/image can't be given the container's users: [^\n]*; put it on a filesystem [^\n]*\n$/,
  );
});

rootTest("users: a host that lets nobody make user namespaces is told, with what to do", async () => {
  using directory = temporaryDirectory();
  Deno.chmodSync(directory.path, 0o777);
  Deno.copyFileSync(LIBFLUX, `${directory.path}/executable`);
  // The setting is a user namespace's own: so it is set in one, where libflux runs as another user than its root.
  const script = `unshare --user sh -c 'echo up; exec sleep 20' >up & pid=$!
    for i in $(seq 200); do [ -s up ] && break; sleep 0.05; done
    echo "0 0 100000" >/proc/$pid/uid_map; echo "0 0 100000" >/proc/$pid/gid_map
    nsenter --user --target $pid --setuid 0 --setgid 0 sh -c '
      echo 0 >/proc/sys/user/max_user_namespaces
      exec setpriv --reuid 4242 --regid 4242 --clear-groups ./executable run x --network none --image ${BUSYBOX} -- true'
    code=$?; kill $pid; exit $code`;
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    cwd: directory.path,
    env: { HOME: directory.path, XDG_RUNTIME_DIR: directory.path },
    stderr: "piped",
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [
    125,
    "libflux: no user but root may make containers on this host: user.max_user_namespaces is 0; " +
    "sysctl -w user.max_user_namespaces=65536\n",
  ]);
});

rootTest("users: explain shows the maps, and who writes them", async () => {
  const { stdout } = await new Deno.Command(LIBFLUX, {
    args: ["explain", "run", "x", ...IMAGE, "--userns", "700000:700000:10", "--", "true"],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertStringIncludes(text, "CLONE_NEWUSER");
  assertMatch(text, /uid_map.*0 700000 10/);
});
