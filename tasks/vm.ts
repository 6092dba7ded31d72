/**
 * `deno task test:vm`: runs the integration tests on a kernel with nothing but cgroup v2, in a virtual machine, and ends
 * with the line `N passed, N failed`.
 *
 * `deno task test:vm [--systemd [--user] [--delegate=CONTROLLERS]] [FILE…]` runs those test files, with systemd as PID 1,
 * as an ordinary user with a session, whose `user@.service` hands down those controllers ("" is none).
 * `deno task test:vm --selinux [FILE…]` does with SELinux, which enforces a policy of the tests'.
 * `deno task test:vm [--systemd …|--selinux] -- COMMAND` runs a command there instead.
 *
 * @module
 */
import { kernel, MachineError } from "../tests/vm/kernel.ts";
import { type MachineOptions, runInMachine, TIMED_OUT } from "../tests/vm/machine.ts";
import { selinux } from "../tests/vm/selinux.ts";
import { systemd, type SystemdOptions } from "../tests/vm/systemd.ts";
import { BINARY, build } from "./build.ts";
import { capture, configArgs, NAMESPACES, ROOT, run, which } from "./process.ts";
import { setup, SetupError } from "./setup.ts";
import { addSummaries, readSummary, type Summary, summaryLine } from "./summary.ts";

/** The whole suite, in milliseconds: a half takes 15 minutes on a busy machine with two cores, and one that hangs must end. */
const TIMEOUT = 45 * 60_000;

/** How much longer than on a host everything may take. */
const PATIENCE = 6;

/** Why there can be no virtual machine here; nothing where there can. */
export async function unavailable(): Promise<string | undefined> {
  if (Deno.build.arch !== "x86_64") return "the virtual machine with cgroup v2 is made for x86-64 hosts only";
  const isKnown = async (): Promise<boolean> => (await capture("apt-cache", ["show", "linux-image-amd64"])).code === 0;
  const hasApt = which("apt-cache") !== undefined;
  // A machine that has never asked knows no package.
  if (hasApt && Deno.uid() === 0 && !await isKnown()) await capture("apt-get", ["update", "-qq"]);
  return hasApt && await isKnown()
    ? undefined
    : "the virtual machine with cgroup v2 needs Debian's packages, which this system hasn't got";
}

/** Where Deno keeps what it has compiled: found warm by the Deno in the machine. */
async function denoDirectory(): Promise<string> {
  const { denoDir } = JSON.parse((await capture(Deno.execPath(), ["info", "--json"])).output);
  if (typeof denoDir !== "string") throw new MachineError("deno info doesn't tell where its directory is");
  return denoDir;
}

