import { assert, assertEquals, assertThrows } from "@std/assert";
import { printable, UsageError } from "../../../lib/errors.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { DEFAULT_CAPABILITIES, MASKED_PATHS, READONLY_PATHS } from "../../../lib/spec/defaults.ts";
import { checkName, checkOptions, type RunOptions } from "../../../lib/spec/options.ts";
import type { Spec } from "../../../lib/spec/types.ts";

const FACTS = {
  name: "web",
  image: "/srv/image",
  passwd: "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n",
  group: "web:x:1000:\nlogs:x:4:web\n",
  hostname: "host",
  id: "0123456789abcdef".repeat(4),
  architecture: "x86_64" as const,
  cgroupsPath: "/libflux-id",
};
const build = (options: Partial<RunOptions> = {}): Spec => buildSpec({ command: ["true"], ...options }, FACTS);
const namespaces = (spec: Spec) => spec.linux?.namespaces?.map(({ type }) => type);

Deno.test("buildSpec() gives a default container every namespace, docker's mounts and capabilities", () => {
  const spec = build();
  assertEquals(namespaces(spec), ["mount", "pid", "ipc", "uts", "cgroup", "network"]);
  assertEquals(spec.mounts?.map(({ destination }) => destination), [
    "/proc",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/sys",
    "/sys/fs/cgroup",
  ]);
  assertEquals(spec.process.capabilities, {
    bounding: DEFAULT_CAPABILITIES,
    effective: DEFAULT_CAPABILITIES,
    permitted: DEFAULT_CAPABILITIES,
  });
  assertEquals([spec.linux?.maskedPaths, spec.linux?.readonlyPaths], [MASKED_PATHS, READONLY_PATHS]);
  assertEquals([spec.hostname, spec.root, spec.process.cwd], ["web", { path: "/srv/image" }, "/"]);
});

Deno.test("buildSpec() leaves out the namespaces that are shared", () => {
  const spec = build({ network: "host", pid: "host", ipc: "host", uts: "host", timeOffset: 5 });
  assertEquals(namespaces(spec), ["mount", "cgroup", "time"]);
  assertEquals(spec.linux?.timeOffsets, { monotonic: { secs: 5 }, boottime: { secs: 5 } });
  assertEquals(spec.hostname, undefined);
  assertEquals(spec.mounts?.find(({ destination }) => destination === "/dev/shm")?.type, "bind");
});

Deno.test("buildSpec() sets the environment that users expect, and theirs on top", () => {
  const env = build({ user: "web", terminal: { columns: 1, rows: 1 }, env: { A: "b", HOME: "/mine" } }).process.env;
  assertEquals(env, [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/mine",
    "HOSTNAME=web",
    "TERM=xterm",
    "container=libflux",
    "A=b",
  ]);
});

Deno.test("buildSpec() gives a user other than root no capability, and its groups", () => {
  const { user, capabilities } = build({ user: "web" }).process;
  assertEquals(user, { uid: 1000, gid: 1000, additionalGids: [1000, 4] });
  assertEquals([capabilities?.effective, capabilities?.permitted, capabilities?.inheritable], [[], [], undefined]);
});

Deno.test("buildSpec() puts a mount of the user's in the place of libflux's own", () => {
  const mount = { destination: "//dev/./shm/", type: "tmpfs", source: "mine" };
  const found = build({ mounts: [mount] }).mounts?.filter(({ destination }) => destination === "/dev/shm");
  assertEquals(found, [{ ...mount, destination: "/dev/shm" }]);
  for (const destination of ["/dev", "/sys", "/", "/proc", "/proc/1"]) {
    assertThrows(() => build({ mounts: [{ destination, type: "tmpfs" }] }), UsageError, undefined, destination);
  }
  const twice = [{ destination: "/a", type: "tmpfs" }, { destination: "/a/", type: "tmpfs" }];
  assertThrows(() => build({ mounts: twice }), UsageError, "two mounts go to /a");
});

Deno.test("buildSpec() has a mount come after those that it lies below, and else in the order in which they were given", () => {
  const mounts = ["/z/y/x", "/b", "/a/b", "/z", "/a", "/z/y"].map((destination) => ({ destination, type: "tmpfs" }));
  const built = build({ mounts }).mounts?.map(({ destination }) => destination) ?? [];
  assertEquals(built.slice(-6), ["/b", "/z", "/a", "/a/b", "/z/y", "/z/y/x"]);
});

Deno.test("buildSpec() makes a host name of any name", () => {
  const hostname = (name: string) => buildSpec({ command: ["true"] }, { ...FACTS, name }).hostname;
  assertEquals(["a_b", "+", "-x-", "a".repeat(64)].map(hostname), ["a-b", "container", "x", "a".repeat(63)]);
});

Deno.test("checkName() takes what can be a file's, a host's and a cgroup's name", () => {
  for (const name of ["a", "_", "+", "-", "a.b", "A-1_b+c", "a".repeat(64)]) checkName(name);
  for (const name of ["", ".", "..", ".a", "a/b", "a b", "é", "a\n", "a\0", "a".repeat(65), "a:b"]) {
    assertThrows(() => checkName(name), UsageError, undefined, name);
  }
});

Deno.test("checkOptions() names the option that can't be", () => {
  const cases: readonly (readonly [Partial<RunOptions>, string])[] = [
    [{ command: [] }, "no command"],
    [{ command: [""] }, "no command"],
    [{ command: ["a\0b"] }, "NUL"],
    [{ image: "" }, "image's path is empty"],
    [{ image: "a\0" }, "NUL"],
    [{ env: { "A=B": "c" } }, "A=B"],
    [{ env: { A: "\0" } }, "NUL"],
    [{ workdir: "a" }, "absolute"],
    [{ workdir: "/a/.." }, ".."],
    [{ hostname: "a b" }, "host name"],
    [{ hostname: "h", uts: "host" }, "UTS"],
    [{ timeOffset: 0.5 }, "whole number"],
    [{ mounts: [{ destination: "a", type: "tmpfs" }] }, "absolute"],
    [{ mounts: [{ destination: "/a", type: "bind", source: "b" }] }, "absolute"],
    [{ mounts: [{ destination: "/a", type: "bind" }] }, "absolute"],
    [{ mounts: [{ destination: "/a\0", type: "tmpfs" }] }, "NUL"],
  ];
  for (const [options, says] of cases) {
    assertThrows(() => checkOptions({ command: ["true"], ...options }), UsageError, says, JSON.stringify(options));
  }
});

Deno.test("printable() shows control characters as escapes", () => {
  assertEquals(printable("a\x1b[2J\n\u009bé"), "a\\x1b[2J\\x0a\\x9bé");
  assert(printable("plain") === "plain");
});
