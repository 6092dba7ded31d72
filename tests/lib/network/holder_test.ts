import { assert, assertEquals } from "@std/assert";
import { holdPort } from "../../../ffi/inet.ts";
import { holderOf } from "../../../lib/network/holder.ts";
import { bootId } from "../../../lib/store/directory.ts";
import { type State, Store } from "../../../lib/store/state.ts";

function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-holder-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("holderOf() names the process that listens", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const name = Deno.readTextFileSync("/proc/self/comm").trim();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  assertEquals(await holderOf(store, listener.addr.port, "tcp"), `${name} (pid ${Deno.pid})`);
  const bound = holdPort(Uint8Array.of(127, 0, 0, 1), 0, "udp");
  assert(typeof bound === "object");
  using _socket = bound.socket;
  assertEquals(await holderOf(store, bound.port, "udp"), `${name} (pid ${Deno.pid})`);
});

Deno.test("holderOf() knows nobody where nobody is", async () => {
  using directory = temporary();
  // The port 0 is nobody's.
  assertEquals(await holderOf(new Store(directory.path), 0, "tcp"), "somebody else");
});

Deno.test("holderOf() names the container whose port it is, of that protocol", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const state: State = {
    name: "web",
    id: "f".repeat(64),
    pid: Deno.pid,
    startTime: 1,
    image: "/",
    command: ["cmd"],
    created: "2026-01-01T00:00:00.000Z",
    labels: {},
    monitor: Deno.pid,
    monitorStartTime: 0,
    cgroups: { legacy: {} },
    ports: [{ hostPort: 1, containerPort: 80, protocol: "udp" }],
    bootId: bootId(),
  };
  const claim = await store.claim("web");
  claim.write(state);
  assertEquals(await holderOf(store, 1, "udp"), "the container web");
  assert(await holderOf(store, 1, "tcp") !== "the container web");
  await claim.release();
});
