import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { checkPath } from "../../../lib/spec/check_mount.ts";
import { checkName, checkOptions, isName, type RunOptions } from "../../../lib/spec/options.ts";
import type { Mount } from "../../../lib/spec/types.ts";

const check = (options: Partial<RunOptions>): void => checkOptions({ command: ["true"], ...options });
const refusal = (options: Partial<RunOptions>): UsageError =>
  assertThrows(() => check(options), UsageError, undefined, JSON.stringify(options));
const mounting = (mount: Partial<Mount>): Partial<RunOptions> => ({
  mounts: [{ destination: "/a", type: "tmpfs", ...mount }],
});

Deno.test("checkName() and isName() agree, and the refusal says what a name is made of", () => {
  for (const [name, good] of [["web-1", true], ["web/1", false], ["..", false], ["-", true]] as const) {
    assertEquals(isName(name), good, name);
    if (good) checkName(name);
    else assertStringIncludes(assertThrows(() => checkName(name), UsageError).hint ?? "", "64 letters");
  }
});

Deno.test("checkName() can't be made to drive a terminal", () => {
  const { message } = assertThrows(() => checkName("\x1b]0;title\x07"), UsageError);
  assertStringIncludes(message, "\\x1b]0;title\\x07");
  assert(!message.includes("\x1b"));
});

Deno.test("checkPath() refuses a relative path, and shows how to write it", () => {
  const error = assertThrows(
    () => checkPath("data", "the destination"),
    UsageError,
    "the destination must be an absolute path",
  );
  assertEquals([error.hint, error.path], ["write /data", "data"]);
});

Deno.test("checkPath() refuses .. as a part, and takes it within a name", () => {
  for (const path of ["/..", "/../a", "/a/..", "/a/../b", "//..//"]) {
    assertThrows(() => checkPath(path, "it"), UsageError, '".."', path);
  }
  for (const path of ["/", "/a..", "/..a/b", "/a...", "/.", "//a//"]) checkPath(path, "it");
});

Deno.test("checkOptions() takes what a container can be", () => {
  const good: readonly Partial<RunOptions>[] = [
    {},
    { name: "a", image: "relative/image", workdir: "/", user: "0:0", hostname: "web.example" },
    { command: ["sh", "", "with blank", "--", "ü"] },
    { env: { A: "", "a b": "c=d", toString: "own" }, labels: { "any thing": "\n" } },
    { timeOffset: -(2 ** 40), network: "host", pid: "host", ipc: "host", uts: "host" },
  ];
  for (const options of good) check(options);
});

Deno.test("checkOptions() refuses a NUL in every text that goes to the kernel", () => {
  const cases: readonly (readonly [Partial<RunOptions>, string])[] = [
    [{ image: "/a\0" }, "the image"],
    [{ workdir: "/a\0" }, "the working directory"],
    [{ user: "a\0" }, "the user"],
    [{ hostname: "a\0" }, "the host name"],
    [{ command: ["a", "b\0"] }, "the command"],
    [{ root: "/a\0" }, "the state directory"],
    [{ labels: { "a\0": "b" } }, "a label"],
    [{ labels: { a: "b\0" } }, "a label"],
    [{ env: { "A\0": "b" } }, "an environment variable"],
    [{ env: { SECRET: "b\0" } }, "SECRET"],
    [mounting({ destination: "/a\0" }), "a mount"],
    [mounting({ type: "bind", source: "/a\0" }), "a mount"],
  ];
  for (const [options, what] of cases) {
    const { message } = refusal(options);
    assertStringIncludes(message, `${what} has a NUL character`);
    assert(!message.includes("\0"), "the NUL is shown as an escape");
  }
});

Deno.test("checkOptions() refuses host names that sethostname or a resolver would stumble over", () => {
  for (const hostname of ["", "-a", "a-", ".a", "a.", "a b", "a/b", "ü", "a".repeat(65), "a\n"]) {
    assertStringIncludes(refusal({ hostname }).message, "host name");
  }
  for (const hostname of ["a", "1", "a-b", "a_b.c", "a".repeat(64)]) check({ hostname });
});

Deno.test("checkOptions() refuses a time offset that is no whole number of seconds", () => {
  for (const timeOffset of [0.5, NaN, Infinity, -Infinity, 2 ** 53]) {
    assertStringIncludes(refusal({ timeOffset }).message, String(timeOffset));
  }
  for (const timeOffset of [0, -1, 1, 2 ** 53 - 1]) check({ timeOffset });
});

