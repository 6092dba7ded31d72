/**
 * Three hosts for tests of networks: the suite's own network namespace plays *the host*, where libflux runs, and two more
 * namespaces play others, `left` and `right`, each on a wire of its own. They send everything to the host, which forwards
 * nothing unless somebody tells it to.
 *
 * ```text
 * left 198.51.100.2 --- 198.51.100.1 the host 203.0.113.1 --- 203.0.113.2 right
 *     2001:db8:1::2 --- 2001:db8:1::1     2001:db8:2::1 --- 2001:db8:2::2
 * ```
 *
 * @module
 */
import { hostTest } from "../support.ts";
import { Background, execute, must, Place } from "./place.ts";
import { assertNetwork, network } from "./state.ts";
import { type Backend, BACKENDS, useBackend, xtables } from "./xtables.ts";

/** A host beside the one that libflux runs on. */
export class Neighbour extends Place implements AsyncDisposable {
  /** Its addresses: IPv4, IPv6. */
  readonly addresses: readonly string[];
  /** The host's addresses on the wire between them: IPv4, IPv6. */
  readonly gateways: readonly string[];
  readonly #wire: string;
  readonly #holder: Background;

  constructor(wire: string, holder: Background, gateways: readonly string[], addresses: readonly string[]) {
    super(["nsenter", `--net=/proc/${holder.child.pid}/ns/net`]);
    [this.#wire, this.#holder, this.gateways, this.addresses] = [wire, holder, gateways, addresses];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The wire first: the namespace goes when its last process has, but not at once.
    await must("ip", "link", "del", this.#wire);
    await this.#holder.end();
  }
}

/** Makes a host and its wire, whose ends have the first and the second address of two subnets. */
async function neighbour(wire: string, ipv4: string, ipv6: string): Promise<Neighbour> {
  // It ends by itself when nobody holds its input any more: a suite that is killed leaves no namespace.
  const holder = await new Background(["unshare", "--net", "sh", "-c", "echo ready; exec cat"]).ready();
  const gateways = [`${ipv4}.1`, `${ipv6}::1`];
  const addresses = [`${ipv4}.2`, `${ipv6}::2`];
  const made = new Neighbour(wire, holder, gateways, addresses);
  // Link-local addresses by hand: the kernel's own can't be used for a second or two.
  const end = (link: string, number: number): string[] => [
    `link set ${link} addrgenmode none up`,
    `addr add ${ipv4}.${number}/24 dev ${link}`,
    `addr add ${ipv6}::${number}/64 dev ${link} nodad`,
    `addr add fe80::${number}/64 dev ${link} nodad`,
  ];
  const there = [
    "link set lo up",
    ...end("wire", 2),
    `route add default via ${gateways[0]}`,
    `-6 route add default via ${gateways[1]}`,
  ];
  try {
    await must("ip", "link", "add", wire, "type", "veth", "peer", "name", "wire", "netns", String(holder.child.pid));
    await must("sh", "-ec", end(wire, 1).map((line) => `ip ${line}`).join("\n"));
    await made.must("sh", "-ec", there.map((line) => `ip ${line}`).join("\n"));
  } catch (error) {
    await holder.end();
    throw error;
  }
  return made;
}

/** The host and its neighbours. */
export interface Lab extends AsyncDisposable {
  /** Where libflux runs. */
  readonly here: Place;
  readonly left: Neighbour;
  readonly right: Neighbour;
}

/** Makes the neighbours; with the variable they are gone. */
export async function lab(): Promise<Lab> {
  if (await must("ip", "route", "show", "default") !== "") {
    throw new Error("this is a network that somebody uses; `deno task test:integration` makes one for tests");
  }
  await using made = new AsyncDisposableStack();
  const left = made.use(await neighbour("left", "198.51.100", "2001:db8:1"));
  const right = made.use(await neighbour("right", "203.0.113", "2001:db8:2"));
  const kept = made.move();
  return { here: new Place(), left, right, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Takes away what a test has left that failed: the next one is to tell of itself. */
async function recover(): Promise<void> {
  const links: readonly { readonly ifname: string }[] = JSON.parse(await must("ip", "-j", "link"));
  for (const { ifname } of links.filter(({ ifname }) => /^libflux\d+$/.test(ifname))) {
    await execute(["ip", "link", "del", ifname]);
  }
  // Chains without a rule, and nothing else.
  const empty = ["filter", "nat", "mangle", "raw"].map((table) => `*${table}\nCOMMIT`).join("\n");
  for (const backend of BACKENDS) {
    for (const family of ["ip", "ip6"]) {
      await must("sh", "-c", 'echo "$0" | "$@"', empty, ...xtables(backend, `${family}tables-restore`));
      await must(...xtables(backend, `${family}tables`), "-P", "FORWARD", "ACCEPT");
    }
  }
  await must("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0");
}

/** Registers a test in the lab that must leave the host, its network included, as it was. */
export function labTest(name: string, body: (lab: Lab, context: Deno.TestContext) => Promise<void>): void {
  hostTest(name, async (context) => {
    const outside = await network();
    {
      await using made = await lab();
      const before = await network();
      try {
        await body(made, context);
        await assertNetwork(before);
      } catch (error) {
        await recover();
        throw error;
      }
    }
    await assertNetwork(outside);
  });
}

/** Registers a test in the lab for each implementation of iptables, which is the command's while it runs. */
export function backendTest(name: string, body: (lab: Lab, backend: Backend) => Promise<void>): void {
  for (const backend of BACKENDS) {
    labTest(`${name} (${backend})`, async (lab) => {
      await using _backend = await useBackend(backend);
      await body(lab, backend);
    });
  }
}
