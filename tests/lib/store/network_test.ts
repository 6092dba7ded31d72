import { assertEquals, assertThrows } from "@std/assert";
import { PermissionError } from "../../../lib/errors.ts";
import { bootId, readIfThere } from "../../../lib/store/directory.ts";
import { type Lease, type Network, Networks, parseLease, parseNetwork } from "../../../lib/store/network.ts";

const NETWORK: Network = {
  name: "web",
  bridge: "libflux3",
  subnet: "10.87.3.0/24",
  gateway: "10.87.3.1",
  ipv6Subnet: "fd00:1::/64",
  ipv6Gateway: "fd00:1::1",
  internal: false,
  mtu: 1500,
  created: "2026-01-01T00:00:00.000Z",
  temporary: true,
  bootId: bootId(),
};

const LEASE: Lease = {
  name: "db",
  id: "0123456789abcdef".repeat(4),
  address: "10.87.3.2",
  ipv6Address: "fd00:1::2",
  macAddress: "0a:58:0a:57:03:02",
  names: ["db", "database"],
  isSettled: true,
  hosts: { pid: 42, startTime: 1, device: "0:99", inode: 5 },
};

function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-network-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** An object's JSON text with that of one value replaced; without it where there is none. */
function forged(whole: object, key: string, json?: string): string {
  return JSON.stringify({ ...whole, [key]: json === undefined ? undefined : "FORGED" })
    .replace('"FORGED"', () => json ?? "");
}

const WRONG = ["null", "{}", "[]", "true", "1", '""'];

Deno.test("parseNetwork() reads what was written, and what a later libflux says more", () => {
  assertEquals(parseNetwork(JSON.stringify(NETWORK)), NETWORK);
  const { ipv6Subnet: _, ipv6Gateway: __, ...ipv4 } = NETWORK;
  assertEquals(parseNetwork(JSON.stringify(ipv4)), ipv4);
  assertEquals(parseNetwork(JSON.stringify({ ...NETWORK, more: 1 }))?.name, "web");
});

Deno.test("parseNetwork() refuses forged values of every field", () => {
  const wrong: Readonly<Record<keyof Network, readonly string[]>> = {
    name: [...WRONG, '"a/b"', '"../web"', '"none"', '"-x"', '["web"]', '"a\\n"'],
    bridge: [...WRONG, '"eth0"', '"libflux"', '"libflux03"', '"libflux10000"', '"libflux3\\n"', '["libflux3"]'],
    subnet: [...WRONG, '"10.87.3.0"', '"10.87.3.0/33"', '"10.87.3.0/64"', '"fd00::/64"', '["10.87.3.0/24"]', '"x/24"'],
    gateway: [...WRONG, '"10.87.3"', '"fd00::1"', '["10.87.3.1"]', '"10.87.3.1 -j ACCEPT"'],
    ipv6Subnet: [...WRONG, '"fd00:1::"', '"fd00:1::/129"', '"10.87.3.0/24"', '["fd00:1::/64"]'],
    ipv6Gateway: [...WRONG, '"10.87.3.1"', '["fd00:1::1"]', '"fd00:1::1%eth0"'],
    internal: ["null", "{}", "[]", "1", '""', '"true"'],
    mtu: ["null", "{}", "[]", "true", '""', '"1500"', "-1", "0", "1500.5", "1e400", "65536"],
    created: ["null", "{}", "[]", "true", "1", '""', '"junk"', '["2026-01-01T00:00:00.000Z"]'],
    temporary: ["null", "{}", "[]", "1", '""', '"true"'],
    bootId: [...WRONG, '"of another boot"'],
  };
  for (const [key, values] of Object.entries(wrong)) {
    assertEquals(parseNetwork(forged(NETWORK, key)), undefined, `without ${key}`);
    for (const json of values) assertEquals(parseNetwork(forged(NETWORK, key, json)), undefined, `${key}: ${json}`);
  }
});

