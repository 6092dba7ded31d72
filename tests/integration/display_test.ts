import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { displayWidth } from "../../lib/width.ts";
import { run, runDetached, stop } from "../../mod.ts";
import { BUSYBOX, hostTest, IS_USER, LIBFLUX, libflux, temporaryDirectory, uniqueName } from "./support.ts";
import { Terminal } from "./terminal.ts";

/** What libflux shows on a terminal of its own, whose environment says nothing of colours but this. */
async function shown(
  args: readonly string[],
  { columns = 80, env = [], redirect = "" }: {
    readonly columns?: number;
    readonly env?: readonly string[];
    readonly redirect?: string;
  } = {},
): Promise<{ readonly code: number; readonly text: string }> {
  const all = ["-u", "NO_COLOR", "TERM=xterm", ...env, LIBFLUX, ...args];
  await using terminal = new Terminal(all, { columns, rows: 24 }, redirect, "/usr/bin/env");
  const code = await terminal.ended();
  return { code, text: terminal.text.replaceAll("\r\n", "\n") };
}

// deno-lint-ignore no-control-regex
const plain = (text: string): string => text.replaceAll(/\x1b\[[0-9;]*[mK]/g, "");

hostTest(
  "display: a table is cut to the terminal's width, and whole where it goes to a pipe or is asked to be",
  async () => {
    // Names are never cut: this one leaves room for something else on the narrowest.
    const name = `wide${Deno.pid}`;
    const words = [
      "sh",
      "-c",
      "sleep 1000; : a command line that is longer than any terminal is wide, 漢字漢字漢字漢字漢字漢字",
    ];
    await using _container = await run({ name, image: BUSYBOX, command: words, network: "none" });
    for (const columns of [60, 80, 100]) {
      const lines = plain((await shown(["ps"], { columns })).text).trimEnd().split("\n");
      for (const line of lines) assert(displayWidth(line) <= columns, `${columns}: ${line}`);
      assert(lines.some((line) => line.includes(name) && line.includes("…")), lines.join("\n"));
    }
    const whole = words.join(" ");
    assertStringIncludes((await libflux(["ps"])).stdout, whole);
    assertStringIncludes(plain((await shown(["ps", "--no-trunc"], { columns: 60 })).text).replaceAll("\n", ""), whole);
    assertStringIncludes(plain((await shown(["ps", "--format", "{{.Command}}"], { columns: 60 })).text), whole);
  },
);

hostTest("display: colours are for terminals, and not where NO_COLOR or TERM says so", async () => {
  const name = uniqueName();
  await using _container = await run({ name, image: BUSYBOX, command: ["sleep", "1000"], network: "none" });
  assertStringIncludes((await shown(["ps"])).text, "\x1b[32mrunning\x1b[0m");
  assertStringIncludes((await shown(["ps"], { env: ["NO_COLOR="] })).text, "\x1b[32m");
  for (const env of ["NO_COLOR=1", "NO_COLOR=0", "TERM=dumb"]) {
    assert(!(await shown(["ps"], { env: [env] })).text.includes("\x1b"), env);
  }
  assert(!(await libflux(["ps"], { env: { NO_COLOR: "", TERM: "xterm" } })).stdout.includes("\x1b"));
  // Standard output and standard error are each what they are.
  const mixed = await shown(["ps", "--nonsense"]);
  const beginning = "\x1b[31mlibflux:\x1b[0m 'libflux ps' has no flag --nonsense; ";
  assertEquals(mixed.text.slice(0, beginning.length), beginning);
  assertEquals(mixed.code, 125);
  assertMatch((await shown(["nonsense"], { env: ["NO_COLOR=1"] })).text, /^libflux: libflux has no command "nonsense"/);
  const { stderr } = await libflux(["nonsense"], { env: { NO_COLOR: "", TERM: "xterm" } });
  assert(!stderr.includes("\x1b"), stderr);
});

hostTest("display: help is as wide as the terminal, and 80 columns where there is none", async () => {
  const widest = (text: string): number =>
    Math.max(...(text.split("\nExamples:")[0] ?? "").split("\n").map(displayWidth));
  const [narrow, wide] = [
    await shown(["run", "--help"], { columns: 60 }),
    await shown(["help", "run"], { columns: 160 }),
  ];
  // Some words are as long as they are.
  assert(widest(narrow.text) < 80, narrow.text);
  assert(widest(wide.text) > 100 && widest(wide.text) <= 160, wide.text);
  const piped = (await libflux(["run", "--help"])).stdout;
  assert(widest(piped) <= 80 && widest(piped) > 70, String(widest(piped)));
});

hostTest("display: what takes longer than a second is shown on a terminal, and nothing of it stays", async () => {
  const name = uniqueName();
  const script = "trap 'exit 5' TERM; while :; do sleep 0.1; done";
  await runDetached({ name, image: BUSYBOX, command: ["sh", "-c", script], network: "none" });
  let wait: Promise<{ readonly stdout: string; readonly stderr: string }>;
  {
    await using terminal = new Terminal(["wait", name]);
    wait = libflux(["wait", name]);
    await terminal.shows(`waiting for ${name} (1 s)`);
    await stop(name);
    assertEquals(await terminal.ended(), 0);
    // The last of it is cleared before the answer.
    const end = " s)\x1b[K\r\x1b[K5\r\n";
    assertEquals(terminal.text.slice(-end.length), end);
  }
  const { stdout, stderr } = await wait;
  assertEquals([stdout, stderr], ["5\n", ""]);
  const quick = await shown(["network", "ls", "--quiet"]);
  assert(!quick.text.includes("libflux network ls") && !quick.text.includes("\x1b"), quick.text);
});

hostTest("ps: filters, orders and templates", async () => {
  const name = uniqueName();
  const [one, two] = [`${name}-1`, `${name}-2`];
  const rest = { image: BUSYBOX, command: ["sleep", "1000"], network: "none" } as const;
  await using _second = await run({ name: two, ...rest, labels: { tier: "back", team: "x" } });
  await using _first = await run({
    name: one,
    ...rest,
    labels: { tier: "front", team: "x" },
    mounts: [
      { destination: "/data", type: "bind", source: "/tmp", options: ["rbind"] },
    ],
  });
  const ps = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await libflux(["ps", "--filter", `name=${name}`, ...args]);
    assertEquals([code, stderr], [0, ""], args.join(" "));
    return stdout;
  };
  const names = async (...args: string[]): Promise<string[]> => (await ps("-q", ...args)).trimEnd().split("\n");
  assertEquals(await names(), [one, two]);
  assertEquals(await names("--sort", "created"), [two, one]);
  assertEquals(await names("--sort=-created"), [one, two]);
  assertEquals(await names("--reverse"), [two, one]);
  assertEquals(await names("--last", "1"), [one]);
  assertEquals(await names("-f", "label=team=x", "-f", "label=tier=back"), [two]);
  assertEquals(await names("-f", `name=${one}`, "-f", `name=${two}`), [one, two]);
  assertEquals(await names("-f", `ancestor=${BUSYBOX}`, "-f", "status=running"), [one, two]);
  assertEquals(await names("-f", "status=paused"), [""]);
  assertEquals(
    await ps("--format", 'table {{.Names}}\\t{{.Label "tier"}}\\t{{.Mounts}}'),
    `NAMES${" ".repeat(one.length - 3)}TIER   MOUNTS\n${one}  front  /tmp\n${two}  back\n`,
  );
  assertMatch(
    await ps("--format", "{{.ID}} {{.Status}}", "--last", "1"),
    /^[0-9a-f]{12} Up (Less than a|\d+) seconds?\n$/,
  );
  assertMatch(await ps("--format", "{{.ID}}", "--last", "1", "--no-trunc"), /^[0-9a-f]{64}\n$/);
  const json = JSON.parse(await ps("--format", "{{json .}}", "--last", "1"));
  assertEquals([json.Names, json.Labels, json.Mounts], [one, "tier=front,team=x", "/tmp"]);
  for (
    const [args, why] of [
      [["--format", "{{.Colour}}"], "there is no field Colour"],
      [["--format", "{{if .Names}}"], "it has no {{end}}"],
      [["--sort", "size"], "--sort is name, age"],
      [["--last", "0"], "--last is a number"],
      [["--filter", "colour=red"], "is no filter"],
    ] as const
  ) {
    const { code, stderr } = await libflux(["ps", ...args]);
    assertEquals(code, 125);
    assertStringIncludes(stderr, why);
  }
});

