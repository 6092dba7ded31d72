import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { start } from "../../lib/container.ts";
import { FluxError } from "../../lib/errors.ts";
import { compileProgram, prepare } from "../../lib/prepare.ts";
import type { RunOptions } from "../../lib/spec/options.ts";
import { DEBIAN, hostTest, LIBFLUX, libflux, runContainer, uniqueName } from "../integration/support.ts";

const SECURITYFS = "/sys/kernel/security";
const ATTRIBUTE = "/proc/self/attr/current";
/** Nothing but the profile in the way. */
const OPEN = ["--privileged", "--security-opt", "apparmor=libflux-default"];
const sh = (flags: readonly string[], script: string) =>
  runContainer(["--image", DEBIAN, "--network", "none", ...flags], ["sh", "-c", script]);
const apparmor = (profile: string): string[] => ["--security-opt", `apparmor=${profile}`];

async function must(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

function loaded(profile: string): boolean {
  return Deno.readTextFileSync(`${SECURITYFS}/apparmor/profiles`).includes(`${profile} (enforce)\n`);
}

Deno.test("AppArmor: without securityfs there is no default profile, and one by name is told to be missing", async () => {
  assertEquals(Deno.readTextFileSync("/sys/module/apparmor/parameters/enabled"), "Y\n");
  assertEquals((await sh([], `cat ${ATTRIBUTE}`)).stdout, "unconfined\n");
  const { code, stderr } = await sh(apparmor("nothing-of-that-name"), "true");
  assertEquals(code, 125);
  assertMatch(
    stderr,
    /^libflux: could not have AppArmor confine the command by the profile nothing-of[^\n]+loaded[^\n]+\n$/,
  );
});

Deno.test("AppArmor: a host without its parser runs containers without a profile, and says so once", async () => {
  await must("mount", "-t", "securityfs", "none", SECURITYFS);
  assert(!loaded("libflux-default"));
  // Nobody else sees what is mounted over the parser.
  const script = 'mount --bind /dev/null "$(command -v apparmor_parser)" && shift && exec "$@"';
  const run = [LIBFLUX, "run", uniqueName(), "--image", DEBIAN, "--network", "none"];
  const hidden = async (...args: string[]) => {
    const all = ["--mount", "sh", "-c", script, "sh", "-", ...run, ...args, "--", "cat", ATTRIBUTE];
    const { code, stdout, stderr } = await new Deno.Command("unshare", { args: all }).output();
    return [code, new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)] as const;
  };
  const [code, stdout, stderr] = await hidden();
  assertEquals([code, stdout], [0, "unconfined\n"]);
  assertMatch(
    stderr,
    /^libflux: warning: containers have no AppArmor profile: apparmor_parser isn't installed[^\n]+\n$/,
  );
  const [refused, , why] = await hidden(...apparmor("libflux-default"));
  assertEquals(refused, 125);
  assertMatch(why, /^libflux: the profile libflux-default can't be loaded: apparmor_parser isn't installed[^\n]+\n$/);
});

hostTest("AppArmor: all in a container are confined by the default profile, PID 1 too", async () => {
  const script =
    `cat ${ATTRIBUTE} /proc/1/attr/current; sh -c 'cat ${ATTRIBUTE}'; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status`;
  const { code, stdout, stderr } = await sh([], script);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, "libflux-default (enforce)\n".repeat(3) + "NoNewPrivs:\t1\nSeccomp:\t2\n");
  assert(loaded("libflux-default"));
  for (const flags of [["--no-init"], ["--security-opt", "no-new-privileges=false"], ["--user", "1000"], OPEN]) {
    assertEquals((await sh(flags, `cat ${ATTRIBUTE}`)).stdout, "libflux-default (enforce)\n", flags.join(" "));
  }
});

hostTest("AppArmor: unconfined and --privileged have no profile", async () => {
  for (const flags of [apparmor("unconfined"), ["--privileged"]]) {
    assertEquals((await sh(flags, `cat ${ATTRIBUTE}`)).stdout, "unconfined\n", flags.join(" "));
  }
});

