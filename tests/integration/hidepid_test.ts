import { assertEquals, assertMatch } from "@std/assert";
import { DEBIAN, runContainer, usersTest } from "./support.ts";

const sh = (flags: readonly string[], script: string) =>
  runContainer(["--image", DEBIAN, "--network", "none", ...flags], ["sh", "-c", script]);
const hide = (options: string): string[] => ["--security-opt", `proc-opts=${options}`];

/** What a user sees of a process of root's: its directory, and whether its command line can be read. */
const SCRIPT = "sleep 1000 & other=$!; setpriv --reuid=1000 --regid=1000 --clear-groups sh -c " +
  `"test -d /proc/$other && echo there; cat /proc/$other/cmdline >/dev/null 2>&1 && echo readable; ` +
  `test -d /proc/self/fd && echo own"; test -r /proc/$other/cmdline && echo root`;

usersTest("--security-opt proc-opts=hidepid: another user doesn't see processes of root's", async () => {
  assertEquals((await sh([], SCRIPT)).stdout, "there\nreadable\nown\nroot\n");
  for (const value of ["0", "off"]) {
    assertEquals((await sh(hide(`hidepid=${value}`), SCRIPT)).stdout, "there\nreadable\nown\nroot\n", value);
  }
  for (const value of ["1", "noaccess"]) {
    assertEquals((await sh(hide(`hidepid=${value}`), SCRIPT)).stdout, "there\nown\nroot\n", value);
  }
  for (const value of ["2", "invisible", "4", "ptraceable"]) {
    assertEquals((await sh(hide(`hidepid=${value}`), SCRIPT)).stdout, "own\nroot\n", value);
  }
});

usersTest("--security-opt proc-opts=subset=pid: there is nothing in /proc but processes", async () => {
  const { code, stdout, stderr } = await sh(hide("hidepid=2,subset=pid"), "ls /proc | grep -v '^[0-9]' | tr '\\n' ' '");
  assertEquals([code, stdout, stderr], [0, "self thread-self ", ""]);
});

usersTest("--security-opt proc-opts: the host's /proc stays as it is", async () => {
  const options = (): string =>
    /^\S+ \S+ \S+ \S+ \/proc .*$/m.exec(Deno.readTextFileSync("/proc/self/mountinfo"))?.[0] ?? "";
  const before = options();
  await sh(hide("hidepid=2"), "true");
  assertEquals(options(), before);
  assertMatch((await sh(hide("hidepid=2"), "grep ' /proc ' /proc/self/mountinfo")).stdout, /hidepid=invisible/);
});
