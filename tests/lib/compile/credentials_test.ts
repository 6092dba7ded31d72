import { assert, assertEquals } from "@std/assert";
import type { LaunchProgram, Operand, SyscallInstruction } from "../../../ffi/program.ts";
import type { Launch } from "../../../lib/compile/context.ts";
import { CAPABILITIES } from "../../../lib/spec/capabilities.ts";
import { compile } from "../../../lib/compile/mod.ts";
import { lastCapability } from "../../../lib/privileges.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { DEFAULT_CAPABILITIES } from "../../../lib/spec/defaults.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
import type { Process, Spec } from "../../../lib/spec/types.ts";

const LAUNCH: Launch = {
  architecture: "x86_64",
  writable: false,
  init: false,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  lastCapability: 40,
  rlimits: [],
  legacyGroups: [],
  kinds: new Map(),
};
const FACTS = {
  name: "web",
  image: "/image",
  passwd: "web:x:1000:1000::/home/web:/bin/sh\n",
  group: "web:x:1000:\nlogs:x:70000:web\n",
  hostname: "host",
  id: "0123456789abcdef".repeat(4),
  architecture: "x86_64" as const,
  cgroupsPath: "/libflux-id",
};
const spec = (options: Partial<RunOptions> = {}, process: Partial<Process> = {}): Spec => {
  const built = buildSpec({ command: ["true"], ...options }, FACTS);
  return { ...built, process: { ...built.process, ...process } };
};

const calls = ({ instructions }: LaunchProgram, name: string): SyscallInstruction[] =>
  instructions.flatMap((one) => one.op === "syscall" && one.name === name ? [one] : []);
const named = (operand: Operand | undefined): string =>
  typeof operand === "object" && operand.kind === "named" ? operand.text : String(operand);

/** The 32-bit words of bytes that an argument points to. */
function words({ data }: LaunchProgram, argument: Operand | undefined): number[] {
  const block = typeof argument === "object" && argument.kind === "reference" ? data[argument.block] : undefined;
  assert(block?.kind === "bytes");
  const view = new DataView(block.bytes.buffer, block.bytes.byteOffset, block.bytes.length);
  return Array.from({ length: block.bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true));
}

/** The text that an argument points to. */
function string({ data }: LaunchProgram, argument: Operand | undefined): string | undefined {
  const block = typeof argument === "object" && argument.kind === "reference" ? data[argument.block] : undefined;
  return block?.kind === "bytes" ? block.text : undefined;
}

/** The bits of capabilities, as the kernel has them: low word, high word. */
function bits(names: readonly string[]): [number, number] {
  const mask = names.reduce((sum, name) => sum | 1n << BigInt(CAPABILITIES.findIndex((one) => one === name)), 0n);
  return [Number(mask & 0xffffffffn), Number(mask >> 32n)];
}

Deno.test("CAPABILITIES are numbered as in linux/capability.h", () => {
  const numbers = { CAP_CHOWN: 0, CAP_SETPCAP: 8, CAP_SYS_ADMIN: 21, CAP_SETFCAP: 31, CAP_CHECKPOINT_RESTORE: 40 };
  for (const [name, number] of Object.entries(numbers)) assertEquals(CAPABILITIES[number], name);
  assertEquals([CAPABILITIES.length, new Set(CAPABILITIES).size], [41, 41]);
});

Deno.test("compile() drops exactly the capabilities that aren't granted from the bounding set (rule 15)", () => {
  const dropped = (process: Partial<Process> = {}) =>
    calls(compile(spec({}, process), LAUNCH), "prctl").filter(({ args }) => named(args[0]) === "PR_CAPBSET_DROP")
      .map(({ args }) => named(args[1]));
  assertEquals(dropped(), CAPABILITIES.filter((name) => !DEFAULT_CAPABILITIES.includes(name)));
  assert(dropped().includes("CAP_NET_RAW") && dropped().includes("CAP_SYS_ADMIN"));
  assertEquals(dropped({ capabilities: { bounding: [...CAPABILITIES] } }), []);
  assertEquals(dropped({ capabilities: {} }), [...CAPABILITIES]);
  // Left out: nothing is granted.
  const { capabilities: _, ...rest } = spec().process;
  const without = compile({ ...spec(), process: rest }, LAUNCH);
  assertEquals(calls(without, "prctl").filter(({ args }) => named(args[0]) === "PR_CAPBSET_DROP").length, 41);
});

