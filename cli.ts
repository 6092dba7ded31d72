#!/usr/bin/env -S deno run -A
/**
 * The command `libflux`: finds the subcommand, runs it, turns errors into one sentence and an exit code.
 *
 * @module
 */
import { checkArguments } from "./lib/caller.ts";
import { paintName } from "./lib/commands/colour.ts";
import type { Commands } from "./lib/commands/command.ts";
import { complain, print } from "./lib/commands/output.ts";
import { describe, FluxError, printable, UsageError } from "./lib/errors.ts";
import { onWarning } from "./lib/warnings.ts";

/** Every command: what it is for, and where all else about it is. */
export const COMMANDS: Commands = {
  run: {
    help: "run a command in a new container",
    group: "running",
    load: async () => (await import("./lib/commands/run.ts")).RUN,
  },
  stop: {
    help: "end containers",
    group: "running",
    load: async () => (await import("./lib/commands/lifecycle.ts")).STOP,
  },
  kill: {
    help: "send them a signal",
    group: "running",
    load: async () => (await import("./lib/commands/lifecycle.ts")).KILL,
  },
  wait: {
    help: "wait until they have ended",
    group: "running",
    load: async () => (await import("./lib/commands/lifecycle.ts")).WAIT,
  },
  restart: {
    help: "start them again",
    group: "running",
    load: async () => (await import("./lib/commands/lifecycle.ts")).RESTART,
  },
  attach: {
    help: "connect this terminal with one in the background",
    group: "running",
    load: async () => (await import("./lib/commands/attach.ts")).ATTACH,
  },
  ps: {
    help: "list containers",
    group: "looking",
    load: async () => (await import("./lib/commands/ps.ts")).PS,
  },
  inspect: {
    help: "show all that is known of containers",
    group: "looking",
    load: async () => (await import("./lib/commands/inspect.ts")).INSPECT,
  },
  logs: {
    help: "show what a container has written",
    group: "looking",
    load: async () => (await import("./lib/commands/logs.ts")).LOGS,
  },
  stats: {
    help: "show what containers use",
    group: "looking",
    load: async () => (await import("./lib/commands/stats.ts")).STATS,
  },
  diff: {
    help: "show what a container has changed in its root",
    group: "looking",
    load: async () => (await import("./lib/commands/diff.ts")).DIFF,
  },
  top: {
    help: "list a container's processes",
    group: "looking",
    load: async () => (await import("./lib/commands/stats.ts")).TOP,
  },
  port: {
    help: "show by which ports of the host a container is reached",
    group: "looking",
    load: async () => (await import("./lib/commands/network.ts")).PORT,
  },
  cp: {
    help: "copy files into a container or out of it",
    group: "managing",
    load: async () => (await import("./lib/commands/cp.ts")).CP,
  },
  rm: {
    help: "remove what is kept of containers that have ended",
    group: "managing",
    load: async () => (await import("./lib/commands/prune.ts")).RM,
  },
  prune: {
    help: "remove it of all of them",
    group: "managing",
    load: async () => (await import("./lib/commands/prune.ts")).PRUNE,
  },
  rename: {
    help: "give them another name",
    group: "managing",
    load: async () => (await import("./lib/commands/lifecycle.ts")).RENAME,
  },
  pause: {
    help: "hold containers where they are",
    group: "managing",
    load: async () => (await import("./lib/commands/control.ts")).PAUSE,
  },
  unpause: {
    help: "let them go on",
    group: "managing",
    load: async () => (await import("./lib/commands/control.ts")).UNPAUSE,
  },
  update: {
    help: "change limits of running containers",
    group: "managing",
    load: async () => (await import("./lib/commands/control.ts")).UPDATE,
  },
  network: {
    help: "make, list and remove networks",
    group: "managing",
    load: async () => (await import("./lib/commands/network.ts")).NETWORK,
  },
  info: {
    help: "tell whether this host can run containers",
    group: "host",
    load: async () => (await import("./lib/commands/info.ts")).INFO,
  },
  explain: {
    help: "show what 'run' would do",
    group: "running",
    load: async () => (await import("./lib/commands/explain.ts")).EXPLAIN,
  },
  finish: {
    help: "",
    load: async () => (await import("./lib/commands/finish.ts")).finishCommand,
  },
  benchmark: {
    help: "measure how fast containers start here",
    group: "host",
    load: async () => (await import("./lib/commands/benchmark.ts")).BENCHMARK,
  },
  completion: {
    help: "print what makes a shell complete command lines",
    group: "host",
    load: async () => (await import("./lib/commands/completion.ts")).completionCommand(COMMANDS),
  },
  man: {
    help: "print or write manual pages",
    group: "host",
    load: async () => (await import("./lib/commands/man.ts")).manCommand(COMMANDS),
  },
  help: {
    help: "show how a command is used",
    group: "host",
    load: async () => (await import("./lib/commands/help.ts")).helpCommand(COMMANDS),
  },
};

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
    complain((await import("./lib/commands/help_text.ts")).overview(COMMANDS));
    return new UsageError("").exitCode;
  }
  if (name === "--help" || name === "-h") return await dispatch(["help", ...rest]);
  if (name === "--version" || name === "version" || name === "-v" || name === "-V") {
    const { VERSION } = await import("./lib/version.ts");
    print(`libflux ${VERSION}\n`);
    return 0;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    if (name.startsWith("-")) {
      throw new UsageError(`"${printable(name)}" stands where the command belongs`, {
        hint: "flags come after it: libflux COMMAND [FLAG…]",
      });
    }
    throw (await import("./lib/commands/help.ts")).unknownCommand(name, COMMANDS);
  }
  const command = await entry.load();
  return await (typeof command === "function" ? command : command.run)(rest);
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
    if (level !== "error") {
      onWarning((sentence) => complain(`${paintName(printable(`libflux: warning: ${sentence}`), "yellow")}\n`));
    }
    return await dispatch(args);
  } catch (error) {
    complain(`${paintName(describe(error, level === "debug"), "red")}\n`);
    return error instanceof FluxError ? error.exitCode : 125;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
