/**
 * `libflux exec`: a command in a container that runs.
 *
 * @module
 */
import { attach, hasKeyboard, terminalSize } from "../attach.ts";
import { UsageError } from "../errors.ts";
import { exec, type ExecOptions } from "../exec.ts";
import type { ExecSession } from "../exec_session.ts";
import { parseDetachKeys } from "../spec/detach_keys.ts";
import { ENVIRONMENT_FLAGS, readEnvironment } from "./environment_flags.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { Signals } from "./forward.ts";
import { complain, print } from "./output.ts";

const ABOUT = `Runs COMMAND in the container NAME, beside the container's own and with all of its restrictions.

Exit code: the command's own; 128+n when signal n killed it; 125 when libflux failed, 126 when the command can't be
executed, 127 when it isn't there; 0 when the detach keys were typed.`;

const FORM = "write libflux exec NAME -- COMMAND [ARGUMENT…]";

/** All of them. */
export const EXEC_FLAGS: readonly Flag[] = [
  { name: "tty", short: "t", help: "give the command a terminal (default when run from one); --no-tty: don't" },
  { name: "interactive", short: "i", help: "pass standard input on (default); --no-interactive: don't" },
  { name: "detach", short: "d", help: "return when the command runs, and throw away what it writes" },
  {
    name: "detach-keys",
    value: "KEYS",
    help: "with a terminal, the keys that return and leave the command to itself: ctrl-p,ctrl-q; none by default",
  },
  { name: "user", short: "u", value: "USER[:GROUP]", help: "run as this user, by number or by name in the container" },
  {
    name: "workdir",
    short: "w",
    value: "DIR",
    complete: {},
    help: "the working directory inside; the container's by default",
  },
  ...ENVIRONMENT_FLAGS,
  { name: "privileged", help: "all capabilities that libflux has, and no seccomp filter: isolates nothing" },
];

/** `libflux exec`. */
export const EXEC: Command = {
  name: "exec",
  usage: ["exec NAME [FLAG…] -- COMMAND [ARGUMENT…]"],
  about: ABOUT,
  flags: EXEC_FLAGS,
  operands: { names: "running" },
  maxOperands: 1,
  examples: [
    { line: "libflux exec web -- sh", about: "look around in it" },
    { line: "libflux exec --user www-data --env MODE=fast web -- ./work" },
  ],
  run: execCommand,
};

/** A parsed `exec` command line. */
export interface ExecCommandLine {
  readonly name: string;
  readonly options: ExecOptions;
  /** `--tty` and `--no-tty`; nothing where it is left to the streams. */
  readonly tty: boolean | undefined;
  readonly interactive: boolean;
  readonly detach: boolean;
  readonly detachKeys: string | undefined;
}

/** Reads the arguments of `exec`. Throws a `UsageError` where they are wrong; nothing comes back for `--help`. */
export function parseExec(args: readonly string[]): ExecCommandLine | undefined {
  const flags = parseFlags("exec", EXEC_FLAGS, args);
  if (flags.on("help") === true) return undefined;
  const [name, ...extra] = flags.positional;
  if (name === undefined) throw new UsageError("no container is named", { hint: FORM });
  if (flags.rest === undefined || flags.rest.length === 0) {
    throw new UsageError("there is no command to run", {
      hint: extra.length > 0 ? `it goes after '--': libflux exec ${name} -- ${extra.join(" ")}` : FORM,
    });
  }
  if (extra.length > 0) {
    throw new UsageError(`"${extra[0]}" comes after the name and before '--'`, {
      hint: `the command goes after '--': ${FORM}`,
    });
  }
  const [detach, tty] = [flags.on("detach") ?? false, flags.on("tty")];
  if (detach && tty === true) {
    throw new UsageError("a command can't both be detached and have a terminal, which would hang up at once", {
      hint: "leave out --tty or --detach",
    });
  }
  const detachKeys = flags.value("detach-keys");
  if (detachKeys !== undefined && (detach || tty === false)) {
    throw new UsageError("--detach-keys are typed in a terminal, and this command has none", {
      hint: `leave out --detach-keys, or ${detach ? "--detach" : "--no-tty"}`,
    });
  }
  if (detachKeys !== undefined) parseDetachKeys(detachKeys);
  const given = {
    user: flags.value("user"),
    workdir: flags.value("workdir"),
    privileged: flags.on("privileged"),
    root: flags.value("root"),
  };
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return {
    name,
    options: { ...defined, command: flags.rest, env: readEnvironment(flags) },
    tty,
    interactive: flags.on("interactive") ?? true,
    detach,
    detachKeys,
  };
}

/** Runs the command; answers its exit code. */
export async function execCommand(args: readonly string[]): Promise<number> {
  const line = parseExec(args);
  if (line === undefined) {
    print(helpText(EXEC));
    return 0;
  }
  if (line.detach) {
    await exec(line.name, { ...line.options, stdin: "null", stdout: "null", stderr: "null" });
    return 0;
  }
  const keyboard = hasKeyboard();
  const tty = line.tty ?? (line.interactive && keyboard && Deno.stdout.isTerminal());
  using signals = new Signals(false, tty, "command");
  let session: ExecSession;
  try {
    session = await exec(line.name, {
      ...line.options,
      stdin: line.interactive && (keyboard || !Deno.stdin.isTerminal()) ? "inherit" : "null",
      stdout: "inherit",
      stderr: "inherit",
      signal: signals.signal,
      ...(tty ? { terminal: terminalSize() } : {}),
    });
  } catch (error) {
    if (signals.exitCode === undefined) throw error;
    return signals.exitCode;
  }
  signals.attach(session);
  const { detachKeys = "" } = line;
  const status = tty ? await attach(session, { detachKeys }) : await session.status;
  if (status !== undefined) return signals.exitCode ?? status.code;
  complain(`libflux: detached; the command goes on in ${line.name}\n`);
  return 0;
}
