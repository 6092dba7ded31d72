/**
 * What a host's network consists of, to see that libflux leaves no trace there.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { patience } from "../support.ts";
import { must } from "./place.ts";
import { type Backend, BACKENDS, xtables } from "./xtables.ts";

/** A host's network, as text that can be compared. */
export interface Network {
  readonly links: readonly string[];
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly neighbours: readonly string[];
  /** By implementation and family: everything but empty tables and chains. */
  readonly rules: Readonly<Record<string, readonly string[]>>;
  /** What is below /proc/sys/net, by its path there. */
  readonly settings: Readonly<Record<string, string>>;
}

const lines = (text: string): string[] => text.split("\n").map((line) => line.trim()).filter((line) => line !== "");

/** Numbers of links depend on how many there have been, and their state follows them a moment later. */
const ip = async (...args: readonly string[]): Promise<string[]> =>
  lines(await must("ip", ...args)).map((line) =>
    line.replace(/^\d+: /, "").replace(/@if\d+/, "").replace(/ state [A-Z]+/, "").replace(/\s+/g, " ")
  );

/**
 * What is in the tables: rules, chains that somebody has made, policies that aren't the kernel's. A table that was made
 * by looking at it is empty.
 */
async function rules(backend: Backend, family: "ip" | "ip6"): Promise<string[]> {
  const found: string[] = [];
  let table = "";
  for (const line of lines(await must(...xtables(backend, `${family}tables-save`)))) {
    if (line.startsWith("*")) table = line.slice(1);
    else if (line !== "COMMIT" && !/^#|^:\S+ ACCEPT /.test(line)) {
      found.push(`${table} ${line.replace(/ \[\d+:\d+\]$/, "")}`);
    }
  }
  return found;
}

/** Counters, secrets, and what other namespaces change too. */
const CHANGING = /\/(nf_conntrack_count|stable_secret|tcp_fastopen_key|nf_conntrack_buckets|nf_conntrack_max)$/;

function readSettings(directory: string, found: Record<string, string> = {}): Record<string, string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) readSettings(path, found);
    else if (!CHANGING.test(path)) {
      try {
        found[path.slice("/proc/sys/net/".length)] = Deno.readTextFileSync(path).trim();
      } catch {
        // for writing only, or of a link that has just gone
      }
    }
  }
  return found;
}

/** Waits until no new link is still looking for others that have its address: for a second it has none. */
async function settled(): Promise<void> {
  const deadline = performance.now() + patience(4_000);
  while (performance.now() < deadline && (await ip("-o", "addr", "show", "tentative")).length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Looks at the network of the host. */
export async function network(): Promise<Network> {
  await settled();
  const [links, addresses, neighbours, ...routes] = await Promise.all([
    ip("-o", "link"),
    ip("-o", "addr"),
    ip("neigh", "show", "nud", "permanent"),
    ip("-4", "route", "show", "table", "all"),
    ip("-6", "route", "show", "table", "all"),
    ip("rule"),
    ip("-6", "rule"),
  ]);
  const tables = BACKENDS.flatMap((backend) =>
    (["ip", "ip6"] as const).map(async (family) => [`${backend} ${family}`, await rules(backend, family)] as const)
  );
  return {
    links,
    addresses,
    routes: routes.flat(),
    neighbours,
    rules: Object.fromEntries(await Promise.all(tables)),
    settings: readSettings("/proc/sys/net"),
  };
}

/** Settings that a module brings when it is loaded, for good, and those of a link: that a link is left is told already. */
const ADDED = /^(netfilter|bridge|mptcp|ipv[46]\/(conf|neigh))\//;

/** Waits until the network is as it was; fails, showing the difference, when that doesn't happen soon. */
export async function assertNetwork(before: Network): Promise<void> {
  const deadline = performance.now() + patience(5_000);
  const now = async (): Promise<Network> => {
    const found = await network();
    const kept = Object.entries(found.settings).filter(([name]) => name in before.settings || !ADDED.test(name));
    return { ...found, settings: Object.fromEntries(kept) };
  };
  let found = await now();
  while (!isSame(found, before) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    found = await now();
  }
  // The difference of a thousand settings can't be read.
  const different = ({ settings }: Network, other: Network): Record<string, string> =>
    Object.fromEntries(Object.entries(settings).filter(([name, value]) => other.settings[name] !== value));
  assertEquals(
    { ...found, settings: different(found, before) },
    { ...before, settings: different(before, found) },
    "the network of the host has changed",
  );
}

/** Directories are read in an order of their own. */
function isSame(one: Network, other: Network): boolean {
  const text = (network: Network): string =>
    JSON.stringify({ ...network, settings: Object.entries(network.settings).sort(([a], [b]) => a < b ? -1 : 1) });
  return text(one) === text(other);
}
