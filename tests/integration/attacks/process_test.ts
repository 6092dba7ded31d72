import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { DEFAULT_CAPABILITIES } from "../../../lib/spec/defaults.ts";
import { CAPABILITIES } from "../../../lib/spec/capabilities.ts";
import {
  BUSYBOX,
  DEBIAN,
  hostTest,
  LIBFLUX,
  rootTest,
  runContainer,
  startLibflux,
  uniqueName,
  usersTest,
} from "../support.ts";
import { run } from "../../../mod.ts";
import { attack, linkInstead, trap } from "./tree.ts";

async function shell(script: string): Promise<string> {
  const child = new Deno.Command("bash", { args: ["-c", script], stdout: "piped", stderr: "piped" });
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

const RUN = `${LIBFLUX} run`;

rootTest("rule 2: descriptors that libflux was started with don't get in (CVE-2024-21626)", async () => {
  for (const flags of ["", "--no-init", "--pid host --no-init"]) {
    const inside = "ls /proc/self/fd | tr '\\n' ' '";
    const said = await shell(
      `exec 3</etc/shadow 9</ 77</tmp 5</etc/passwd; ${RUN} ${uniqueName()} ${flags} --image ${BUSYBOX} -- sh -c "${inside}" </dev/null`,
    );
    // 3 is ls's own, for the directory that it lists.
    assertEquals(said, "0 1 2 3 ", flags);
  }
});

hostTest("rule 2: init holds nothing but its pipes to libflux, from the command's first moment on", async () => {
  // As the host's root sees it: inside nobody may look.
  for (let i = 0; i < 20; i++) {
    await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"] });
    const descriptors = Array.from(Deno.readDirSync(`/proc/${container.pid}/fd`), ({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${container.pid}/fd/${name}`).replace(/\d+/g, "");
      } catch {
        // closed meanwhile
        return "pipe:[]";
      }
    });
    for (const target of descriptors) {
      assert(["anon_inode:[signalfd]", "pipe:[]", "/dev/null"].includes(target), target);
    }
  }
});

hostTest("rule 2: the working directory can't be one of the host's (CVE-2024-21626)", async () => {
  using bait = trap();
  linkInstead(`${bait.image}/link`, "/proc/self/fd/9");
  linkInstead(`${bait.image}/out`, bait.outside);
  for (const directory of ["/proc/self/fd/9", "/proc/self/fd/77", "/link", "/proc/1/fd/77"]) {
    const said = await shell(
      `exec 9<${bait.outside} 77<${bait.outside}; ${RUN} ${uniqueName()} --image ${bait.image} --workdir ${directory} -- cat file </dev/null`,
    );
    assert(!said.includes("the host's"), said);
  }
  const { stdout } = await attack(bait.image, "cat file", ["--workdir", "/out"]);
  assert(!stdout.includes("the host's"));
});

hostTest(
  "rule 3: even with --pid host, root inside can't look into processes of the host (CVE-2016-9962)",
  async () => {
    const name = uniqueName();
    const child = startLibflux([
      "run",
      name,
      "--image",
      BUSYBOX,
      "--pid",
      "host",
      "--",
      "sh",
      "-c",
      `
    for p in ${Deno.pid} $PPID 1; do
      cat /proc/$p/environ >/dev/null && echo environ of $p
      readlink /proc/$p/cwd /proc/$p/root /proc/$p/exe && echo links of $p
      readlink /proc/$p/fd/* && echo descriptors of $p
      cat /proc/$p/mem >/dev/null && echo memory of $p
      cat /proc/$p/root/etc/passwd && echo files of $p
    done; true`,
    ]);
    await child.stdin.close();
    const { stdout } = await child.output();
    // PPID is init, which is the container's own.
    const seen = new TextDecoder().decode(stdout).split("\n").filter((line) =>
      line.endsWith(` ${Deno.pid}`) || line.endsWith(" 1")
    );
    assertEquals(seen, []);
  },
);

hostTest("rule 5: names can't lead out of the state directory", async () => {
  for (const name of ["..", ".", "a/b", "/etc", "../x", "a b", "", "-", "a\nb", "é", "a".repeat(65), ".hidden"]) {
    const { code, stderr } = await (await import("../support.ts")).libflux(
      ["run", "--image", BUSYBOX, "--", "true"].toSpliced(1, 0, ...(name === "-" ? [] : [name])),
    );
    assertEquals([code, stderr.trim().split("\n").length], [125, 1], name);
  }
});

hostTest("rule 6: the container has a session keyring of its own, and sees no key", async () => {
  // keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0), by its number on x86-64 and aarch64.
  const number = Deno.build.arch === "x86_64" ? 250 : 219;
  const perl = `print syscall(${number}, 0, -3, 0), "\\n"`;
  const outside = new TextDecoder().decode(
    new Deno.Command("perl", { args: ["-e", perl], stdout: "piped" }).outputSync().stdout,
  );
  // The default filter refuses to ask.
  const { stdout } = await runContainer(["--image", DEBIAN, "--seccomp", "unconfined"], [
    "perl",
    "-e",
    `${perl}; open F, "/proc/keys"; print <F>`,
  ]);
  const [inside = "", ...keys] = stdout.trim().split("\n");
  assertMatch(inside, /^[1-9]\d*$/);
  assertNotEquals(inside, outside.trim());
  assertEquals(keys, []);
});

rootTest("rule 12: a null device of the host's isn't handed in", async () => {
  const device = (await shell("stat -Lc '%d' /dev/null")).trim();
  const said = await shell(
    // What is logged goes into a pipe, wherever it goes on to.
    `${RUN} ${uniqueName()} --log-driver none --image ${BUSYBOX} -- sh -c 'stat -Lc "%d %t:%T" /proc/self/fd/0 /proc/self/fd/2 /dev/null' </dev/null 2>/dev/null`,
  );
  const lines = said.trim().split("\n");
  assertEquals(new Set(lines).size, 1, said);
  assertMatch(lines[0] ?? "", / 1:3$/);
  assertNotEquals(lines[0]?.split(" ")[0], device);
});

const mask = (names: readonly string[]): string =>
  names.reduce((sum, name) => sum | 1n << BigInt((CAPABILITIES as readonly string[]).indexOf(name)), 0n).toString(16)
    .padStart(16, "0");

usersTest(
  "rule 15: root inside has the default capabilities, a user none, and nobody inheritable ones (CVE-2022-29162)",
  async () => {
    const script = "grep -E '^Cap|^NoNewPrivs|^Groups' /proc/self/status";
    const sets = async (flags: readonly string[]) =>
      Object.fromEntries(
        (await attack(BUSYBOX, script, flags)).stdout.trim().split("\n").map((line) => line.split(":\t")),
      );
    const [all, none] = [mask(DEFAULT_CAPABILITIES), mask([])];
    const root = await sets([]);
    assertEquals([root.CapInh, root.CapPrm, root.CapEff, root.CapBnd, root.CapAmb], [none, all, all, all, none]);
    const user = await sets(["--user", "1000:1000"]);
    assertEquals([user.CapInh, user.CapPrm, user.CapEff, user.CapBnd, user.CapAmb], [none, none, none, all, none]);
    assert(!DEFAULT_CAPABILITIES.includes("CAP_NET_RAW"));
  },
);

usersTest("rule 16: nothing that was given up can be had again", async () => {
  const perl = `use POSIX; $) = "0 0"; $> = 0; setuid(0); setgid(0);
    print "$< $> $( $)\\n"; print "mounted\\n" if !system("mount -t tmpfs none /tmp 2>/dev/null");
    print "unshared\\n" if syscall(${Deno.build.arch === "x86_64" ? 272 : 97}, 0x00020000) == 0`;
  const { stdout } = await runContainer(["--image", DEBIAN, "--user", "1000:1000"], ["perl", "-e", perl]);
  assertEquals(stdout, "1000 1000 1000 1000 1000 1000\n");
  const root = await runContainer(["--image", DEBIAN], ["perl", "-e", perl.replace(/.*?setgid\(0\);/s, "")]);
  assertEquals(root.stdout.split("\n").slice(1), [""]);
});

hostTest(
  "rule 17: --user is looked up in the image only, by libflux's own strict parser (CVE-2019-14271, CVE-2026-30892)",
  async () => {
    using bait = trap();
    const passwd = `${bait.image}/etc/passwd`;
    const run = (user: string) => attack(bait.image, "id -u", ["--user", user]);
    Deno.writeTextFileSync(`${bait.outside}/file`, "outsider:x:4711:4711::/:/bin/sh\n");
    linkInstead(passwd, `${bait.outside}/file`);
    assertStringIncludes((await run("outsider")).stderr, `no user "outsider"`);
    linkInstead(passwd, "../../../../../../../../../../etc/passwd");
    assertStringIncludes((await run("www-data")).stderr, `no user "www-data"`);
    Deno.removeSync(passwd);
    new Deno.Command("mkfifo", { args: [passwd] }).outputSync();
    assertStringIncludes((await run("web")).stderr, `no user "web"`);
    Deno.removeSync(passwd);
    Deno.writeTextFileSync(
      passwd,
      "a:x:0x0:0::/:\nb:x:-1:0::/:\nc:x: 0:0::/:\nd:x:4294967295:0::/:\ne:x::0::/:\nf:x:+0:0::/:\n",
    );
    for (const user of ["a", "b", "c", "d", "e", "f"]) {
      assertStringIncludes((await run(user)).stderr, `no user "${user}"`);
    }
    for (const user of ["-1", "4294967295", "0x0", "+0", " 0", "0:", ":0", "1:2:3"]) {
      assertEquals((await run(user)).code, 125, user);
    }
  },
);
