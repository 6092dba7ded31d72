import { assert, assertEquals } from "@std/assert";
import type { LaunchProgram, Operand, SyscallInstruction } from "../../../ffi/program.ts";
import type { Launch } from "../../../lib/compile/context.ts";
import { compile } from "../../../lib/compile/mod.ts";
import { MASKED_DIRECTORIES, MASKED_PATHS } from "../../../lib/spec/defaults.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";

const LAUNCH: Launch = {
  architecture: "x86_64",
  writable: false,
  init: true,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  lastCapability: 40,
  rlimits: [],
  legacyGroups: [],
  kinds: new Map([["/source", "directory"], ["/file", "file"]]),
};
const FACTS = {
  name: "web",
  image: "/image",
  passwd: "",
  group: "",
  hostname: "host",
  id: "0".repeat(64),
  architecture: "x86_64" as const,
  cgroupsPath: "/id",
};

const program = (options: Partial<RunOptions>, launch: Partial<Launch> = {}): LaunchProgram =>
  compile(buildSpec({ command: ["true"], ...options }, FACTS), { ...LAUNCH, ...launch });

const calls = ({ instructions }: LaunchProgram, name: string): SyscallInstruction[] =>
  instructions.flatMap((one) => one.op === "syscall" && one.name === name ? [one] : []);

/** The words of a structure that an argument points to. */
function words({ data }: LaunchProgram, argument: Operand | undefined): readonly unknown[] {
  const block = typeof argument === "object" && argument.kind === "reference" ? data[argument.block] : undefined;
  assert(block?.kind === "words");
  return block.words;
}

/** The text that an argument points to. */
function string({ data }: LaunchProgram, argument: Operand | undefined): string | undefined {
  const block = typeof argument === "object" && argument.kind === "reference" ? data[argument.block] : undefined;
  return block?.kind === "bytes" ? block.text : undefined;
}

/** What `mount_setattr` is given for a bind with these options: set, clear, propagation. */
function attributes(...options: string[]): readonly unknown[] {
  const p = program({ mounts: [{ destination: "/target", type: "bind", source: "/source", options }] });
  const [call] = calls(p, "mount_setattr").filter(({ field }) => field === "mounts[7]");
  return words(p, call?.args[3]).slice(0, 3);
}

const [RDONLY, NOSUID, NODEV, NOEXEC, NOATIME, STRICTATIME, NODIRATIME, ATIME] = [1, 2, 4, 8, 0x10, 0x20, 0x80, 0x70];
const [PRIVATE, SLAVE, SHARED] = [1 << 18, 1 << 19, 1 << 20];

Deno.test("compile() gives a bind the attributes of linux/mount.h that its options name", () => {
  const cases: readonly (readonly [string, number, number])[] = [
    ["ro", RDONLY, 0],
    ["rw", 0, RDONLY],
    ["nosuid", NOSUID, 0],
    ["suid", 0, NOSUID],
    ["nodev", NODEV, 0],
    ["dev", 0, NODEV],
    ["noexec", NOEXEC, 0],
    ["exec", 0, NOEXEC],
    ["noatime", NOATIME, ATIME],
    ["strictatime", STRICTATIME, ATIME],
    ["relatime", 0, ATIME],
    ["nodiratime", NODIRATIME, 0],
    ["diratime", 0, NODIRATIME],
    ["rbind", 0, 0],
  ];
  for (const [option, set, clear] of cases) assertEquals(attributes(option), [set, clear, PRIVATE], option);
  assertEquals(attributes("ro", "nosuid", "nodev", "noexec"), [15, 0, PRIVATE]);
});

Deno.test("compile() lets the last of two contrary options of a bind win", () => {
  for (
    const [on, off, bit] of [
      ["ro", "rw", RDONLY],
      ["nosuid", "suid", NOSUID],
      ["nodev", "dev", NODEV],
      ["noexec", "exec", NOEXEC],
      ["nodiratime", "diratime", NODIRATIME],
    ] as const
  ) {
    assertEquals(attributes(on, off), [0, bit, PRIVATE], `${on},${off}`);
    assertEquals(attributes(off, on), [bit, 0, PRIVATE], `${off},${on}`);
  }
});

Deno.test("compile() keeps a bind to itself unless its options say otherwise", () => {
  for (
    const [option, propagation] of [
      ["private", PRIVATE],
      ["rprivate", PRIVATE],
      ["slave", SLAVE],
      ["rslave", SLAVE],
      ["shared", SHARED],
      ["rshared", SHARED],
    ] as const
  ) {
    assertEquals(attributes(option)[2], propagation, option);
  }
  assertEquals(attributes("rshared", "private")[2], PRIVATE);
});

Deno.test("compile() takes the mounts below a source along, unless it is told not to", () => {
  const recursive = (options: string[]): boolean => {
    const p = program({ mounts: [{ destination: "/t", type: "bind", source: "/source", options }] });
    const [call] = calls(p, "open_tree").filter(({ field }) => field === "mounts[7]");
    return JSON.stringify(call?.args).includes("AT_RECURSIVE");
  };
  assertEquals([[], ["rbind"], ["bind"], ["rbind", "bind"]].map(recursive), [true, true, false, false]);
});

