import { assertEquals, assertThrows } from "@std/assert";
import { parseFlags } from "../../../lib/commands/flags.ts";
import { NETWORK_FLAGS, readNetworkOptions } from "../../../lib/commands/network_flags.ts";
import { UsageError } from "../../../lib/errors.ts";

/** What is given, without what isn't. */
function read(...args: string[]): Record<string, unknown> {
  const options = readNetworkOptions(parseFlags("run", NETWORK_FLAGS, args));
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

Deno.test("readNetworkOptions() leaves out what wasn't given", () => assertEquals(read(), {}));

Deno.test("readNetworkOptions() gives each flag to its option", () => {
  assertEquals(read("--network", "web"), { network: "web" });
  assertEquals(read("--net=ns:/run/netns/x"), { network: "ns:/run/netns/x" });
  assertEquals(read("--ip", "10.87.0.5", "--ip6", "fd00::5"), { ip: "10.87.0.5", ip6: "fd00::5" });
  assertEquals([read("--ipv6"), read("--no-ipv6")], [{ ipv6: true }, { ipv6: false }]);
  assertEquals(read("--mac-address", "02:00:00:12:34:56"), { macAddress: "02:00:00:12:34:56" });
  assertEquals(read("--network-alias", "a", "--network-alias=b"), { networkAliases: ["a", "b"] });
  assertEquals(read("--dns", "192.0.2.1", "--dns", "::1", "--dns-search", "."), {
    dns: ["192.0.2.1", "::1"],
    dnsSearch: ["."],
  });
  assertEquals(read("-p", "8080:80", "--publish=53/udp", "--port", "1-2:3-4"), {
    ports: [
      { hostPort: 8080, containerPort: 80, protocol: "tcp" },
      { containerPort: 53, protocol: "udp" },
      { hostPort: 1, containerPort: 3, protocol: "tcp" },
      { hostPort: 2, containerPort: 4, protocol: "tcp" },
    ],
  });
});

Deno.test("readNetworkOptions() reads lines of /etc/hosts as docker and podman write them", () => {
  const cases = {
    "db:192.0.2.7": ["db", "192.0.2.7"],
    "db=192.0.2.7": ["db", "192.0.2.7"],
    "db:2001:db8::7": ["db", "2001:db8::7"],
    "db:[2001:db8::7]": ["db", "2001:db8::7"],
    "db=[::1]": ["db", "::1"],
  };
  for (const [text, [name, address]] of Object.entries(cases)) {
    assertEquals(read("--add-host", text), { addHosts: [{ name, address }] }, text);
  }
  for (const text of ["db", "db:", ":192.0.2.7", "=", "db:\n"]) {
    assertThrows(() => read("--add-host", text), UsageError, "is no line of /etc/hosts", text);
  }
});

Deno.test("readNetworkOptions() refuses networks and ports that can't be, and flags given twice", () => {
  assertThrows(() => read("--network", "a b"), UsageError, "the network is bridge");
  assertThrows(() => read("--network", "container:"), UsageError, "can't be a container's name");
  assertThrows(() => read("--publish", "8080:"), UsageError, "names no port");
  for (const name of ["network", "ip", "ip6", "mac-address"]) {
    assertThrows(() => read(`--${name}=x`, `--${name}=y`), UsageError, `--${name} is given 2 times`);
    assertThrows(() => read(`--${name}=`), UsageError, `--${name} needs a value`);
  }
});
