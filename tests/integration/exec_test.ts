import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  CommandNotFoundError,
  exec,
  type ExecOptions,
  NoContainerError,
  pause,
  run,
  type RunOptions,
  unpause,
} from "../../mod.ts";
import { onDisk } from "./disk.ts";
import { BUSYBOX, hostTest, IS_USER, libflux, uniqueName, usersTest } from "./support.ts";

const sleeper = (options: Partial<RunOptions> = {}) =>
  run({ image: BUSYBOX, command: ["sleep", "1000"], name: uniqueName(), ...options });

async function says(name: string, script: string, options: Partial<ExecOptions> = {}): Promise<string> {
  await using session = await exec(name, { command: ["sh", "-c", script], ...options });
  const [out, err] = await Promise.all([new Response(session.stdout).text(), new Response(session.stderr).text()]);
  return out + err;
}

/** What a process is held by. The container's own command tells it of itself, one that enters it of itself too. */
const WALLS = `grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask|SigIgn|SigBlk)' /proc/self/status
  cat /proc/self/limits /proc/self/cgroup /proc/self/oom_score_adj; grep -c . /proc/self/mountinfo
  for kind in mnt pid net ipc uts user cgroup time; do readlink /proc/self/ns/$kind; done; pwd; ls /proc/self/fd`;

const KINDS: Readonly<Record<string, Partial<RunOptions>>> = {
  "as usual": {},
  "with limits of its own": {
    ulimits: [{ type: "RLIMIT_NOFILE", soft: 64, hard: 128 }],
    oomScoreAdj: 500,
    limits: IS_USER ? {} : { pids: 100 },
  },
  "of a user": { user: "1000:1000", workdir: "/tmp" },
  "without init": { init: false },
  "with the host's processes": { pid: "host" },
  "with the host's network": { network: "host" },
  "with other capabilities": { capDrop: ["ALL"], capAdd: ["CHOWN"] },
  "with another clock": { timeOffset: 86_400 },
  // Not every filesystem has id-mapped mounts.
  "of nobody else's users": { userns: "auto", image: onDisk(BUSYBOX) },
};

for (const [kind, options] of Object.entries(KINDS)) {
  usersTest(`exec() puts on every restriction of a container ${kind} (CVE-2022-27650)`, async () => {
    const script = `(${WALLS}) >/scratch/walls 2>&1; sleep 1000`;
    const mounts = [{ destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["mode=1777"] }];
    await using container = await sleeper({ command: ["sh", "-c", script], network: "none", mounts, ...options });
    const again = `while ! grep -q '^3$' /scratch/walls; do sleep 0.01; done; (${WALLS}) >/scratch/mine 2>&1
      diff /scratch/walls /scratch/mine && echo same`;
    assertEquals(await says(container.name, again), "same\n");
  });
}

hostTest("exec() gives the command's output and its status, and takes its input", async () => {
  await using container = await sleeper();
  await using session = await exec(container.name, { command: ["sh", "-c", "cat; exit 3"], stdin: "piped" });
  const output = new Response(session.stdout).text();
  const writer = session.stdin.getWriter();
  await writer.write(new TextEncoder().encode("hello"));
  await writer.close();
  assertEquals([await output, (await session.status).code], ["hello", 3]);
  await using other = await exec(container.name, { command: ["sleep", "1000"] });
  other.kill("SIGTERM");
  const { code, signal } = await other.status;
  assertEquals([code, signal], [143, "SIGTERM"]);
});

hostTest("exec() tells what can't be entered, and what can't be executed", async () => {
  await assertRejects(() => exec(uniqueName(), { command: ["true"] }), NoContainerError);
  await using container = await sleeper();
  const { name } = container;
  await assertRejects(() => exec(name, { command: ["nowhere"] }), CommandNotFoundError);
  await assertRejects(() => exec(name, { command: ["true"], workdir: "/nowhere" }), Error, "/nowhere");
  await assertRejects(() => exec(name, { command: ["true"], user: "nobody-here" }), Error, "no user");
  const codes = await Promise.all(
    [["nowhere"], ["/etc/passwd"], ["sh", "-c", "exit 7"], ["sh", "-c", "kill -9 $$"]].map(async (command) =>
      (await libflux(["exec", name, "--", ...command])).code
    ),
  );
  assertEquals(codes, [127, 126, 7, 137]);
});

hostTest("exec() refuses a container that is paused", async () => {
  await using container = await sleeper();
  const { name } = container;
  if (await pause(name).then(() => false, () => true)) return;
  const { code, stderr } = await libflux(["exec", name, "--", "true"]);
  await unpause(name);
  assertEquals(code, 125);
  assertStringIncludes(stderr, `the container ${name} is paused`);
  assertEquals(await says(name, "echo on"), "on\n");
});

hostTest("a command in a container ends with it", async () => {
  const container = await sleeper();
  await using session = await exec(container.name, { command: ["sleep", "1000"] });
  await container[Symbol.asyncDispose]();
  assertEquals((await session.status).signal, "SIGKILL");
  await assertRejects(() => exec(container.name, { command: ["true"] }), NoContainerError);
});

usersTest("exec() runs as another user, with that one's home and no capabilities", async () => {
  await using container = await sleeper();
  const script = "id -u; id -g; echo $HOME; grep CapEff /proc/self/status";
  assertEquals(
    await says(container.name, script, { user: "1000:5" }),
    "1000\n5\n/srv/web\nCapEff:\t0000000000000000\n",
  );
});

hostTest("exec --privileged has no filter and all capabilities, and the container's command hasn't", async () => {
  await using container = await sleeper();
  const script = "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status; grep CapEff /proc/self/status";
  const text = await says(container.name, script, { privileged: true });
  assertStringIncludes(text, "NoNewPrivs:\t0\nSeccomp:\t0\n");
  assert(!text.includes("00000000800405fb"), text);
});

hostTest("exec --detach returns when the command runs, and says nothing", async () => {
  await using container = await sleeper();
  const said = await libflux(["exec", container.name, "--detach", "--", "sh", "-c", "echo lost; sleep 999"]);
  assertEquals([said.code, said.stdout, said.stderr], [0, "", ""]);
  assertStringIncludes(await says(container.name, "ps"), "sleep 999");
});

hostTest("what a command leaves behind in the container doesn't hold up its end", async () => {
  await using container = await sleeper();
  await using session = await exec(container.name, { command: ["sh", "-c", "sleep 1000 & echo done"] });
  assertEquals((await session.status).code, 0);
  assertEquals(await new Response(session.stdout).text(), "done\n");
});

hostTest("a command with a terminal has one on the container's own devpts", async () => {
  await using container = await sleeper();
  await using session = await exec(container.name, {
    command: ["sh", "-c", "tty; stty size; read line; stty size; test -c /dev/pts/0 && echo there"],
    terminal: { columns: 100, rows: 30 },
  });
  const reader = session.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (part: string): Promise<void> => {
    while (!text.includes(part)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`ended after ${JSON.stringify(text)}`);
      text += value;
    }
  };
  await until("/dev/pts/0\r\n30 100\r\n");
  session.resize({ columns: 120, rows: 40 });
  const writer = session.stdin.getWriter();
  await writer.write(new TextEncoder().encode("\n"));
  await until("40 120\r\nthere\r\n");
  assertEquals((await session.status).code, 0);
  await reader.cancel();
});