Deno.test("checkOptions() keeps everything off /proc but what lxcfs serves (CVE-2019-16884)", () => {
  for (const destination of ["/proc", "/proc/", "//proc", "/./proc", "/proc/self", "/proc/sys", "/proc/cpuinfo/x"]) {
    assertStringIncludes(refusal(mounting({ destination })).message, "/proc", destination);
  }
  for (const destination of ["/proc/cpuinfo", "/proc//meminfo", "/proc/net/dev", "/process", "/a/proc"]) {
    check(mounting({ destination }));
  }
});

Deno.test("checkOptions() keeps mounts off the root, however it is written", () => {
  for (const destination of ["/", "//", "/.", "/./"]) {
    assertStringIncludes(refusal(mounting({ destination })).message, "container's root", destination);
  }
});

Deno.test("checkOptions() keeps mounts off the devices that libflux has made and verified", () => {
  for (
    const name of ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "pts/0", "./null/"]
  ) {
    assertStringIncludes(
      refusal(mounting({ destination: `/dev//${name}` })).message,
      "nothing may be mounted over /dev",
    );
  }
  for (const name of ["shm", "mqueue", "fuse", "net/tun", "nullx"]) check(mounting({ destination: `/dev/${name}` }));
});

Deno.test("checkOptions() refuses an option that a mount of its type hasn't got, and any other type", () => {
  const bind = (...options: string[]) => mounting({ type: "bind", source: "/a", options });
  assertStringIncludes(refusal(bind("rbind", "nosiud", "or")).message, `"nosiud" is no option of a bind`);
  for (const option of ["rro", "size=1m", "", "RO", "toString", "ro "]) refusal(bind(option));
  check(bind("rbind", "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "rslave"));
  for (const option of ["size", "size=", "rshared", "nosiud"]) refusal(mounting({ options: [option] }));
  check(mounting({ options: ["size=1m", "mode=1777", "noexec", "ro", "huge=never"] }));
  for (const type of ["proc", "overlay", "", "Bind"]) refusal(mounting({ type }));
  refusal({ mounts: [{ destination: "/a" }] });
  check({ mounts: [{ destination: "/a", source: "/a", options: ["rbind"] }] });
});

Deno.test("checkOptions() refuses numbers that no kernel takes", () => {
  for (const oomScoreAdj of [5000, -1001, 0.5, NaN]) {
    assertStringIncludes(refusal({ oomScoreAdj }).message, "OOM score");
  }
  check({ oomScoreAdj: -1000 });
  for (const [columns, rows] of [[-1, 70000], [80, 65536], [0.5, 1], [NaN, 1]] as const) {
    assertStringIncludes(refusal({ terminal: { columns, rows } }).message, "from 0 to 65535 columns and rows");
  }
  check({ terminal: { columns: 65535, rows: 0 } });
  for (const [soft, hard] of [[-1, 1], [2, 1], [0.5, 1], [NaN, 1], [Infinity, 1]] as const) {
    refusal({ ulimits: [{ type: "RLIMIT_NOFILE", soft, hard }] });
  }
  check({
    ulimits: [{ type: "RLIMIT_CORE", soft: 0, hard: Infinity }, { type: "RLIMIT_CPU", soft: 2 ** 64, hard: 2 ** 64 }],
  });
  assertStringIncludes(
    refusal({ ulimits: [{ type: "RLIMIT_NOTHING", soft: 1, hard: 1 }] }).message,
    `no resource limit "RLIMIT_NOTHING"`,
  );
});

Deno.test("checkOptions() refuses negative huge pages and rates, and devices that can't be", () => {
  assertStringIncludes(refusal({ limits: { hugetlb: { "2MB": -1 } } }).message, "hugetlb of 2MB");
  for (const name of ["deviceReadBps", "deviceWriteBps", "deviceReadIops", "deviceWriteIops"]) {
    for (const [major, minor, rate] of [[8, 0, -1], [8, 0, 0.5], [-8, 0, 1], [8, 2 ** 20, 1], [NaN, 0, 1]] as const) {
      assertStringIncludes(refusal({ limits: { [name]: [{ major, minor, rate }] } }).message, name);
    }
    check({ limits: { [name]: [{ major: 8, minor: 16, rate: 1 }] } });
  }
});

Deno.test("checkOptions() wants the absolute source of a bind, and none of a tmpfs", () => {
  for (const source of ["", "a", "./a", "../a"]) {
    const { message, path } = refusal(mounting({ type: "bind", source }));
    assertStringIncludes(message, "the source of the bind on /a");
    assertEquals(path, "/a");
  }
  check(mounting({ type: "bind", source: "/a" }));
  check(mounting({}));
});

Deno.test("checkOptions() looks at every mount, and not at the first alone", () => {
  const good = { destination: "/a", type: "tmpfs" };
  assertStringIncludes(refusal({ mounts: [good, good, { ...good, destination: "/b/.." }] }).message, "/b/..");
});