Deno.test("parseNetwork() and parseLease() refuse what is torn, and what is no object", () => {
  const texts = [undefined, "", "null", "5", '"web"', "[]", "{}", "\0", `[${JSON.stringify(NETWORK)}]`];
  for (const text of texts) assertEquals([parseNetwork(text), parseLease(text, LEASE.address)], [undefined, undefined]);
  for (const whole of [NETWORK, LEASE]) {
    const text = JSON.stringify(whole);
    for (let length = 0; length < text.length; length++) {
      const torn = text.slice(0, length);
      assertEquals([parseNetwork(torn), parseLease(torn, LEASE.address)], [undefined, undefined], torn);
    }
  }
  const { name: _, ...rest } = NETWORK;
  assertEquals(parseNetwork(`{"__proto__":{"name":"web"},${JSON.stringify(rest).slice(1)}`), undefined);
});

Deno.test("parseLease() reads what was written", () => {
  assertEquals(parseLease(JSON.stringify(LEASE), LEASE.address), LEASE);
  const { ipv6Address: _, isSettled: _settled, hosts: __, ...least } = LEASE;
  assertEquals(parseLease(JSON.stringify(least), LEASE.address), least);
  assertEquals(parseLease(JSON.stringify(LEASE), "10.87.3.3"), undefined);
});

Deno.test("parseLease() refuses forged values of every field", () => {
  const wrong: Readonly<Record<keyof Lease, readonly string[]>> = {
    name: [...WRONG, '"../db"', '"a/b"', '"a b"', '"\\u001b[2J"', '["db"]', JSON.stringify("a".repeat(65))],
    id: [...WRONG, '"abc"', `["${LEASE.id}"]`, `"${LEASE.id}\\n"`, `"${LEASE.id.toUpperCase()}"`],
    address: [...WRONG, '"10.87.3.3"', '["10.87.3.2"]'],
    ipv6Address: [...WRONG, '"10.87.3.2"', '["fd00:1::2"]', '"fd00:1::2 x"', '"fd00:1::2\\n10.0.0.1 evil"'],
    macAddress: [...WRONG, '"0a:58"', '["0a:58:0a:57:03:02"]', '"0A:58:0a:57:03:02"', '"0a:58:0a:57:03:02\\n"'],
    names: [
      "null",
      "{}",
      "true",
      "1",
      '""',
      '"db"',
      "[1]",
      "[null]",
      '[["db"]]',
      '["a b"]',
      '["a\\n10.0.0.1 b"]',
      '["#"]',
    ],
    isSettled: ["null", "{}", "[]", "1", '"true"'],
    hosts: [
      "null",
      "[]",
      "{}",
      "1",
      '""',
      '{"pid":0,"startTime":1,"device":"0:1","inode":1}',
      '{"pid":"42","startTime":1,"device":"0:1","inode":1}',
      '{"pid":42,"startTime":1.5,"device":"0:1","inode":1}',
      '{"pid":42,"startTime":1,"device":1,"inode":1}',
      '{"pid":42,"startTime":1,"device":"0:1","inode":-1}',
      '{"pid":42,"startTime":1,"device":"0:1"}',
    ],
  };
  for (const [key, values] of Object.entries(wrong)) {
    for (const json of values) {
      assertEquals(parseLease(forged(LEASE, key, json), LEASE.address), undefined, `${key}: ${json}`);
    }
  }
  for (const key of ["name", "id", "address", "macAddress", "names"]) {
    assertEquals(parseLease(forged(LEASE, key), LEASE.address), undefined, `without ${key}`);
  }
});

