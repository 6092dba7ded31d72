/**
 * `libflux stop`, `kill`, `wait`, `restart` and `rename`: the end of containers, and what else can become of them.
 *
 * @module
 */
import { FluxError, UsageError } from "../errors.ts";
import { kill, restart, stop, type StopOptions, wait } from "../lifecycle.ts";
import { list } from "../list.ts";
import { rename } from "../rename.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, type Parsed, parseFlags } from "./flags.ts";
import { print } from "./output.ts";
import { tellError } from "./tell.ts";
import { parseSignal, readSeconds, readSignal, SIGNAL_NAMES } from "./signal_flags.ts";

const TIME: Flag = {
  name: "time",
  short: "t",
  value: "SECONDS",
  help: "how long it has to end by itself before it is killed; 10 by default, or what it was started with",
};
const ALL: Flag = { name: "all", short: "a", help: "all that run" };

const SIGNAL: Flag = {
  name: "signal",
  short: "s",
  value: "SIGNAL",
  complete: SIGNAL_NAMES,
  help: "what asks it to end; SIGTERM by default",
};

/** `libflux stop`. */
export const STOP: Command = {
  name: "stop",
  usage: ["stop [FLAG…] NAME…"],
  about: "Ends containers: asks them to by a signal, and kills those that are still there after a while.",
  flags: [TIME, SIGNAL, ALL],
  operands: { names: "running" },
  examples: [{ line: "libflux stop --time 30 web db" }],
  run: stopCommand,
};

/** `libflux kill`. */
export const KILL: Command = {
  name: "kill",
  usage: ["kill [FLAG…] NAME…"],
  about: "Sends a signal to the commands of containers; SIGKILL ends the whole container.",
  flags: [{ ...SIGNAL, help: "which one; SIGKILL by default" }, ALL],
  operands: { names: "running" },
  examples: [{ line: "libflux kill --signal HUP web" }],
  run: killCommand,
};

/** `libflux wait`. */
export const WAIT: Command = {
  name: "wait",
  usage: ["wait NAME…"],
  about: "Waits until containers have ended, and prints their exit codes.",
  flags: [],
  operands: { names: "running" },
  run: waitCommand,
};

/** `libflux restart`. */
export const RESTART: Command = {
  name: "restart",
  usage: ["restart [FLAG…] NAME…"],
  about: "Stops containers if they run, and starts them again with the same options, in the background.",
  flags: [TIME],
  operands: { names: "containers" },
  run: restartCommand,
};

/** `libflux rename`. */
export const RENAME: Command = {
  name: "rename",
  usage: ["rename NAME NEW"],
  about: "Gives a container in the background, or one that has ended, another name.",
  flags: [],
  operands: { names: "containers" },
  maxOperands: 1,
  run: renameCommand,
};

interface Line {
  readonly flags: Parsed;
  readonly names: readonly string[];
  readonly root: { readonly root?: string };
}

async function parse(help: Command, args: readonly string[]): Promise<Line | undefined> {
  const command = help.name;
  const flags = parseFlags(command, help.flags, args);
  if (flags.on("help") === true) {
    print(helpText(help));
    return undefined;
  }
  const given = flags.value("root");
  const root = given === undefined ? {} : { root: given };
  const named = [...flags.positional, ...(flags.rest ?? [])];
  const all = help.flags.includes(ALL) && flags.on("all") === true;
  if (all && named.length > 0) {
    throw new UsageError(`'libflux ${command}' takes names or --all, and not both`);
  }
  const names = all ? (await list(root)).map(({ name }) => name) : [...new Set(named)];
  if (names.length === 0 && !all) {
    throw new UsageError(`'libflux ${command}' needs a name`, { hint: `write libflux ${command} NAME` });
  }
  return { flags, names, root };
}

/** Does it to all of them at the same time; what fails for one keeps nobody from the others. */
async function toEach(
  doing: string,
  names: readonly string[],
  body: (name: string) => Promise<string>,
): Promise<number> {
  const { withProgress } = await import("./progress.ts");
  const left = new Set(names);
  const what = (): string => `${doing} ${left.size === 1 ? [...left][0] : `${left.size} containers`}`;
  const all = await withProgress(
    what,
    () => Promise.allSettled(names.map((name) => body(name).finally(() => left.delete(name)))),
  );
  let code = 0;
  for (const one of all) {
    if (one.status === "fulfilled") print(one.value === "" ? "" : `${one.value}\n`);
    else {
      await tellError(one.reason);
      code = one.reason instanceof FluxError ? one.reason.exitCode : 125;
    }
  }
  return code;
}

/** Runs `stop`; answers the exit code. */
export async function stopCommand(args: readonly string[]): Promise<number> {
  const line = await parse(STOP, args);
  if (line === undefined) return 0;
  const [time, sent] = [readSeconds(line.flags, "time"), readSignal(line.flags, "signal")];
  const options: StopOptions = {
    ...line.root,
    ...(time === undefined ? {} : { time }),
    ...(sent === undefined ? {} : { signal: sent }),
  };
  return await toEach("stopping", line.names, async (name) => {
    await stop(name, options);
    return name;
  });
}

/** Runs `kill`; answers the exit code. */
export async function killCommand(args: readonly string[]): Promise<number> {
  const line = await parse(KILL, args);
  if (line === undefined) return 0;
  const signal = parseSignal(line.flags.value("signal") ?? "SIGKILL", "signal");
  return await toEach("killing", line.names, async (name) => {
    await kill(name, signal, line.root);
    return name;
  });
}

/** Runs `wait`; answers the exit code. */
export async function waitCommand(args: readonly string[]): Promise<number> {
  const line = await parse(WAIT, args);
  if (line === undefined) return 0;
  return await toEach("waiting for", line.names, async (name) => {
    const { code } = await wait(name, line.root);
    if (code !== undefined) return String(code);
    throw new FluxError(`nobody has written down how the container ${name} has ended`, {
      hint: "its libflux was killed, or it has no record: see --log-driver",
    });
  });
}

/** Runs `restart`; answers the exit code. */
export async function restartCommand(args: readonly string[]): Promise<number> {
  const line = await parse(RESTART, args);
  if (line === undefined) return 0;
  const time = readSeconds(line.flags, "time");
  return await toEach("restarting", line.names, async (name) => {
    await restart(name, { ...line.root, ...(time === undefined ? {} : { time }) });
    return name;
  });
}

/** Runs `rename`; answers the exit code. */
export async function renameCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("rename", [], args);
  if (flags.on("help") === true) {
    print(helpText(RENAME));
    return 0;
  }
  const [name, to, ...more] = [...flags.positional, ...flags.rest ?? []];
  if (name === undefined || to === undefined || more.length > 0) {
    throw new UsageError("'libflux rename' takes two names", { hint: "write libflux rename NAME NEW" });
  }
  const root = flags.value("root");
  await rename(name, to, root === undefined ? {} : { root });
  return 0;
}
