/**
 * The two implementations of iptables, both at hand, whichever the command is, and ways to make the command fail.
 *
 * `iptables`, `ip6tables-restore` and so on are all links to one program for each implementation, which goes by the name it
 * is called by: another file mounted over that program is another implementation, for everything in this mount namespace.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { ROOT } from "../trees.ts";
import { execute, must } from "./place.ts";

/** An implementation of iptables: by the kernel's nf_tables, or by what came before. */
export type Backend = "nft" | "legacy";

const DIRECTORY = `${ROOT}build/lab`;

/** Copies of the programs that nothing is ever mounted over. */
function copies(): ReadonlyMap<Backend, string> {
  Deno.mkdirSync(DIRECTORY, { recursive: true });
  return new Map((["nft", "legacy"] as const).flatMap((backend) => {
    const copy = `${DIRECTORY}/xtables-${backend}-multi`;
    try {
      // A new file each time: another one may be running the old.
      Deno.copyFileSync(`/usr/sbin/xtables-${backend}-multi`, `${copy}.${Deno.pid}`);
      Deno.renameSync(`${copy}.${Deno.pid}`, copy);
      return [[backend, copy] as const];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }));
}

const PROGRAMS = copies();

/** Whether this kernel has tables for a program; asked where looking makes none that would stay. */
async function works(program: string): Promise<boolean> {
  return (await execute(["unshare", "--net", program, "iptables", "-t", "nat", "-S"])).code === 0;
}

/** The implementations that this machine and its kernel have. */
export const BACKENDS: readonly Backend[] =
  (await Promise.all([...PROGRAMS].map(async ([backend, program]) => await works(program) ? [backend] : []))).flat();

/** The command line of a program of one implementation, such as `iptables-save`. */
export function xtables(backend: Backend, program: string): string[] {
  return [PROGRAMS.get(backend) ?? `no iptables-${backend} on this machine`, program];
}

/** Mounts a file over another, as long as the variable lasts. */
export async function mounted(file: string, path: string): Promise<AsyncDisposable> {
  const target = await Deno.realPath(path);
  await must("mount", "--bind", file, target);
  return {
    [Symbol.asyncDispose]: async () => {
      // A tool that libflux doesn't wait for may still be about to end.
      for (let tries = 0; tries < 100 && (await execute(["umount", target])).code !== 0; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertEquals(Deno.readTextFileSync("/proc/self/mountinfo").includes(` ${target} `), false, `${target} is in use`);
    },
  };
}

/** What every link means. */
const COMMAND = "/usr/sbin/iptables";

/** Makes the commands those of one implementation, as long as the variable lasts. */
export function useBackend(backend: Backend): Promise<AsyncDisposable> {
  return mounted(PROGRAMS.get(backend) ?? `no iptables-${backend} on this machine`, COMMAND);
}

/** Commands that fail, as long as the variable lasts. */
export interface Broken extends AsyncDisposable {
  /** How many have been called. */
  readonly calls: () => number;
}

/**
 * Makes commands fail: they end with code 2 and "the lab has broken this".
 *
 * @param pattern Which of them, in the shell's language: `*-restore`.
 * @param only Which of their calls fails, from 1; all of them if left out.
 */
export async function breakCommands(pattern: string, only?: number): Promise<Broken> {
  const program = [...PROGRAMS.values()][0];
  const script = `${DIRECTORY}/broken-${Deno.pid}`;
  const calls = `${script}.calls`;
  Deno.mkdirSync(calls);
  Deno.writeTextFileSync(
    script,
    `#!/bin/sh
case \${0##*/} in
${pattern})
  # several may be called at once: each takes the next number that nobody has
  number=1
  until mkdir ${calls}/$number 2>/dev/null; do number=$((number + 1)); done
  if ${only === undefined ? "true" : `[ $number -eq ${only} ]`}; then
    echo "\${0##*/}: the lab has broken this" >&2
    exit 2
  fi
esac
exec ${program} "\${0##*/}" "$@"
`,
  );
  Deno.chmodSync(script, 0o755);
  const mount = await mounted(script, COMMAND);
  return {
    calls: () => Array.from(Deno.readDirSync(calls)).length,
    [Symbol.asyncDispose]: async () => {
      await mount[Symbol.asyncDispose]();
      Deno.removeSync(script);
      Deno.removeSync(calls, { recursive: true });
    },
  };
}

/** Makes a host without iptables, as long as the variable lasts: its links lead nowhere. */
export async function withoutCommands(): Promise<AsyncDisposable> {
  const directory = "/etc/alternatives";
  await must("mount", "-t", "tmpfs", "none", directory);
  return { [Symbol.asyncDispose]: async () => void await must("umount", directory) };
}

/** Commands that go no further until they are let go. */
export interface Held extends AsyncDisposable {
  /** Waits until one has been called. */
  readonly called: () => Promise<void>;
  readonly release: () => void;
}

/** Holds commands up, for a minute at most. @param pattern As for {@linkcode breakCommands}. */
export async function holdCommands(pattern: string): Promise<Held> {
  const program = [...PROGRAMS.values()][0];
  const script = `${DIRECTORY}/held-${Deno.pid}`;
  const [called, go] = [`${script}.called`, `${script}.go`];
  Deno.writeTextFileSync(
    script,
    `#!/bin/sh
case \${0##*/} in
${pattern})
  : >${called}
  count=0
  until [ -e ${go} ] || [ $count = 600 ]; do count=$((count + 1)); sleep 0.1; done
esac
exec ${program} "\${0##*/}" "$@"
`,
  );
  Deno.chmodSync(script, 0o755);
  const mount = await mounted(script, COMMAND);
  const exists = (path: string): boolean =>
    Array.from(Deno.readDirSync(DIRECTORY)).some(({ name }) => path.endsWith(`/${name}`));
  const release = (): void => Deno.writeTextFileSync(go, "");
  return {
    called: async () => {
      for (let tries = 0; tries < 600 && !exists(called); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assertEquals(exists(called), true, "nobody has called it");
    },
    release,
    [Symbol.asyncDispose]: async () => {
      release();
      await mount[Symbol.asyncDispose]();
      for (const path of [script, called, go]) Deno.removeSync(path);
    },
  };
}
