import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Descriptor } from "../../../ffi/libc.ts";
import { NameInUseError, UsageError } from "../../../lib/errors.ts";
import { bootId } from "../../../lib/store/directory.ts";
import { lockDirectory, lockFile, sign } from "../../../lib/store/lock.ts";
import { parseState } from "../../../lib/store/parse_state.ts";
import { startTime } from "../../../lib/store/process.ts";
import { type State, Store } from "../../../lib/store/state.ts";

const STATE: State = {
  name: "web",
  id: "f".repeat(64),
  pid: 42,
  startTime: 1,
  image: "/srv",
  command: ["cmd", ""],
  created: "2026-01-01T00:00:00.000Z",
  labels: { a: "b" },
  monitor: 43,
  monitorStartTime: 2,
  cgroups: { legacy: {} },
  bootId: bootId(),
};
const WITHOUT_PID = Object.fromEntries(Object.entries(STATE).filter(([key]) => key !== "pid"));

/** The state with the JSON text of one value replaced. */
const forged = (key: string, json: string): string =>
  JSON.stringify({ ...STATE, [key]: "FORGED" }).replace('"FORGED"', () => json);

function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-state-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("parseState() reads a state, and one of a later libflux that says more", () => {
  assertEquals(parseState(JSON.stringify(STATE)), STATE);
  assertEquals(parseState(forged("labels", "{}"))?.labels, {});
  assertEquals(parseState(JSON.stringify({ ...STATE, cgroup: "/x" }))?.id, STATE.id);
});

Deno.test("parseState() refuses a state that lacks anything", () => {
  for (const key of Object.keys(STATE)) {
    const rest = Object.fromEntries(Object.entries(STATE).filter(([other]) => other !== key));
    assertEquals(parseState(JSON.stringify(rest)), undefined, key);
  }
});

Deno.test("parseState() refuses a state torn at any of its bytes", () => {
  const text = JSON.stringify(STATE);
  for (let length = 0; length < text.length; length++) assertEquals(parseState(text.slice(0, length)), undefined);
});

Deno.test("parseState() refuses every value of another type", () => {
  const wrong: Readonly<Record<string, readonly string[]>> = {
    string: ["null", "1", "true", "[]", "{}", '["web"]'],
    number: ["null", '"42"', "1.5", "1e400", "-1e400", "9007199254740993", "[42]", "{}", "true"],
    array: ["null", '"cmd"', "1", "{}", '{"length":0}', "[1]", "[null]", '[["cmd"]]', '["cmd",1]'],
    labels: ["null", '"a=b"', "1", "true", '{"a":1}', '{"a":null}', '{"a":{}}', '{"a":["b"]}'],
  };
  const kinds: Readonly<Partial<Record<keyof State, string>>> = {
    name: "string",
    id: "string",
    pid: "number",
    startTime: "number",
    image: "string",
    command: "array",
    created: "string",
    labels: "labels",
    monitor: "number",
    monitorStartTime: "number",
    cgroups: "object",
    bootId: "string",
  };
  for (const [key, kind] of Object.entries(kinds)) {
    for (const json of wrong[kind] ?? []) assertEquals(parseState(forged(key, json)), undefined, `${key}: ${json}`);
  }
});

Deno.test("parseState() takes nothing from a prototype, and gives nobody one", () => {
  assertEquals(parseState(`{"__proto__":${JSON.stringify(STATE)}}`), undefined);
  assertEquals(parseState(JSON.stringify(WITHOUT_PID).replace("{", '{"__proto__":{"pid":42},')), undefined);
  assertEquals(
    parseState(JSON.stringify(WITHOUT_PID).replace("{", '{"constructor":{"prototype":{"pid":42}},')),
    undefined,
  );
  const state = parseState(forged("labels", '{"__proto__":"x"}'));
  assertEquals(Object.entries(state?.labels ?? {}), [["__proto__", "x"]]);
  assertEquals(({} as Record<string, unknown>).pid, undefined);
});

Deno.test("parseState() knows nothing of another boot", () => {
  for (const other of ["", bootId().toUpperCase() + " ", "00000000-0000-0000-0000-000000000000"]) {
    assertEquals(parseState(JSON.stringify({ ...STATE, bootId: other })), undefined, other);
  }
});

Deno.test("Store.claim() refuses names that lead elsewhere, and makes nothing", async () => {
  using directory = temporary();
  const store = new Store(`${directory.path}/state`);
  for (const name of ["", ".", "..", "../web", "a/b", "/etc", "a\0", "a".repeat(65)]) {
    await assertRejects(() => store.claim(name), UsageError, "can't be a container's name", name);
  }
  assertEquals(Array.from(Deno.readDirSync(directory.path)), []);
});

