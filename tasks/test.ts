/**
 * `deno task test [unit|integration]`: runs the tests and ends with the line `N passed, N failed`. Without a word it is
 * all of them, those in a virtual machine too.
 *
 * @module
 */
import { MachineError } from "../tests/vm/kernel.ts";
import { BINARY, build } from "./build.ts";
import { capture, configArgs, NAMESPACES, ROOT, run, tee, which } from "./process.ts";
import { setup, SetupError } from "./setup.ts";
import { allVmTests, unavailable } from "./vm.ts";
import { addSummaries, readSummary, type Summary, summaryLine } from "./summary.ts";

/** A run that takes longer hangs. */
const TIMEOUT = 12 * 60_000;

const FAILURE: Summary = { passed: 0, failed: 1 };

function failure(sentence: string): Summary {
  console.error(`test: ${sentence}`);
  return FAILURE;
}

async function denoTest(
  title: string,
  args: readonly string[],
  wrapper: readonly string[] = [],
  deno: string = Deno.execPath(),
): Promise<Summary> {
  console.log(`\n== ${title}`);
  const [program = "", ...rest] = [...wrapper, deno, "test", "-A", ...configArgs(), ...args];
  const { code, output } = await tee(program, rest, { timeout: TIMEOUT });
  const summary = readSummary(output, code);
  if (!/^\S*(ok|FAILED)\S* \| /m.test(output)) console.error(`test: ${title}: ended without a result (code ${code})`);
  return summary;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(`${ROOT}/${path}`);
    return true;
  } catch {
    return false;
  }
}

/**
 * Tests that look at descriptors and children, or run what they have just written: a parallel run is one process, and
 * whatever another test starts meanwhile has the file open for writing too (ETXTBSY).
 */
const ALONE = [
  "tests/ffi/execute_test.ts",
  "tests/ffi/interpreter_test.ts",
  "tests/ffi/reactor_test.ts",
  "tests/ffi/sequence_test.ts",
  "tests/ffi/spawn_test.ts",
  "tests/lib/logs/follow_test.ts",
  "tests/tasks/stub_test.ts",
];

async function unit(): Promise<Summary[]> {
  return [
    await denoTest("unit tests", ["--parallel", `--ignore=tests/integration,tests/vm,${ALONE.join(",")}`, "tests"]),
    await denoTest("unit tests that watch the whole process", ALONE),
  ];
}

/** Tests of containers of ordinary users, and what makes such a user. */
const ROOTLESS = "tests/integration/rootless";

/** What is about bridges, which an ordinary user hasn't got. What else takes root says so, by `rootTest`. */
const BRIDGES = "tests/integration/network";

/** Nobody else's processes are in sight there, nor what those leave. */
const OWN_PROCESSES = [
  ...["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"],
  ...["sh", "-c", '"$@"; exit $?', "sh"],
];

/** The whole suite once more as an ordinary user, with and without ranges of ids. */
async function rootless(): Promise<Summary[]> {
  const results: Summary[] = [];
  for (const [ranges, words] of [["ranges", "with ranges of ids"], ["single", "without ranges of ids"]] as const) {
    results.push(
      await denoTest(
        `integration tests as an ordinary user, ${words}`,
        // Their types were checked before, and this user has no cache.
        ["--no-check", `--ignore=${BRIDGES}`, "tests/integration"],
        [...OWN_PROCESSES, `${ROOT}/${ROOTLESS}/enter.sh`, ranges, ROOT, Deno.execPath()],
        // enter.sh has put it where every user can execute it.
        "deno",
      ),
    );
  }
  return results;
}

async function integration(): Promise<Summary[]> {
  if (Deno.uid() !== 0) {
    return [failure("integration tests need root; run them as root, or only `deno task test:unit`")];
  }
  if (which("unshare") === undefined) return [failure("`unshare` is missing; install what Debian calls util-linux")];
  const results: Summary[] = [];
  if (!await build({ output: BINARY, quiet: true })) results.push(failure("./libflux could not be built"));
  // from here on there is no network: what the tests import, and what they prepare, has to be there before
  await capture(Deno.execPath(), ["cache", ...configArgs(), "mod.ts", "cli.ts"]);
  if (exists("tests/integration/prepare.ts")) {
    const code = await run(Deno.execPath(), ["run", "-A", ...configArgs(), "tests/integration/prepare.ts"]);
    if (code !== 0) results.push(failure("tests/integration/prepare.ts failed"));
  }
  results.push(
    await denoTest("integration tests", [`--ignore=${ROOTLESS}`, "tests/integration"], NAMESPACES),
  );
  results.push(...await rootless());
  results.push(
    await denoTest("examples in the documentation", ["--doc", "--parallel", "mod.ts", "lib", "ffi/abi"], NAMESPACES),
  );
  return results;
}

/** The integration tests once more, on cgroup v2 alone. */
async function virtualMachine(): Promise<Summary[]> {
  const reason = await unavailable();
  if (reason !== undefined) {
    console.log(`\n${reason}`);
    // Where it has to work and nobody reads the sentence, what wasn't run must not pass for a success.
    const isDebian = /^ID=debian$/m.test((await capture("cat", ["/etc/os-release"])).output);
    return Deno.env.get("CI") !== undefined && Deno.build.arch === "x86_64" && isDebian ? [failure(reason)] : [];
  }
  try {
    return await allVmTests();
  } catch (error) {
    if (!(error instanceof MachineError || error instanceof SetupError)) throw error;
    return [failure(error.message)];
  }
}

async function main(): Promise<number> {
  const part = Deno.args.find((arg) => !arg.startsWith("-"));
  if (part !== undefined && part !== "unit" && part !== "integration") {
    console.error(`test: "${part}" is neither "unit" nor "integration"`);
    return 2;
  }
  const results: Summary[] = [];
  try {
    await setup("test");
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    // the tests that miss something fail by themselves; the others may still tell something
    results.push(failure(error.message));
  }
  if (part !== "integration") results.push(...await unit());
  if (part !== "unit") results.push(...await integration());
  if (part === undefined && Deno.uid() === 0) results.push(...await virtualMachine());
  const sum = addSummaries(results);
  console.log(`\n${summaryLine(sum)}`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
