import { assert, assertEquals } from "@std/assert";
import { unifiedMount } from "../cgroups.ts";
import { DEBIAN, HAS_USERS, hostTest, IS_USER, rootTest, runContainer, uniqueName } from "../support.ts";
import { ROOT } from "../trees.ts";

const inside = (script: string, flags: readonly string[] = []) =>
  runContainer(["--image", DEBIAN, ...IS_USER ? [] : ["--pids-limit", "50"], ...flags], ["bash", "-c", script]);

hostTest(
  "rule 14: root inside can't make a user namespace, and so mounts no cgroup to lift its limits with (CVE-2022-0492)",
  async () => {
    // CVE-2022-0492 and its like: root of a new user and cgroup namespace may mount v1 and v2 where it could write.
    for (const flags of [[], ["--no-init"], ["--pid", "host"], ...HAS_USERS ? [["--user", "65534"]] : []]) {
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

rootTest("rule 14: not even cgroups that are the user's own can be written to inside (CVE-2023-25809)", async () => {
  const group = `${unifiedMount}/libflux-test-${Deno.pid}`;
  Deno.mkdirSync(group);
  try {
    // As systemd delegates one: it and its files are the user's of enter.sh, who is root inside.
    for (const path of [group, ...["procs", "threads", "subtree_control"].map((file) => `${group}/cgroup.${file}`)]) {
      Deno.chownSync(path, 4242, 4242);
    }
    for (const ranges of ["ranges", "single"]) {
      const script = `mkdir /sys/fs/cgroup/mine && echo made; (echo 1 >/sys/fs/cgroup/cgroup.procs) && echo wrote
        stat -c %u /sys/fs/cgroup`;
      const enter = [`${ROOT}tests/integration/rootless/enter.sh`, ranges, ROOT, Deno.execPath()];
      const run = ["./libflux", "run", uniqueName(), "--image", "build/rootfs/busybox", "--network", "none", "--"];
      const { stdout, stderr } = await new Deno.Command("sh", {
        args: [
          ...["-c", 'echo $$ >"$0/cgroup.procs" && exec unshare --mount --net --propagation private "$@"', group],
          ...[...enter, ...run, "sh", "-c", script],
        ],
      }).output();
      assertEquals(new TextDecoder().decode(stdout), "0\n", `${ranges}: ${new TextDecoder().decode(stderr)}`);
    }
  } finally {
    // With what an attack has made.
    for (const { name, isDirectory } of Deno.readDirSync(group)) if (isDirectory) Deno.removeSync(`${group}/${name}`);
    Deno.removeSync(group);
  }
});
