import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NameInUseError, PermissionError } from "../../../lib/errors.ts";
import {
  bootId,
  checkPrivateDirectory,
  makePrivateDirectory,
  readIfThere,
  writeAtomically,
} from "../../../lib/store/directory.ts";
import { type Entry, Ledger, parseLedger } from "../../../lib/store/ledger.ts";
import { isAlive, killProcess, startTime } from "../../../lib/store/process.ts";
import { parseState } from "../../../lib/store/parse_state.ts";
import { type State, Store } from "../../../lib/store/state.ts";

const STATE: State = {
  name: "web",
  id: "f".repeat(64),
  pid: 42,
  startTime: 1,
  image: "/",
  command: ["true"],
  created: "2026-01-01T00:00:00.000Z",
  labels: { a: "b" },
  monitor: 43,
  monitorStartTime: 2,
  cgroups: { legacy: {} },
  bootId: bootId(),
};

function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-store-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("parseState() reads what was written, and nothing else", () => {
  assertEquals(parseState(JSON.stringify(STATE)), STATE);
  const wrong: readonly unknown[] = [
    null,
    [],
    "text",
    1,
    { ...STATE, bootId: "of another boot" },
    { ...STATE, pid: "42" },
    { ...STATE, pid: 1.5 },
    { ...STATE, startTime: 1e300 },
    { ...STATE, command: "true" },
    { ...STATE, command: [1] },
    { ...STATE, labels: null },
    { ...STATE, labels: { a: 1 } },
    { ...STATE, name: undefined },
    { ...STATE, created: "junk" },
    { ...STATE, labels: ["x"] },
    { ...STATE, pid: 1 },
    { ...STATE, pid: -1 },
    { ...STATE, startTime: -1 },
    { ...STATE, id: "short" },
    { ...STATE, command: [] },
  ];
  for (const value of wrong) assertEquals(parseState(JSON.stringify(value)), undefined, JSON.stringify(value));
  for (const text of [undefined, "", "{", "\0"]) assertEquals(parseState(text), undefined);
});

Deno.test("parseLedger() passes over torn and forged lines", () => {
  const good: Entry[] = [{ kind: "process", pid: 2, startTime: 3 }, { kind: "mountNamespace", inode: 4 }];
  const bad = [
    { kind: "process", pid: 1, startTime: 3 },
    { kind: "process", pid: 0, startTime: 3 },
    { kind: "process", pid: -5, startTime: 3 },
    { kind: "process", pid: 2 },
    { kind: "process", pid: 2 ** 60, startTime: 3 },
    { kind: "mountNamespace" },
    { kind: "file", path: "/etc/passwd" },
    null,
    5,
  ];
  const lines = [...bad, ...good].map((entry) => JSON.stringify(entry));
  assertEquals(parseLedger([...lines, '{"kind":"process","pid":7,'].join("\n")), good);
});

Deno.test("Ledger keeps what is written, and forgets it when it is undone", async () => {
  using directory = temporary();
  const path = `${directory.path}/ledger`;
  const gone = { kind: "process", pid: 2 ** 22 + 1, startTime: 1 } as const;
  new Ledger(path).add(gone);
  const other = new Ledger(path);
  assertEquals(other.entries(), [gone]);
  assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  await other.undo();
  assertEquals([other.entries(), readIfThere(path)], [[], undefined]);
  await other.undo();
});

Deno.test("killProcess() ends the very process, and none that has its number", async () => {
  const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  const started = startTime(child.pid) ?? 0;
  await killProcess({ pid: child.pid, startTime: started + 1 });
  assert(isAlive({ pid: child.pid, startTime: started }));
  await killProcess({ pid: child.pid, startTime: started });
  assertEquals((await child.status).signal, "SIGKILL");
  assertEquals(startTime(child.pid), undefined);
});

Deno.test("Store.claim() gives a name once, and again after its release", async () => {
  using directory = temporary();
  const store = new Store(`${directory.path}/state`);
  const claim = await store.claim("web");
  claim.write({ ...STATE, monitor: Deno.pid, monitorStartTime: startTime(Deno.pid) ?? 0 });
  assertEquals([store.names(), store.state("web")?.id], [["web"], STATE.id]);
  await assertRejects(() => store.claim("web"), NameInUseError, "f".repeat(12));
  await store.reconcile();
  assertEquals(store.names(), ["web"]);
  await claim.release();
  assertEquals([store.names(), store.state("web")], [[], undefined]);
  await (await store.claim("web")).release();
});

Deno.test("Store.reconcile() removes what nobody holds", async () => {
  using directory = temporary();
  const store = new Store(directory.path);
  Deno.mkdirSync(`${directory.path}/containers/dead`, { recursive: true, mode: 0o700 });
  writeAtomically(`${directory.path}/containers/dead/state.json`, JSON.stringify(STATE));
  Deno.writeTextFileSync(`${directory.path}/containers/note`, "not a container");
  assertEquals(store.names(), ["dead"]);
  await store.reconcile();
  assertEquals(Array.from(Deno.readDirSync(`${directory.path}/containers`), ({ name }) => name), ["note"]);
});

Deno.test("makePrivateDirectory() and checkPrivateDirectory() refuse what others can write to, and change nothing", () => {
  using directory = temporary();
  const at = (name: string) => `${directory.path}/${name}`;
  makePrivateDirectory(at("a/b/c"));
  assertEquals((Deno.statSync(at("a/b/c")).mode ?? 0) & 0o777, 0o700);
  assertEquals([checkPrivateDirectory(at("a/b/c")), checkPrivateDirectory(at("nowhere"))], [true, false]);
  Deno.mkdirSync(at("open"));
  Deno.chmodSync(at("open"), 0o777);
  Deno.writeTextFileSync(at("file"), "");
  Deno.symlinkSync(at("a"), at("link"));
  for (const name of ["open", "file", "link", "file/x"]) {
    assertThrows(() => makePrivateDirectory(at(name)), PermissionError, undefined, name);
  }
  assertEquals((Deno.statSync(at("open")).mode ?? 0) & 0o777, 0o777);
});
