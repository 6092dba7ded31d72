/**
 * Makes the root filesystems that the integration tests run: one of busybox alone, and Debian. Run before the suite, while
 * there still is a network. What is there already is kept.
 *
 * @module
 */
import { BUSYBOX, DEBIAN } from "./trees.ts";

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

make(BUSYBOX, busybox);
make(DEBIAN, debian);