Deno.test("Store.claim() forgets what a stale container of the same name left", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const left = store.directory("web");
  Deno.mkdirSync(left, { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(`${left}/state.json`, JSON.stringify(STATE));
  Deno.writeTextFileSync(`${left}/state.json.new`, "{");
  Deno.writeTextFileSync(`${left}/ledger`, "junk\n");
  const claim = await store.claim("web");
  assertEquals(Array.from(Deno.readDirSync(left), ({ name }) => name), ["lock"]);
  assertEquals(store.state("web"), undefined);
  await claim.release();
});

Deno.test("Store.claim() gives a name to one of many that ask at once", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const claims = await Promise.allSettled(Array.from({ length: 5 }, async () => {
    const claim = await store.claim("web");
    claim.write({ ...STATE, monitor: Deno.pid, monitorStartTime: startTime(Deno.pid) ?? 0 });
    return claim;
  }));
  const given = claims.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  const refused = claims.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
  assertEquals([given.length, refused.every((reason) => reason instanceof NameInUseError)], [1, true]);
  await given[0]?.release();
});

Deno.test("Store.claim() isn't refused for a process that got the number of a monitor", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const first = await store.claim("web");
  first.write({ ...STATE, monitor: Deno.pid, monitorStartTime: (startTime(Deno.pid) ?? 0) + 1 });
  // Whoever has the lock without a monitor is soon done with it.
  const second = store.claim("web");
  first.leave();
  await (await second).release();
});

Deno.test("Store.names() and reconcile() leave alone what can't be a container's", async () => {
  using directory = temporary();
  const containers = `${directory.path}/containers`;
  Deno.mkdirSync(containers, { mode: 0o700 });
  for (const name of [".hidden", "with blank", "a".repeat(65)]) Deno.mkdirSync(`${containers}/${name}`);
  Deno.mkdirSync(`${directory.path}/elsewhere`);
  Deno.symlinkSync(`${directory.path}/elsewhere`, `${containers}/link`);
  Deno.writeTextFileSync(`${containers}/file`, "");
  const store = new Store(directory.path);
  assertEquals(store.names(), []);
  await store.reconcile();
  assertEquals(Array.from(Deno.readDirSync(containers)).length, 5);
});

Deno.test("Store.reconcile() waits for locks of which only a dead process's children have copies", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const path = store.directory("web");
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  const [file, hold] = [lockFile(`${path}/lock`), lockDirectory(path)];
  assert(typeof file === "object" && typeof hold === "object");
  // Of one who lives it is left alone, at once.
  sign(file);
  assertEquals(await store.reconcileOne("web", Infinity), false);
  const [pid = "", started = 0, numbers = ""] = Deno.readTextFileSync(`${path}/lock`).trim().split(" ");
  const nobody = `${pid} ${Number(started) + 1} ${numbers}`;
  // As long as nobody knows who has it, too.
  for (const unknown of [nobody, `${nobody}1\n`, `${pid} ${Number(started) + 1}\n`]) {
    Deno.writeTextFileSync(`${path}/lock`, unknown);
    assertEquals(await store.reconcileOne("web", Infinity), false);
  }
  Deno.writeTextFileSync(`${path}/lock`, `${nobody}\n`);
  store.writeOptions("web", {});
  Deno.writeTextFileSync(
    `${path}/state.json`,
    JSON.stringify({ ...STATE, monitor: Deno.pid, monitorStartTime: startTime(Deno.pid) }),
  );
  assertEquals(await store.reconcileOne("web", Infinity), false);
  Deno.removeSync(`${path}/state.json`);
  let closed = 0;
  // The one may be closed before the other.
  const later = (lock: Descriptor, moment: number): void => void setTimeout(() => (lock.close(), closed++), moment);
  later(file, 20);
  later(hold, 40);
  assertEquals(await store.reconcileOne("web", Infinity), true);
  assertEquals([closed, Array.from(Deno.readDirSync(`${directory.path}/containers`))], [2, []]);
});

Deno.test("Store.reconcile() follows no link that stands in a lock's place", async () => {
  using directory = temporary();
  const container = `${directory.path}/containers/web`;
  Deno.mkdirSync(container, { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(`${directory.path}/victim`, "untouched");
  Deno.symlinkSync(`${directory.path}/victim`, `${container}/lock`);
  await new Store(directory.path).reconcile();
  assertEquals(Deno.readTextFileSync(`${directory.path}/victim`), "untouched");
  assertEquals(Array.from(Deno.readDirSync(container), ({ name }) => name), ["lock"]);
  // Nor is anything made where a link leads that leads nowhere yet.
  Deno.removeSync(`${directory.path}/victim`);
  await new Store(directory.path).reconcile();
  assertEquals(Array.from(Deno.readDirSync(directory.path), ({ name }) => name), ["containers"]);
});

Deno.test("Claim.write() leaves a whole state, for its owner only", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  const claim = await store.claim("web");
  claim.write(STATE);
  claim.write({ ...STATE, pid: 44 });
  assertEquals(store.state("web"), { ...STATE, pid: 44 });
  assertEquals((Deno.statSync(`${claim.directory}/state.json`).mode ?? 0) & 0o777, 0o600);
  assertEquals(Array.from(Deno.readDirSync(claim.directory), ({ name }) => name).sort(), ["lock", "state.json"]);
  await claim.release();
  await claim.release();
});
