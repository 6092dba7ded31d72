/**
 * `libflux run`: a container in the foreground, wired to this terminal.
 *
 * @module
 */
import { attach, hasKeyboard, terminalSize } from "../attach.ts";
import { type Container, type ContainerStatus, run } from "../container.ts";
import { onWarning } from "../warnings.ts";
import type { Command } from "./command.ts";
import { helpText } from "./flags.ts";
import { complain, print } from "./output.ts";
import { Signals } from "./forward.ts";
import { tellUser } from "./tell.ts";
import { parseRun, RUN_FLAGS } from "./run_flags.ts";

/** `libflux run`. */
export const RUN: Command = {
  name: "run",
  usage: ["run NAME [--image ROOTFS] [FLAG…] -- COMMAND [ARGUMENT…]"],
  about:
    `Runs COMMAND in a new container of its own. When it has ended, a record and its log are left, for 'libflux logs' and
'libflux ps --all', until the name is used again; with --rm nothing is.

Exit code: the command's own; 128+n when signal n killed it; 125 when libflux failed, 126 when the command can't be
executed, 127 when it isn't there.`,
  flags: RUN_FLAGS,
  maxOperands: 1,
  examples: [
    { line: 'libflux run hello -- echo "hello from inside"', about: "this host's own files, copy-on-write" },
    { line: "libflux run web --image /srv/debian -p 8080:80 -- nginx -g 'daemon off;'" },
    { line: "libflux run job --image /srv/debian --memory 512M --cpus 1.5 --bind ./data:/data:ro -- ./work --all" },
  ],
  run: runCommand,
};

function report(container: Container, { started, finished, usage = {} }: ContainerStatus): void {
  const { create, clone, start, tearDown } = container.timings;
  const rows: (readonly [string, number])[] = [
    ["create: options to sealed image", create],
    ["clone: new namespaces", clone],
    ["launch: mounts, pivot, credentials, exec", start - clone],
    ["run: the command itself", finished.getTime() - started.getTime()],
    ["tear down: back to a clean host", tearDown],
  ];
  const { memoryPeak, cpuTime, throttledTime } = usage;
  if (cpuTime !== undefined) rows.push(["CPU time of all processes", cpuTime]);
  if (throttledTime !== undefined && throttledTime > 0) rows.push(["held back by the CPU limit", throttledTime]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, time]) => `${name.padEnd(width)}  ${time.toFixed(2).padStart(9)} ms`);
  if (memoryPeak !== undefined) {
    lines.push(`${"most memory at one time".padEnd(width)}  ${mebibytes(memoryPeak).padStart(12)}`);
  }
  complain(`${lines.join("\n")}\n`);
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Why a command was killed, or failed, that had no memory left. */
function outOfMemory({ signal, usage = {} }: ContainerStatus): string {
  const { memoryLimit, memoryPeak } = usage;
  const parts = [
    ...(memoryLimit === undefined ? [] : [`limit ${mebibytes(memoryLimit)}`]),
    ...(memoryPeak === undefined ? [] : [`peak ${mebibytes(memoryPeak)}`]),
  ];
  const who = signal === "SIGKILL" ? "killed" : "a process of the container was killed";
  return `${who}: out of memory${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

/** Runs the command; answers its exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  const line = parseRun("run", args);
  if (line === undefined) {
    print(helpText(RUN));
    return 0;
  }
  if (line.detach) return await (await import("./detach.ts")).runInBackground(line);
  const interactive = line.interactive ?? true;
  const keyboard = hasKeyboard();
  const tty = line.tty ?? (interactive && keyboard && Deno.stdout.isTerminal());
  if (line.quiet) onWarning(undefined);
  using signals = new Signals(line.quiet, tty);
  let container: Container;
  try {
    container = await run({
      ...line.options,
      // A background job takes no keys, whether or not its command would read them.
      stdin: interactive && (keyboard || !Deno.stdin.isTerminal()) ? "inherit" : "null",
      stdout: "inherit",
      stderr: "inherit",
      measure: line.time,
      remove: line.remove,
      signal: signals.signal,
      ...(tty ? { terminal: terminalSize() } : {}),
    });
  } catch (error) {
    if (signals.exitCode === undefined) throw error;
    return signals.exitCode;
  }
  signals.attach(container);
  const status = tty ? await attach(container) : await container.status;
  if (status.outOfMemory === true) tellUser(outOfMemory(status));
  if (line.time) report(container, status);
  return signals.exitCode ?? status.code;
}
