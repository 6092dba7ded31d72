import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../mod.ts";
import { BUSYBOX, hostTest, LIBFLUX, libflux, rootTest, temporaryDirectory, uniqueName } from "./support.ts";

hostTest("ps: no container is no error", async () => {
  const { code, stdout, stderr } = await libflux(["ps"]);
  assertEquals([code, stdout, stderr], [0, "NAME  STATE  PID  IMAGE  COMMAND  AGE  PORTS\n", ""]);
  assertEquals((await libflux(["ps", "--format", "json"])).stdout, "[]\n");
  assertEquals((await libflux(["ps", "--quiet"])).stdout, "");
});

hostTest("ps: shows a container as a table, as JSON, by template and by filter", async () => {
  const name = uniqueName();
  await using container = await run({ name, image: BUSYBOX, command: ["sleep", "1000"], labels: { tier: "web" } });
  const { stdout } = await libflux(["ps"]);
  const [header = "", row = "", ...rest] = stdout.split("\n");
  assertMatch(header, /^NAME +STATE +PID +IMAGE +COMMAND +AGE +PORTS$/);
  assertMatch(row, new RegExp(`^${name} +running +${container.pid} +${BUSYBOX} +sleep 1000 +[0-9]s *$`));
  assertEquals(rest, [""]);
  const [json] = JSON.parse((await libflux(["ps", "--format", "json"])).stdout);
  assertEquals([json.name, json.pid, json.id, json.labels], [name, container.pid, container.id, { tier: "web" }]);
  assertEquals((await libflux(["ps", "--format", "{{.Name}}:{{.Pid}}"])).stdout, `${name}:${container.pid}\n`);
  assertEquals((await libflux(["ps", "-q", "--filter", "label=tier=web"])).stdout, `${name}\n`);
  assertEquals((await libflux(["ps", "-q", "--filter", "label=tier=db"])).stdout, "");
});

hostTest("ps: lists 200 containers", async () => {
  await using stack = new AsyncDisposableStack();
  const names = Array.from({ length: 200 }, (_, index) => `many-${String(index).padStart(3, "0")}`);
  for (const name of names) stack.use(await run({ name, image: BUSYBOX, command: ["sleep", "1000"], init: false }));
  assertEquals((await libflux(["ps", "--quiet"])).stdout, names.map((name) => `${name}\n`).join(""));
});

rootTest("ps: works for a user who has never run anything", async () => {
  using directory = temporaryDirectory();
  Deno.chmodSync(directory.path, 0o777);
  Deno.copyFileSync(LIBFLUX, `${directory.path}/libflux`);
  const { code, stdout, stderr } = await asNobody(`${directory.path}/libflux`, ["ps", "--quiet"], directory.path);
  assertEquals([code, stdout, stderr], [0, "", ""]);
});

function asNobody(program: string, args: readonly string[], home: string): Promise<{
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}> {
  const command = new Deno.Command("setpriv", {
    args: ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", program, ...args],
    clearEnv: true,
    env: { HOME: home, PATH: Deno.env.get("PATH") ?? "" },
    cwd: "/",
    stdout: "piped",
    stderr: "piped",
  });
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return command.output().then(({ code, stdout, stderr }) => ({ code, stdout: text(stdout), stderr: text(stderr) }));
}

hostTest("info: this host can run containers", async () => {
  const { code, stdout, stderr } = await libflux(["info"]);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "This host can run containers.");
  const host = JSON.parse((await libflux(["info", "--format", "json"])).stdout);
  assertEquals([host.canRun, host.kernel], [true, Deno.osRelease()]);
  for (const name of ["mount namespace", "overlay", "clone3", "pidfd", "cgroup", "ip", "iptables", "seccomp"]) {
    assert(host.features.some((feature: { name: string }) => feature.name === name), name);
  }
});

rootTest("info: tells an ordinary user what is missing, and how to get it", async () => {
  using directory = temporaryDirectory();
  Deno.chmodSync(directory.path, 0o777);
  Deno.copyFileSync(LIBFLUX, `${directory.path}/libflux`);
  const { code, stdout, stderr } = await asNobody(`${directory.path}/libflux`, ["info"], directory.path);
  // Containers run without: in a user namespace.
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^privileges +missing +uid 65534$/m);
  assertStringIncludes(stdout, "to get it:  run libflux with sudo");
  assertMatch(stdout, /^subuid and subgid +missing/m);
  assertMatch(stdout, /to get it: {2}sudo usermod --add-subuids \d+-\d+ --add-subgids \d+-\d+ nobody/);
});

rootTest("info: sees what a sandbox takes away", async () => {
  // Without CAP_SYS_ADMIN even root can't run containers.
  const command = new Deno.Command("setpriv", {
    args: ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", LIBFLUX, "info", "--format", "json"],
    stdout: "piped",
  });
  const { code, stdout } = await command.output();
  const host = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([code, host.canRun], [1, false]);
});

rootTest("explain: shows the launch program in words and as syscalls, without root, and does nothing", async () => {
  using directory = temporaryDirectory();
  Deno.chmodSync(directory.path, 0o777);
  Deno.copyFileSync(LIBFLUX, `${directory.path}/libflux`);
  const args = ["explain", "run", "web", "--image", "/", "--tmpfs", "/scratch", "--", "true"];
  const { code, stdout, stderr } = await asNobody(`${directory.path}/libflux`, args, directory.path);
  assertEquals([code, stderr], [0, ""]);
  for (const part of ["clone3(", "make it the root\n", "pivot_root(", "mount tmpfs on /scratch\n", "execve("]) {
    assertStringIncludes(stdout, part);
  }
});

hostTest("benchmark: shows a table and a histogram, or JSON", async () => {
  const { code, stdout, stderr } = await libflux(["benchmark", "--image", BUSYBOX, "--count", "5", "--memory"]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^ +MIN +MEDIAN +P95 +MAX\ncreation[^]*start[^]*tear-down[^]*total[^]*█[^]*memory: [\d,]+ KB/);
  const json = await libflux(["benchmark", "--image", BUSYBOX, "--count", "3", "--format", "json"]);
  assertEquals(JSON.parse(json.stdout).totals.length, 3);
});

hostTest("--help of every command goes to standard output", async () => {
  const { stdout: help } = await libflux(["help"]);
  const commands = [...help.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? "");
  assert(commands.length >= 10, help);
  for (const args of [["help"], ["--help"], ...commands.flatMap((name) => [[name, "--help"], ["help", name]])]) {
    const { code, stdout, stderr } = await libflux(args);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, args.length === 1 ? /^Usage: libflux COMMAND/ : /^Usage: libflux [a-z]+ /);
  }
});

hostTest("what can't be told on standard error changes no exit code", async () => {
  for (const [redirect, command] of [["2>/dev/full", "exit 3"], ["2>&-", "exit 4"]] as const) {
    const line = `"$0" run ${uniqueName()} --image ${BUSYBOX} --time -- sh -c "${command}" ${redirect}`;
    const { code } = await new Deno.Command("sh", { args: ["-c", line, LIBFLUX], stdin: "null" }).output();
    assertEquals(code, Number(command.slice(-1)), redirect);
  }
});
