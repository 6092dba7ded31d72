import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { DEFAULT_CAPABILITIES } from "../../../lib/spec/defaults.ts";
import { type ExecOptions, execSpec } from "../../../lib/spec/exec.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
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
  capabilities: () => ["CAP_SYS_TIME", "CAP_CHOWN"],
};
/** What the container's own files say by now, which isn't what the image said. */
const INSIDE: Readonly<Record<string, string>> = {
  "/etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\nnew:x:7:8::/home/new:/bin/sh\n",
  "/etc/group": "web:x:1000:\nlogs:x:4:web,new\n",
};

const container = (options: Partial<RunOptions> = {}, facts = {}): Spec =>
  buildSpec({ command: ["true"], ...options }, { ...FACTS, ...facts });

function exec(options: Partial<ExecOptions> = {}, spec: Spec = container()): Spec {
  return execSpec(spec, { command: ["ps", "-a"], ...options }, {
    text: (path) => INSIDE[path] ?? "",
    capabilities: () => ["CAP_SYS_ADMIN", "CAP_CHOWN"],
  });
}
const variable = (spec: Spec, name: string) => spec.process.env?.filter((entry) => entry.startsWith(`${name}=`));

Deno.test("execSpec() changes the command, and nothing else, where nothing else is said", () => {
  const spec = container({ user: "web", workdir: "/work", oomScoreAdj: 5, capAdd: ["CAP_SYS_TIME"] });
  assertEquals(exec({}, spec), { ...spec, process: { ...spec.process, args: ["ps", "-a"] } });
});

Deno.test("execSpec() doesn't give a command the terminal that the container's own has", () => {
  const spec = container({ terminal: { columns: 80, rows: 24 } });
  assertEquals([spec.process.terminal, exec({}, spec).process.terminal], [true, undefined]);
});

Deno.test("execSpec() tells a command with a terminal what kind it is, where nobody has said so", () => {
  const terminal = { columns: 80, rows: 24 };
  assertEquals(exec({ terminal }).process.terminal, true);
  assertEquals(variable(exec({ terminal }), "TERM"), ["TERM=xterm"]);
  assertEquals(variable(exec({ terminal }, container({ env: { TERM: "vt100" } })), "TERM"), ["TERM=vt100"]);
  assertEquals(variable(exec({ terminal, env: { TERM: "linux" } }), "TERM"), ["TERM=linux"]);
  assertEquals(variable(exec(), "TERM"), []);
});

Deno.test("execSpec() finds users and groups in the container's own files", () => {
  assertEquals(exec({ user: "new" }).process.user, { uid: 7, gid: 8, additionalGids: [8, 4] });
  assertEquals(exec({ user: "new:logs" }).process.user, { uid: 7, gid: 4, additionalGids: [4] });
  assertEquals(exec({ user: "12:13" }).process.user, { uid: 12, gid: 13, additionalGids: [13] });
  assertEquals(exec({ user: "7" }).process.user, { uid: 7, gid: 8, additionalGids: [8, 4] });
});

Deno.test("execSpec() parses users strictly (rule 17)", () => {
  for (
    const user of ["", ":", "a:b:c", "nobody-there", "-1", "+0", "0x0", "4294967295", "4294967296", "7:", ":7", " 7"]
  ) {
    assertThrows(() => exec({ user }), UsageError, undefined, JSON.stringify(user));
  }
});

Deno.test("execSpec() refuses a user that the container's ids have no place for", () => {
  const IDS = [{ containerID: 0, hostID: 1000, size: 1 }];
  const spec = container({}, { ids: { uids: IDS, gids: IDS, writer: "tools" } });
  assertThrows(() => exec({ user: "web" }, spec), UsageError);
  assertEquals(exec({ user: "0" }, spec).process.user.uid, 0);
});

Deno.test("execSpec() keeps the mode mask whoever runs the command", () => {
  const spec = container();
  const masked = { ...spec, process: { ...spec.process, user: { ...spec.process.user, umask: 0o77 } } };
  assertEquals([exec({}, masked), exec({ user: "web" }, masked)].map(({ process }) => process.user.umask), [
    0o77,
    0o77,
  ]);
});

Deno.test("execSpec() has another user go home, and leaves a home alone that was chosen", () => {
  assertEquals(variable(exec({ user: "new" }), "HOME"), ["HOME=/home/new"]);
  assertEquals(variable(exec(), "HOME"), ["HOME=/root"]);
  assertEquals(variable(exec({ user: "new" }, container({ env: { HOME: "/mine" } })), "HOME"), ["HOME=/mine"]);
  assertEquals(variable(exec({ user: "new", env: { HOME: "/his" } }), "HOME"), ["HOME=/his"]);
});

Deno.test("execSpec() adds variables to the container's, and replaces those of the same name", () => {
  const env = exec({ env: { A: "2", C: "" } }, container({ env: { A: "1", B: "b" } })).process.env ?? [];
  assertEquals(env.filter((entry) => /^[ABC]=/.test(entry)), ["B=b", "A=2", "C="]);
  // No name is one that JavaScript's objects have by themselves.
  assertEquals(variable(exec({}, container({ env: { toString: "x", constructor: "y" } })), "toString"), ["toString=x"]);
});

Deno.test("execSpec() has the command begin in the container's working directory, or where it is said", () => {
  const spec = container({ workdir: "/work" });
  assertEquals([exec({}, spec).process.cwd, exec({ workdir: "/tmp" }, spec).process.cwd], ["/work", "/tmp"]);
});

Deno.test("execSpec() gives root what the container may have, another user nothing, nobody anything inheritable (CVE-2022-27650)", () => {
  const bounding = DEFAULT_CAPABILITIES;
  assertEquals(exec().process.capabilities, { bounding, effective: bounding, permitted: bounding });
  assertEquals(exec({ user: "web" }).process.capabilities, { bounding, effective: [], permitted: [] });
  const less = container({ user: "web", capDrop: ["ALL"], capAdd: ["CAP_CHOWN"] });
  const root = exec({ user: "root" }, less).process.capabilities;
  assertEquals(root, { bounding: ["CAP_CHOWN"], effective: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"] });
  assertEquals(exec({}, less).process.capabilities, less.process.capabilities);
});

Deno.test("execSpec() keeps every wall but those that privileged takes away", () => {
  const spec = container();
  const labelled = { ...spec, process: { ...spec.process, apparmorProfile: "p", selinuxLabel: "l" } };
  const [usual, privileged] = [exec({}, labelled), exec({ privileged: true }, labelled)];
  assertEquals(usual.linux?.seccomp, spec.linux?.seccomp);
  assertEquals([usual.process.noNewPrivileges, usual.process.apparmorProfile, usual.process.selinuxLabel], [
    true,
    "p",
    "l",
  ]);
  assertEquals(privileged.linux?.seccomp, undefined);
  const { noNewPrivileges, apparmorProfile, selinuxLabel, capabilities } = privileged.process;
  assertEquals([noNewPrivileges, apparmorProfile, selinuxLabel], [false, undefined, undefined]);
  assertEquals(capabilities?.effective?.toSorted(), ["CAP_CHOWN", "CAP_SYS_ADMIN"]);
  assertEquals({ ...privileged.linux, seccomp: undefined }, { ...spec.linux, seccomp: undefined });
  // A user other than root has them within reach, and not at hand.
  assertEquals(exec({ privileged: true, user: "web" }, labelled).process.capabilities?.effective, []);
});
