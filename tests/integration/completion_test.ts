import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { COMMANDS } from "../../cli.ts";
import { visible } from "../../lib/commands/command.ts";
import { createNetwork, removeNetwork, run } from "../../mod.ts";
import { BUSYBOX, hostTest, LIBFLUX, libflux, patience, rootTest, temporaryDirectory, uniqueName } from "./support.ts";
import { Terminal } from "./terminal.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = typeof SHELLS[number];
const ARGS: Readonly<Record<Shell, readonly string[]>> = { bash: ["--norc"], zsh: ["-f"], fish: ["--no-config"] };

/** A directory with the script of each shell, and with libflux as a command. */
async function scripts(): Promise<ReturnType<typeof temporaryDirectory>> {
  const directory = temporaryDirectory();
  Deno.symlinkSync(LIBFLUX, `${directory.path}/libflux`);
  for (const shell of SHELLS) {
    const { code, stdout, stderr } = await libflux(["completion", shell]);
    assertEquals([code, stderr], [0, ""]);
    Deno.writeTextFileSync(`${directory.path}/script.${shell}`, stdout);
  }
  return directory;
}

/** What a shell offers at the end of each line. */
async function offers(shell: Shell, directory: string, lines: readonly string[]): Promise<Record<string, string[]>> {
  const capture = fromFileUrl(new URL(`completion/capture.${shell}`, import.meta.url));
  const child = new Deno.Command(shell, {
    args: [...ARGS[shell], capture, `${directory}/script.${shell}`, ...lines],
    env: { PATH: `${directory}:${Deno.env.get("PATH")}`, HOME: directory, TERM: "xterm" },
    cwd: directory,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), patience(60_000));
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], shell);
  const found: Record<string, string[]> = {};
  for (const part of new TextDecoder().decode(stdout).split(/^> /m).slice(1)) {
    const [line = "", ...words] = part.split("\n");
    // fish puts the flag before a value that it belongs to, and a slash behind a directory, as zsh's list has none.
    const bare = words.map((word) => word.replace(/^--[a-z-]+=/, "").replace(/^\/.*\/(?=.)|\/$/g, ""));
    found[line] = [...new Set(bare.filter((word) => word !== ""))].sort();
  }
  return found;
}

const commands = visible(COMMANDS).map(([name]) => name).sort();
const ACTIONS = ["create", "inspect", "ls", "prune", "reload", "rm"];

