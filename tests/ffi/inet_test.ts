import { createSocket } from "node:dgram";
import { assert, assertEquals } from "@std/assert";
import { E } from "../../ffi/abi/constants.ts";
import { holdPort, sharePort } from "../../ffi/inet.ts";

/** One that no other test uses. */
const LOOPBACK = Uint8Array.of(127, 83, Deno.pid >> 8 & 0xff, Deno.pid & 0xff);
const LOOPBACK6 = Uint8Array.from({ length: 16 }, (_, at) => at === 15 ? 1 : 0);

/** Holds one that has to be free. */
function hold(...args: Parameters<typeof holdPort>): Exclude<ReturnType<typeof holdPort>, number> {
  const held = holdPort(...args);
  assert(typeof held === "object", `errno ${held}`);
  return held;
}

for (const protocol of ["tcp", "udp"] as const) {
  Deno.test(`holdPort() gives a free port of ${protocol}, which nobody else has until it is closed`, () => {
    const { socket, port } = hold(LOOPBACK, 0, protocol);
    assert(port > 0 && port < 65536);
    assertEquals(holdPort(LOOPBACK, port, protocol), -E.EADDRINUSE);
    assertEquals(holdPort(new Uint8Array(4), port, protocol), -E.EADDRINUSE);
    socket.close();
    // Others on this machine may be given the same free port in this moment.
    const again = (tries: number): ReturnType<typeof holdPort> => {
      const held = holdPort(LOOPBACK, port, protocol);
      return typeof held === "number" && tries > 0 ? again(tries - 1) : held;
    };
    const held = again(1000);
    assert(typeof held === "object", `errno ${held}`);
    held.socket.close();
  });
}

Deno.test("holdPort() holds a port in network byte order, which others of this process can't listen on", () => {
  const { socket, port } = hold(LOOPBACK, 0, "tcp");
  using _held = socket;
  try {
    Deno.listen({ hostname: LOOPBACK.join("."), port }).close();
    throw new TypeError("could be listened on");
  } catch (error) {
    assert(error instanceof Deno.errors.AddrInUse, String(error));
  }
});

Deno.test("sharePort() lets who asks for SO_REUSEADDR listen on a port while it is held, and nobody else have it", () => {
  const { socket, port } = hold(LOOPBACK, 0, "tcp");
  using _held = socket;
  sharePort(socket);
  using listener = Deno.listen({ hostname: LOOPBACK.join("."), port });
  assertEquals(listener.addr.transport, "tcp");
  // Now somebody listens, which is never shared.
  assertEquals(holdPort(LOOPBACK, port, "tcp"), -E.EADDRINUSE);
});

Deno.test("sharePort() does so for UDP", async () => {
  const { socket, port } = hold(LOOPBACK, 0, "udp");
  using _held = socket;
  const bind = (): Promise<string> => {
    const other = createSocket({ type: "udp4", reuseAddr: true });
    return new Promise((resolve) => {
      other.once("error", (error) => resolve(String("code" in error ? error.code : error)));
      other.bind(port, LOOPBACK.join("."), () => other.close(() => resolve("bound")));
    });
  };
  assertEquals(await bind(), "EADDRINUSE");
  sharePort(socket);
  assertEquals(await bind(), "bound");
  assertEquals(holdPort(LOOPBACK, port, "udp"), -E.EADDRINUSE);
});

Deno.test("holdPort() holds a port of IPv6 alone, and that of an address for this address", () => {
  const ipv6 = holdPort(LOOPBACK6, 0, "tcp");
  // A host without IPv6.
  const EAFNOSUPPORT = 97;
  if (ipv6 === -EAFNOSUPPORT || ipv6 === -E.EADDRNOTAVAIL) return;
  assert(typeof ipv6 === "object", `errno ${ipv6}`);
  using socket = ipv6.socket;
  assertEquals(holdPort(LOOPBACK6, ipv6.port, "tcp"), -E.EADDRINUSE);
  assertEquals(holdPort(new Uint8Array(16), ipv6.port, "tcp"), -E.EADDRINUSE);
  const wildcard = hold(new Uint8Array(16), 0, "udp");
  using all = wildcard.socket;
  // Were it IPv4's too, this would be in use. Somebody else may have it meanwhile: then it is no proof.
  const ipv4 = holdPort(new Uint8Array(4), wildcard.port, "udp");
  if (typeof ipv4 === "object") ipv4.socket.close();
  else assert(isBound(wildcard.port), `errno ${ipv4}`);
  assert(socket.isOpen && all.isOpen);
});

/** Whether an IPv4 socket of UDP has a port. */
function isBound(port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  return Deno.readTextFileSync("/proc/net/udp").includes(wanted);
}

Deno.test("holdPort() refuses an address that isn't this host's, and leaves nothing open", () => {
  // TEST-NET-1 (RFC 5737): nobody's.
  const foreign = Uint8Array.of(192, 0, 2, 1);
  for (let i = 0; i < 2000; i++) assertEquals(holdPort(foreign, 0, "tcp"), -E.EADDRNOTAVAIL);
});
