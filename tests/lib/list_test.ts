import { assertEquals } from "@std/assert";
import { list } from "../../lib/list.ts";
import { bootId, writeAtomically } from "../../lib/store/directory.ts";
import { startTime } from "../../lib/store/process.ts";
import { type State, Store } from "../../lib/store/state.ts";

const SELF = { pid: Deno.pid, startTime: startTime(Deno.pid) ?? 0 };

/** A state whose PID 1 is this very process. */
const stateOf = (name: string): State => ({
  ...SELF,
  name,
  id: "a".repeat(64),
  image: "/srv",
  command: ["cmd"],
  created: "2026-01-02T03:04:05.678Z",
  labels: { tier: "web" },
  monitor: Deno.pid,
  monitorStartTime: 0,
  cgroups: { legacy: {} },
  bootId: bootId(),
});

function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-list-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("list() is empty where there is no state root, and makes none", async () => {
  using directory = temporary();
  assertEquals(await list({ root: `${directory.path}/nowhere` }), []);
  assertEquals(Array.from(Deno.readDirSync(directory.path)), []);
});

Deno.test("list() shows containers sorted by name, those being made and forged ones left out", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const claims = await Promise.all(["web", "api", "made", "forged", "old"].map((name) => store.claim(name)));
  const [web, api, , forged, old] = claims;
  web?.write(stateOf("web"));
  api?.write({ ...stateOf("api"), startTime: SELF.startTime + 1 });
  forged?.write(stateOf("web"));
  old?.write({ ...stateOf("old"), bootId: "of another boot" });
  const containers = await list({ root: directory.path });
  assertEquals(containers.map(({ name, state }) => [name, state]), [["api", "stopping"], ["web", "running"]]);
  assertEquals(containers[1], {
    name: "web",
    id: "a".repeat(64),
    state: "running",
    pid: Deno.pid,
    image: "/srv",
    command: ["cmd"],
    created: new Date("2026-01-02T03:04:05.678Z"),
    labels: { tier: "web" },
    ports: [],
  });
  for (const claim of claims) await claim.release();
  assertEquals(await list({ root: directory.path }), []);
});

Deno.test("list() removes what a killed libflux left, the first time it looks", async () => {
  using directory = temporary();
  const left = `${directory.path}/containers/left`;
  Deno.mkdirSync(left, { recursive: true, mode: 0o700 });
  writeAtomically(`${left}/state.json`, JSON.stringify({ ...stateOf("left"), startTime: 1 }));
  assertEquals(await list({ root: directory.path }), []);
  assertEquals(Array.from(Deno.readDirSync(`${directory.path}/containers`)), []);
});
