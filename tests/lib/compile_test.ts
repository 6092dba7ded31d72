import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertSnapshot } from "@std/testing/snapshot";
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { listing } from "../../ffi/listing.ts";
import type { Instruction, LaunchProgram } from "../../ffi/program.ts";
import type { Launch } from "../../lib/compile/context.ts";
import { cloneFlags, compile } from "../../lib/compile/mod.ts";
import { UsageError } from "../../lib/errors.ts";
import { buildSpec } from "../../lib/spec/build.ts";
import type { RunOptions } from "../../lib/spec/options.ts";
import type { Spec } from "../../lib/spec/types.ts";

const FACTS = {
  name: "web",
  image: "/srv/image",
  passwd: "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n",
  group: "web:x:1000:\n",
  hostname: "host",
  id: "0123456789abcdef".repeat(4),
  architecture: "x86_64" as const,
  cgroupsPath: "/libflux-id",
};
const KINDS: Launch["kinds"] = new Map([
  ["/data", "directory"],
  ["/file", "file"],
]);
const LAUNCH: Launch = {
  architecture: "x86_64",
  writable: false,
  init: true,
  files: [{ path: "/etc/hostname", content: "web\n" }],
  nullStreams: [0],
  ignoredSignals: [13],
  lastCapability: 40,
  rlimits: [],
  legacyGroups: [
    { name: "pids", directory: "/sys/fs/cgroup/pids/libflux/web", required: true },
    { name: "cpu", directory: "/sys/fs/cgroup/cpu/libflux/web", required: false },
  ],
  kinds: KINDS,
};
const spec = (options: Partial<RunOptions> = {}): Spec => buildSpec({ command: ["true"], ...options }, FACTS);

const DEFAULT = { spec: spec(), launch: LAUNCH };
const FULL = {
  spec: spec({
    command: ["/bin/app", "--flag"],
    readOnly: true,
    mounts: [
      { destination: "/data", type: "bind", source: "/data", options: ["rbind", "ro", "nosuid", "rslave"] },
      { destination: "/etc/file", type: "bind", source: "/file", options: ["bind"] },
      { destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["size=1m", "mode=1777", "noexec"] },
    ],
    user: "web",
    workdir: "/work/here",
    timeOffset: 60,
    terminal: { columns: 80, rows: 24 },
  }),
  launch: { ...LAUNCH, nullStreams: [], terminal: { columns: 80, rows: 24 } },
};
const SHARED = {
  spec: spec({ network: "host", pid: "host", ipc: "host", uts: "host", command: ["/bin/app"] }),
  launch: { ...LAUNCH, writable: true, init: false, kinds: new Map([...KINDS, ["/dev/shm", "directory" as const]]) },
};
const IDS = [{ containerID: 0, hostID: 1000, size: 1 }, { containerID: 1, hostID: 100_000, size: 65_536 }];
const withUsers = (writer: "root" | "tools", options: Partial<RunOptions> = {}): Spec =>
  buildSpec({ command: ["/bin/app"], network: "none", ...options }, {
    ...FACTS,
    ids: { uids: IDS, gids: IDS, writer },
  });
const MAPPED = {
  spec: withUsers("root"),
  launch: { ...LAUNCH, legacyGroups: [], isRootInside: false, hasMappedImage: true },
};
const ROOTLESS = {
  spec: withUsers("tools", { network: "host", readOnly: true }),
  launch: {
    ...LAUNCH,
    legacyGroups: [],
    isRootInside: true,
    parts: [
      { path: "/bin", kind: "link", mode: 0o777, target: "usr/bin" },
      { path: "/file", kind: "file", mode: 0o644 },
      { path: "/proc", kind: "directory", mode: 0o555 },
      { path: "/usr", kind: "overlay", mode: 0o755 },
    ],
    adopted: [{ path: "/var/tmp", mode: 0o1777 }, { path: "/root", mode: 0o700, isEmpty: true }],
  } satisfies Launch,
};
const SERVED = {
  spec: withUsers("tools"),
  launch: { ...LAUNCH, legacyGroups: [], isRootInside: true, fuse: { program: "/bin/fuse-overlayfs", upper: [] } },
};
const ALL = { default: DEFAULT, full: FULL, shared: SHARED, mapped: MAPPED, rootless: ROOTLESS, served: SERVED };

