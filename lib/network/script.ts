/**
 * Runs the host's network programs with a script on their standard input, such as `iptables-restore`.
 *
 * The only place that imports dax, and only when it is called: dax and what it imports of Node take 40 ms and 24 MB, more
 * than all else that libflux does. A packed executable has dax in a second bundle, for which `tasks/packer/lazy.ts` looks
 * for the literal `import("@david/dax")`.
 *
 * @module
 */
import { NetworkError } from "../errors.ts";
import { DIRECTORIES, findProgram } from "../store/programs.ts";

/** All that a program gets of an environment: nothing of the caller's may change what it loads, or its language. */
const ENVIRONMENT = { PATH: DIRECTORIES.join(":"), LC_ALL: "C" } as const;

/**
 * Runs its arguments, and never parses them. dax answers 0 for a program that a signal has ended, which here would be a
 * firewall that isn't there: a shell answers 128 and the signal's number. And dax answers 1 for a program that ends
 * without reading all of its input: the shell reads what is left.
 */
const WRAPPER = '"$@"; code=$?; read -r rest && cat >/dev/null; exit $code';

/** What a program left. */
export interface ScriptResult {
  /** The exit code; 128 and the signal's number where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a program is. */
function find(program: string): string {
  const found = findProgram(program);
  if (found !== undefined) return found;
  const what = /^ip6?tables/.test(program)
    ? "what Debian calls iptables"
    : /^(ip|bridge|tc)$/.test(program)
    ? "what Debian calls iproute2"
    : "it";
  throw new NetworkError(`\`${program}\` is not there`, {
    path: program,
    hint: `install ${what} into one of ${DIRECTORIES.join(", ")}`,
  });
}

/**
 * Runs a program with a text on its standard input, by dax.
 *
 * @param program Its name; it is looked for in the system's own directories.
 * @param args Its arguments, which reach it as they are.
 * @param input What it reads.
 * @returns Exit code, stdout and stderr as text: an exit code other than 0 isn't thrown.
 * @throws {NetworkError} The program isn't there.
 */
export async function script(program: string, args: readonly string[], input: string): Promise<ScriptResult> {
  // paths, not names: dax has a `cat` and other commands of its own
  const command = [find("sh"), "-c", WRAPPER, "sh", find(program), ...args];
  const { CommandBuilder } = await import("@david/dax");
  const { code, stdout, stderr } = await new CommandBuilder()
    .command(command)
    .clearEnv()
    .env(ENVIRONMENT)
    // the caller's may be gone
    .cwd("/")
    .stdinText(input)
    .stdout("piped")
    .stderr("piped")
    .noThrow();
  return { code, stdout, stderr };
}
