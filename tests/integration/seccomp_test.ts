import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  BUSYBOX,
  DEBIAN,
  hostTest,
  libflux,
  runContainer,
  temporaryDirectory,
  uniqueName,
  usersTest,
} from "./support.ts";

const QUIET = ["--network", "none"];

/** Makes calls by their numbers, and tells the error of each. */
async function errnos(flags: readonly string[], calls: readonly (readonly [name: string, ...args: number[]])[]) {
  const arm = Deno.build.arch === "aarch64";
  const script = calls.map(([name, ...args]) => {
    const number = NUMBERS[name]?.[arm ? 1 : 0] ?? -1;
    return `$! = 0; syscall(${[number, ...args].join(", ")}); print "${name} ", $! + 0, "\\n";`;
  }).join("\n");
  const { code, stdout, stderr } = await runContainer(
    [...QUIET, "--image", DEBIAN, ...flags],
    ["perl", "-e", script],
  );
  assertEquals(code, 0, stderr);
  return Object.fromEntries(stdout.trim().split("\n").map((line) => line.split(" ")));
}

/** `[x86_64, aarch64]`, from `arch/x86/entry/syscalls/syscall_64.tbl` and `asm-generic/unistd.h`. */
const NUMBERS: Readonly<Record<string, readonly [number, number]>> = {
  add_key: [248, 217],
  bpf: [321, 280],
  clone: [56, 220],
  clone3: [435, 435],
  fsopen: [430, 430],
  getpid: [39, 172],
  init_module: [175, 105],
  io_uring_setup: [425, 425],
  ioctl: [16, 29],
  keyctl: [250, 219],
  mount: [165, 40],
  move_mount: [429, 429],
  open_by_handle_at: [304, 265],
  perf_event_open: [298, 241],
  personality: [135, 92],
  pivot_root: [155, 41],
  process_vm_readv: [310, 270],
  ptrace: [101, 117],
  reboot: [169, 142],
  setns: [308, 268],
  socket: [41, 198],
  sysinfo: [99, 179],
  umask: [95, 166],
  unshare: [272, 97],
  userfaultfd: [323, 282],
  unknown: [9999, 9999],
};
const EPERM = "1";
const ENOSYS = "38";

hostTest("rule 19: a container's syscalls are filtered, and dangerous ones refused (CVE-2019-10063)", async () => {
  const { stdout } = await runContainer([...QUIET, "--image", BUSYBOX], ["cat", "/proc/self/status"]);
  assertMatch(stdout, /^Seccomp:\s+2$/m);
  assertMatch(stdout, /^Seccomp_filters:\s+1$/m);
  const forbidden = [
    ...["add_key", "bpf", "fsopen", "init_module", "keyctl", "mount", "move_mount", "open_by_handle_at"],
    ...["perf_event_open", "pivot_root", "process_vm_readv", "ptrace", "reboot", "setns", "unshare", "userfaultfd"],
  ];
  const found = await errnos([], [
    ...forbidden.map((name) => [name, 0, 0, 0, 0] as const),
    ["clone", 0x10000000, 0, 0, 0, 0],
    ["clone3", 0, 0],
    ["io_uring_setup", 0, 0],
    ["unknown"],
    ["getpid"],
    ["umask", 0o22],
    ["personality", 0xffffffff],
    ["socket", 2, 1, 0],
  ]);
  assertEquals(found, {
    ...Object.fromEntries(forbidden.map((name) => [name, EPERM])),
    clone: EPERM,
    clone3: ENOSYS,
    io_uring_setup: ENOSYS,
    unknown: ENOSYS,
    getpid: "0",
    umask: "0",
    personality: "0",
    socket: "0",
  });
  // TIOCSTI, and with something in the half that the kernel passes over; TIOCLINUX; AF_ALG, AF_VSOCK; another personality.
  for (const request of [0x5412, 0x1_0000_5412, 0x541c]) {
    assertEquals(await errnos([], [["ioctl", 0, request, 0]]), { ioctl: EPERM }, `${request}`);
  }
  for (const family of [38, 40]) assertEquals(await errnos([], [["socket", family, 1, 0]]), { socket: "97" });
  assertEquals(await errnos([], [["personality", 0x40000]]), { personality: ENOSYS });
});

usersTest("everyday programs work below the default filter", async () => {
  const script = `set -e
    cd /tmp; echo a >a; cp -p a b; ln -s a c; mv b d; chmod 600 d; chown 1:1 d; rm a; mkfifo f; sync
    (sleep 0.01; echo child) & wait
    su -s /bin/sh nobody -c id
    perl -MIO::Socket::INET -e 'IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die'
    perl -e 'fork // die; wait'
    timeout 5 sh -c 'kill -0 $$'; date >/dev/null; df / >/dev/null; nice true; chroot / true
    tar cf - /etc/passwd 2>/dev/null | tar tf - >/dev/null; echo done`;
  const { code, stdout, stderr } = await runContainer([...QUIET, "--image", DEBIAN], ["sh", "-c", script]);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "child\nuid=65534(nobody)");
  assertStringIncludes(stdout, "done\n");
});