function write(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

type Command = Pick<MachineOptions, "command"> & Partial<MachineOptions>;

/** Runs a command in the machine, with this Deno and what the tests need. */
async function inMachine(options: Command): Promise<number> {
  const denoDir = await denoDirectory();
  const deno = Deno.execPath();
  const directory = deno.slice(0, deno.lastIndexOf("/"));
  return await runInMachine({
    timeout: TIMEOUT,
    output: write,
    needs: [denoDir, directory],
    ...options,
    env: {
      DENO_DIR: denoDir,
      PATH: `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${directory}`,
      NO_COLOR: "1",
      LIBFLUX_TEST_PATIENCE: String(PATIENCE),
      LIBFLUX_TEST_DISK: "/run/disk",
      ...options.env,
    },
  });
}

const FOLDERS: readonly string[] = ["tests/vm", "tests/integration"];

/**
 * Wrong arguments and what is said about them: libflux alone decides that, before it asks the kernel for anything, and
 * its 300 starts take three minutes there. All that touches cgroups runs there.
 */
const IGNORED: readonly string[] = [
  "tests/vm/systemd",
  "tests/vm/selinux",
  // Of an ordinary user, whom enter.sh makes: run on the host.
  "tests/integration/rootless",
  "tests/integration/errors_test.ts",
  "tests/integration/errors_details_test.ts",
  // Servers and compilers, which say nothing about cgroups. The dangerous operations are tried there.
  "tests/integration/operations/everyday_test.ts",
  // Logs, copies, terminals, signals, paths and shells, which say nothing about cgroups either.
  "tests/integration/logs",
  ...[
    "attacks/archive",
    "attacks/copy",
    "attacks/rootfs",
    "caller",
    "commands",
    "completion",
    "copy",
    "descriptors",
    "diff",
    "display",
  ]
    .map((name) => `tests/integration/${name}_test.ts`),
  ...["exec_terminal", "hidepid", "library", "signals", "signals_details", "terminal", "terminal_modes"]
    .map((name) => `tests/integration/${name}_test.ts`),
  ...["attach", "attach_attacks", "attach_terminal", "rename", "restart"]
    .map((name) => `tests/integration/detached/${name}_test.ts`),
];

/** Of networks one file tells whether this kernel has what they take: the emulator takes 30 seconds for a test of theirs. */
const [NETWORKS, HOSTS] = ["tests/integration/network", "hosts_test.ts"];

/** The test files of a folder; `deno test --ignore` heeds only the first of several folders. */
function testFiles(folder: string): string[] {
  return Array.from(Deno.readDirSync(`${ROOT}/${folder}`)).flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (IGNORED.includes(path) || folder === NETWORKS && name !== HOSTS) return [];
    return isDirectory ? testFiles(path) : name.endsWith("_test.ts") ? [path] : [];
  }).sort();
}

/** Tests that need systemd as PID 1, and those that need SELinux. */
const [SYSTEMD_FILES, SELINUX_FILES] = ["tests/vm/systemd", "tests/vm/selinux"];

/** How the tests are run. */
interface SuiteOptions {
  /** With systemd as PID 1. */
  readonly systemd?: SystemdOptions;
  /** With SELinux, which enforces a policy. */
  readonly selinux?: boolean;
}

/** Makes ready what every machine needs: nothing of it may be made twice at the same time. */
async function prepare(files: readonly string[]): Promise<boolean> {
  await setup("vm");
  await kernel();
  if (!await build({ output: BINARY, quiet: true })) throw new MachineError("./libflux could not be built");
  // Types are checked here: there it would take half a minute.
  if (await run(Deno.execPath(), ["check", "--quiet", ...configArgs(), ...files]) !== 0) return false;
  await capture(Deno.execPath(), ["cache", ...configArgs(), "mod.ts", "cli.ts", "tasks/cgroup_cost.ts"]);
  if (await run(Deno.execPath(), ["run", "-A", ...configArgs(), "tests/integration/prepare.ts"]) !== 0) {
    throw new MachineError("tests/integration/prepare.ts failed");
  }
  return true;
}

/** Runs test files in a machine of their own. @param tell Gets what is printed, as it comes. */
async function runFiles(
  files: readonly string[],
  options: SuiteOptions,
  tell: (bytes: Uint8Array) => void,
): Promise<Summary> {
  const say = (line: string): void => tell(new TextEncoder().encode(`${line}\n`));
  const begin = performance.now();
  const test = ["test", "-A", "--no-check", "--cached-only", ...configArgs()];
  const isPlain = options.systemd === undefined && options.selinux !== true;
  const command = isPlain
    ? [
      // The cost of cgroups, for information, in the same boot.
      ...["sh", "-c", '"$@"; code=$?; "$0" run -A --no-check --cached-only tasks/cgroup_cost.ts; exit $code'],
      Deno.execPath(),
      ...[...NAMESPACES, Deno.execPath(), ...test, ...files],
    ]
    : [Deno.execPath(), ...test, ...files];
  const decoder = new TextDecoder();
  let text = "";
  say(
    `\n== integration tests in a virtual machine with cgroup v2${
      options.systemd ? " and systemd" : options.selinux ? " and SELinux" : ""
    }`,
  );
  const code = await inMachine({
    ...(options.systemd === undefined ? {} : await systemd(options.systemd)),
    ...(options.selinux === true ? await selinux() : {}),
    command,
    output: (bytes) => {
      tell(bytes);
      text += decoder.decode(bytes, { stream: true });
    },
  });
  if (code >= TIMED_OUT) say(`test: the virtual machine ended with code ${code}`);
  say(`the virtual machine took ${Math.round((performance.now() - begin) / 1000)} seconds`);
  return readSummary(text, code);
}

