import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { checkNetworkOptions, defaultNetwork } from "../../../lib/spec/networks.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";

const PORTS = [{ containerPort: 80, protocol: "tcp" }] as const;

Deno.test("defaultNetwork() is the bridge for root, and for others pasta where it is installed", () => {
  const chosen = (uid: number, hasPasta: boolean, options: Partial<RunOptions> = {}): string =>
    defaultNetwork(uid, () => hasPasta, { command: ["true"], ...options });
  assertEquals([chosen(0, true), chosen(0, false)], ["bridge", "bridge"]);
  assertEquals([chosen(1000, true), chosen(1000, false)], ["pasta", "none"]);
  // What takes a network isn't dropped: that there is no pasta will be told.
  assertEquals(chosen(1000, false, { ports: PORTS }), "pasta");
});

Deno.test("checkNetworkOptions() lets pasta publish ports, and have no address of its own", () => {
  const check = (options: Partial<RunOptions>): void =>
    checkNetworkOptions({ command: ["true"], network: "pasta", ...options });
  check({ ports: PORTS, ipv6: true, dns: ["192.0.2.1"], addHosts: [{ name: "db", address: "192.0.2.7" }] });
  const wrong: readonly Partial<RunOptions>[] = [
    { ip: "192.0.2.2" },
    { ip6: "2001:db8::2" },
    { macAddress: "02:00:00:12:34:56" },
    { networkAliases: ["db"] },
  ];
  for (const options of wrong) {
    const error = assertThrows(() => check(options), UsageError, "and the network is pasta");
    assertEquals(error.hint, "pasta gives the container the host's own address");
  }
});
