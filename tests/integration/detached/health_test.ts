import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostTest, libflux, patience, rootTest, temporaryDirectory, usersTest } from "../support.ts";
import { type Detached, detached, eventually } from "./support.ts";

/** What its health check says. */
function health({ directory }: Detached): string | undefined {
  try {
    return Deno.readTextFileSync(`${directory}/health`).trim();
  } catch {
    return undefined;
  }
}

const FAST = ["--health-interval", "30ms", "--health-retries", "2"];

hostTest("a health check runs inside: starting, healthy, unhealthy after retries, healthy again", async () => {
  using shared = temporaryDirectory();
  Deno.chmodSync(shared.path, 0o755);
  const check = ["--health-cmd", "test -e /shared/well", "--health-start-period", "1h"];
  await using container = await detached([...FAST, ...check, "--bind", `${shared.path}:/shared:ro`], ["sleep", "60"]);
  assertEquals(health(container), "starting");
  Deno.writeTextFileSync(`${shared.path}/well`, "");
  await eventually(() => health(container) === "healthy", "it is well");
  // After a success the start period is over.
  Deno.removeSync(`${shared.path}/well`);
  await eventually(() => health(container) === "unhealthy", "it is no longer");
  Deno.writeTextFileSync(`${shared.path}/well`, "");
  await eventually(() => health(container) === "healthy", "it is again");
});

hostTest("without a start period failures count at once, and a check that hangs is killed and has failed", async () => {
  await using failing = await detached(["--health-cmd", "exit 1", ...FAST], ["sleep", "60"]);
  // With more behind it, the shell stays, and has a child.
  await using hanging = await detached([
    "--health-cmd",
    "sleep 60 || exit 1",
    ...FAST,
    "--health-timeout",
    `${patience(50)}ms`,
  ], [
    "sleep",
    "60",
  ]);
  for (const container of [failing, hanging]) {
    assertEquals(container.started.stderr, "");
    await eventually(() => health(container) === "unhealthy", "it is unhealthy");
    const { stdout } = await libflux(["ps", "--format", "json", "--filter", `name=${container.name}`]);
    assertEquals(JSON.parse(stdout)[0].health, "unhealthy");
  }
  // None is left but those that just run, and what they have started, however often.
  const seen = new Set<string>();
  await eventually(async () => {
    const lines = (await libflux(["top", hanging.name])).stdout.split("\n").filter((line) => line.includes("sleep 60"));
    assert(lines.length <= 5, lines.join("\n"));
    for (const line of lines) seen.add(line.split(/ +/)[1] ?? "");
    return seen.size > 15;
  }, "it is checked again and again");
});

hostTest("a check that takes too long is killed with all that it has started", async () => {
  const flags = ["--health-interval", "30ms", "--health-retries", "5", "--health-timeout", `${patience(50)}ms`];
  // A shell that waits for it: the last command of all it would become itself.
  await using container = await detached([...flags, "--health-cmd", "sleep 61 || exit 1"], ["sleep", "60"]);
  await eventually(() => health(container) === "unhealthy", "five checks were killed");
  const { stdout } = await libflux(["top", container.name]);
  const left = stdout.split("\n").filter((line) => line.endsWith(" sleep 61"));
  // One that runs, and one that is just being killed.
  assert(left.length <= 2, stdout);
});

usersTest("a health check has every restriction of its container", async () => {
  await using container = await detached(
    ["--user", "7", "--workdir", "/tmp", "--env", "A=b", "--tmpfs", "/shared:mode=1777", "--health-interval", "30ms"]
      .concat(
        [
          "--health-cmd",
          "cat /proc/self/status /proc/self/cgroup >/shared/new; pwd >>/shared/new; echo $A >>/shared/new; mv /shared/new /shared/told",
        ],
      ),
    [
      "sh",
      "-c",
      "cat /proc/self/status /proc/self/cgroup; while ! test -e /shared/told; do sleep 0.02; done; echo ====; cat /shared/told; sleep 60",
    ],
  );
  await eventually(() => container.output().endsWith("/tmp\nb\n"), "it has told");
  const [own = "", check = ""] = container.output().split("====\n");
  const same = /^(Cap\w+|NoNewPrivs|Seccomp|Uid|Gid|Groups|NSpid|\d+:.*|0::.*).*$/gm;
  const facts = (text: string): string[] => (text.match(same) ?? []).filter((line) => !line.startsWith("NSpid"));
  assertEquals(facts(check), facts(own));
  assert(facts(own).length > 8);
});

hostTest("flags of a health check are refused in sentences where they can't be", async () => {
  const refusal = async (...flags: string[]): Promise<string> => {
    await using container = await detached(flags, ["true"]);
    assertEquals(container.started.code, 125);
    return container.started.stderr;
  };
  assertStringIncludes(await refusal("--health-interval", "5s"), "there is none");
  assertStringIncludes(await refusal("--health-cmd", "true", "--health-interval", "5"), "is a duration");
  assertStringIncludes(await refusal("--health-cmd", "true", "--health-retries", "0"), "can't be tried 0 times");
  const { stderr } = await libflux(["run", "fg", "--health-cmd", "true", "--", "true"]);
  assertStringIncludes(stderr, "in the foreground has no health check");
});

rootTest("a container that is held isn't checked, and as healthy afterwards as before", async () => {
  await using container = await detached(["--health-cmd", "true", ...FAST], ["sleep", "60"]);
  await eventually(() => health(container) === "healthy", "it is well");
  assertEquals((await libflux(["pause", container.name])).code, 0);
  // Many times as long as two checks take, and their time-outs.
  await new Promise((resolve) => setTimeout(resolve, patience(600)));
  assertEquals(health(container), "healthy");
  assertEquals((await libflux(["unpause", container.name])).code, 0);
  const { stdout } = await libflux(["top", container.name]);
  assertEquals(stdout.split("\n").filter((line) => line.includes("true")), []);
});

hostTest("a container ends in the middle of a check, whatever that is just doing", async () => {
  // One after the other, so that it is met at all moments: a command that nobody reaps would hold up the container's end.
  const flags = ["--health-cmd", "true", "--health-interval", "1ms", "--health-retries", "1000"];
  for (let round = 0; round < 12; round++) {
    await using container = await detached(flags, ["sleep", "60"]);
    assertEquals(await libflux(["stop", "--time", "0", container.name]), {
      code: 0,
      stdout: `${container.name}\n`,
      stderr: "",
    });
  }
});
