import { assert, assertEquals } from "@std/assert";
import { DEBIAN, hostTest, runContainer } from "../support.ts";

const inside = (script: string, flags: readonly string[] = []) =>
  runContainer(["--image", DEBIAN, "--pids-limit", "50", ...flags], ["bash", "-c", script]);

hostTest(
  "rule 14: root inside can't make a user namespace, and so mounts no cgroup to lift its limits with (CVE-2022-0492)",
  async () => {
    // CVE-2022-0492 and its like: root of a new user and cgroup namespace may mount v1 and v2 where it could write.
    for (const flags of [[], ["--no-init"], ["--pid", "host"], ["--user", "65534"]]) {
      const { stdout } = await inside(
        `unshare --user --map-root-user --cgroup --mount sh -c 'mount -t cgroup -o pids x /mnt && echo mounted v1
         mount -t cgroup2 x /mnt && echo mounted v2' 2>/dev/null
       unshare --user true 2>/dev/null && echo made one
       for type in cgroup cgroup2; do mount -t $type x /mnt 2>/dev/null && echo mounted $type; done
       echo end`,
        flags,
      );
      assertEquals(stdout, "end\n", flags.join(" "));
    }
  },
);

hostTest("rule 14: no file of a cgroup can be written inside", async () => {
  const { stdout } = await inside(
    `for file in $(find /sys/fs/cgroup -type f); do (echo 0 >$file) 2>/dev/null && echo $file; done; echo end`,
  );
  assertEquals(stdout, "end\n");
  const mounts = await inside("cat /proc/self/mountinfo");
  const lines = mounts.stdout.split("\n").filter((line) => / - cgroup2? /.test(line));
  for (const line of lines) assert(/ - cgroup2 /.test(line) && (line.split(" ")[5] ?? "").startsWith("ro,"), line);
});
