import { assertEquals } from "@std/assert";
import { portRules } from "../../../lib/network/rules.ts";
import { parseAddress } from "../../../lib/spec/addresses.ts";
import { forgetFlows, isStale, publishedUdp } from "../../../lib/store/flows.ts";

const ID = "0123456789abcdef".repeat(4);
const bytes = (text: string): Uint8Array => parseAddress(text) ?? new Uint8Array();
const rules = (address: string): string[] =>
  portRules(
    [[53, "udp"], [5353, "udp"], [80, "tcp"]].map(([port, protocol]) => ({
      hostPort: Number(port),
      containerPort: 7,
      protocol: protocol === "udp" ? "udp" as const : "tcp" as const,
    })),
    { address, family: address.includes(":") ? 6 : 4, id: ID },
  );

Deno.test("publishedUdp() reads what portRules() writes", () => {
  for (const address of ["10.87.0.2", "fd00:1::2"]) {
    assertEquals(publishedUdp(rules(address)), { ports: new Set([53, 5353]), target: bytes(address).toHex() });
    assertEquals(publishedUdp(rules(address).filter((rule) => rule.includes("tcp"))), undefined);
  }
  const at = portRules([{ hostAddress: "192.0.2.1", hostPort: 53, containerPort: 7, protocol: "udp" }], {
    ...{ address: "10.87.0.2", family: 4, id: ID },
  });
  assertEquals(publishedUdp(at), { ports: new Set([53]), target: "0a570002" });
  assertEquals(publishedUdp([]), undefined);
});

Deno.test("isStale() tells flows that go elsewhere than the rules say", () => {
  const published = { ports: new Set([53]), target: bytes("10.87.0.2").toHex() };
  const own = new Set([bytes("192.0.2.1").toHex()]);
  const flow = (destination: string, port: number, replier: string) => ({
    ...{ destination: bytes(destination), port, replier: bytes(replier) },
  });
  // To the host itself, before the port was published; to the container before; past the host; to this container.
  assertEquals(isStale(flow("192.0.2.1", 53, "192.0.2.1"), published, own), true);
  assertEquals(isStale(flow("127.0.0.1", 53, "127.0.0.1"), published, own), true);
  assertEquals(isStale(flow("192.0.2.1", 53, "10.87.0.3"), published, own), true);
  assertEquals(isStale(flow("8.8.8.8", 53, "8.8.8.8"), published, own), false);
  assertEquals(isStale(flow("192.0.2.1", 53, "10.87.0.2"), published, own), false);
  assertEquals(isStale(flow("192.0.2.1", 54, "192.0.2.1"), published, own), false);
  // When it has gone.
  assertEquals(isStale(flow("192.0.2.1", 53, "10.87.0.2"), published, undefined), true);
  assertEquals(isStale(flow("192.0.2.1", 53, "10.87.0.3"), published, undefined), false);
  assertEquals(isStale(flow("192.0.2.1", 54, "10.87.0.2"), published, undefined), false);
});

Deno.test("forgetFlows() is no failure where the kernel doesn't tell, and asks nothing where there is no UDP", () => {
  forgetFlows(4, ["-p tcp"], true);
  // Nobody has this address.
  forgetFlows(4, rules("192.0.2.254").slice(0, 1), false);
});