hostTest("AppArmor: the default profile denies what capabilities and seccomp let through", async () => {
  // What is there is written again: this machine stays as it is, whoever wins.
  const same = (path: string): string => `cat ${path} >/tmp/value && cat /tmp/value >${path}`;
  const tries = [
    "mount -t tmpfs none /mnt",
    "mount --bind /etc /mnt",
    "unshare --mount mount --bind /tmp /tmp",
    "echo h >/proc/sysrq-trigger",
    "head -c 1 /proc/kcore | grep -q .",
    ...["kernel/sysrq", "kernel/core_pattern", "kernel/modprobe", "kernel/hung_task_panic", "kernel/dmesg_restrict"]
      .concat(["kernel/printk", "vm/swappiness", "fs/file-max", "fs/mount-max", "user/max_pid_namespaces"])
      .map((name) => same(`/proc/sys/${name}`)),
    same("/proc/irq/default_smp_affinity"),
    same("/sys/block/vda/queue/read_ahead_kb"),
  ];
  const script = tries.map((one) => `if (${one}) 2>/dev/null; then echo "${one}"; fi`).join("\n");
  assertEquals((await sh(OPEN, script)).stdout, "");
  // Without the profile all of it works: there is no other wall.
  assertEquals((await sh(["--privileged"], script)).stdout, tries.map((one) => `${one}\n`).join(""));
});

hostTest(
  "AppArmor: with the host's processes in sight, none of them can be looked into, stopped or killed",
  async () => {
    const other = new Deno.Command("sleep", { args: ["1000"] }).spawn();
    const flags = [...OPEN, "--pid", "host"];
    const script = `readlink /proc/${other.pid}/root || echo no root; kill -STOP ${other.pid} 2>&1`;
    const { stdout, stderr } = await sh(flags, script);
    assertStringIncludes(stdout, "no root\n");
    assertMatch(stdout, /Permission denied|Operation not permitted/, stderr);
    assertStringIncludes(
      (await sh(["--privileged", "--pid", "host"], `readlink /proc/${other.pid}/root`)).stdout,
      "/",
    );
    other.kill("SIGKILL");
    await other.status;
  },
);

hostTest("AppArmor: the default profile lets containers do what they are for", async () => {
  const script = `set -e
    cp /bin/true /tmp/own && /tmp/own
    echo 5 >/proc/self/oom_score_adj; echo 100 >/proc/thread-self/oom_score_adj
    sleep 1000 & kill -0 $!; kill -TERM $!; wait $! 2>/dev/null || true
    kill -0 1
    perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or die; socket(S, AF_INET, SOCK_STREAM, 0) or die'
    perl -e 'pipe(R, W); if (fork == 0) { exec "cat", "/proc/" . getppid . "/environ" } wait; exit $?' >/dev/null
    mkdir /tmp/a /tmp/b; touch /tmp/a/x; mv /tmp/a/x /tmp/b/x; ln /tmp/b/x /tmp/a/y; ln -s x /tmp/z; chown 1:1 /tmp/a
    echo done >/dev/null; echo written >/dev/shm/x; cat /proc/self/maps /proc/meminfo >/dev/null
    ls -R /sys/class >/dev/null; echo fine`;
  const { code, stdout, stderr } = await sh([], script);
  assertEquals([code, stdout, stderr], [0, "fine\n", ""]);
  const sysctls = ["--sysctl", "net.core.somaxconn=99", "--security-opt", "unmask=/proc/sys"];
  const own = "cat /proc/sys/net/core/somaxconn; for at in kernel/shm_rmid_forced kernel/msgmax fs/mqueue/msg_max " +
    "net/core/somaxconn kernel/domainname; do cat /proc/sys/$at >/tmp/value && cat /tmp/value >/proc/sys/$at; done; echo ok";
  assertEquals(await sh(sysctls, own), { code: 0, stdout: "99\nok\n", stderr: "" });
});

hostTest("AppArmor: signals reach the command through PID 1, from the host and from inside", async () => {
  const script = "trap 'echo got it; exit 3' TERM; kill -TERM 1; while :; do sleep 0.1; done";
  assertEquals(await sh([], script), { code: 3, stdout: "got it\n", stderr: "" });
});

