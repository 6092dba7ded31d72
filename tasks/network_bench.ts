/**
 * What a container's network costs: beside a container without one, beside podman's, and beside networks without libflux.
 *
 * Everything happens in namespaces that end with this program, whatever ends it: nobody else's network, rules, mounts and
 * files are touched.
 *
 * @module
 */
import { createNetwork, removeNetwork, run as runContainer, type RunOptions } from "../mod.ts";
import { type Backend, BACKENDS, useBackend } from "../tests/integration/network/xtables.ts";
import { BINARY } from "./build.ts";
import { byTurns, ms, type Timing } from "./figures.ts";
import { preparePodman } from "./podman_bench.ts";
import { NAMESPACES, ROOT, run, which, WITHOUT_HYBRID } from "./process.ts";
import { type Throughput, throughput } from "./throughput.ts";

/** Milliseconds before each run: the kernel takes its time to clean up the last one's network namespace and rules. */
const PAUSE = 100;
/** How often each is measured. */
const ROUNDS = { cold: 30, warm: 60, backToBack: { cold: 30, warm: 200 }, podman: 10 } as const;
/** Milliseconds that a network may take. */
const GOALS = { cold: 15, warm: 8 } as const;
/** How many times podman's time a container takes. */
const PODMAN_GOAL = 5;
/** A network that is there already. */
const NETWORK = "bench";
const PORT = { hostPort: 18080, containerPort: 80 } as const;

/** From cold: the command; warm: in this process, with the library. */
type Start = "cold" | "warm";

/** Makes a place of its own, with nothing of libflux's, podman's or anybody's in `/run`, that ends with a command. */
const PRIVATE: readonly string[] = [
  ...["unshare", "--mount", "sh", "-c", WITHOUT_HYBRID, "sh"],
  ...NAMESPACES,
  ...["sh", "-c", 'mount -t tmpfs -o mode=755 none /run && exec "$@"', "sh"],
  ...["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh"],
];

/** A container without a network, and one with a network and a published port. */
interface Cost {
  readonly start: Start;
  /** How the network is, and how often containers come. */
  readonly what: string;
  readonly none: Timing;
  readonly bridge: Timing;
  /** Milliseconds that the network may take; none where the last container's cleaning up is in the way. */
  readonly goal?: number;
}

const more = ({ none, bridge }: Cost): number => bridge.median - none.median;

/** Runs a command that must succeed. */
function command([program = "", ...args]: readonly string[]): void {
  const { success, stderr } = new Deno.Command(program, { args, stdin: "null", stdout: "null" }).outputSync();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** The command for a container. @param network None where it is to have none. */
function coldCommand(image: string, network?: string): string[] {
  const { hostPort, containerPort } = PORT;
  const publish = network === undefined ? [] : ["-p", `${hostPort}:${containerPort}`];
  return [BINARY, "run", "bench", "--network", network ?? "none", ...publish, "--image", image, "--", "/bin/true"];
}

/** Runs a container. @param network None where it is to have none. */
async function warm(image: string, network?: string): Promise<void> {
  const options: RunOptions = {
    ...{ image, command: ["/bin/true"], stdin: "null", stdout: "null", stderr: "null", network: network ?? "none" },
    ...(network === undefined ? {} : { ports: [{ ...PORT, protocol: "tcp" }] }),
  };
  await using container = await runContainer(options);
  const { code } = await container.status;
  if (code !== 0) throw new Error(`/bin/true ended with exit code ${code}`);
}

/** What a network costs that is there, and one that isn't. */
async function measureStarts(image: string, backend: Backend): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (const start of ["cold", "warm"] as const) {
    for (const network of [NETWORK, "bridge"]) {
      const works = [undefined, network].map((one) =>
        start === "cold" ? () => command(coldCommand(image, one)) : () => warm(image, one)
      );
      const [none, bridge] = [works[0] ?? (() => {}), works[1] ?? (() => {})];
      if (network === NETWORK) await createNetwork(NETWORK);
      for (const pause of [PAUSE, 0]) {
        const rounds = pause === 0 ? ROUNDS.backToBack[start] : ROUNDS[start];
        const [without, with_] = await byTurns([none, bridge], { rounds, pause });
        const what = `${network === NETWORK ? "one that is there" : "comes and goes"}, ${backend}`;
        const tail = pause === 0 ? ", back to back" : "";
        const goal = pause === 0 ? {} : { goal: GOALS[start] };
        costs.push({ start, what: what + tail, none: without, bridge: with_, ...goal });
      }
      if (network === NETWORK) await removeNetwork(NETWORK);
    }
  }
  return costs;
}

/** podman beside libflux. */
interface Comparison {
  readonly what: string;
  readonly podman: Timing;
  readonly libflux: Timing;
}

