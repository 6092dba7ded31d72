/**
 * `deno task bench`: libflux beside crun and runc, all from one run, since only ratios mean something on a busy machine.
 *
 * The same busybox tree, the same namespaces, `/bin/true`, a network namespace with nothing but `lo`. Inside one process
 * with the library; from cold with hyperfine. Then what a network costs, beside podman's: `network_bench.ts`.
 *
 * @module
 */
import { benchmark, type BenchmarkResult, run as runContainer } from "../mod.ts";
import { execBench } from "./exec_bench.ts";
import { cgroupCost } from "./cgroup_cost.ts";
import { BINARY, build } from "./build.ts";
import { goal, ms, type Timing } from "./figures.ts";
import { capture, ROOT, run, which, WITHOUT_HYBRID } from "./process.ts";
import { securityBench } from "./security_bench.ts";
import { setupOrExit } from "./setup.ts";

const WARM_RUNS = 400;
const COLD_RUNS = 60;
/** Beside the real one, on the same filesystem: in memory. */
const STATE = "/run/libflux-bench";

/** A root filesystem as images have it, and an OCI bundle around it. */
function makeBundle(directory: string): string {
  const rootfs = `${directory}/rootfs`;
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp"]) {
    Deno.mkdirSync(`${rootfs}/${name}`, { recursive: true });
  }
  for (const name of ["hostname", "hosts", "resolv.conf"]) Deno.writeTextFileSync(`${rootfs}/etc/${name}`, "");
  const busybox = which("busybox");
  if (busybox === undefined) throw new Error("busybox is missing");
  Deno.copyFileSync(busybox, `${rootfs}/bin/true`);
  const spec = {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["/bin/true"],
      env: ["PATH=/bin"],
      cwd: "/",
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    hostname: "bench",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666"],
      },
      { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777"] },
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    ],
    linux: {
      cgroupsPath: "/libflux-bench/container",
      namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
      maskedPaths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
  Deno.writeTextFileSync(`${directory}/config.json`, JSON.stringify(spec));
  return rootfs;
}

/** Times whole commands, one after the other, in milliseconds. */
async function hyperfine(commands: readonly string[], output: string): Promise<(Timing | undefined)[]> {
  const timings: (Timing | undefined)[] = [];
  for (const command of commands) {
    const args = ["--shell=none", "--warmup=5", `--runs=${COLD_RUNS}`, `--export-json=${output}`, command];
    const { code, output: said } = await capture("hyperfine", args);
    if (code !== 0) {
      console.error(`bench: "${command}" can't be timed: ${said.trim().split("\n").at(-1)}`);
      timings.push(undefined);
      continue;
    }
    const [{ min, median }] = JSON.parse(Deno.readTextFileSync(output)).results;
    timings.push({ min: min * 1000, median: median * 1000 });
  }
  return timings;
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Groups that runc made for its containers and leaves in the hierarchies of v1. */
function removeGroups(): void {
  for (const { name } of Deno.readDirSync("/sys/fs/cgroup")) {
    for (const group of ["libflux-bench/container", "libflux-bench"]) {
      try {
        Deno.removeSync(`/sys/fs/cgroup/${name}/${group}`);
      } catch {
        // not there
      }
    }
  }
}

/** From `clone3` until the container was reaped: what is left of the total without creation and tear-down. */
function startToReaped({ total, creation, tearDown }: BenchmarkResult): number {
  return total.median - creation.median - tearDown.median;
}

/** How much longer `ps` takes with 200 containers than with none. */
async function timePs(rootfs: string, root: string, output: string): Promise<number> {
  const [empty] = await hyperfine([`${BINARY} ps --root ${root}`], output);
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < 200; i++) {
    const command = ["/bin/sleep", "1000"];
    stack.use(await runContainer({ image: rootfs, root, name: `ps-${i}`, command, init: false, network: "none" }));
  }
  const [full] = await hyperfine([`${BINARY} ps --root ${root}`], output);
  return (full?.median ?? NaN) - (empty?.median ?? NaN);
}

