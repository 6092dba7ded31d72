/**
 * Running programs from the tasks.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";

/** The top of the checkout. */
export const ROOT: string = fromFileUrl(new URL("..", import.meta.url)).replace(/\/$/, "");

/** How to run a program. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program after so many milliseconds. */
  readonly timeout?: number;
}

/** What a program left: its exit code and everything it wrote. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
}

function command(program: string, args: readonly string[], options: RunOptions, stdio: "inherit" | "piped") {
  return new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    stdout: stdio,
    stderr: stdio,
    env: { ...options.env },
    ...(options.timeout === undefined ? {} : { signal: AbortSignal.timeout(options.timeout) }),
  });
}

/** Runs a program on this terminal and answers its exit code; 127 where it can't be started. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<number> {
  try {
    return (await command(program, args, options, "inherit").spawn().status).code;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.error(`${program}: not found`);
    return 127;
  }
}

/** Runs a program and keeps what it writes. */
export async function capture(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  try {
    const { code, stdout, stderr } = await command(program, args, options, "piped").output();
    return { code, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { code: 127, output: `${program}: not found\n` };
  }
}

/** Runs a program, shows its standard output as it comes, and keeps it too. */
export async function tee(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    env: { ...options.env },
    ...(options.timeout === undefined ? {} : { signal: AbortSignal.timeout(options.timeout) }),
  }).spawn();
  const decoder = new TextDecoder();
  let output = "";
  for await (const chunk of child.stdout) {
    writeAll(chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  return { code: (await child.status).code, output };
}

function writeAll(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

/** The file that a command's name means, or a path; nothing where there is none. */
export function which(name: string): string | undefined {
  // not every user's PATH has the administrator's directories
  const path = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`;
  const directories = path.split(":").filter((part) => part.startsWith("/"));
  for (const file of name.startsWith("/") ? [name] : directories.map((directory) => `${directory}/${name}`)) {
    try {
      const info = Deno.statSync(file);
      if (info.isFile && ((info.mode ?? 0) & 0o111) !== 0) return file;
    } catch {
      // not this one
    }
  }
  return undefined;
}

/** `--config=FILE` of a task, as the argument that the `deno` commands below it get too. */
export function configArgs(args: readonly string[] = Deno.args): string[] {
  return args.filter((arg) => arg.startsWith("--config="));
}

/**
 * Integration tests get a mount and a network namespace made for the suite: what a failing test leaves there goes away
 * with the suite. In a new network namespace even `lo` is down. A state root of their own keeps the containers of this
 * machine apart, and a history of their own their logs.
 */
export const NAMESPACES: readonly string[] = [
  ...["unshare", "--mount", "--net", "sh", "-c"],
  "for d in /run/libflux /var/lib/libflux; do mkdir -p -m 700 $d && mount -t tmpfs -o mode=700 none $d || exit; done; " +
  'ip link set lo up && exec "$@"',
  "sh",
];

/**
 * Begins a command in a mount namespace of its own, where nothing is seen of a v2 hierarchy beside v1: crun before 1.9
 * refuses to start on such a host, even with cgroups turned off.
 */
export const WITHOUT_HYBRID = `p=/sys/fs/cgroup/unified; if test -d $p; then mount -t tmpfs none $p; fi; exec "$@"`;