/** Lines, and what every shell offers there. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  "libflux ": commands,
  "libflux net": ["network"],
  "libflux help ": commands,
  "libflux help network ": ACTIONS,
  "libflux network ": ACTIONS,
  "libflux network i": ["inspect"],
  "libflux network list --f": ["--format"],
  "libflux network ls --format ": ["json", "table"],
  "libflux completion ": ["bash", "fish", "zsh"],
  "libflux explain ": ["run"],
  "libflux run --im": ["--image"],
  "libflux run --no-i": ["--no-init", "--no-interactive"],
  "libflux run web --pid ": ["host", "private"],
  "libflux run web --pid=h": ["host"],
  "libflux run --image / --userns x --cgroup-manager s": ["systemd"],
  "libflux explain run --ipc p": ["private"],
  "libflux run --workdir ": [],
  "libflux run --log-driver ": ["file", "journald", "none", "syslog"],
  "libflux ps --filter na": ["name="],
  "libflux ps --sort cr": ["created"],
  "libflux kill --signal SIGU": ["SIGURG", "SIGUSR1", "SIGUSR2"],
};

for (const shell of SHELLS) {
  hostTest(`completion: ${shell} offers commands, actions, flags and their values`, async () => {
    using directory = await scripts();
    const found = await offers(shell, directory.path, Object.keys(CASES));
    for (const [line, words] of Object.entries(CASES)) {
      assertEquals(found[line], [...words], `${shell}: ${line}`);
    }
  });

  hostTest(`completion: ${shell} offers files and directories, where that is what a flag takes`, async () => {
    using directory = await scripts();
    Deno.mkdirSync(`${directory.path}/place`);
    Deno.writeTextFileSync(`${directory.path}/plan.json`, "");
    const found = await offers(shell, directory.path, [
      "libflux run --image pl",
      "libflux run --env-file pl",
      "libflux run --seccomp ",
      "libflux run --bind pl",
      "libflux run x -- cat pl",
    ]);
    assertEquals(found["libflux run --image pl"], ["place"], shell);
    assertEquals(found["libflux run --env-file pl"], ["place", "plan.json"], shell);
    assertEquals(found["libflux run --bind pl"], ["place", "plan.json"], shell);
    const profiles = found["libflux run --seccomp "] ?? [];
    assert(profiles.includes("unconfined") && profiles.includes("plan.json"), `${shell}: ${profiles}`);
    // Nothing of a name is expanded.
    for (const name of ["a*", "ab"]) Deno.writeTextFileSync(`${directory.path}/${name}`, "");
    const starred = (await offers(shell, directory.path, ["libflux run --env-file a"]))["libflux run --env-file a"] ??
      [];
    assertEquals(starred.map((word) => word.replace("\\", "")), ["a*", "ab"], shell);
    // bash completes those by itself, when it has no candidates.
    if (shell !== "bash") assertEquals(found["libflux run x -- cat pl"], ["place", "plan.json"], shell);
  });

  hostTest(
    `completion: ${shell} offers containers that are there, below the state root that the line names`,
    async () => {
      using directory = await scripts();
      const name = uniqueName();
      const root = `${directory.path}/root`;
      const command = ["sleep", "1000"];
      await using _first = await run({ name: `${name}-a`, image: BUSYBOX, command, network: "none" });
      await using _second = await run({ name: `${name}-b`, image: BUSYBOX, command, network: "none" });
      await using _third = await run({ name: `${name}-c`, image: BUSYBOX, command, network: "none", root });
      const ours = (words: readonly string[] = []): string[] => words.filter((word) => word.startsWith(name));
      const lines = [`top ${name}`, `stop x `, `inspect ${name}-b`, `stats --root ${root} `, `pause --root=${root} `];
      const found = await offers(shell, directory.path, lines.map((line) => `libflux ${line}`));
      const all = lines.map((line) => ours(found[`libflux ${line}`]));
      const [a, b, c] = ["a", "b", "c"].map((letter) => `${name}-${letter}`);
      assertEquals(all, [[a, b], [a, b], [b], [c], [c]], shell);
    },
  );

  rootTest(`completion: ${shell} offers networks`, async () => {
    using directory = await scripts();
    await createNetwork("completion-test");
    try {
      const lines = ["libflux network rm comp", "libflux run --network ", "libflux run --network=comp"];
      const found = await offers(shell, directory.path, lines);
      assertEquals(found["libflux network rm comp"], ["completion-test"]);
      assertEquals(found["libflux run --network=comp"], ["completion-test"]);
      for (const word of ["completion-test", "none", "host", "container:"]) {
        assert(found["libflux run --network "]?.includes(word), `${shell}: ${word}`);
      }
    } finally {
      await removeNetwork("completion-test");
    }
  });
}

hostTest("completion: bash completes what is typed, up to = and behind it", async () => {
  using directory = await scripts();
  const env = ["-u", "NO_COLOR", `PATH=${directory.path}:${Deno.env.get("PATH")}`, "TERM=dumb"];
  await using terminal = new Terminal([...env, "bash", "--norc", "--noprofile", "-i"], undefined, "", "/usr/bin/env");
  terminal.type(`PS1='> '; source ${directory.path}/script.bash; echo rea"dy"\r`);
  await terminal.shows("ready\r\n");
  terminal.type("libflux ps --form\t");
  await terminal.shows("libflux ps --format ");
  terminal.type("\x15libflux ps --format=js\t");
  await terminal.shows("libflux ps --format=json ");
  terminal.type("\x15libflux ps --filter state=runn\t");
  await terminal.shows("libflux ps --filter state=running ");
  terminal.type("\x15libflux run --network cont\t");
  await terminal.shows("libflux run --network container:");
  terminal.type("\x15libflux netw\tli\tls --for\t");
  await terminal.shows("libflux network ");
  terminal.type("\x15exit\r");
  assertEquals(await terminal.ended(), 0);
});

hostTest("completion: says which shells there are", async () => {
  for (const args of [[], ["tcsh"], ["bash", "zsh"]]) {
    const { code, stderr } = await libflux(["completion", ...args]);
    assertEquals(code, 125);
    assertStringIncludes(stderr, "write libflux completion bash|zsh|fish");
  }
});
