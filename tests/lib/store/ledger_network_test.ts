import { assert, assertEquals } from "@std/assert";
import { bootId } from "../../../lib/store/directory.ts";
import { runToolsBy } from "../../../lib/store/firewall.ts";
import { describeEntry, type Entry, Ledger, parseLedger } from "../../../lib/store/ledger.ts";
import { type Network, Networks } from "../../../lib/store/network.ts";
import { isAlive, startTime } from "../../../lib/store/process.ts";
import { onWarning } from "../../../lib/warnings.ts";

const ID = "0123456789abcdef".repeat(4);
const RULE =
  "-p tcp -m tcp --dport 8080 -m comment --comment libflux-0123456789ab -j DNAT --to-destination 10.87.0.2:80";
const LEASE = { kind: "lease", network: "web", address: "10.87.0.2", id: ID } as const;
const PORTS = { kind: "ports", family: 4, index: 9997, rules: [RULE], id: "libflux-0123456789ab" } as const;
const CHAINS = { kind: "chains", family: 6, index: 9998 } as const;
// Nobody has these: nothing is undone.
const VETH = { kind: "veth", name: "lfffffffff" } as const;
const BRIDGE = { kind: "bridge", name: "libflux9999" } as const;
const SYSCTL = { kind: "sysctl", path: "net/ipv4/libflux_has_no_such_setting", value: "0", bootId: bootId() } as const;
const ENTRIES: readonly Entry[] = [LEASE, VETH, PORTS, BRIDGE, CHAINS, SYSCTL];

interface Root extends Disposable {
  readonly path: string;
  readonly networks: Networks;
  /** A ledger of a container's. */
  readonly ledger: Ledger;
}