/** A profile for a test. */
async function withProfile(rules: string, use: (profile: string) => Promise<void>): Promise<void> {
  const profile = "libflux-test-profile";
  const file = Deno.makeTempFileSync({ prefix: "libflux-test-" });
  Deno.writeTextFileSync(file, `profile ${profile} flags=(attach_disconnected) {\n${rules}\n}\n`);
  try {
    await must("apparmor_parser", "--replace", "--skip-cache", file);
    await use(profile);
  } finally {
    await must("apparmor_parser", "--remove", file);
    Deno.removeSync(file);
  }
}

hostTest("AppArmor: a profile by name confines, and one that isn't loaded is told at once", async () => {
  await withProfile("file, capability, deny /srv/** w,", async (profile) => {
    const { stdout } = await sh(apparmor(profile), `cat ${ATTRIBUTE}; touch /srv/x 2>/dev/null || echo denied`);
    assertEquals(stdout, `${profile} (enforce)\ndenied\n`);
  });
  const { code, stderr } = await sh(apparmor("libflux-test-profile"), "true");
  assertEquals(code, 125);
  assertMatch(stderr, /^libflux: there is no AppArmor profile libflux-test-profile; load it: [^\n]+\n$/);
});

hostTest("AppArmor: a libflux that is confined itself leaves its containers in that profile", async () => {
  const all = "file, capability, network, unix, mount, umount, pivot_root, signal, ptrace,";
  await withProfile(all, async (profile) => {
    const run = [LIBFLUX, "run", uniqueName(), "--image", DEBIAN, "--network", "none"];
    const { stdout, stderr } = await new Deno.Command("aa-exec", {
      args: ["-p", profile, "--", ...run, "--", "cat", ATTRIBUTE],
    }).output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    assertEquals([text(stdout), text(stderr)], [`${profile} (enforce)\n`, ""]);
  });
});

hostTest("AppArmor: root of a user namespace can't see the host's policy, and is told nothing of it", async () => {
  const run = [
    LIBFLUX,
    "run",
    uniqueName(),
    "--root",
    "/tmp/libflux-test-user",
    "--image",
    DEBIAN,
    "--network",
    "host",
  ];
  const { code, stderr } = await new Deno.Command("unshare", {
    args: ["--user", "--map-root-user", "--mount", ...run, "--", "true"],
  }).output();
  const text = new TextDecoder().decode(stderr);
  assertEquals([code, text.includes("AppArmor")], [125, false], text);
  Deno.removeSync("/tmp/libflux-test-user", { recursive: true });
});

hostTest("AppArmor: info tells, and explain shows what is written where", async () => {
  assertMatch((await libflux(["info"])).stdout, /^AppArmor +ok +.*libflux-default/m);
  const { stdout } = await libflux(["explain", "run", "x", "--image", DEBIAN, "--network", "none", "--", "true"]);
  assertStringIncludes(stdout, "have AppArmor confine the command by the profile libflux-default");
  assertStringIncludes(stdout, "self/attr/apparmor/exec");
});

hostTest("AppArmor: each instruction that it takes fails once, and is told", async () => {
  const options: RunOptions = {
    image: DEBIAN,
    command: ["/bin/true"],
    network: "none",
    stdout: "null",
    stderr: "null",
  };
  const { instructions } = compileProgram(prepare(options, [0, 1, 2]), options);
  const own = instructions.flatMap((one, index) =>
    one.op === "syscall" && one.name !== "fail" && one.field === "process.apparmorProfile" ? [index] : []
  );
  assertEquals(own.length, 8);
  for (const index of own) {
    const label = instructions[index]?.label ?? "";
    // The number that it is to have is the one that it has.
    if (label === "give it that number") continue;
    const error = await assertRejects(async () => {
      await using container = await start(options, { failAt: index });
      await container.status;
    }, FluxError);
    assertStringIncludes(error.message, `could not ${label}`);
  }
});

Deno.test("AppArmor: what these tests have mounted goes", async () => {
  await must("umount", SECURITYFS);
  assertEquals((await sh([], `cat ${ATTRIBUTE}`)).stdout, "unconfined\n");
});