/** Runs the integration tests there, or with systemd those that need it. */
async function vmTests(files: readonly string[], options: SuiteOptions = {}): Promise<Summary> {
  return await prepare(files) ? await runFiles(files, options, write) : { passed: 0, failed: 1 };
}

/** Parts with about as many tests each: a machine keeps one core busy, whatever it runs. Pure. */
export function halves(files: readonly string[], countOf: (file: string) => number): [string[], string[]] {
  const parts: [string[], string[]] = [[], []];
  const sizes = [0, 0];
  for (const file of files.toSorted((a, b) => countOf(b) - countOf(a))) {
    const index = (sizes[0] ?? 0) <= (sizes[1] ?? 0) ? 0 : 1;
    parts[index].push(file);
    sizes[index] = (sizes[index] ?? 0) + countOf(file);
  }
  return [parts[0].sort(), parts[1].sort()];
}

function countTests(file: string): number {
  return Deno.readTextFileSync(`${ROOT}/${file}`).match(/^(\w*Test|Deno\.test)\(/gm)?.length ?? 0;
}

/** All of them: two machines without systemd, side by side, and one with it. */
export async function allVmTests(): Promise<Summary[]> {
  const files = FOLDERS.flatMap(testFiles);
  if (!await prepare([...files, SYSTEMD_FILES, SELINUX_FILES])) return [{ passed: 0, failed: 1 }];
  const [first, second] = halves(files, countTests);
  // What the second prints comes after the first: two at once nobody could read.
  const later: Uint8Array[] = [];
  const keep = (bytes: Uint8Array): void => void later.push(bytes.slice());
  const beside = (async () => [
    await runFiles([SYSTEMD_FILES], { systemd: { user: false } }, keep),
    await runFiles([SELINUX_FILES], { selinux: true }, keep),
    await runFiles(second, {}, keep),
  ])();
  beside.catch(() => {});
  const summary = await runFiles(first, {}, write);
  const others = await beside;
  later.forEach(write);
  return [summary, ...others];
}

function systemdFlags(flags: readonly string[]): SystemdOptions | undefined {
  if (!flags.includes("--systemd")) return undefined;
  const delegate = flags.find((flag) => flag.startsWith("--delegate="))?.slice("--delegate=".length);
  return { user: flags.includes("--user"), ...(delegate === undefined ? {} : { delegate }) };
}

async function main(): Promise<number> {
  const separator = Deno.args.indexOf("--");
  const flags = separator < 0 ? Deno.args : Deno.args.slice(0, separator);
  const command = separator < 0 ? [] : Deno.args.slice(separator + 1);
  const reason = await unavailable();
  try {
    if (reason !== undefined) throw new MachineError(reason);
    const asked = systemdFlags(flags);
    const hasSelinux = flags.includes("--selinux");
    if (asked !== undefined && hasSelinux) {
      throw new MachineError("--systemd and --selinux are two machines: ask for one");
    }
    if (command.length > 0) {
      await setup("vm");
      const how = asked === undefined ? hasSelinux ? await selinux() : {} : await systemd(asked);
      return await inMachine({ ...how, command });
    }
    const files = flags.filter((flag) => !flag.startsWith("-"));
    const summary = files.length === 0
      ? addSummaries(await allVmTests())
      : await vmTests(files, asked === undefined ? { selinux: hasSelinux } : { systemd: asked });
    console.log(`\n${summaryLine(summary)}`);
    return summary.failed === 0 && summary.passed > 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof MachineError || error instanceof SetupError)) throw error;
    console.error(`test:vm: ${error.message}`);
    console.log(`\n${summaryLine({ passed: 0, failed: 1 })}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
