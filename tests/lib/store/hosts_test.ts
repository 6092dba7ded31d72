import { assertEquals } from "@std/assert";
import { hostsFile, neighbours, tellNeighbours, withNeighbours } from "../../../lib/store/hosts.ts";
import type { Lease } from "../../../lib/store/network.ts";

const lease = (name: string, last: number, more: Partial<Lease> = {}): Lease => ({
  name,
  id: String(last % 10).repeat(64),
  address: `10.87.0.${last}`,
  macAddress: `0a:58:0a:57:00:0${last}`,
  names: [name],
  ...more,
});
const WEB = lease("web", 2);
const DB = lease("db", 3, { ipv6Address: "fd00:1::3", names: ["db", "database"] });
const BEGIN = "# others on the network, kept by libflux\n";
const END = "# end of the others\n";

Deno.test("neighbours() has the lines of everybody but one, sorted by name", () => {
  const db = "10.87.0.3\tdb database\nfd00:1::3\tdb database\n";
  assertEquals(neighbours([WEB, DB], WEB.id), `${BEGIN}${db}${END}`);
  assertEquals(neighbours([WEB, DB], DB.id), `${BEGIN}10.87.0.2\tweb\n${END}`);
  assertEquals(neighbours([WEB, DB], "f".repeat(64)), `${BEGIN}${db}10.87.0.2\tweb\n${END}`);
  assertEquals(neighbours([WEB], WEB.id), BEGIN + END);
});

Deno.test("withNeighbours() keeps a user's own lines before and after", () => {
  const before = "127.0.0.1\tlocalhost\n192.0.2.1 mine # of old\n\n";
  const after = "\n192.0.2.2\tmine too";
  const old = neighbours([WEB, DB], WEB.id);
  const lines = neighbours([WEB], WEB.id);
  assertEquals(withNeighbours(before + old + after, lines), before + lines + after);
  assertEquals(withNeighbours(old, lines), lines);
  assertEquals(withNeighbours(before + lines + after, old), before + old + after);
  assertEquals(withNeighbours("ü\0\r\n" + old + "ü\0", lines), "ü\0\r\n" + lines + "ü\0");
});

Deno.test("withNeighbours() answers nothing where nothing changes, or the place is gone", () => {
  const lines = neighbours([WEB, DB], WEB.id);
  const texts = [
    `x\n${lines}y\n`,
    "",
    "127.0.0.1 localhost\n",
    BEGIN,
    END,
    END + BEGIN,
    `${BEGIN}10.87.0.9 x\n${END.trimEnd()}`,
    `${BEGIN.trimEnd()} no more\n${END}`,
  ];
  for (const text of texts) assertEquals(withNeighbours(text, lines), undefined, JSON.stringify(text));
});

Deno.test("withNeighbours() changes the first place only", () => {
  const lines = neighbours([WEB], WEB.id);
  const old = `${BEGIN}10.87.0.9\tx\n${END}`;
  assertEquals(withNeighbours(old + old, lines), lines + old);
});

Deno.test("tellNeighbours() passes over processes that have ended, and files that aren't theirs", () => {
  // Process ids end at 2²².
  const gone = { pid: 2 ** 22 + 1, startTime: 1, device: "0:1", inode: 1 };
  assertEquals(hostsFile(gone.pid), undefined);
  tellNeighbours([lease("web", 2, { hosts: gone }), DB]);
  // This very process, had it started one tick after boot.
  tellNeighbours([lease("web", 2, { hosts: { ...gone, pid: Deno.pid } })]);
  // The file that this process has is another than the one that was written down.
  const own = hostsFile(Deno.pid);
  if (own === undefined) return;
  const before = Deno.readTextFileSync("/etc/hosts");
  tellNeighbours([lease("web", 2, { hosts: { ...own, inode: own.inode + 1 } }), DB]);
  tellNeighbours([lease("web", 2, { hosts: { ...own, device: "999:999" } }), DB]);
  assertEquals(Deno.readTextFileSync("/etc/hosts"), before);
});
