import { assert, assertEquals } from "@std/assert";
import { bootId } from "../../../lib/store/directory.ts";
import { portRules } from "../../../lib/network/rules.ts";
import { describeNetworkEntry, isNetworkEntry, type NetworkEntry } from "../../../lib/store/network_entry.ts";

const ID = "0123456789abcdef".repeat(4);
const RULE =
  "-p tcp -m tcp --dport 8080 -m comment --comment libflux-0123456789ab -j DNAT --to-destination 10.87.0.2:80";

const ENTRIES: readonly NetworkEntry[] = [
  { kind: "lease", network: "bridge", address: "10.87.0.2", id: ID },
  { kind: "veth", name: "lf0a570002" },
  { kind: "ports", family: 4, index: 0, rules: [RULE], id: "libflux-0123456789ab" },
  { kind: "bridge", name: "libflux0" },
  { kind: "chains", family: 6, index: 9999 },
  { kind: "sysctl", path: "net/ipv4/ip_forward", value: "0", bootId: bootId() },
];
const [LEASE, VETH, PORTS, BRIDGE, CHAINS, SYSCTL] = ENTRIES;

/** Asserts that none of these values passes in the place of one field. */
function refuses(entry: NetworkEntry | undefined, field: string, values: readonly unknown[]): void {
  for (const value of [...values, undefined, null, {}, true]) {
    assert(!isNetworkEntry({ ...entry, [field]: value }), `${entry?.kind} with ${field} ${JSON.stringify(value)}`);
  }
}

Deno.test("isNetworkEntry() takes what networks write down", () => {
  for (const entry of ENTRIES) assert(isNetworkEntry({ ...entry }), entry.kind);
  for (
    const path of [
      "net/ipv6/conf/all/forwarding",
      "net/ipv6/conf/eth0.100/accept_ra",
      "net/ipv6/conf/wlp0s2-x_1/accept_ra",
    ]
  ) {
    assert(isNetworkEntry({ ...SYSCTL, path, value: "1" }), path);
  }
});

Deno.test("isNetworkEntry() takes every rule of portRules()", () => {
  const addresses = [undefined, "0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "2001:DB8::A", "::ffff:0:1.2.3.4"];
  const ports = addresses.flatMap((hostAddress) =>
    (["tcp", "udp"] as const).map((protocol) => ({
      hostPort: 65535,
      containerPort: 1,
      protocol,
      ...(hostAddress === undefined ? {} : { hostAddress }),
    }))
  );
  for (const [family, address] of [[4, "10.255.255.254"], [6, "fd00:1::ffff:2"]] as const) {
    const rules = portRules(ports, { address, family, id: ID });
    assert(rules.length > 4);
    for (const rule of rules) assert(isNetworkEntry({ ...PORTS, family, rules: [rule] }), rule);
  }
});

Deno.test("isNetworkEntry() refuses links that aren't libflux's", () => {
  const foreign = [
    "",
    "eth0",
    "lo",
    "docker0",
    "lf",
    "lf0a57000",
    "lf0a5700022",
    "lf0A570002",
    "lf0a570002\n",
    " lf0a570002",
  ];
  refuses(VETH, "name", [...foreign, "libflux0", "vethlf0a570002", ["lf0a570002"]]);
  refuses(BRIDGE, "name", [...foreign, "lf0a570002", "libflux", "libflux00", "libflux01", "libflux10000", "libflux-1"]);
  refuses(BRIDGE, "name", ["libflux0\n", "libflux0 ", "xlibflux0", "br-libflux0", ["libflux0"]]);
});

Deno.test("isNetworkEntry() refuses families and indexes that no network has", () => {
  for (const entry of [PORTS, CHAINS]) {
    refuses(entry, "family", [0, 5, "4", 46, [4], -4]);
    refuses(entry, "index", [-1, 10_000, 1.5, NaN, Infinity, "0", 2 ** 53, [0], "0\n-F INPUT"]);
  }
});

Deno.test("isNetworkEntry() refuses rules that could be more than the end of one line about a published port", () => {
  const bad = [
    "",
    " ",
    `${RULE}\n-F INPUT`,
    `${RULE}\r`,
    `${RULE}\nCOMMIT`,
    `${RULE} "x"`,
    `${RULE} 'x'`,
    `${RULE} $(id)`,
    `${RULE} \\`,
    `${RULE}\0`,
    `${RULE}; -F`,
    // Words of iptables itself: one of them names a program that is run.
    `${RULE} -M /tmp/program`,
    `-M /tmp/program ${RULE}`,
    "--modprobe /tmp/program",
    `${RULE} -t filter`,
    "-F",
    "-j ACCEPT",
    "-p tcp -j DNAT",
    RULE.replace("DNAT", "LOG"),
    RULE.replace("8080", "808080"),
    RULE.replace("tcp", "icmp"),
    `-s 0.0.0.0/0 ${RULE}`,
    5,
    [RULE],
  ];
  refuses(PORTS, "rules", [...bad.map((rule) => [rule]), [RULE, "-F"], RULE, { 0: RULE, length: 1 }]);
  refuses(PORTS, "id", ["", "libflux-", "libflux-0123456789a", "libflux-0123456789abc", "libflux-0123456789AB", ID]);
  refuses(PORTS, "id", ["libflux-0123456789ab\n", ["libflux-0123456789ab"], 5]);
});

Deno.test("isNetworkEntry() refuses settings outside of the network's, and values that aren't one digit", () => {
  refuses(SYSCTL, "path", [
    "",
    "kernel/core_pattern",
    "net/core/somaxconn",
    "net/ipv4",
    "net/ipv4/",
    "/net/ipv4/ip_forward",
    "net/ipv4/../../kernel/core_pattern",
    "net/ipv4/..",
    "net/ipv4/x/../../../kernel/panic",
    "../proc/sys/net/ipv4/ip_forward",
    "net/ipv4/ip_forward\n",
    "net/ipv4/ip_forward\0",
    "net/ipv4/ip forward",
    "net/ipv4x/ip_forward",
    ["net/ipv4/ip_forward"],
    5,
  ]);
  refuses(SYSCTL, "value", ["", "10", "-1", "a", "0\n", " 0", "|/tmp/program", ["0"]]);
});

Deno.test("isNetworkEntry() refuses leases of what is no network, no address and no container", () => {
  refuses(LEASE, "network", ["", "none", "host", "..", "../x", "a/b", "-x", "a b", "a\n", ["bridge"], 5]);
  refuses(LEASE, "address", ["", "10.87.0", "10.87.0.256", "010.87.0.2", "fd00::1", "../x", "10.87.0.2\n", [
    "10.87.0.2",
  ], 5]);
  refuses(LEASE, "id", ["", "0123", ID.toUpperCase(), `${ID}0`, `${ID}\n`, [ID], 5]);
});

Deno.test("isNetworkEntry() refuses other kinds", () => {
  for (const kind of ["", "link", "file", "process", "__proto__", "toString", null, undefined, 5, ["veth"]]) {
    assert(!isNetworkEntry({ ...VETH, kind }), String(kind));
  }
  assert(!isNetworkEntry({}));
});

Deno.test("describeNetworkEntry() says in words what it is", () => {
  assertEquals(ENTRIES.map(describeNetworkEntry), [
    "the address 10.87.0.2",
    "the link lf0a570002",
    "the rules of its published ports",
    "the bridge libflux0",
    "the chains LIBFLUX-*-9999",
    "the value 0 of /proc/sys/net/ipv4/ip_forward",
  ]);
});
