import { assertEquals } from "@std/assert";
import { hasOwnNetwork, isOwnHosts, networkOf } from "../../lib/connect.ts";
import type { Prepared } from "../../lib/prepare.ts";
import type { RunOptions } from "../../lib/spec/options.ts";

const options = (network?: string): RunOptions =>
  ({ command: ["cmd"], ...(network === undefined ? {} : { network }) }) as RunOptions;

Deno.test("networkOf() names the network of libflux's that a container is to be on", () => {
  const networks = ["bridge", "web", "none", "host", "container:web", "ns:/run/netns/x", undefined];
  const expected = ["bridge", "web", undefined, undefined, undefined, undefined, undefined];
  assertEquals(networks.map((one) => networkOf(options(one))), expected);
});

Deno.test("hasOwnNetwork() tells containers with a network namespace of their own", () => {
  const networks = ["bridge", "web", "none", "host", "container:web", "ns:/run/netns/x"];
  assertEquals(networks.map((one) => hasOwnNetwork(options(one))), [true, true, true, false, false, false]);
});

Deno.test("isOwnHosts() tells an /etc/hosts of libflux's from one that somebody mounts there", () => {
  const withMounts = (...destinations: string[]): Prepared =>
    ({ spec: { mounts: destinations.map((destination) => ({ destination })) } }) as unknown as Prepared;
  assertEquals(isOwnHosts({ spec: {} } as unknown as Prepared), true);
  assertEquals(isOwnHosts(withMounts()), true);
  assertEquals(isOwnHosts(withMounts("/proc", "/etc/hostname", "/etc/hosts.d", "/srv/etc/hosts")), true);
  assertEquals(isOwnHosts(withMounts("/proc", "/etc/hosts")), false);
  assertEquals(isOwnHosts(withMounts("/etc")), false);
});
