import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { checkNetwork, checkNetworkName, checkNetworkOptions, isNetworkName } from "../../../lib/spec/networks.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";

const check = (options: Record<string, unknown>): void =>
  checkNetworkOptions({ command: ["cmd"], ...options } as RunOptions);
const refusal = (options: Record<string, unknown>, message: string): UsageError =>
  assertThrows(() => check(options), UsageError, message, JSON.stringify(options));

const WORDS = ["none", "host", "default", "container", "ns", "private", "pasta"];
const BAD_NAMES = ["", "-x", ".", "..", ".x", "_x", "a b", "a/b", "../x", "a\n", "a\0", "ü", "a:b", "a".repeat(64)];

Deno.test("isNetworkName() takes letters, digits and three marks, and no word of --network", () => {
  for (const name of ["bridge", "a", "0", "A.b_c-d", "a..b", "a".repeat(63), "None"]) assert(isNetworkName(name), name);
  for (const name of [...WORDS, ...BAD_NAMES]) assert(!isNetworkName(name), JSON.stringify(name));
});

Deno.test("checkNetworkName() says why a name can't be", () => {
  checkNetworkName("bridge");
  for (const name of WORDS) {
    const error = assertThrows(() => checkNetworkName(name), UsageError, `"${name}" can't be a network's name`);
    assertEquals(error.hint, "it is a word of --network");
  }
  for (const name of BAD_NAMES) {
    const { message, hint } = assertThrows(() => checkNetworkName(name), UsageError, "can't be a network's name");
    assertStringIncludes(hint ?? "", "at most 63 letters");
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x1f]/.test(message), message);
  }
});

Deno.test("checkNetwork() takes networks, the host's, none, a container's and a namespace's", () => {
  for (const text of ["bridge", "web", "none", "host", "container:web", "container:-x", "ns:/run/netns/x", "ns:/"]) {
    checkNetwork(text);
  }
  for (
    const text of [
      "",
      "default",
      "private",
      "ns",
      "ns:",
      "ns:x",
      "ns:/x\0",
      "container",
      "a b",
      "web:1",
      "host ",
      "HOST:",
    ]
  ) {
    const { hint } = assertThrows(() => checkNetwork(text), UsageError, "the network is bridge, the name of", text);
    assertStringIncludes(hint ?? "", "libflux network ls");
  }
  for (const name of ["", ".x", "a/b", "a\n"]) {
    assertThrows(() => checkNetwork(`container:${name}`), UsageError, "can't be a container's name");
  }
});

Deno.test("checkNetworkOptions() takes all that a network of libflux's has", () => {
  const all = {
    ip: "10.87.0.5",
    ip6: "fd00::5",
    ipv6: true,
    macAddress: "02:00:00:12:34:Ef",
    networkAliases: ["db", "a.b-c_d", "x", "a".repeat(63)],
    ports: [{ containerPort: 80, protocol: "tcp" }],
    addHosts: [{ name: "db", address: "::1" }],
    dns: ["192.0.2.1"],
    dnsSearch: ["."],
  };
  for (const network of [undefined, "bridge", "web"]) check(network === undefined ? all : { ...all, network });
  check({});
});

Deno.test("checkNetworkOptions() refuses each value that can't be", () => {
  for (const ip of ["", "10.87.0", "10.87.0.256", "10.87.0.05", "fd00::1", "10.87.0.5/24"]) {
    refusal({ ip }, `"${ip}" is no IPv4 address`);
  }
  for (const ip6 of ["", "10.87.0.5", "fd00::1%eth0", "[fd00::1]", "fd00::1/64"]) {
    refusal({ ip6 }, `"${ip6}" is no IPv6 address`);
  }
  refusal({ networkAliases: ["LocalHost"] }, "every host's name for itself");
  const macs = [
    "",
    "02:00:00:12:34",
    "02:00:00:12:34:56:78",
    "02-00-00-12-34-56",
    "03:00:00:12:34:56",
    "ff:ff:ff:ff:ff:ff",
  ];
  for (const macAddress of [...macs, "00:00:00:00:00:00", "0g:00:00:12:34:56", "02:00:00:12:34:56\n"]) {
    const { hint } = refusal({ macAddress }, "is no MAC address that a container can have");
    assertStringIncludes(hint ?? "", "02:00:00:12:34:56");
  }
  for (const alias of ["", "a b", "-x", "x-", ".x", "a\n", "a#b", "a:b", "a".repeat(64)]) {
    refusal({ networkAliases: ["db", alias] }, "can't be the name of a host");
  }
  refusal({ network: "a b" }, "the network is bridge");
  refusal({ ports: [{ containerPort: 0, protocol: "tcp" }] }, "ports[0].containerPort");
  refusal({ addHosts: [{ name: "db", address: "x" }] }, '"x" is no IP address');
  refusal({ dns: ["x"] }, '"x" is no IP address');
  refusal({ dnsSearch: ["a b"] }, "can't be the name of a host or a domain");
});

Deno.test("checkNetworkOptions() refuses what only a network of libflux's has, with another network", () => {
  const asks: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ ports: [{ containerPort: 80, protocol: "tcp" }] }, "a published port (--publish)"],
    [{ ip: "10.87.0.5" }, "an IP address"],
    [{ ip6: "fd00::5" }, "an IP address"],
    [{ ipv6: true }, "an IP address"],
    [{ macAddress: "02:00:00:12:34:56" }, "a MAC address (--mac-address)"],
    [{ networkAliases: ["db"] }, "an alias (--network-alias)"],
  ];
  for (const network of ["none", "host", "container:web", "ns:/run/netns/x"]) {
    for (const [options, what] of asks) {
      const error = refusal({ ...options, network }, `${what}`);
      assertStringIncludes(error.message, `needs a network of libflux's, and the network is ${network}`);
      assertEquals(
        error.hint,
        network === "host" ? "whoever listens inside listens on the host itself" : "leave out --network",
      );
    }
    check({ network, ipv6: false, ports: [], networkAliases: [] });
  }
});
