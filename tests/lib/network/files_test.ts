import { assertEquals } from "@std/assert";
import { type HostFiles, networkFiles } from "../../../lib/network/files.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
import type { Lease } from "../../../lib/store/network.ts";

const HOST: HostFiles = {
  hosts: "127.0.0.1 localhost\n10.0.0.1 gateway",
  resolv: "search example\noptions edns0\nnameserver 127.0.0.53\n",
  upstream: "nameserver 192.0.2.1\nnameserver 127.0.0.1\n",
};

function file(path: string, options: Partial<RunOptions>, host: HostFiles = HOST): string | undefined {
  return networkFiles({ command: ["true"], ...options }, "web", host).find((one) => one.path === path)?.content;
}

Deno.test("networkFiles() gives a container of its own network its own hosts, and the host's with the host's", () => {
  const own = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tweb\n";
  assertEquals(file("/etc/hostname", {}), "web\n");
  assertEquals(file("/etc/hosts", {}), own);
  assertEquals(file("/etc/hosts", { network: "pasta" }), own);
  assertEquals(file("/etc/hosts", { network: "host" }), `${HOST.hosts}\n`);
  const addHosts = [{ name: "db", address: "192.0.2.7" }, { name: "web", address: "2001:db8::1" }];
  assertEquals(file("/etc/hosts", { addHosts }), `192.0.2.7\tdb\n2001:db8::1\tweb\n${own}`);
});

Deno.test("networkFiles() gives resolvers that can be reached", () => {
  const resolv = (options: Partial<RunOptions>, host?: HostFiles) => file("/etc/resolv.conf", options, host);
  assertEquals(resolv({ network: "host" }), HOST.resolv);
  assertEquals(resolv({}), "# this container has no resolver: give it one with --dns\n");
  // systemd-resolved listens at the host's loopback; what it asks itself is in a file of its own.
  assertEquals(resolv({ network: "ns:/run/netns/x" }), "nameserver 192.0.2.1\nsearch example\noptions edns0\n");
  assertEquals(resolv({ network: "pasta" }), "nameserver 192.0.2.1\nsearch example\noptions edns0\n");
  assertEquals(resolv({ network: "container:db" }), "nameserver 192.0.2.1\nsearch example\noptions edns0\n");
  const plain = { ...HOST, resolv: "nameserver 192.0.2.9\nnameserver ::1\n" };
  assertEquals(resolv({ network: "ns:/run/netns/x" }, plain), "nameserver 192.0.2.9\n");
  assertEquals(
    resolv({ dns: ["192.0.2.3", "2001:db8::5"], dnsSearch: ["a.example", "b"] }),
    [
      "nameserver 192.0.2.3",
      "nameserver 2001:db8::5",
      "search a.example b",
      "",
    ].join("\n"),
  );
  assertEquals(
    resolv({ network: "host", dns: ["192.0.2.3"], dnsSearch: ["."] }),
    "nameserver 192.0.2.3\noptions edns0\n",
  );
});

const lease = (name: string, last: number, more: Partial<Lease> = {}): Lease => ({
  name,
  id: String(last).repeat(64),
  address: `10.87.0.${last}`,
  macAddress: `0a:58:0a:57:00:0${last}`,
  names: [name],
  ...more,
});

/** A file of a container that is on a network with another. */
function placed(path: string, options: Partial<RunOptions>, internal = false, host = HOST): string | undefined {
  const own = lease("web", 2, { ipv6Address: "fd00:1::2", names: ["web", "www"] });
  const place = { lease: own, leases: [own, lease("db", 3)], internal };
  return networkFiles({ command: ["true"], network: "bridge", ...options }, "host7", host, place)
    .find((one) => one.path === path)?.content;
}

Deno.test("networkFiles() gives a container on a network its own addresses and its neighbours' names", () => {
  const own = [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "10.87.0.2\thost7 web www",
    "fd00:1::2\thost7 web www",
    "# others on the network, kept by libflux",
    "10.87.0.3\tdb",
    "# end of the others",
    "",
  ].join("\n");
  assertEquals(placed("/etc/hosts", {}), own);
  assertEquals(placed("/etc/hostname", {}), "host7\n");
  assertEquals(placed("/etc/hosts", { addHosts: [{ name: "db", address: "192.0.2.7" }] }), `192.0.2.7\tdb\n${own}`);
});

Deno.test("networkFiles() names a container once that has the name of its host", () => {
  const own = lease("web", 2);
  const [, hosts] = networkFiles({ command: ["true"] }, "web", HOST, { lease: own, leases: [own], internal: false });
  assertEquals(hosts?.content.includes("10.87.0.2\tweb\n"), true);
});

Deno.test("networkFiles() gives resolvers to who has a way out, and to others those that are asked for", () => {
  const beyond = "nameserver 192.0.2.1\nsearch example\noptions edns0\n";
  assertEquals(placed("/etc/resolv.conf", {}), beyond);
  assertEquals(placed("/etc/resolv.conf", { dnsSearch: ["b"] }), beyond.replace("example", "b"));
  assertEquals(placed("/etc/resolv.conf", { dns: ["192.0.2.3"] }), beyond.replace("192.0.2.1", "192.0.2.3"));
  assertEquals(placed("/etc/resolv.conf", {}, true), "# this container has no resolver: give it one with --dns\n");
  assertEquals(placed("/etc/resolv.conf", { dns: ["10.87.0.9"] }, true), "nameserver 10.87.0.9\n");
  assertEquals(placed("/etc/resolv.conf", { dnsSearch: ["a", "b"] }, true), "search a b\n");
  // Nothing that can be reached is better said by nothing.
  assertEquals(placed("/etc/resolv.conf", {}, false, { ...HOST, resolv: "nameserver 127.0.0.53\n", upstream: "" }), "");
});