Deno.test("Networks reads what it writes, and forgets all of it", () => {
  using directory = temporary();
  const networks = new Networks(directory.path);
  assertEquals([networks.names(), networks.read("web"), networks.leases("web")], [[], undefined, []]);
  Deno.mkdirSync(`${directory.path}/networks`, { mode: 0o700 });
  networks.prepare("web");
  networks.prepare("web");
  assertEquals([networks.names(), networks.read("web")], [["web"], undefined]);
  networks.write(NETWORK);
  assertEquals(networks.read("web"), NETWORK);
  assertEquals(Deno.statSync(`${networks.directory("web")}/network.json`).mode ?? 0, 0o100600);
  Deno.writeTextFileSync(networks.ledger("web"), "");
  networks.writeLease("web", LEASE);
  networks.forget("web");
  assertEquals([networks.names(), Array.from(Deno.readDirSync(`${directory.path}/networks`))], [[], []]);
  networks.forget("web");
});

Deno.test("Networks takes for networks what is called so, sorted", () => {
  using directory = temporary();
  const networks = new Networks(`${directory.path}/state`);
  for (const name of ["web", "api", "none", "-x", ".hidden"]) {
    Deno.mkdirSync(networks.directory(name), { recursive: true, mode: 0o700 });
  }
  Deno.writeTextFileSync(`${directory.path}/state/networks/file`, "");
  Deno.chmodSync(`${directory.path}/state`, 0o700);
  Deno.chmodSync(`${directory.path}/state/networks`, 0o700);
  assertEquals(networks.names(), ["api", "web"]);
  Deno.chmodSync(`${directory.path}/state/networks`, 0o777);
  assertThrows(() => networks.names(), PermissionError, "can be written to by others");
});

Deno.test("Networks takes no network for what is another's record", () => {
  using directory = temporary();
  const networks = new Networks(directory.path);
  Deno.mkdirSync(`${directory.path}/networks`, { mode: 0o700 });
  networks.prepare("api");
  Deno.writeTextFileSync(`${networks.directory("api")}/network.json`, JSON.stringify(NETWORK));
  assertEquals(networks.read("api"), undefined);
});

Deno.test("Networks gives an address to one, and takes it back from that one alone", () => {
  using directory = temporary();
  const networks = new Networks(directory.path);
  Deno.mkdirSync(`${directory.path}/networks`, { mode: 0o700 });
  networks.prepare("web");
  networks.writeLease("web", LEASE);
  const other = { ...LEASE, name: "api", id: "f".repeat(64), address: "10.87.3.3" };
  networks.writeLease("web", other);
  const leases = `${networks.directory("web")}/leases`;
  Deno.writeTextFileSync(`${leases}/note`, "not an address");
  Deno.mkdirSync(`${leases}/10.87.3.9`);
  assertEquals(networks.addresses("web").sort(), ["10.87.3.2", "10.87.3.3"]);
  assertEquals(networks.leases("web").sort((a, b) => a.address < b.address ? -1 : 1), [LEASE, other]);
  networks.removeLease("web", other.address, LEASE.id);
  assertEquals(networks.lease("web", other.address), other);
  networks.removeLease("web", other.address, other.id);
  networks.removeLease("web", other.address, other.id);
  assertEquals([networks.lease("web", other.address), networks.addresses("web")], [undefined, ["10.87.3.2"]]);
  // What nobody can read is nobody's, and not in the way of the next.
  Deno.writeTextFileSync(`${leases}/10.87.3.2`, "junk");
  assertEquals([networks.addresses("web"), networks.leases("web")], [["10.87.3.2"], []]);
  networks.removeLease("web", "10.87.3.2", other.id);
  assertEquals(networks.addresses("web"), []);
});

Deno.test("Networks.exclusively() makes its directories, and leaves only the lock there", async () => {
  using directory = temporary();
  const networks = new Networks(`${directory.path}/state`);
  assertEquals(await networks.exclusively(() => networks.names()), []);
  assertEquals(readIfThere(`${directory.path}/state/networks/.lock`), "");
  assertEquals((Deno.statSync(`${directory.path}/state/networks`).mode ?? 0) & 0o777, 0o700);
});