Deno.test("compile() drops capabilities that only a newer kernel knows, too", () => {
  const dropped = (lastCapability: number) =>
    calls(compile(spec(), { ...LAUNCH, lastCapability }), "prctl")
      .filter(({ args }) => named(args[0]) === "PR_CAPBSET_DROP").map(({ args }) => named(args[1]));
  assertEquals(dropped(43).slice(-4), ["CAP_CHECKPOINT_RESTORE", "capability 41", "capability 42", "capability 43"]);
  assertEquals(dropped(38), dropped(40));
  const last = Number(Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap"));
  assertEquals(lastCapability(), Math.max(last, CAPABILITIES.length - 1));
});

Deno.test("compile() sets the capabilities of root and of other users, and no inheritable ones", () => {
  const [low, high] = bits(DEFAULT_CAPABILITIES);
  const sets = (options: Partial<RunOptions>) => {
    const p = compile(spec(options), LAUNCH);
    const [call] = calls(p, "capset");
    assertEquals(words(p, call?.args[0]), [0x20080522, 0]);
    return words(p, call?.args[1]);
  };
  assertEquals(sets({}), [low, low, 0, high, high, 0]);
  assertEquals(sets({ user: "web" }), [0, 0, 0, 0, 0, 0]);
  const p = compile(
    spec({}, {
      capabilities: {
        effective: ["CAP_CHOWN", "CAP_BPF"],
        permitted: ["CAP_CHOWN", "CAP_BPF", "CAP_SETFCAP"],
        inheritable: ["CAP_CHECKPOINT_RESTORE"],
      },
    }),
    LAUNCH,
  );
  assertEquals(words(p, calls(p, "capset")[0]?.args[1]), [1, 0x80000001, 0, 0x80, 0x80, 0x100]);
});

Deno.test("compile() becomes the user with all three of its ids, and its groups", () => {
  const p = compile(spec({ user: "web" }), LAUNCH);
  assertEquals(calls(p, "setresgid").map(({ args }) => args), [[1000, 1000, 1000]]);
  assertEquals(calls(p, "setresuid").map(({ args }) => args), [[1000, 1000, 1000]]);
  const [groups] = calls(p, "setgroups");
  assertEquals([groups?.args[0], words(p, groups?.args[1])], [2, [1000, 70000]]);
  const none = compile(spec({}, { user: { uid: 4294967294, gid: 5 } }), LAUNCH);
  assertEquals(calls(none, "setgroups").map(({ args }) => args), [[0, 0]]);
  assertEquals(calls(none, "setresuid")[0]?.args, [4294967294, 4294967294, 4294967294]);
});

Deno.test("compile() passes over the failure of no step that gives privileges up", () => {
  const names = ["setgroups", "setresgid", "setresuid", "capset", "chdir", "getcwd"];
  for (const one of compile(spec(), LAUNCH).instructions) {
    if (one.op !== "syscall" || !names.includes(one.name)) continue;
    assertEquals([one.optional, one.tolerate], [undefined, undefined], one.label);
  }
  for (const { args, optional, tolerate } of calls(compile(spec(), LAUNCH), "prctl")) {
    // EINVAL is how a kernel says that it has no such capability.
    assertEquals([optional, tolerate], [undefined, named(args[0]) === "PR_CAPBSET_DROP" ? 22 : undefined]);
  }
});

Deno.test("compile() looks a command up in the container's PATH, and one with a slash nowhere", () => {
  const tried = (command: string, env?: string[]) => {
    const p = compile(spec({ command: [command] }, env === undefined ? {} : { env }), LAUNCH);
    return calls(p, "execve").filter(({ role }) => role === "execve").map(({ args }) => string(p, args[0]));
  };
  assertEquals(tried("app", ["PATH=/a:/b"]), ["/a/app", "/b/app"]);
  assertEquals(tried("app", ["PATH=/a"]), ["/a/app"]);
  assertEquals(tried("app", ["PATH=/a::/b"]), ["/a/app", "./app", "/b/app"]);
  assertEquals(tried("app", ["XPATH=/x", "PATH=/a", "PATH=/b"]), ["/a/app"]);
  assertEquals(tried("app", ["A=b"]).length, 6);
  for (const command of ["/bin/app", "./app", "bin/app"]) assertEquals(tried(command, ["PATH=/a"]), [command]);
});

Deno.test("compile() tries every candidate once for good, then once to hear why it isn't one", () => {
  const p = compile(spec({ command: ["app"] }, { env: ["PATH=/a:/b"] }), LAUNCH);
  assertEquals(calls(p, "execve").map(({ optional, tolerate }) => [optional, tolerate]), [
    [true, undefined],
    [true, undefined],
    [undefined, 2],
    [undefined, 2],
  ]);
  const end = p.instructions.at(-1);
  assert(end?.op === "syscall");
  assertEquals([end.name, end.role], ["fail", "notFound"]);
});

Deno.test("compile() hands the command its arguments and variables as they are", () => {
  const p = compile(spec({ command: ["/app", "", "a b", "ü"] }, { env: ["A=b=c", "EMPTY="] }), LAUNCH);
  const [call] = calls(p, "execve");
  const texts = (operand: Operand | undefined) => {
    const block = typeof operand === "object" && operand.kind === "reference" ? p.data[operand.block] : undefined;
    assert(block?.kind === "words");
    return block.words.map((word) => typeof word === "number" ? word : string(p, word));
  };
  assertEquals([texts(call?.args[1]), texts(call?.args[2])], [["/app", "", "a b", "ü", 0], ["A=b=c", "EMPTY=", 0]]);
});

Deno.test("compile() no longer ignores the signals that libflux ignores, and unblocks all", () => {
  const p = compile(spec(), { ...LAUNCH, ignoredSignals: [13, 34] });
  assertEquals(calls(p, "rt_sigaction").map(({ args, label }) => [named(args[0]), label]), [
    ["SIGPIPE", "no longer ignore SIGPIPE"],
    ["signal 34", "no longer ignore signal 34"],
  ]);
  assertEquals(calls(p, "rt_sigprocmask").length, 1);
  assertEquals(calls(compile(spec(), LAUNCH), "rt_sigaction"), []);
});

Deno.test("compile() restores a file mode mask, the usual one or the spec's, after everything was made", () => {
  const masks = (process: Partial<Process>) =>
    calls(compile(spec({}, process), LAUNCH), "umask").map(({ args: [mask] }) =>
      typeof mask === "object" && mask.kind === "named" ? mask.value : mask
    );
  assertEquals([masks({}), masks({ user: { uid: 0, gid: 0, umask: 0o077 } })], [[0, 0o022], [0, 0o077]]);
});

Deno.test("compile() waits for the host before it gives up privileges, and after the last mount", () => {
  for (const init of [true, false]) {
    const p = compile(spec(), { ...LAUNCH, init });
    const at = (name: string) =>
      p.instructions.flatMap((one, i) => one.op === "syscall" && one.name === name ? [i] : []);
    const wait = p.instructions.findIndex(({ label }) => label === "wait until libflux is ready");
    assert(wait > Math.max(...at("move_mount"), ...at("mount_setattr"), ...at("sethostname")));
    assert(wait < Math.min(...at("setgroups"), ...at("capset"), ...at("execve")));
  }
});

Deno.test("compile() closes what it has open in PID 1 before there is a command (CVE-2024-21626)", () => {
  const { instructions } = compile(spec(), { ...LAUNCH, init: true });
  const clone = instructions.findIndex((one) => one.op === "syscall" && one.name === "clone");
  const before = instructions[clone - 1];
  assertEquals(before?.label, "close what the preparation left open");
  assert(before?.op === "syscall");
  assertEquals([before.name, before.args[0], before.args[2]], ["close_range", 6, 0]);
});

Deno.test("compile() limits the command alone, and raises hard limits while it may", () => {
  const rlimits = [
    { type: "RLIMIT_NOFILE", soft: 10, hard: 20 },
    { type: "RLIMIT_CORE", soft: 0, hard: 2 ** 64 },
  ];
  const own = [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }, { type: "RLIMIT_CORE", soft: 7, hard: 8 }];
  const p = compile(spec({}, { rlimits }), { ...LAUNCH, init: true, rlimits: own });
  const order = p.instructions.flatMap((one) =>
    one.op === "syscall" && ["prlimit64", "setresuid", "clone", "signalfd4"].includes(one.name)
      ? [one.name === "prlimit64" ? one.label : one.name]
      : []
  );
  assertEquals(order, [
    "allow RLIMIT_CORE to be unlimited",
    "setresuid",
    "clone",
    "limit RLIMIT_NOFILE to 10:20",
    "limit RLIMIT_CORE to 0:unlimited",
    "signalfd4",
  ]);
});
