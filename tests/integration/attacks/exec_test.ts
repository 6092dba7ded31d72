import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exec, type ExecOptions, run, type RunOptions } from "../../../mod.ts";
import { BUSYBOX, hostTest, libflux, rootTest, uniqueName } from "../support.ts";

const sleeper = (script = "sleep 1000", options: Partial<RunOptions> = {}) =>
  run({ image: BUSYBOX, command: ["sh", "-c", script], name: uniqueName(), network: "none", ...options });

async function says(name: string, script: string, options: Partial<ExecOptions> = {}): Promise<string> {
  await using session = await exec(name, { command: ["sh", "-c", script], ...options });
  return await new Response(session.stdout).text();
}

hostTest(
  "rules 2, 3 and 17: nobody inside can look into a command that enters (CVE-2016-9962, CVE-2022-27650)",
  async () => {
    // Whoever appears is asked for its descriptors, its working directory and its memory until it has been executed.
    const spy = `while :; do for p in /proc/[0-9]*; do
      case $(cat $p/comm 2>/dev/null) in libflux*) test $p = /proc/1 || {
        readlink $p/fd/* $p/cwd $p/root; head -c 1 $p/environ; } ;; esac
    done; done >>/tmp/seen 2>/dev/null`;
    for (const pid of ["private", "host"] as const) {
      await using container = await sleeper(spy, { pid });
      for (let i = 0; i < 30; i++) assertEquals(await says(container.name, "echo in"), "in\n");
      assertEquals(await says(container.name, "cat /tmp/seen"), "", pid);
    }
  },
);

hostTest(
  "rule 17: --user is looked up in the container only, and no file there holds libflux up (CVE-2019-14271)",
  async () => {
    const scripts = [
      "rm /etc/passwd; mkfifo /etc/passwd",
      "ln -sf /proc/1/root/etc/passwd /etc/passwd",
      "ln -sf ../../../../../../etc/passwd /etc/passwd",
      "rm /etc/passwd; mkdir /etc/passwd",
      "yes nobody:x | head -c 9000000 >/etc/passwd",
    ];
    for (const script of scripts) {
      await using container = await sleeper();
      await says(container.name, script);
      const { code, stderr } = await libflux(["exec", container.name, "--user", "daemon", "--", "id"], {
        timeout: 5000,
      });
      assertEquals(code, 125, script);
      assertStringIncludes(stderr, `no user "daemon"`);
    }
  },
);

hostTest("rule 2: no working directory of a command that enters lies outside (CVE-2024-21626)", async () => {
  await using container = await sleeper();
  for (let number = 0; number < 12; number++) {
    const directory = `/proc/self/fd/${number}`;
    const { code, stdout } = await libflux(["exec", container.name, "--workdir", directory, "--", "pwd"]);
    assert(code === 125, `${directory}: ${stdout}`);
  }
});

rootTest("rule 11: a false /dev/null is seen through", async () => {
  await using container = await sleeper();
  // In a user namespace it is bound, and can't be removed.
  await says(container.name, "rm /dev/null; mkfifo /dev/null");
  const { code, stderr } = await libflux(["exec", container.name, "--detach", "--", "true"], { timeout: 5000 });
  assertEquals(code, 125);
  assertStringIncludes(stderr, "see that /dev/null is the device 1:3");
});

hostTest(
  "rule 17: a command that is exchanged while it is executed is one of the container's all the same",
  async () => {
    const script =
      "while :; do ln -sf /bin/true /tmp/a; mv /tmp/a /tmp/it; ln -sf /proc/self/exe /tmp/b; mv /tmp/b /tmp/it; done";
    await using container = await sleeper(script);
    const codes = new Set<number>();
    for (let i = 0; i < 30; i++) codes.add((await libflux(["exec", container.name, "--", "/tmp/it"])).code);
    // The program's own image can be executed at most, and finds none of its descriptors.
    for (const code of codes) assert([0, 125, 126, 127].includes(code), `${code}`);
  },
);