hostTest("inspect: tells all of a container that runs, and of one that has ended", async () => {
  const name = uniqueName();
  const limits = { memory: 64 * 2 ** 20, pids: 50 };
  const { id } = await runDetached({
    ...{ name, image: BUSYBOX, command: ["sh", "-c", "sleep 1000"], network: "none", labels: { tier: "web" } },
    ...{ workdir: "/tmp", restart: "on-failure:2" },
    // An ordinary user has no limits, where nobody has given them a cgroup.
    ...(IS_USER ? {} : { limits }),
  });
  const [found, ...more] = JSON.parse((await libflux(["inspect", name])).stdout);
  assertEquals(more, []);
  assertEquals([found.name, found.id, found.state, found.image, found.labels], [name, id, "running", BUSYBOX, {
    tier: "web",
  }]);
  assertEquals([found.detached, found.restart, found.spec.process.cwd, found.spec.hostname], [
    true,
    "on-failure:2",
    "/tmp",
    name,
  ]);
  assertEquals(found.log.driver, "file");
  assert(Deno.statSync(found.log.path).isFile);
  const by = async (format: string, ...names: string[]) => await libflux(["inspect", "--format", format, ...names]);
  if (!IS_USER) {
    assertEquals([found.limits.memory, found.limits.pids], [limits.memory, limits.pids]);
    assertEquals((await libflux(["update", name, "--pids-limit", "60"])).code, 0);
    assertEquals((await by("{{.limits.pids}}", name)).stdout, "60\n");
  }
  assertEquals(
    (await by('{{.Name}} {{.state}} {{join .command "|"}}', name)).stdout,
    `${name} running sh|-c|sleep 1000\n`,
  );
  assertEquals(
    (await by('{{range .spec.mounts}}{{if eq .type "proc"}}{{.destination}}{{end}}{{end}}', name)).stdout,
    "/proc\n",
  );
  await stop(name, { time: 0 });
  const [ended] = JSON.parse((await libflux(["inspect", name])).stdout);
  assertEquals([ended.state, ended.code, ended.signal, ended.id, ended.pid], ["exited", 137, "SIGKILL", id, 0]);
  assert(Date.parse(ended.finished) >= Date.parse(ended.started), JSON.stringify(ended));
  const both = await by("{{.state}}", "nobody", name);
  assertEquals([both.code, both.stdout], [125, "exited\n"]);
  assertStringIncludes(both.stderr, "there is no container nobody");
  assertStringIncludes((await by("{{.colour}}", name)).stderr, "there is no field colour");
});