Deno.test("compile() hands parameters to the filesystem, and attributes to its mount", () => {
  const options = ["size=1m", "mode=1777", "noexec", "nosuid", "nodev", "ro", "huge=never"];
  const p = program({ mounts: [{ destination: "/t", type: "tmpfs", source: "tmpfs", options }] });
  const mine = (name: string) => calls(p, name).filter(({ field }) => field === "mounts[7]");
  const given = mine("fsconfig").map(({ args }) => [string(p, args[2]), string(p, args[3])]);
  assertEquals(given, [
    ["source", "tmpfs"],
    ["size", "1m"],
    ["mode", "1777"],
    ["huge", "never"],
    [undefined, undefined],
  ]);
  const [mount] = mine("fsmount");
  assertEquals(mount?.args[2], {
    kind: "named",
    value: RDONLY | NOSUID | NODEV | NOEXEC,
    text: "MOUNT_ATTR_NOEXEC|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_RDONLY",
  });
});

Deno.test("compile() opens each foreign target without following its last link, and sees that it isn't in /proc", () => {
  const p = program({
    mounts: [
      { destination: "/a/b", type: "bind", source: "/source" },
      { destination: "/c/file", type: "bind", source: "/file" },
      { destination: "/d/e", type: "tmpfs" },
    ],
  });
  for (const [destination, directory] of [["/a/b", true], ["/c/file", false], ["/d/e", true]] as const) {
    const at = p.instructions.findIndex(({ label }) => label === `open ${destination} to mount on`);
    const open = p.instructions[at];
    assert(open?.op === "syscall" && open.name === "openat", destination);
    const flags = JSON.stringify(open.args[2]);
    assert(flags.includes("O_PATH") && flags.includes("O_NOFOLLOW") && flags.includes("O_CLOEXEC"), flags);
    assertEquals(flags.includes("O_DIRECTORY"), directory, destination);
    const names = p.instructions.slice(at + 1, at + 6).map((one) => one.op === "syscall" ? one.name : one.op);
    assertEquals(names, ["fstatfs", "copy", "branch", "fail", "move_mount"], destination);
    const check = p.instructions[at + 3];
    assert(check?.op === "branch");
    assertEquals([check.condition, JSON.stringify(check.b).includes("PROC_SUPER_MAGIC")], ["!=", true]);
    // What is attached goes onto the descriptor that was looked at, and not onto its path.
    const attach = p.instructions[at + 5];
    assert(attach?.op === "syscall");
    assertEquals([attach.args[2], string(p, attach.args[3])], [open.result, ""]);
  }
});

Deno.test("compile() makes a file for a file to be mounted on, and a directory for a directory", () => {
  const p = program({
    mounts: [
      { destination: "/a/b/c", type: "bind", source: "/source" },
      { destination: "/a/b/file", type: "bind", source: "/file" },
    ],
  });
  const made = (name: string) =>
    calls(p, name).filter(({ field }) => field?.startsWith("mounts[") && Number(field.slice(7, -1)) > 6)
      .map(({ args }) => string(p, args[1]));
  assertEquals([made("mkdirat"), made("mknodat")], [["/a", "/a/b", "/a/b/c"], ["/a/b/file"]]);
});

Deno.test("compile() makes nothing below /proc and /sys, which have what they have", () => {
  const p = program({ mounts: [{ destination: "/proc/meminfo", type: "bind", source: "/file" }] });
  for (const name of ["mkdirat", "mknodat"]) {
    for (const { args } of calls(p, name)) assert(!/^\/(proc|sys)\//.test(string(p, args[1]) ?? ""));
  }
});

Deno.test("compile() leaves a file of libflux's own out where the user mounts one, or something above it", () => {
  const files = [{ path: "/etc/hosts", content: "hosts" }, { path: "/etc/hostname", content: "" }];
  const labels = (destination: string, source: string) =>
    program({ mounts: [{ destination, type: "bind", source }] }, { files }).instructions.map(({ label }) => label);
  const none = labels("/elsewhere", "/source");
  assert(none.includes("make /etc/hosts") && none.includes("make /etc/hostname"));
  assert(none.includes("write /etc/hosts") && !none.includes("write /etc/hostname"), "an empty file needs no write");
  const one = labels("/etc/hosts", "/file");
  assert(!one.includes("make /etc/hosts") && one.includes("make /etc/hostname"));
  const all = labels("/etc", "/source");
  assert(!all.includes("make /etc/hosts") && !all.includes("make /etc/hostname"));
});

Deno.test("compile() covers every masked path with what was made and verified before, by descriptor", () => {
  const p = program({});
  const index = (label: string) => p.instructions.findIndex((one) => one.label === label);
  const [verified, device] = [
    index("see that /dev/null is the device 1:3"),
    index("open the null device that was made"),
  ];
  const [empty, attached] = [index("hold it, empty as it is"), index("mount tmpfs on /dev")];
  assert(verified >= 0 && verified < device && device < attached && empty >= 0 && empty < attached);
  const slot = (at: number) => {
    const one = p.instructions[at];
    return one?.op === "syscall" ? one.result : undefined;
  };
  for (const path of MASKED_PATHS) {
    const at = index(`look for ${path}`);
    const [look, skip, cover, ...rest] = p.instructions.slice(at, at + 5);
    assert(look?.op === "syscall" && skip?.op === "branch" && cover?.op === "syscall", path);
    assertEquals([string(p, look.args[1]), look.tolerate], [path, 2]);
    const isDirectory = MASKED_DIRECTORIES.has(path);
    assertEquals(cover.args[0], slot(isDirectory ? empty : device), path);
    assertEquals(rest[0]?.label, isDirectory ? "make it read-only" : `cover ${path}`);
    const move = isDirectory ? rest[1] : rest[0];
    assert(move?.op === "syscall" && move.name === "move_mount", path);
    assertEquals([move.args[0], string(p, move.args[3]), move.tolerate], [cover.result, path, undefined], path);
  }
});
