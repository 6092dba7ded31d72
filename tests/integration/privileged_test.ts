import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DEBIAN, hostTest, rootTest, runContainer } from "./support.ts";

const sh = (flags: readonly string[], script: string) =>
  runContainer(["--image", DEBIAN, "--network", "none", ...flags], ["sh", "-c", script]);

const status = () => Deno.readTextFileSync("/proc/self/status");
const field = (text: string, name: string): string => new RegExp(`^${name}:\\t(.*)$`, "m").exec(text)?.[1] ?? "";

rootTest("--privileged: all capabilities that libflux has, no filter, no masks, new privileges", async () => {
  const { code, stdout, stderr } = await sh(["--privileged"], "cat /proc/self/status; stat -c %F /proc/keys");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(field(stdout, "CapEff"), field(status(), "CapPrm"));
  assertEquals([field(stdout, "Seccomp"), field(stdout, "NoNewPrivs")], ["0", "0"]);
  assertMatch(stdout, /regular empty file\n$/);
});

rootTest("--privileged: /proc/sys, /sys and /sys/fs/cgroup can be written to, and mounts be made", async () => {
  const script =
    "for at in /proc/sys/kernel/shm_rmid_forced /sys/kernel /sys/fs/cgroup; do test -w $at && echo $at; done; " +
    "mount -t tmpfs none /mnt && mkdir /mnt/x && umount /mnt && echo mounted; " +
    "grep -E ' /sys(/fs/cgroup)? ' /proc/self/mountinfo | cut -d' ' -f6 | cut -d, -f1 | tr '\\n' ' '";
  const { stdout, stderr } = await sh(["--privileged"], script);
  assertEquals([stdout, stderr], [
    "/proc/sys/kernel/shm_rmid_forced\n/sys/kernel\n/sys/fs/cgroup\nmounted\nrw rw ",
    "",
  ]);
  assertStringIncludes((await sh([], script)).stdout, "ro ro ");
});

rootTest("--privileged: device nodes that it makes open their devices, in /dev and in the image", async () => {
  const script = "for at in /dev /tmp /srv; do mknod $at/own c 1 7 && head -c 3 $at/own | od -An -tx1; done";
  const { stdout, stderr } = await sh(["--privileged"], script);
  assertEquals([stdout, stderr], [" 00 00 00\n".repeat(3), ""]);
});

rootTest("--privileged: what is asked for besides holds", async () => {
  const flags = ["--privileged", "--cap-drop", "SYS_TIME", "--security-opt", "no-new-privileges", "--security-opt"];
  const script =
    "grep -E 'CapEff|NoNewPrivs' /proc/self/status; ls -A /srv | wc -l; touch /srv/x 2>/dev/null || echo ro";
  const { stdout } = await sh([...flags, "mask=/srv"], script);
  const SYS_TIME = 1n << 25n;
  assertEquals(BigInt(`0x${field(stdout, "CapEff")}`), BigInt(`0x${field(status(), "CapPrm")}`) & ~SYS_TIME);
  assertEquals(field(stdout, "NoNewPrivs"), "1");
  assertMatch(stdout, /\n0\nro\n$/);
});

hostTest("--privileged: the host's namespaces stay its own", async () => {
  const script = "hostname inside; ls -d /proc/[0-9]* | wc -l; ls /sys/class/net";
  const { stdout } = await sh(["--privileged"], script);
  assertMatch(stdout, /^[3-6]\nlo\n$/);
  assertEquals(Deno.hostname() === "inside", false);
});

rootTest("--privileged: the host's devices are there, each as it is, but for consoles", async () => {
  const list = "cd /dev && find . -path ./pts -prune -o -path ./shm -prune -o -path ./mqueue -prune " +
    "-o \\( -type b -o -type c \\) -printf '%p %y %m %U:%G ' -exec stat -c %t:%T {} \\; | sort";
  const { code, stdout, stderr } = await sh(["--privileged"], list);
  assertEquals([code, stderr], [0, ""]);
  const host = new TextDecoder().decode((await new Deno.Command("sh", { args: ["-c", list] }).output()).stdout);
  const OWN = /^\.\/(null|zero|full|random|urandom|tty\d*|console|ptmx) /;
  const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !OWN.test(line));
  assertEquals(lines(stdout), lines(host));
  assertEquals(lines(host).length > 3, true);
});

rootTest(
  "--privileged: no rule keeps a container from a device, one of its own name is where it was asked for",
  async () => {
    const flags = ["--privileged", "--device", "/dev/full:/dev/loop0"];
    // Not one of the default rules.
    const { stdout, stderr } = await sh(
      flags,
      "head -c 2 /dev/loop0 | od -An -tx1; : </dev/kmsg && echo opened",
    );
    assertEquals([stdout, stderr], [" 00 00\nopened\n", ""]);
  },
);
