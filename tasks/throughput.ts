/**
 * What goes through a container's network in a second, beside the same without libflux.
 *
 * The network namespace that this runs in plays the host, `left` another one, which has a wire to the host and one to a
 * router that libflux has no rules on. Behind the router's bridge is what has no container around it.
 *
 * ```text
 * left 198.51.100.2 --- 198.51.100.1 the host, 10.87.0.1 --- the container
 *         192.0.2.2 --- 192.0.2.1 the router, 203.0.113.1 --- 203.0.113.2 behind
 * ```
 *
 * And what a bridge and NAT take of the kernel by themselves is told by another host that has both, made by hand: how much of
 * the distance to a plain pair is libflux's own.
 *
 * @module
 */
import { inspectNetwork, run } from "../mod.ts";
import { Background, must, Place } from "../tests/integration/network/place.ts";
import { median } from "./figures.ts";

const ROUNDS = 5;
const PORT = 5201;
/** Who is on a bridge that was made by hand. */
const BY_HAND = "203.0.113.2";

/** A way that something goes, and the same without libflux. */
export interface Throughput {
  readonly what: string;
  readonly beside: string;
  /** Bits a second, at the median and at most. */
  readonly own: { readonly median: number; readonly max: number };
  readonly plain: { readonly median: number; readonly max: number };
  /** The same by a bridge and NAT that were made by hand, at the median; where that is another way than the plain one. */
  readonly byHand?: number;
  /** How much of what goes without libflux goes with it, at the least. */
  readonly goal: number;
}

/** Another host: it is there as long as somebody holds its input. */
class Host extends Place implements AsyncDisposable {
  readonly pid: number;
  readonly #holder: Background;

