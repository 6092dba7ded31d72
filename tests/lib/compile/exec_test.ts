import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertSnapshot } from "@std/testing/snapshot";
import { listing } from "../../../ffi/listing.ts";
import type { Instruction, LaunchProgram } from "../../../ffi/program.ts";
import { compileExec, type ExecLaunch } from "../../../lib/compile/exec.ts";
import { UsageError } from "../../../lib/errors.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { type ExecOptions, execSpec } from "../../../lib/spec/exec.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
import type { Spec } from "../../../lib/spec/types.ts";

const IDS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const PASSWD = "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n";
const container = (options: Partial<RunOptions> = {}, hasUsers = false): Spec =>
  buildSpec({ command: ["server"], network: "none", ...options }, {
    name: "web",
    image: "/srv/image",
    passwd: PASSWD,
    group: "web:x:1000:\n",
    hostname: "host",
    id: "0123456789abcdef".repeat(4),
    architecture: "x86_64",
    cgroupsPath: "/libflux-id",
    ...(hasUsers ? { ids: { uids: IDS, gids: IDS, writer: "root" as const } } : {}),
  });
const entering = (spec: Spec, options: Partial<ExecOptions> = {}): Spec =>
  execSpec(spec, { command: ["id"], ...options }, {
    text: (path) => path === "/etc/passwd" ? PASSWD : "web:x:1000:\nother:x:7:web\n",
    capabilities: () => ["CAP_CHOWN", "CAP_SYS_ADMIN"],
  });
const LAUNCH: ExecLaunch = {
  architecture: "x86_64",
  announces: true,
  mountsProc: true,
  nullStreams: [0],
  ignoredSignals: [13],
  lastCapability: 40,
  rlimits: [],
  legacyGroups: [{ name: "pids", directory: "/sys/fs/cgroup/pids/libflux-id", required: true }],
};
const ALL: Readonly<Record<string, readonly [Spec, ExecLaunch]>> = {
  default: [entering(container()), LAUNCH],
  terminal: [
    entering(container({ oomScoreAdj: 5, timeOffset: 60 }), {
      user: "web",
      terminal: { columns: 80, rows: 24 },
    }),
    { ...LAUNCH, nullStreams: [], terminal: { columns: 80, rows: 24 }, legacyGroups: [] },
  ],
  users: [
    entering(container({ oomScoreAdj: 5 }, true)),
    { ...LAUNCH, mountsProc: false, announces: false, landlock: { version: 6, streams: [1], isInside: true } },
  ],
};

for (const [name, [spec, launch]] of Object.entries(ALL)) {
  Deno.test(`compileExec(): ${name}`, async (context) => {
    await assertSnapshot(context, listing(compileExec(spec, launch)), { serializer: String });
  });

  Deno.test(`compileExec(): ${name}: all is given up, and closed, before there is a process inside (rules 2, 3 and 16)`, () => {
    const program = compileExec(spec, launch);
    const clone = places(program, "clone")[0] ?? -1;
    const last = (call: string, word = ""): number => places(program, call, word).at(-1) ?? Infinity;
    const steps = [
      last("prctl", "PR_SET_DUMPABLE"),
      places(program, "setns")[0] ?? -1,
      last("prctl", "PR_CAPBSET_DROP"),
      last("setresuid"),
      last("capset"),
      last("getcwd"),
      places(program, "close_range").findLast((at) => at < clone) ?? Infinity,
      clone,
      places(program, "execve")[0] ?? -1,
    ];
    assertEquals(steps, steps.toSorted((a, b) => a - b));
    assert(last("seccomp") < last("prctl", "PR_CAPBSET_DROP"));
    assertEquals(places(program, "close_range")[0], 0);
  });
}

function places({ instructions }: LaunchProgram, name: string, word = ""): number[] {
  return instructions.flatMap((one: Instruction, index) =>
    one.op === "syscall" && one.name === name && JSON.stringify(one).includes(word) ? [index] : []
  );
}

Deno.test("compileExec() joins the namespaces that the container has, and no others", () => {
  const joined = (options: Partial<RunOptions>, hasUsers = false) =>
    /setns\(5, ([A-Z_|]+)\)/.exec(listing(compileExec(entering(container(options, hasUsers)), LAUNCH)))?.[1]?.split("|")
      .map((name) => name.slice("CLONE_NEW".length)).sort().join(" ");
  assertEquals(joined({}), "CGROUP IPC NET NS PID UTS");
  assertEquals(joined({ network: "host", pid: "host", ipc: "host", uts: "host" }), "CGROUP NS");
  assertEquals(joined({ timeOffset: 1 }, true), "CGROUP IPC NET NS PID TIME USER UTS");
});

Deno.test("compileExec() refuses what the kernel would cut short", () => {
  assertThrows(() => compileExec(entering(container(), { command: ["a\0b"] }), LAUNCH), UsageError, "NUL");
  assertThrows(() => compileExec(entering(container(), { workdir: "here" }), LAUNCH), UsageError, "absolute");
});

Deno.test("execSpec() keeps the container's process but for what is asked", () => {
  const spec = container({ env: { MODE: "fast" }, user: "web", workdir: "/srv" });
  const { args, ...rest } = entering(spec).process;
  const { args: _, ...own } = spec.process;
  assertEquals([args, rest], [["id"], own]);
  const { env = [], cwd } = entering(spec, { env: { MODE: "slow", NEW: "1" }, workdir: "/tmp" }).process;
  assertEquals([cwd, env.filter((one) => /^(MODE|NEW)=/.test(one))], ["/tmp", ["MODE=slow", "NEW=1"]]);
});

Deno.test("execSpec() gives another user that one's groups and home, unless the container's home was chosen", () => {
  const { process } = entering(container(), { user: "web" });
  assertEquals(process.user, { uid: 1000, gid: 1000, additionalGids: [1000, 7] });
  assert(process.env?.includes("HOME=/home/web"));
  assertEquals(process.capabilities?.effective, []);
  const chosen = entering(container({ env: { HOME: "/data" } }), { user: "web" }).process.env;
  assert(chosen?.includes("HOME=/data"));
  const root = entering(container({ user: "web" }), { user: "root" }).process.capabilities;
  assertEquals(root?.effective, root?.bounding);
  for (const user of ["nobody", "0:", "-1", "0x0"]) {
    assertThrows(() => entering(container(), { user }), UsageError);
  }
  assertThrows(() => entering(container({}, true), { user: "70000" }), UsageError, "the container has no user 70000");
});

Deno.test("execSpec() takes every wall away with privileged that isn't a namespace", () => {
  const spec = container();
  const confined = { ...spec, process: { ...spec.process, apparmorProfile: "own" } };
  assertEquals(entering(confined).process.apparmorProfile, "own");
  const { process, linux } = entering(confined, { privileged: true });
  assertEquals([process.apparmorProfile, process.noNewPrivileges, linux?.seccomp], [undefined, false, undefined]);
  assertEquals(process.capabilities?.effective, ["CAP_CHOWN", "CAP_SYS_ADMIN"]);
});