for (const [name, { spec, launch }] of Object.entries(ALL)) {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    Deno.test(`compile(): the ${name} container for ${architecture}`, async (context) => {
      await assertSnapshot(context, listing(compile(spec, { ...launch, architecture })), { serializer: String });
    });
  }
}

const program = ({ spec, launch }: { readonly spec: Spec; readonly launch: Launch }): LaunchProgram =>
  compile(spec, launch);

/** Indices of the syscalls of a name, optionally with a word of their listing. */
function places({ instructions }: LaunchProgram, name: string, word = ""): number[] {
  return instructions.flatMap((one: Instruction, index) =>
    one.op === "syscall" && one.name === name && JSON.stringify(one).includes(word) ? [index] : []
  );
}
const first = (list: readonly number[]): number => list[0] ?? Infinity;
const last = (list: readonly number[]): number => list.at(-1) ?? -Infinity;

for (const [name, container] of Object.entries(ALL)) {
  Deno.test(`compile(): ${name}: sources are opened before the pivot, everything is attached after it`, () => {
    const p = program(container);
    const pivot = first(places(p, "pivot_root"));
    assert(last(places(p, "open_tree", "to be bound on")) < pivot);
    assert(last(places(p, "fsmount")) < pivot);
    for (const index of places(p, "move_mount")) {
      const { label = "" } = p.instructions[index] ?? {};
      assert(index > pivot || label.startsWith("attach "), label);
    }
    assertEquals(places(p, "umount2").length, 1);
  });

  Deno.test(`compile(): ${name}: privileges are given up in the one order that leaves no gap (rule 16)`, () => {
    const p = program(container);
    const order = [
      places(p, "prctl", "PR_CAPBSET_DROP"),
      places(p, "prctl", "PR_SET_KEEPCAPS"),
      places(p, "setgroups"),
      // The last: who is root of a user namespace may have had to become that first.
      places(p, "setresgid").slice(-1),
      places(p, "setresuid").slice(-1),
      places(p, "capset"),
      places(p, "getcwd"),
      places(p, "execve"),
    ];
    for (const [index, step] of order.entries()) {
      assert(step.length > 0);
      assert(first(step) > last(order[index - 1] ?? [-1]));
    }
    assert(first(places(p, "prctl", "PR_CAPBSET_DROP")) > last(places(p, "mount_setattr")));
  });

  Deno.test(`compile(): ${name}: descriptors are closed first, and before the command is executed (rule 2)`, () => {
    const p = program(container);
    assertEquals(places(p, "close_range")[0], 0);
    const closing = last(places(p, "close_range", "CLOSE_RANGE_CLOEXEC"));
    const rest = p.instructions.slice(closing + 1, first(places(p, "execve")) + 1);
    assertEquals(rest.map((one) => one.op === "syscall" && one.name), ["execve"]);
  });

  Deno.test(`compile(): ${name}: every instruction says in words what it does`, () => {
    for (const { label } of program(container).instructions) assert(label.length > 3 && !label.endsWith("."), label);
  });

  Deno.test(`compile(): ${name}: the same spec gives the same program`, () => {
    assertEquals(listing(program(container)), listing(program(container)));
  });
}

Deno.test("compile() sets no_new_privs, limits and capabilities that a spec asks for", () => {
  const { process } = DEFAULT.spec;
  const p = compile({
    ...DEFAULT.spec,
    process: {
      ...process,
      noNewPrivileges: true,
      oomScoreAdj: 100,
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 10, hard: 20 }],
      capabilities: { ...process.capabilities, ambient: ["CAP_CHOWN"] },
    },
    linux: { ...DEFAULT.spec.linux, sysctl: { "net.ipv4.ip_forward": "1" }, rootfsPropagation: "rshared" },
  }, LAUNCH);
  const text = listing(p);
  for (
    const part of [
      "PR_SET_NO_NEW_PRIVS",
      "prlimit64(0, RLIMIT_NOFILE, {10, 20}",
      "self/oom_score_adj",
      "PR_CAP_AMBIENT_RAISE, CAP_CHOWN",
      "sys/net/ipv4/ip_forward",
      "MS_REC|MS_SHARED",
    ]
  ) {
    assert(text.includes(part), part);
  }
  assert(first(places(p, "prctl", "PR_SET_NO_NEW_PRIVS")) < first(places(p, "prctl", "PR_CAPBSET_DROP")));
});