async function measurePodman(image: string, directory: string): Promise<Comparison | undefined> {
  await using podman = await ready(image, directory);
  if (podman === undefined) return undefined;
  try {
    const works = [() => command(podman.command), () => command(coldCommand(image, "bridge"))] as const;
    const [theirs, libflux] = await byTurns(works, { rounds: ROUNDS.podman, pause: PAUSE * 3 });
    return { what: podman.what, podman: theirs, libflux };
  } catch (error) {
    console.error(`bench: podman can't be timed: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

async function ready(image: string, directory: string) {
  const podman = await preparePodman(image, directory);
  if (typeof podman !== "string") return podman;
  console.error(`bench: podman can't be timed: ${podman}`);
  return undefined;
}

/** A tree with busybox in it. */
function makeTree(rootfs: string): string {
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp"]) {
    Deno.mkdirSync(`${rootfs}/${name}`, { recursive: true });
  }
  for (const name of ["hostname", "hosts", "resolv.conf"]) Deno.writeTextFileSync(`${rootfs}/etc/${name}`, "");
  const busybox = which("busybox");
  if (busybox === undefined) throw new Error("busybox is missing");
  Deno.copyFileSync(busybox, `${rootfs}/bin/true`);
  return rootfs;
}

const NAMES: Readonly<Record<Start, string>> = { cold: "run, from cold", warm: "run(), in one process" };

function printStarts(costs: readonly Cost[]): void {
  const widths = [45, 26, 26] as const;
  const pair = ({ min, median }: Timing): string => `${ms(min)} ${ms(median)}`.padStart(widths[1]);
  console.log(
    `\n${"".padEnd(widths[0])}${"--network none".padStart(widths[1])}${"bridge, one port".padStart(widths[2])}`,
  );
  console.log("".padEnd(widths[0]) + `${"min".padStart(15)}${"median".padStart(11)}`.repeat(2) + "       more");
  for (const start of ["cold", "warm"] as const) {
    console.log(`${NAMES[start]}, on a network that`);
    for (const cost of costs.filter((one) => one.start === start)) {
      console.log(`  ${cost.what}`.padEnd(widths[0]) + pair(cost.none) + pair(cost.bridge) + ` ${ms(more(cost))}`);
    }
  }
}

const gbit = (value: number): string => `${(value / 1e9).toFixed(2)} Gbit/s`.padStart(14);

function printThroughput(results: readonly Throughput[]): void {
  console.log(`\n${"".padEnd(38)}        libflux       plain   (medians)      at most`);
  for (const { what, own, plain, byHand } of results) {
    console.log(what.padEnd(38) + gbit(own.median) + gbit(plain.median) + gbit(own.max) + gbit(plain.max));
    if (byHand === undefined) continue;
    const shares = `${(byHand / plain.median).toFixed(2)} of plain; libflux has ${
      (own.median / byHand).toFixed(2)
    } of it`;
    console.log(`  a bridge and NAT made by hand: ${shares}`);
  }
}

/** A goal, what was reached, and whether that is enough. */
type Row = readonly [what: string, goal: string, reached: string, met: boolean];

function rowsOf(costs: readonly Cost[], podman: Comparison | undefined, flows: readonly Throughput[]): Row[] {
  return [
    ...costs.flatMap((cost): Row[] => {
      const { start, what, goal } = cost;
      if (goal === undefined) return [];
      return [[`${NAMES[start]}: ${what}`, `${goal} ms more`, `${more(cost).toFixed(2)} ms`, more(cost) <= goal]];
    }),
    ...(podman === undefined ? [] : [podman]).map(({ what, podman, libflux }): Row => {
      const ratio = podman.median / libflux.median;
      return [`faster than ${what}`, `${PODMAN_GOAL} times`, `${ratio.toFixed(1)} times`, ratio >= PODMAN_GOAL];
    }),
    ...flows.map(({ what, own, plain, goal }): Row => {
      const share = own.median / plain.median;
      return [what, `${goal.toFixed(2)} of plain`, share.toFixed(2), share >= goal];
    }),
  ];
}

async function main(): Promise<number> {
  if (Deno.uid() !== 0) {
    console.error("bench: needs root; run the same command with sudo");
    return 1;
  }
  if (!Deno.args.includes("--inside")) {
    const [program = "", ...args] = PRIVATE;
    return await run(program, [...args, Deno.execPath(), "run", "-A", `${ROOT}/tasks/network_bench.ts`, "--inside"]);
  }
  // In this mount namespace's own /run.
  const directory = Deno.makeTempDirSync({ dir: "/run", prefix: "libflux-bench-" });
  const image = makeTree(`${directory}/rootfs`);
  const costs: Cost[] = [];
  for (const backend of BACKENDS) {
    await using _backend = await useBackend(backend);
    costs.push(...await measureStarts(image, backend));
  }
  printStarts(costs);
  const podman = await measurePodman(image, directory);
  if (podman !== undefined) {
    console.log(`\n${"run --network bridge -p, from cold".padEnd(39)}min     median`);
    for (const [name, { min, median }] of [[podman.what, podman.podman], ["libflux", podman.libflux]] as const) {
      console.log(name.padEnd(32) + ms(min) + " " + ms(median));
    }
  }
  const flows = await throughput();
  printThroughput(flows);
  console.log(`\n          ${"the network".padEnd(55)}${"goal".padEnd(16)}reached`);
  for (const [what, goal, reached, met] of rowsOf(costs, podman, flows)) {
    console.log(`  ${met ? "met   " : "MISSED"}  ${what.padEnd(55)}${goal.padEnd(16)}${reached}`);
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main());