function temporary(): Root {
  const path = Deno.makeTempDirSync({ prefix: "libflux-ledger-" });
  for (const name of ["containers", "containers/web", "networks"]) Deno.mkdirSync(`${path}/${name}`, { mode: 0o700 });
  return {
    path,
    networks: new Networks(path),
    ledger: new Ledger(`${path}/containers/web/ledger`),
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

/** Undoes a ledger with tools that end with a code; tells what they were given, what is left, and the warnings. */
async function undo(
  ledger: Ledger,
  code = 0,
): Promise<{ inputs: string[]; left: readonly Entry[]; warnings: string[] }> {
  const inputs: string[] = [];
  const warnings: string[] = [];
  onWarning((sentence) => void warnings.push(sentence));
  const tool = (_name: string, _args: readonly string[], input: string) => {
    inputs.push(input);
    return Promise.resolve({ code, output: code === 0 ? "" : "Permission denied" });
  };
  try {
    const left = await runToolsBy(tool, () => ledger.undo());
    return { inputs, left, warnings };
  } finally {
    onWarning(undefined);
  }
}

Deno.test("parseLedger() reads what networks write down, and passes over what is forged", () => {
  const good = ENTRIES.map((entry) => JSON.stringify(entry));
  const bad = [
    { ...VETH, name: "eth0" },
    { ...BRIDGE, name: "docker0" },
    { ...PORTS, rules: [`${RULE}\n-F INPUT`] },
    { ...CHAINS, family: 5 },
    { ...SYSCTL, path: "net/ipv4/../../kernel/panic" },
    { ...LEASE, network: "../../x" },
  ].map((entry) => JSON.stringify(entry));
  assertEquals(parseLedger([...bad, ...good, ...bad].join("\n")), [...ENTRIES]);
});

Deno.test("describeEntry() has words for networks' entries", () => {
  assertEquals(describeEntry(VETH), "the link lfffffffff");
  assertEquals(describeEntry(CHAINS), "the chains LIBFLUX-*-9998");
});

Deno.test("Ledger.undo() undoes networks' entries backwards, each by its own words", async () => {
  using root = temporary();
  root.ledger.add(VETH, PORTS, { ...CHAINS, index: 1 }, { ...CHAINS, index: 2 });
  const { inputs, left } = await undo(root.ledger);
  assertEquals([left, root.ledger.entries()], [[], []]);
  const found = inputs.map((input) => [...new Set(input.match(/LIBFLUX-(?:PORTS|NAT)-\d+/g))].join(" "));
  assertEquals(found, ["LIBFLUX-PORTS-2 LIBFLUX-NAT-2", "LIBFLUX-PORTS-1 LIBFLUX-NAT-1", "LIBFLUX-PORTS-9997"]);
  assertEquals(inputs[2], `*nat\n-D LIBFLUX-PORTS-9997 ${RULE}\nCOMMIT\n`);
});

Deno.test("Ledger.undo() ends processes first, wherever they are written down", async () => {
  using root = temporary();
  const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  const id = { pid: child.pid, startTime: startTime(child.pid) ?? 0 };
  root.ledger.add({ kind: "process", ...id }, PORTS);
  let wasAlive: boolean | undefined;
  const tool = () => {
    wasAlive = isAlive(id);
    return Promise.resolve({ code: 0, output: "" });
  };
  await runToolsBy(tool, () => root.ledger.undo());
  assertEquals([wasAlive, (await child.status).signal], [false, "SIGKILL"]);
});

Deno.test("Ledger.undo() keeps what it couldn't undo, in its order, and tells why", async () => {
  using root = temporary();
  root.ledger.add(PORTS, VETH, CHAINS, SYSCTL);
  const { left, warnings } = await undo(root.ledger, 4);
  assertEquals(left, [PORTS, CHAINS]);
  assertEquals(new Ledger(root.ledger.path).entries(), [PORTS, CHAINS]);
  assertEquals(warnings.length, 2);
  assert(warnings[0]?.startsWith("the chains LIBFLUX-*-9998 can't be removed: could not take rules away"), warnings[0]);
  assertEquals((await undo(new Ledger(root.ledger.path))).left, []);
});

const network = (temporary: boolean): Network => ({
  name: "web",
  bridge: "libflux9999",
  subnet: "10.87.0.0/24",
  gateway: "10.87.0.1",
  internal: false,
  mtu: 1500,
  created: "2026-01-01T00:00:00.000Z",
  temporary,
  bootId: bootId(),
});

Deno.test("Ledger.undo() gives an address back, and a temporary network goes with its last one", async () => {
  for (const isTemporary of [true, false]) {
    using root = temporary();
    const { networks, ledger } = root;
    networks.prepare("web");
    networks.write(network(isTemporary));
    new Ledger(networks.ledger("web")).add(CHAINS);
    const mine = { name: "web", id: ID, address: "10.87.0.2", macAddress: "0a:58:0a:57:00:02", names: ["web"] };
    const other = { ...mine, name: "db", id: "f".repeat(64), address: "10.87.0.3", names: ["db"] };
    networks.writeLease("web", mine);
    networks.writeLease("web", other);
    ledger.add(LEASE, { ...LEASE, address: other.address });
    assertEquals(await undo(ledger), { inputs: [], left: [], warnings: [] });
    // Another's address stays, whoever's ledger names it.
    assertEquals(networks.leases("web"), [other]);
    ledger.add({ ...LEASE, address: other.address, id: other.id });
    const { inputs } = await undo(ledger);
    assertEquals([inputs.length, networks.names()], isTemporary ? [1, []] : [0, ["web"]]);
  }
});

Deno.test("Ledger.handOver() gives entries to another ledger, and keeps the rest", () => {
  using root = temporary();
  const { networks, ledger } = root;
  networks.prepare("api");
  const heir = new Ledger(networks.ledger("api"));
  heir.add(BRIDGE);
  ledger.add(SYSCTL, VETH, { ...SYSCTL, value: "1" }, CHAINS);
  ledger.handOver(({ kind }) => kind === "sysctl", heir);
  const [own, theirs] = [[VETH, CHAINS], [BRIDGE, SYSCTL, { ...SYSCTL, value: "1" }]] as const;
  assertEquals([ledger.entries(), heir.entries()], [own, theirs]);
  assertEquals([ledger, heir].map(({ path }) => new Ledger(path).entries()), [own, theirs]);
  ledger.handOver(({ kind }) => kind === "sysctl", heir);
  assertEquals(new Ledger(heir.path).entries(), [...theirs]);
});
