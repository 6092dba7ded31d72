import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CAPABILITIES } from "../../lib/spec/capabilities.ts";
import { BUSYBOX, DEBIAN, hostTest, LIBFLUX, rootTest, runContainer, uniqueName, usersTest } from "./support.ts";
import { hasAppArmor } from "../../lib/labels.ts";
import { selinuxMode } from "../../lib/selinux.ts";

const sh = (flags: readonly string[], script: string, image = BUSYBOX) => {
  const network = flags.includes("--network") ? [] : ["--network", "none"];
  return runContainer(["--image", image, ...network, ...flags], ["sh", "-c", script]);
};

/** The sets of capabilities inside, as names: "CapEff" and so on. */
async function sets(flags: readonly string[]): Promise<Record<string, readonly string[]>> {
  const { code, stdout, stderr } = await sh(flags, "grep ^Cap /proc/self/status");
  assertEquals([code, stderr], [0, ""], flags.join(" "));
  return Object.fromEntries(
    stdout.trim().split("\n").map((line) => line.split(":\t")).map(([name = "", bits = "0"]) => [
      name,
      CAPABILITIES.filter((_, number) => (BigInt(`0x${bits}`) >> BigInt(number) & 1n) === 1n),
    ]),
  );
}

usersTest("rule 15: --cap-add and --cap-drop give and take", async () => {
  const usual = (await sets([])).CapEff ?? [];
  const root = await sets(["--cap-add", "net_raw", "--cap-drop", "CAP_CHOWN,kill"]);
  const expected = CAPABILITIES.filter((name) =>
    name === "CAP_NET_RAW" || usual.includes(name) && name !== "CAP_CHOWN" && name !== "CAP_KILL"
  );
  assertEquals([root.CapEff, root.CapPrm, root.CapBnd, root.CapInh, root.CapAmb], [
    expected,
    expected,
    expected,
    [],
    [],
  ]);
  const none = await sets(["--cap-drop", "ALL"]);
  assertEquals(Object.values(none), [[], [], [], [], []]);
  const own = await sets(["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--user", "1000"]);
  assertEquals(Object.values(own), Array(5).fill(["CAP_NET_BIND_SERVICE"]));
});

rootTest("rule 15: --cap-add ALL is what libflux has, and no more", async () => {
  const held = CAPABILITIES.filter((_, number) =>
    (BigInt(`0x${/^CapPrm:\t(.*)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]}`) >> BigInt(number) & 1n) ===
      1n
  );
  assertEquals((await sets(["--cap-add", "ALL"])).CapEff, held);
  const args = ["--bounding-set=-sys_time", LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--network", "none"];
  const { code, stderr } = await new Deno.Command("setpriv", { args: [...args, "--cap-add", "sys_time", "--", "true"] })
    .output();
  assertEquals(code, 125);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^libflux: the capability CAP_SYS_TIME can't be added: libflux hasn't got it itself; [^\n]+\n$/,
  );
});

usersTest("rule 15: raw sockets take what isn't there by default (CVE-2020-14386)", async () => {
  const raw = ["perl", "-MSocket", "-e", 'socket(S, 17, SOCK_RAW, 0x300) or die "$!\n"; print "opened\n"'];
  const open = (flags: readonly string[]) => runContainer(["--image", DEBIAN, "--network", "none", ...flags], raw);
  assertStringIncludes((await open([])).stderr, "Operation not permitted");
  assertEquals((await open(["--cap-add", "NET_RAW"])).stdout, "opened\n");
  assertEquals((await open(["--cap-add", "NET_RAW", "--user", "1000"])).stdout, "opened\n");
});

usersTest("rule 16: set-id programs give nothing, unless that is asked for", async () => {
  // In the image's copy of this container alone.
  const script = "cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id; grep NoNewPrivs /proc/self/status; " +
    "chroot --userspec=1000:1000 / /tmp/id -u";
  const run = async (flags: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await sh(flags, script, DEBIAN);
    assertEquals([code, stderr], [0, ""]);
    return stdout.replace(/\s+/g, " ");
  };
  assertEquals(await run([]), "NoNewPrivs: 1 1000 ");
  assertEquals(await run(["--security-opt", "no-new-privileges=false"]), "NoNewPrivs: 0 0 ");
  for (const option of ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"]) {
    assertStringIncludes((await sh(["--security-opt", option], "cat /proc/self/status")).stdout, "NoNewPrivs:\t1");
  }
});

