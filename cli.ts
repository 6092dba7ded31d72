#!/usr/bin/env -S deno run -A
/**
 * The command `libflux`: all that it can do, and where that is.
 *
 * @module
 */
import type { Commands } from "./lib/commands/command.ts";
import { runLine } from "./lib/commands/main.ts";

/** Every command: what it is for, and where all else about it is. */
export const COMMANDS: Commands = {
  run: {
    help: "run a command in a new container",
    group: "running",
    load: async () => (await import("./lib/commands/run.ts")).RUN,
  },
  exec: {
    help: "run a command in a container that runs",
    group: "running",
    load: async () => (await import("./lib/commands/exec.ts")).EXEC,
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
  events: {
    help: "show what happens to containers",
    group: "looking",
    load: async () => (await import("./lib/commands/events.ts")).EVENTS,
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

/**
 * Runs one command line.
 *
 * @param args Without the program's name.
 * @returns The exit code.
 */
export async function main(args: readonly string[]): Promise<number> {
  return await runLine(args, COMMANDS);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