hostTest("inspect: believes nothing that somebody else has written into a container's files", async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/root`;
  const name = uniqueName();
  await using _container = await run({ name, image: BUSYBOX, command: ["sleep", "1000"], network: "none", root });
  const file = `${root}/containers/${name}/config.json`;
  const config = JSON.parse(Deno.readTextFileSync(file));
  for (
    const text of [
      "",
      "[]",
      "{",
      JSON.stringify({ ...config, id: "f".repeat(64) }),
      JSON.stringify({ ...config, spec: 1 }),
    ]
  ) {
    Deno.writeTextFileSync(file, text);
    const { code, stdout } = await libflux(["inspect", "--root", root, name]);
    const [found] = JSON.parse(stdout);
    assertEquals([code, found.name, found.spec], [0, name, undefined], text);
  }
});

hostTest("man: prints pages, and writes all of them", async () => {
  using directory = temporaryDirectory();
  const { code, stdout } = await libflux(["man", "network", "ls"]);
  assertEquals(code, 0);
  assertMatch(stdout, /^\.TH "LIBFLUX\\-NETWORK\\-LS" 1 /);
  assertEquals((await libflux(["man", "--output", `${directory.path}/man1`])).code, 0);
  const files = Array.from(Deno.readDirSync(`${directory.path}/man1`), ({ name }) => name);
  for (const file of ["libflux.1", "libflux-run.1", "libflux-network-create.1"]) assert(files.includes(file), file);
  assertEquals(Deno.readTextFileSync(`${directory.path}/man1/libflux-network-ls.1`), stdout);
  for (
    const [args, why] of [
      [["nowhere"], 'libflux has no command "nowhere"'],
      [["ps", "x"], "no manual page"],
      [["ps", "x", "y"], "has no use for"],
      [["--output", "/proc/nowhere"], "can't be written"],
    ] as const
  ) {
    const { code, stderr } = await libflux(["man", ...args]);
    assertEquals(code, 125, why);
    assertStringIncludes(stderr, why);
  }
});

hostTest("help: of every command and action is that of --help, and says what isn't there", async () => {
  for (const words of [["run"], ["network"], ["network", "ls"], ["explain", "run"], ["help"]]) {
    assertEquals(
      (await libflux(["help", ...words])).stdout,
      (await libflux([...words, "--help"])).stdout,
      words.join(" "),
    );
  }
  for (
    const [args, why] of [
      [["nets"], 'no command "nets"'],
      [["network", "lst"], "did you mean 'libflux network ls'?"],
      [["ps", "x"], "'libflux ps' has no action \"x\""],
      [["a", "b", "c"], 'got "c" too'],
    ] as const
  ) {
    const { code, stderr } = await libflux(["help", ...args]);
    assertEquals(code, 125);
    assertStringIncludes(stderr, why);
  }
});
