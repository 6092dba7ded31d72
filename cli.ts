#!/usr/bin/env -S deno run -A
/**
 * The command `libflux`: finds the subcommand, runs it, turns errors into one sentence and an exit code.
 *
 * @module
 */
import { checkArguments } from "./lib/caller.ts";
import { complain, print } from "./lib/commands/output.ts";
import { describe, FluxError, printable, UsageError } from "./lib/errors.ts";
import { onWarning } from "./lib/warnings.ts";

/** One subcommand: what it is for, and how to load it. Loaded when it is used: start-up time is libflux's own. */
interface Command {
  readonly help: string;
  readonly load: () => Promise<(args: readonly string[]) => number | Promise<number>>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    help: "run a command in a new container",
    load: async () => (await import("./lib/commands/run.ts")).runCommand,
  },
  exec: {
    help: "run a command in a container that runs",
    load: async () => (await import("./lib/commands/exec.ts")).execCommand,
  },
  ps: { help: "list containers", load: async () => (await import("./lib/commands/ps.ts")).psCommand },
  stats: {
    help: "show what containers use",
    load: async () => (await import("./lib/commands/stats.ts")).statsCommand,
  },
  top: {
    help: "list a container's processes",
    load: async () => (await import("./lib/commands/stats.ts")).topCommand,
  },
  pause: {
    help: "hold containers where they are",
    load: async () => (await import("./lib/commands/control.ts")).pauseCommand,
  },
  unpause: {
    help: "let them go on",
    load: async () => (await import("./lib/commands/control.ts")).unpauseCommand,
  },
  update: {
    help: "change limits of running containers",
    load: async () => (await import("./lib/commands/control.ts")).updateCommand,
  },
  network: {
    help: "make, list and remove networks",
    load: async () => (await import("./lib/commands/network.ts")).networkCommand,
  },
  port: {
    help: "show by which ports of the host a container is reached",
    load: async () => (await import("./lib/commands/network.ts")).portCommand,
  },
  info: {
    help: "tell whether this host can run containers",
    load: async () => (await import("./lib/commands/info.ts")).infoCommand,
  },
  explain: {
    help: "show what 'run' would do",
    load: async () => (await import("./lib/commands/explain.ts")).explainCommand,
  },
  benchmark: {
    help: "measure how fast containers start here",
    load: async () => (await import("./lib/commands/benchmark.ts")).benchmarkCommand,
  },
};

function help(): string {
  const lines = Object.entries(COMMANDS).map(([name, { help }]) => `  ${name.padEnd(10)} ${help}`);
  return `Usage: libflux COMMAND [FLAG…]

libflux runs containers: sudo libflux run NAME --image ROOTFS -- COMMAND

${lines.join("\n")}

'libflux COMMAND --help' tells more; 'libflux --version' shows the version.
`;
}

const LEVELS = ["error", "warn", "info", "debug"] as const;
type Level = typeof LEVELS[number];

/** `--log-level`, wherever before `--` it stands: errors are told by it even when the rest can't be parsed. */
function logLevel(args: readonly string[]): Level {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const at = own.findIndex((arg) => arg === "--log-level" || arg.startsWith("--log-level="));
  if (at < 0) return "warn";
  const level = own[at]?.includes("=") === true ? own[at]?.slice("--log-level=".length) : own[at + 1];
  if (level === undefined || level === "") {
    throw new UsageError("--log-level needs a value", { hint: `write --log-level ${LEVELS.join("|")}` });
  }
  const known = LEVELS.find((one) => one === level);
  if (known === undefined) throw new UsageError(`--log-level is ${LEVELS.join(", ")}, not "${level}"`);
  return known;
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    complain(help());
    return new UsageError("").exitCode;
  }
  if (name === "help" && rest[0] !== undefined) return await dispatch([rest[0], "--help"]);
  if (name === "help" || name === "--help" || name === "-h") {
    print(help());
    return 0;
  }
  if (name === "--version" || name === "version" || name === "-v" || name === "-V") {
    const { VERSION } = await import("./lib/version.ts");
    print(`libflux ${VERSION}\n`);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const { nearest } = await import("./lib/render.ts");
    if (name.startsWith("-")) {
      throw new UsageError(`"${printable(name)}" stands where the command belongs`, {
        hint: "flags come after it: libflux COMMAND [FLAG…]",
      });
    }
    const near = nearest(name, Object.keys(COMMANDS));
    throw new UsageError(`libflux has no command "${printable(name)}"`, {
      hint: near === undefined ? "'libflux help' shows those it has" : `did you mean 'libflux ${near}'?`,
    });
  }
  return await (await command.load())(rest);
}

/**
 * Runs one command line.
 *
 * @param args Without the program's name.
 * @returns The exit code.
 */
export async function main(args: readonly string[]): Promise<number> {
  let level: Level = "warn";
  try {
    checkArguments(args);
    level = logLevel(args);
    if (level !== "error") onWarning((sentence) => complain(`${printable(`libflux: warning: ${sentence}`)}\n`));
    return await dispatch(args);
  } catch (error) {
    complain(`${describe(error, level === "debug")}\n`);
    return error instanceof FluxError ? error.exitCode : 125;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