hostTest("rule 13: masks can be added and taken away", async () => {
  const script =
    "echo /srv:; ls -A /srv; cat /etc/passwd | wc -c; stat -c %F /proc/keys; touch /srv/x 2>/dev/null; echo $?";
  const files = ["--security-opt", "mask=/srv:/etc/passwd", "--tmpfs", "/srv/below"];
  const { stdout } = await sh(files, script, DEBIAN);
  assertEquals(stdout, "/srv:\n0\ncharacter special file\n1\n");
  const masked = await sh(["--security-opt", "mask=/bin:/nonexistent"], "ls /");
  // Where there is no command any more.
  assertEquals(masked.code, 126);
  const written = "echo 1 2>&1 >/proc/sys/kernel/shm_rmid_forced && echo written; stat -c %F /proc/keys";
  assertEquals((await sh(["--security-opt", "unmask=ALL"], written)).stdout, "written\nregular empty file\n");
  assert(!(await sh(["--security-opt", "unmask=/proc/keys"], written)).stdout.includes("written"));
  assertStringIncludes((await sh(["--security-opt", "unmask=/proc/k*"], written)).stdout, "regular empty file");
});

hostTest("--sysctl sets what is the container's own, and the host's stays", async () => {
  const path = "/proc/sys/kernel/msgmax";
  const before = Deno.readTextFileSync(path);
  const flags = ["--sysctl", "kernel.msgmax=12345", "--sysctl", "net.ipv4.ip_unprivileged_port_start=0"];
  const { stdout } = await sh(flags, `cat ${path} /proc/sys/net/ipv4/ip_unprivileged_port_start`);
  assertEquals([stdout, Deno.readTextFileSync(path)], ["12345\n0\n", before]);
});

hostTest("security options that can't be are told in one sentence", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--cap-add", "NET_RWA"], /no capability "NET_RWA"; did you mean NET_RAW\?/],
    [["--cap-add", "chown", "--cap-drop", "CHOWN"], /CAP_CHOWN is both added and dropped/],
    [["--security-opt", "no-new-privileges=maybe"], /no-new-privileges is true or false, not "maybe"/],
    [["--security-opt", "mask"], /mask takes paths/],
    [["--security-opt", "mask=x"], /"x" is no absolute path/],
    [["--security-opt", "systempaths=unconfined"], /no security option "systempaths=unconfined"; it has apparmor, /],
    [["--security-opt", "label=nested"], /"nested" is no part of an SELinux label/],
    [["--security-opt", "label=level:c1"], /"c1" can't be the level of an SELinux label/],
    [["--security-opt", "apparmor= "], /" " can't be the name of an AppArmor profile/],
    [["--security-opt", "proc-opts=hidepid=3"], /hidepid of \/proc is 0, 1, 2, 4, [^\n]+, not "3"/],
    [["--security-opt", "proc-opts=rw"], /"rw" is no option of \/proc/],
    [["--security-opt", "proc-opts=subset=pid", "--sysctl", "net.core.somaxconn=1"], /no \/proc\/sys to set sysctls/],
    [["--sysctl", "kernel.panic=1"], /the sysctl kernel\.panic is the whole host's/],
    [["--sysctl", "net.core.somaxconn"], /sets no sysctl/],
    [["--sysctl", "net.core.somaxconn=x"], /could not .*net\.core\.somaxconn/],
    [["--sysctl", "net.core.nothing=1"], /net\.core\.nothing/],
    [["--network", "host", "--sysctl", "net.core.somaxconn=1"], /takes a namespace of the container's own/],
  ];
  for (const [flags, says] of cases) {
    const { code, stderr } = await sh(flags, "true");
    assertEquals(code, 125, flags.join(" "));
    assertMatch(stderr, /^libflux: [^\n]+\n$/, flags.join(" "));
    assertMatch(stderr, says);
  }
});

hostTest(
  "security modules that this kernel hasn't got are told by name, and doing without them is no fault",
  async () => {
    const says = async (option: string): Promise<readonly [number, string]> => {
      const { code, stdout, stderr } = await sh(["--security-opt", option], "echo ran");
      return [code, stdout + stderr];
    };
    for (const option of ["apparmor=unconfined", "label=disable"]) {
      assertEquals(
        await says(option),
        [0, "ran\n"],
        option,
      );
    }
    if (!hasAppArmor()) {
      const [code, text] = await says("apparmor=web");
      assertEquals(code, 125);
      assertMatch(
        text,
        /^libflux: this kernel has no AppArmor, or it isn't active: there is no profile web; [^\n]+\n$/,
      );
    }
    if (selinuxMode() === undefined) {
      const [code, text] = await says("label=type:web_t");
      assertEquals(code, 125);
      assertMatch(
        text,
        /^libflux: this kernel has no SELinux, or it isn't active: no container can have a label; [^\n]+\n$/,
      );
    }
  },
);
