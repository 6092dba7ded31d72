/**
 * Makes the root filesystems that the integration tests run: one of busybox alone, Debian, and Debian with tools. Run before the suite, while
 * there still is a network. What is there already is kept.
 *
 * @module
 */
import { BUSYBOX, DEBIAN, EVERYDAY_TREE } from "./trees.ts";

/** Programs that the tests use. */
const APPLETS = ["sh", "cat", "cp", "date", "dd", "echo", "env", "false", "grep", "head", "hostname", "id", "ifconfig"]
  .concat(["kill", "ls", "md5sum", "mkdir", "mknod", "mount", "printf", "ps", "pwd", "readlink", "rm", "seq", "sleep"])
  .concat([
    "stat",
    "stty",
    "sort",
    "touch",
    "tr",
    "true",
    "tty",
    "umount",
    "uname",
    "wc",
    "yes",
    "ip",
    "umask",
    "nproc",
  ]);

function output(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args, stdout: "piped", stderr: "piped" })
    .outputSync();
  if (!success) {
    throw new Error(`${program} ${args.join(" ")} failed: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  }
  return new TextDecoder().decode(stdout);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Makes a tree whole or not at all. */
function make(tree: string, fill: (partial: string) => void): void {
  if (exists(tree)) return;
  const partial = `${tree}.partial`;
  if (exists(partial)) Deno.removeSync(partial, { recursive: true });
  Deno.mkdirSync(partial, { recursive: true });
  fill(partial);
  Deno.renameSync(partial, tree);
}

function busybox(tree: string): void {
  for (const directory of ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "var"]) {
    Deno.mkdirSync(`${tree}/${directory}`);
  }
  Deno.chmodSync(`${tree}/tmp`, 0o1777);
  Deno.copyFileSync(output("sh", "-c", "command -v busybox").trim(), `${tree}/bin/busybox`);
  for (const applet of APPLETS) Deno.symlinkSync("busybox", `${tree}/bin/${applet}`);
  Deno.writeTextFileSync(
    `${tree}/etc/passwd`,
    "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:Web:/srv/web:/bin/sh\n",
  );
  Deno.writeTextFileSync(`${tree}/etc/group`, "root:x:0:\nweb:x:1001:\nlogs:x:1002:web,other\nvideo:x:44:web\n");
}

/** The mirror and release that this machine itself was installed from. */
function debianSource(): [suite: string, mirror: string] {
  const targets = output("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages");
  for (const line of targets.split("\n")) {
    const [suite = "", mirror = ""] = line.split(" ");
    if (/^[a-z]+$/.test(suite) && /^https?:/.test(mirror)) return [suite, mirror];
  }
  throw new Error("apt-get knows no Debian mirror to make a tree from");
}

function debian(tree: string): void {
  const [suite, mirror] = debianSource();
  output("debootstrap", "--variant=minbase", suite, tree, mirror);
  Deno.removeSync(`${tree}/var/cache/apt/archives`, { recursive: true });
}

/** What the everyday operations take. */
const TOOLS = [
  "acl",
  "cron",
  "curl",
  "gcc",
  "git",
  "inotify-tools",
  "iproute2",
  "iputils-ping",
  "libc6-dev",
  "libcap2-bin",
]
  .concat([
    "make",
    "nginx-light",
    "nodejs",
    "openssh-client",
    "openssh-server",
    "openssl",
    "perl",
    "postgresql",
    "procps",
  ])
  .concat(["python3", "redis-server", "rsync", "sqlite3", "sudo", "xz-utils", "zstd"]);

/** Debian, with tools. Their packages start nothing, and make no database. */
function everyday(tree: string): void {
  output("cp", "-a", `${DEBIAN}/.`, tree);
  Deno.writeTextFileSync(`${tree}/usr/sbin/policy-rc.d`, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  Deno.mkdirSync(`${tree}/etc/postgresql-common`);
  Deno.writeTextFileSync(`${tree}/etc/postgresql-common/createcluster.conf`, "create_main_cluster = false\n");
  Deno.copyFileSync("/etc/resolv.conf", `${tree}/etc/resolv.conf`);
  const sources = `${tree}/etc/apt/sources.list`;
  const text = Deno.readTextFileSync(sources);
  // Half of them are in Ubuntu's other part.
  if (text.includes("ubuntu")) Deno.writeTextFileSync(sources, text.replace(/ main$/m, " main universe"));
  const inside = ["--mount", "--pid", "--fork", "chroot", tree];
  // Nothing has to survive a power failure, so nothing waits for a disk.
  const options = ["-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-unsafe-io"]
    .concat(["-o", "Dpkg::Options::=--force-confold", "-o", "Acquire::Retries=3"]);
  const script =
    'export DEBIAN_FRONTEND=noninteractive LC_ALL=C; mount -t proc proc /proc; apt-get -qq update; exec "$@"';
  output("unshare", ...inside, "sh", "-c", script, "sh", "apt-get", "install", "-y", ...options, ...TOOLS);
  for (const directory of ["var/cache/apt/archives", "var/lib/apt/lists"]) {
    Deno.removeSync(`${tree}/${directory}`, { recursive: true });
  }
}

make(BUSYBOX, busybox);
make(DEBIAN, debian);
make(EVERYDAY_TREE, everyday);
