import { assertEquals } from "@std/assert";
import { Ledger, parseLedger } from "../../../lib/store/ledger.ts";

const PROCESS = '{"kind":"process","pid":2,"startTime":3}';
const NAMESPACE = '{"kind":"mountNamespace","inode":4}';
const ENTRIES = [{ kind: "process", pid: 2, startTime: 3 }, { kind: "mountNamespace", inode: 4 }];

/** As it is in a file that somebody else wrote: not by way of the types. */
const parse = (text: string): unknown => parseLedger(text);

Deno.test("parseLedger() reads whole lines in their order", () => {
  assertEquals(parse(`${PROCESS}\n${NAMESPACE}\n`), ENTRIES);
  assertEquals(parse(`${PROCESS}\r\n\n  ${NAMESPACE}  `), ENTRIES);
  assertEquals(parse(""), []);
});

Deno.test("parseLedger() passes over a last line that was torn at any of its bytes", () => {
  for (let length = 0; length < NAMESPACE.length; length++) {
    assertEquals(parse(`${PROCESS}\n${NAMESPACE.slice(0, length)}`), ENTRIES.slice(0, 1), String(length));
  }
});

Deno.test("parseLedger() passes over files, of which no container has any on the host", () => {
  for (const path of ["/etc/passwd", "/x/libflux-image-../../etc", "relative", "/run/libflux/containers/web/lock"]) {
    for (const kind of ["file", "directory", "mount", "cgroup"]) {
      assertEquals(parse(JSON.stringify({ kind, path })), [], `${kind} ${path}`);
    }
  }
});

Deno.test("parseLedger() passes over numbers that are none of a process's or an inode's", () => {
  for (
    const number of ["0", "-1", "1.5", "1e400", "-1e400", "9007199254740992", "1e300", '"2"', "null", "[2]", "true"]
  ) {
    assertEquals(parse(`{"kind":"process","pid":${number},"startTime":3}`), [], `pid ${number}`);
    assertEquals(parse(`{"kind":"process","pid":2,"startTime":${number}}`), [], `startTime ${number}`);
    assertEquals(parse(`{"kind":"mountNamespace","inode":${number}}`), [], `inode ${number}`);
  }
});

Deno.test("parseLedger() takes for a container's cgroup only what nobody else's is called", () => {
  const id = "0123456789abcdef".repeat(4);
  for (const name of [`libflux-${id}`, `my/group/${id}`, `libflux-${id}/container`]) {
    const entry = { kind: "cgroup", directory: `/sys/fs/cgroup/memory/${name}` };
    assertEquals(parse(JSON.stringify(entry)), [entry]);
  }
  for (
    const path of [
      "/sys/fs/cgroup",
      "/sys/fs/cgroup/system.slice",
      `/a/../${id}`,
      `a/${id}`,
      `/a/${id}/`,
      `/${id}\0`,
      `/a/${id}/other`,
    ]
  ) {
    assertEquals(parse(JSON.stringify({ kind: "cgroup", directory: path })), [], path);
  }
  for (const path of ["relative", "/a/../b", 5]) {
    assertEquals(parse(JSON.stringify({ kind: "cgroupParent", directory: path })), [], String(path));
  }
});

Deno.test("parseLedger() never has init killed", () => {
  for (const pid of ["1", "1.0", "1e0", "10e-1"]) {
    assertEquals(parse(`{"kind":"process","pid":${pid},"startTime":3}`), []);
  }
});

Deno.test("parseLedger() passes over what JSON can say and a ledger can't", () => {
  const lines = [
    "null",
    "5",
    '"process"',
    "[]",
    `[${PROCESS}]`,
    "{}",
    '{"kind":null}',
    '{"kind":["process"],"pid":2,"startTime":3}',
    '{"kind":"__proto__","pid":2}',
    '{"kind":"toString"}',
    `{"__proto__":${PROCESS}}`,
    '{"kind":"process","pid":2}',
    '{"kind":"process","inode":2}',
    '{"kind":"mountNamespace","pid":2,"startTime":3}',
    `${PROCESS}${PROCESS}`,
    `${PROCESS},`,
    "\u0000",
    "{".repeat(100_000),
  ];
  assertEquals(parse([...lines, NAMESPACE].join("\n")), ENTRIES.slice(1));
});

Deno.test("Ledger passes over what it can't read, and is whole again once it was undone", async () => {
  const path = Deno.makeTempDirSync({ prefix: "libflux-ledger-" });
  try {
    const ledger = new Ledger(`${path}/ledger`);
    assertEquals(ledger.entries(), []);
    // One that ended long ago: process ids end at 2²².
    const gone = { kind: "process", pid: 2 ** 22 + 1, startTime: 1 } as const;
    Deno.writeTextFileSync(`${path}/ledger`, `junk\n${JSON.stringify(gone)}\n{"kind":"pro`);
    const read = new Ledger(`${path}/ledger`);
    assertEquals(read.entries(), [gone]);
    await read.undo();
    assertEquals([read.entries(), Array.from(Deno.readDirSync(path))], [[], []]);
    read.add(gone, gone);
    assertEquals(new Ledger(`${path}/ledger`).entries(), [gone, gone]);
    assertEquals(read.entries(), [gone, gone]);
    await read.undo();
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("Ledger.undo() spares a namespace that this very process is in, and a process that only has the number", async () => {
  const path = Deno.makeTempDirSync({ prefix: "libflux-ledger-" });
  try {
    const ledger = new Ledger(`${path}/ledger`);
    ledger.add(
      { kind: "mountNamespace", inode: Deno.statSync("/proc/self/ns/mnt").ino ?? 0 },
      // This process, had it started one tick after boot.
      { kind: "process", pid: Deno.pid, startTime: 1 },
    );
    await ledger.undo();
    assertEquals(Array.from(Deno.readDirSync(path)), []);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});