async function main(): Promise<number> {
  if (Deno.uid() !== 0) {
    console.error("bench: needs root; run the same command with sudo");
    return 1;
  }
  if (!Deno.args.includes("--inside")) {
    await setupOrExit("bench");
    if (!await build({ output: BINARY })) return 1;
    const again = [Deno.execPath(), "run", "-A", `${ROOT}/tasks/bench.ts`, "--inside"];
    const code = await run("unshare", ["--mount", "sh", "-c", WITHOUT_HYBRID, "sh", ...again]);
    return code === 0 ? await run(Deno.execPath(), ["run", "-A", `${ROOT}/tasks/network_bench.ts`]) : code;
  }
  const directory = Deno.makeTempDirSync({ prefix: "libflux-bench-" });
  try {
    const rootfs = makeBundle(directory);
    Deno.linkSync(`${rootfs}/bin/true`, `${rootfs}/bin/sleep`);
    const hello = `${directory}/hello.js`;
    Deno.writeTextFileSync(hello, 'console.log("hello");\n');
    const output = `${directory}/times.json`;

    const warm = await benchmark({
      image: rootfs,
      count: WARM_RUNS,
      command: ["/bin/true"],
      root: `${directory}/state`,
      options: { network: "none" },
    });
    const reaped = startToReaped(warm);
    // As crun and runc run it: without an overlay, and without a PID 1 beside the command.
    const alike = startToReaped(
      await benchmark({
        image: rootfs,
        count: WARM_RUNS,
        command: ["/bin/true"],
        root: `${directory}/state`,
        options: { writable: true, init: false, network: "none" },
      }),
    );
    const cold = `${BINARY} run bench --network none --image ${rootfs} -- /bin/true`;
    const [crun, runc, deno, libflux] = await hyperfine([
      `crun --cgroup-manager=disabled run --bundle ${directory} libflux-bench-crun`,
      `runc run --bundle ${directory} libflux-bench-runc`,
      `${Deno.execPath()} run ${hello}`,
      cold,
    ], output);
    const ps = await timePs(rootfs, STATE, output);

    console.log("\n                                        min       median");
    const row = (name: string, timing: Timing | undefined): void =>
      console.log(
        name.padEnd(32) + (timing === undefined ? "  not measured" : ms(timing.min) + "   " + ms(timing.median)),
      );
    row("in one process: creation", warm.creation);
    row("                start to exec", warm.start);
    row("                tear-down", warm.tearDown);
    row("                total", warm.total);
    console.log(`                start to reaped ${" ".repeat(13)}${ms(reaped)}`);
    console.log(`   the same, --writable --no-init ${" ".repeat(11)}${ms(alike)}`);
    row("crun run", crun);
    row("runc run", runc);
    row("deno run hello.js", deno);
    row("libflux run, from cold", libflux);
    console.log(`ps with 200 containers, on top ${" ".repeat(14)}${ms(ps)}\n`);

    goal(`start to reaped at most 2 ms at the median: ${ms(reaped).trim()}`, reaped <= 2);
    if (crun !== undefined) {
      const ratio = crun.median / alike;
      goal(
        `at least 4 times faster than crun run: ${ratio.toFixed(1)} times; ` +
          `with overlay and init, which crun has none of, ${(crun.median / reaped).toFixed(1)} times`,
        ratio >= 4,
      );
    }
    if (deno !== undefined && libflux !== undefined) {
      const more = libflux.median - deno.median;
      goal(`from cold within 6 ms of a Deno hello-world: ${ms(more).trim()} more`, more <= 6);
    }
    if (runc !== undefined && libflux !== undefined) {
      goal(
        `from cold faster than runc run: ${(runc.median / libflux.median).toFixed(2)} times`,
        libflux.median < runc.median,
      );
    }
    const other = Deno.makeTempDirSync({ dir: directory, prefix: "exec-" });
    await execBench(other);
    await securityBench();
    const cost = await cgroupCost();
    for (const { text } of cost) console.log(`cgroups, made and removed, ${text}`);
    const most = Math.max(...cost.map(({ own }) => own));
    goal(`a container's cgroups cost at most 0.5 ms: ${ms(most).trim()}`, most <= 0.5);
    goal(`200 containers listed within 100 ms: ${ms(ps).trim()}`, ps < 100);
    return 0;
  } finally {
    removeGroups();
    if (isThere(STATE)) Deno.removeSync(STATE, { recursive: true });
    Deno.removeSync(directory, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main());
