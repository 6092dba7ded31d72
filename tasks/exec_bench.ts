/**
 * `libflux exec` beside a Deno hello-world and `podman exec`: part of `deno task bench`, or alone as root in a mount and
 * network namespace of its own.
 *
 * @module
 */
import { exec, run as runContainer } from "../mod.ts";
import { BINARY } from "./build.ts";
import { byTurns, goal, ms, type Timing } from "./figures.ts";
import { preparePodman } from "./podman_bench.ts";
import { capture, which } from "./process.ts";

const WARM_RUNS = 300;
const COLD_RUNS = 40;

/** A tree with what is needed, and no more. */
function makeTree(directory: string): string {
  const tree = `${directory}/tree`;
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp"]) {
    Deno.mkdirSync(`${tree}/${name}`, { recursive: true });
  }
  const busybox = which("busybox");
  if (busybox === undefined) throw new Error("busybox is missing");
  Deno.copyFileSync(busybox, `${tree}/bin/true`);
  Deno.linkSync(`${tree}/bin/true`, `${tree}/bin/sleep`);
  return tree;
}

const command = (program: string, ...args: readonly string[]) => async (): Promise<void> => {
  const { code, output } = await capture(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${output.trim().split("\n").at(-1)}`);
};

/** A container of podman's that sleeps: how to execute something in it, or why there is none. */
async function podmanExec(
  tree: string,
  directory: string,
  stack: AsyncDisposableStack,
): Promise<(() => Promise<void>) | string> {
  const podman = await preparePodman(tree, directory);
  if (typeof podman === "string") return podman;
  stack.use(podman);
  const at = podman.command.indexOf("run");
  const [program = "", ...base] = podman.command.slice(0, at);
  const more = podman.command.slice(at + 1, -2).filter((flag) => !/^--(rm|network|publish)/.test(flag));
  const started = await capture(program, [
    ...[...base, "run", "--detach", "--network=none", "--name=bench", ...more, "bench", "/bin/sleep", "1000"],
  ]);
  if (started.code !== 0) return started.output.trim().split("\n").at(-1) ?? "it can't run a container";
  return command(program, ...base, "exec", "bench", "/bin/true");
}

/** Measures, and tells. */
export async function execBench(directory: string): Promise<void> {
  const tree = makeTree(directory);
  const hello = `${directory}/hello.js`;
  Deno.writeTextFileSync(hello, 'console.log("hello");\n');
  const root = `${directory}/exec-state`;
  await using stack = new AsyncDisposableStack();
  stack.use(
    await runContainer({ image: tree, root, name: "bench", command: ["/bin/sleep", "1000"], network: "none" }),
  );
  const inProcess = async (): Promise<void> => {
    const session = await exec("bench", { root, command: ["/bin/true"], stdout: "null", stderr: "null" });
    const { code } = await session.status;
    if (code !== 0) throw new Error(`exec ended with ${code}`);
  };
  const [warm] = await byTurns([inProcess], { rounds: WARM_RUNS, pause: 0 });
  const podman = await podmanExec(tree, directory, stack);
  const [deno, cold, other] = await byTurns([
    command(Deno.execPath(), "run", hello),
    command(BINARY, "exec", "--root", root, "bench", "--", "/bin/true"),
    typeof podman === "string" ? () => {} : podman,
  ], { rounds: COLD_RUNS, pause: 0 });
  const row = (name: string, { min, median }: Timing): void =>
    console.log(`${name.padEnd(32)}${ms(min)}   ${ms(median)}`);
  row("exec, in one process", warm);
  row("deno run hello.js", deno);
  row("libflux exec, from cold", cold);
  if (typeof podman === "string") console.log(`podman exec: not measured: ${podman}`);
  else row("podman exec", other);
  goal(`exec in one process at most 3 ms: ${ms(warm.median).trim()}`, warm.median <= 3);
  const more = cold.median - deno.median;
  goal(`exec from cold within 8 ms of a Deno hello-world: ${ms(more).trim()} more`, more <= 8);
  if (typeof podman !== "string") {
    const ratio = other.median / cold.median;
    goal(`at least 3 times faster than podman exec: ${ratio.toFixed(1)} times`, ratio >= 3);
  }
}

if (import.meta.main) {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-bench-" });
  try {
    await execBench(directory);
  } finally {
    await capture("umount", ["--recursive", "--lazy", `${directory}/root`]);
    Deno.removeSync(directory, { recursive: true });
  }
}