Deno.test("compile() names the field of a spec that can't be compiled", () => {
  const { process } = DEFAULT.spec;
  const cases: readonly (readonly [Spec, string])[] = [
    [
      { ...DEFAULT.spec, process: { ...process, rlimits: [{ type: "RLIMIT_LUCK", soft: 1, hard: 1 }] } },
      "process.rlimits[0]",
    ],
    [{ ...DEFAULT.spec, process: { ...process, capabilities: { bounding: ["CAP_LUCK"] } } }, "process.capabilities"],
    [{ ...DEFAULT.spec, process: { ...process, capabilities: { effective: ["CAP_LUCK"] } } }, "process.capabilities"],
    [{ ...DEFAULT.spec, hostname: "a\0b" }, "hostname has a NUL"],
    [{ ...DEFAULT.spec, process: { ...process, args: ["a", "b\0"] } }, "process.args[1] has a NUL"],
    [{ ...DEFAULT.spec, process: { ...process, cwd: "here" } }, "process.cwd must be an absolute path"],
    [{ ...DEFAULT.spec, root: { path: "here" } }, "root.path must be an absolute path"],
    [{ ...DEFAULT.spec, mounts: [{ destination: "a" }] }, "mounts[0].destination must be an absolute path"],
  ];
  for (const [wrong, says] of cases) assertThrows(() => compile(wrong, LAUNCH), UsageError, says);
});

Deno.test("compile() lets the last of access-time options win", () => {
  const bits = (...options: string[]) => {
    const mounts = [{ destination: "/data", type: "bind", source: "/data", options }];
    return /set the options of \/data[^{]*\{(\d+), (\d+)/.exec(listing(compile(spec({ mounts }), LAUNCH)))?.slice(1, 3);
  };
  assertEquals(bits("noatime"), ["16", "112"]);
  assertEquals(bits("noatime", "strictatime"), ["32", "112"]);
  assertEquals(bits("noatime", "relatime"), ["0", "112"]);
  assertEquals(bits("ro", "rw"), ["0", "1"]);
});

Deno.test("compile() knows infinity as the OCI specification writes it", () => {
  const rlimits = [{ type: "RLIMIT_CORE", soft: 18446744073709551615, hard: 18446744073709551615 }];
  const process = { ...DEFAULT.spec.process, rlimits };
  assert(listing(compile({ ...DEFAULT.spec, process }, LAUNCH)).includes("prlimit64(0, RLIMIT_CORE, {-1, -1}, 0)"));
});

Deno.test("cloneFlags() are the new namespaces, but for time, cgroup and network, which the interpreter enters", () => {
  assertEquals(cloneFlags(FULL.spec).toString(16), "2c020000");
  assertEquals(cloneFlags(SHARED.spec).toString(16), "20000");
});

Deno.test("a network namespace that belongs to a new user namespace is made with it, and gets its lo inside", () => {
  const { linux = {} } = DEFAULT.spec;
  const namespaces = [...linux.namespaces ?? [], { type: "user" as const }];
  const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const spec = { ...DEFAULT.spec, linux: { ...linux, namespaces, uidMappings: ids, gidMappings: ids } };
  assertEquals(cloneFlags(spec).toString(16), "7c020000");
  const inside = listing(compile(spec, LAUNCH));
  assert(inside.includes("bring lo up") && !inside.includes("CLONE_NEWNET"), inside);
  const beside = listing(compile(DEFAULT.spec, LAUNCH));
  assert(!beside.includes("bring lo up") && beside.includes("setns(8, CLONE_NEWNET)"), beside);
});

Deno.test("compile() uses each architecture's own open flags", () => {
  const flags = (architecture: Architecture) =>
    compile(DEFAULT.spec, { ...LAUNCH, architecture }).instructions.flatMap((one) =>
      one.op === "syscall" && one.name === "openat" && one.label.startsWith("open the image")
        ? one.args.flatMap((arg) =>
          typeof arg === "object" && arg.kind === "named" && arg.text.includes("O_DIRECTORY") ? [arg.value] : []
        )
        : []
    );
  assertEquals([flags("x86_64"), flags("aarch64")], [[0o12600000], [0o12140000]]);
});

Deno.test("compile(): a container whose network ends in user mode lets out nothing for a loopback address", () => {
  const guarded = program({ ...DEFAULT, launch: { ...LAUNCH, guardLoopback: true } });
  const [socket = -1] = places(guarded, "socket", "nf_tables");
  assert(socket > 0 && socket < first(places(guarded, "read", "wait until libflux is ready")));
  assertEquals(places(program(DEFAULT), "socket", "nf_tables"), []);
});