hostTest("--seccomp unconfined filters nothing but what limits on v1 take, in both spellings", async () => {
  for (const flags of [["--seccomp", "unconfined"], ["--security-opt", "seccomp=unconfined"]]) {
    const found = await errnos(flags, [["add_key", 0, 0, 0, 0], ["personality", 0x40000], ["ptrace", 9999, 0, 0, 0]]);
    // EFAULT, success, ESRCH: the kernel's own answers.
    assertEquals(found, { add_key: "14", personality: "0", ptrace: "3" });
    const user = await runContainer([...QUIET, "--image", DEBIAN, ...flags], ["unshare", "-r", "true"]);
    const { stdout } = await runContainer([...QUIET, "--image", BUSYBOX, ...flags], ["cat", "/proc/self/status"]);
    const guarded = /^Seccomp:\s+2$/m.test(stdout);
    assertEquals(user.code !== 0, guarded, user.stderr);
    if (guarded) assertStringIncludes(user.stderr, "not permitted");
  }
});

hostTest("--seccomp FILE lets through what the profile says", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/own.json`;
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [
      {
        names: ["umask"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 77,
        args: [{ index: 0, value: 0o123, op: "SCMP_CMP_EQ" }],
      },
      { names: ["sysinfo"], action: "SCMP_ACT_ERRNO", errnoRet: 78, excludes: { caps: ["CAP_CHOWN"] } },
      { names: ["getpid"], action: "SCMP_ACT_ERRNO", errnoRet: 79, includes: { caps: ["CAP_CHOWN"] } },
    ],
  };
  Deno.writeTextFileSync(file, JSON.stringify(profile));
  for (const flags of [["--seccomp", file], ["--security-opt", `seccomp=${file}`]]) {
    const calls = [["umask", 0o123], ["sysinfo", 0], ["getpid"]] as const;
    assertEquals(await errnos(flags, calls), { umask: "77", sysinfo: "14", getpid: "79" });
  }
  profile.syscalls = [{
    names: ["umask"],
    action: "SCMP_ACT_KILL_PROCESS",
    errnoRet: 1,
    args: [{ index: 0, value: 0o123, op: "SCMP_CMP_EQ" }],
  }];
  Deno.writeTextFileSync(file, JSON.stringify(profile));
  const { code } = await runContainer(
    [...QUIET, "--image", DEBIAN, "--seccomp", file],
    ["perl", "-e", "umask 0123"],
  );
  assertEquals(code, 128 + 31);
});

hostTest("explain shows the filter, and needs no root for it", async () => {
  const { code, stdout } = await libflux(["explain", "run", uniqueName(), "--image", BUSYBOX, "--", "true"]);
  assertEquals(code, 0);
  for (
    const part of [
      "filter the syscalls\n",
      "the filter of syscalls: libflux's default",
      "clone: argument 1 & 0x7e020000",
    ]
  ) {
    assertStringIncludes(stdout, part);
  }
  const without = await libflux(["explain", "run", uniqueName(), "--seccomp", "unconfined", "--", "true"]);
  assert(!without.stdout.includes("the filter of syscalls"));
});

hostTest("a wrong seccomp profile is told in one sentence, and nothing starts", async () => {
  using directory = temporaryDirectory();
  const write = (name: string, text: string): string => {
    Deno.writeTextFileSync(`${directory.path}/${name}`, text);
    return `${directory.path}/${name}`;
  };
  const rules = (text: string): string => `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[${text}]}`;
  const condition = (value: number): string =>
    `{"names":["ioctl"],"action":"SCMP_ACT_LOG","args":[{"index":1,"value":${value},"op":"SCMP_CMP_EQ"}]}`;
  const many = Array.from({ length: 1500 }, (_, value) => condition(value)).join();
  const cases: readonly (readonly [file: string, says: string])[] = [
    ["/nowhere/own.json", "can't be read: there is no such file"],
    [directory.path, "can't be read: it is a directory"],
    ["/dev/null", "can't be read: it is no regular file"],
    [write("text", "no JSON"), "is no JSON: "],
    [write("empty", ""), "is no JSON: "],
    [write("action", '{"defaultAction":"SCMP_ACT_NONE"}'), 'at defaultAction: there is no action "SCMP_ACT_NONE"'],
    [
      write("architecture", '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_Z80"]}'),
      'at architectures[0]: there is no architecture "SCMP_ARCH_Z80"',
    ],
    [
      write("notify", rules('{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}')),
      "at syscalls[0].action: SCMP_ACT_NOTIFY",
    ],
    [write("large", " ".repeat(2 ** 20 + 1)), "no profile has more than 1048576"],
    [write("long", rules(many)), "the kernel takes at most 4096"],
  ];
  for (const [file, says] of cases) {
    const { code, stdout, stderr } = await runContainer([...QUIET, "--image", BUSYBOX, "--seccomp", file], ["true"]);
    assertEquals([code, stdout], [125, ""], stderr);
    assertMatch(stderr, /^libflux: [^\n]+\n$/);
    assertStringIncludes(stderr, says);
  }
  for (
    const [flags, says] of [
      [["--seccomp", "a", "--security-opt", "seccomp=b"], "there are two seccomp profiles"],
      [["--security-opt", "seccomp="], "the seccomp profile has no name"],
    ] as const
  ) {
    const { code, stderr } = await runContainer([...QUIET, "--image", BUSYBOX, ...flags], ["true"]);
    assertEquals(code, 125, stderr);
    assertStringIncludes(stderr, says);
  }
});