  constructor(holder: Background) {
    super(["nsenter", `--net=/proc/${holder.child.pid}/ns/net`]);
    [this.pid, this.#holder] = [holder.child.pid, holder];
  }

  /** Runs a command of `ip` for each line. */
  async ip(...lines: readonly string[]): Promise<void> {
    await this.must("sh", "-ec", lines.map((line) => `ip ${line}`).join("\n"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.end();
  }
}

async function host(): Promise<Host> {
  return new Host(
    await new Background(["unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec cat"]).ready(),
  );
}

/** Lays a wire between two, each of whose ends has its name and its address. */
async function wire(
  from: readonly [Host | undefined, string, string],
  to: readonly [Host, string, string],
): Promise<void> {
  const [near, name, address] = from;
  const [far, other, otherAddress] = to;
  const add = `link add ${name} type veth peer name ${other} netns ${far.pid}`;
  const up = [`link set ${name} up`, `addr add ${address}/24 dev ${name}`];
  if (near === undefined) { for (const line of [add, ...up]) await must("ip", ...line.split(" ")); }
  else await near.ip(add, ...up);
  await far.ip(`link set ${other} up`, `addr add ${otherAddress}/24 dev ${other}`);
}

/** Starts a server, to which clients come one after the other. */
async function serve(place: Host): Promise<Background> {
  return await new Background([
    ...["nsenter", `--net=/proc/${place.pid}/ns/net`, "sh", "-c"],
    `echo ready; exec iperf3 --server --port ${PORT} >/dev/null 2>&1`,
  ]).ready();
}

/** Bits that come in at the server within a second; with `reverse` at the client. */
async function measure(client: Place, address: string, reverse: boolean): Promise<number> {
  const args = ["--client", address, "--port", String(PORT), "--time", "1", "--connect-timeout", "2000", "--json"];
  for (let tries = 1;; tries++) {
    const { stdout } = await client.execute("iperf3", ...args, ...reverse ? ["--reverse"] : []);
    const { error, end } = JSON.parse(stdout);
    if (error === undefined) return end.sum_received.bits_per_second;
    // A server that has just started, or is with the last client still.
    if (tries === 20) throw new Error(`iperf3 to ${address}: ${error}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Gives a host a bridge with somebody on it, and NAT for those: what any container's network is made of. */
async function bridgeByHand(host: Host, inside: Host): Promise<void> {
  await host.ip("link add bridge type bridge", "link set bridge up", "addr add 203.0.113.1/24 dev bridge");
  await host.ip(`link add inside type veth peer name eth0 netns ${inside.pid}`, "link set inside master bridge up");
  await host.must("iptables", "-t", "nat", "-A", "POSTROUTING", "!", "-o", "bridge", "-j", "MASQUERADE");
  await inside.ip("link set eth0 up", `addr add ${BY_HAND}/24 dev eth0`, "route add default via 203.0.113.1");
}

/** Measures; needs a network namespace that nobody else is in, and no network of libflux's there. */
export async function throughput(): Promise<Throughput[]> {
  await using stack = new AsyncDisposableStack();
  const left = stack.use(await host());
  const router = stack.use(await host());
  const behind = stack.use(await host());
  stack.defer(async () => void await must("ip", "link", "del", "left"));
  await wire([undefined, "left", "198.51.100.1"], [left, "wire", "198.51.100.2"]);
  await wire([left, "plain", "192.0.2.2"], [router, "left", "192.0.2.1"]);
  await router.ip("link add bridge type bridge", "link set bridge up", "addr add 203.0.113.1/24 dev bridge");
  await router.ip(`link add behind type veth peer name eth0 netns ${behind.pid}`, "link set behind master bridge up");
  await router.must("sysctl", "-qw", "net.ipv4.ip_forward=1");
  await behind.ip("link set eth0 up", "addr add 203.0.113.2/24 dev eth0", "route add default via 203.0.113.1");
  await left.ip("route add 203.0.113.0/24 via 192.0.2.1");
  const other = stack.use(await host());
  const inside = stack.use(await host());
  await bridgeByHand(other, inside);
  stack.use(await serve(inside));
  stack.use(await serve(router));
  stack.use(await serve(behind));
  stack.use(
    await run({
      ...{ image: "/", command: ["iperf3", "--server", "--port", String(PORT)], network: "bridge" },
      ports: [{ hostPort: PORT, containerPort: PORT, protocol: "tcp" }],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }),
  );
  const here = new Place();
  const address = (await inspectNetwork("bridge")).containers[0]?.address ?? "";
  const pair = "a veth pair's between two network namespaces";
  const routed = "plain routing to a namespace behind a bridge";
  const ways = [
    {
      what: "host to container",
      beside: pair,
      goal: 0.95,
      own: () => measure(here, address, false),
      plain: () => measure(left, "192.0.2.1", false),
      byHand: () => measure(other, BY_HAND, false),
    },
    {
      what: "container to host",
      beside: pair,
      goal: 0.95,
      own: () => measure(here, address, true),
      plain: () => measure(left, "192.0.2.1", true),
      byHand: () => measure(other, BY_HAND, true),
    },
    {
      what: "another host to a published port",
      beside: routed,
      goal: 0.9,
      own: () => measure(left, "198.51.100.1", false),
      plain: () => measure(left, "203.0.113.2", false),
    },
    {
      what: "a published port to another host",
      beside: routed,
      goal: 0.9,
      own: () => measure(left, "198.51.100.1", true),
      plain: () => measure(left, "203.0.113.2", true),
    },
  ];
  const results: Throughput[] = [];
  for (const { what, beside, goal, own, plain, byHand } of ways) {
    const [with_, without, alike]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      with_.push(await own());
      without.push(await plain());
      if (byHand !== undefined) alike.push(await byHand());
    }
    const sum = (values: readonly number[]) => ({ median: median(values), max: Math.max(...values) });
    const more = byHand === undefined ? {} : { byHand: median(alike) };
    results.push({ what, beside, goal, own: sum(with_), plain: sum(without), ...more });
  }
  return results;
}
