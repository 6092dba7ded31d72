import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import {
  checkUserNamespace,
  hasUserNamespace,
  hostId,
  type IdOwner,
  parseIdMapping,
  planIds,
} from "../../../lib/spec/id_maps.ts";
import { parseIdRanges, rangesRemedy } from "../../../lib/spec/id_ranges.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";
import type { IdMapping } from "../../../lib/spec/types.ts";

const options = (more: Partial<RunOptions> = {}): RunOptions => ({ command: ["true"], ...more });
const first: IdOwner["take"] = (starts) => {
  for (const start of starts) return start;
  return undefined;
};
const ROOT: IdOwner = {
  uid: 0,
  gid: 0,
  name: "root",
  subuids: [],
  subgids: [],
  accounts: () => [],
  hasTools: true,
  take: first,
};
const WEB: IdOwner = {
  uid: 1000,
  gid: 100,
  name: "web",
  subuids: parseIdRanges("other:50000:100\nweb:100000:65536\n1000:300000:10\n"),
  subgids: parseIdRanges("web:200000:65536\n"),
  accounts: () => [],
  hasTools: true,
  take: first,
};
const BARE: IdOwner = { ...WEB, subuids: [], subgids: [] };
const shown = (lines: readonly IdMapping[] = []): string[] =>
  lines.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`);
const plan = (more: Partial<RunOptions>, owner: IdOwner) => {
  const maps = planIds(options(more), owner);
  return maps === undefined ? undefined : [shown(maps.uids), shown(maps.gids), maps.writer];
};

Deno.test("planIds(): root's containers have the host's users unless others are asked for", () => {
  assertEquals(plan({}, ROOT), undefined);
  assertEquals(plan({ userns: "host" }, ROOT), undefined);
  assertEquals(plan({ userns: "auto" }, ROOT), [["0:524288:65536"], ["0:524288:65536"], "root"]);
  assertEquals(plan({ userns: "auto:size=1000" }, ROOT), [["0:524288:1000"], ["0:524288:1000"], "root"]);
  assertEquals(plan({ userns: "7000:8000:100" }, ROOT), [["0:7000:100"], ["0:8000:100"], "root"]);
  const line = { containerID: 0, hostID: 5, size: 1 };
  assertEquals(plan({ uidMap: [line] }, ROOT), [["0:5:1"], ["0:5:1"], "root"]);
  assertEquals(plan({ uidMap: [line], gidMap: [{ ...line, hostID: 6 }] }, ROOT), [["0:5:1"], ["0:6:1"], "root"]);
  assertThrows(() => plan({ userns: "keep-id" }, ROOT), UsageError, "libflux runs as root");
});

Deno.test("planIds(): automatic ranges are nobody's, neither by name nor by another container", () => {
  const taken = parseIdRanges("web:524288:65536\ndb:600000:1\n");
  // 589824 to 655359 has 600000 in it.
  assertEquals(plan({ userns: "auto" }, { ...ROOT, subuids: taken })?.[0], ["0:655360:65536"]);
  const second: IdOwner["take"] = (starts) =>
    [...function* () {
      let count = 0;
      for (const start of starts) {
        if (count++ < 2) yield start;
        else return;
      }
    }()][1];
  assertEquals(plan({ userns: "auto" }, { ...ROOT, take: second })?.[0], ["0:589824:65536"]);
  // Nor has an account one of its ids.
  assertEquals(plan({ userns: "auto" }, { ...ROOT, accounts: () => [0, 524290] })?.[0], ["0:589824:65536"]);
  const reserved = parseIdRanges("containers:1000000:131072\n");
  const half = parseIdRanges("containers:1065536:65536\n");
  assertEquals(plan({ userns: "auto" }, { ...ROOT, subuids: reserved, subgids: reserved })?.[0], ["0:1000000:65536"]);
  assertEquals(plan({ userns: "auto" }, { ...ROOT, subuids: reserved, subgids: half })?.[1], ["0:1065536:65536"]);
  assertThrows(
    () => plan({ userns: "auto" }, { ...ROOT, subuids: reserved, take: () => undefined }),
    UsageError,
    "there is no free range of 65536 ids",
  );
});

Deno.test("planIds(): an ordinary user is root inside, and all others are from its ranges", () => {
  const uids = ["0:1000:1", "1:100000:65536", "65537:300000:10"];
  assertEquals(plan({}, WEB), [uids, ["0:100:1", "1:200000:65536"], "tools"]);
  assertEquals(plan({ userns: "host" }, WEB)?.[0], uids);
  for (const owner of [BARE, { ...WEB, hasTools: false }, { ...WEB, subgids: [] }]) {
    assertEquals(plan({}, owner), [["0:1000:1"], ["0:100:1"], "self"]);
  }
});

Deno.test("planIds(): keep-id gives an ordinary user its own id inside, among all others", () => {
  assertEquals(plan({ userns: "keep-id" }, WEB), [
    ["0:100000:1000", "1000:1000:1", "1001:101000:64536", "65537:300000:10"],
    ["0:200000:100", "100:100:1", "101:200100:65436"],
    "tools",
  ]);
  assertEquals(planIds(options({ userns: "keep-id" }), WEB)?.user, "1000:100");
  const other = planIds(options({ userns: "keep-id:uid=5,gid=70000" }), WEB);
  assertEquals(other?.user, "5:70000");
  assertEquals(shown(other?.uids), ["0:100000:5", "5:1000:1", "6:100005:65531", "65537:300000:10"]);
  // Above all that the ranges have: those between stand for nobody.
  assertEquals(shown(other?.gids), ["0:200000:65536", "70000:100:1"]);
  // Just behind a range.
  assertEquals(shown(planIds(options({ userns: "keep-id:gid=65536" }), WEB)?.gids), ["0:200000:65536", "65536:100:1"]);
  assertThrows(() => plan({ userns: "keep-id" }, BARE), UsageError, "this user has no others");
});

Deno.test("planIds(): an ordinary user gives a container ids of its ranges, and nobody else's", () => {
  assertEquals(plan({ userns: "auto" }, WEB), [["0:100000:1024"], ["0:200000:1024"], "tools"]);
  const taken: IdOwner["take"] = (starts) => [...starts][3];
  assertEquals(plan({ userns: "auto:size=100" }, { ...WEB, take: taken }), [
    ["0:100300:100"],
    ["0:200300:100"],
    "tools",
  ]);
  assertThrows(() => plan({ userns: "auto:size=65537" }, WEB), UsageError, "no 65537 ids of the user web are free");
  assertThrows(() => plan({ userns: "auto" }, BARE), UsageError, "this user has no others");
  const gids = { gidMap: [{ containerID: 0, hostID: 200000, size: 1 }] };
  const uids = (hostID: number, size: number) => ({ uidMap: [{ containerID: 0, hostID, size }], ...gids });
  assertEquals(plan(uids(100001, 65535), WEB), [["0:100001:65535"], ["0:200000:1"], "tools"]);
  assertEquals(
    plan(
      { uidMap: [{ containerID: 0, hostID: 1000, size: 1 }], gidMap: [{ containerID: 0, hostID: 100, size: 1 }] },
      BARE,
    ),
    [
      ["0:1000:1"],
      ["0:100:1"],
      "self",
    ],
  );
  for (const [hostID, size] of [[0, 1], [100001, 65536], [99999, 2], [50000, 1], [1000, 2]] as const) {
    assertThrows(() => plan(uids(hostID, size), WEB), UsageError, "aren't this user's to map");
  }
  assertThrows(() => plan(uids(100000, 5), { ...WEB, hasTools: false }), UsageError, "no newuidmap");
});

Deno.test("planIds() passes over lines of ranges that the kernel would refuse", () => {
  const twice = parseIdRanges("web:100000:65536\n1000:100000:65536\nweb:165535:2\nweb:4294967290:10\n");
  assertEquals(plan({}, { ...WEB, subuids: twice })?.[0], ["0:1000:1", "1:100000:65536"]);
});

Deno.test("rangesRemedy() names the first ids that nobody has", () => {
  const remedy = (text: string) =>
    /subuids (\S+)/.exec(rangesRemedy({ name: "x", subuids: [], subgids: parseIdRanges(text) }))?.[1];
  assertEquals(remedy(""), "100000-165535");
  assertEquals(remedy("containers:2147483647:2147483648\n"), "100000-165535");
  assertEquals(remedy("b:200000:65536\na:100000:65536\n"), "265536-331071");
});

Deno.test("what this user lacks comes with the line that gives it", () => {
  const error = assertThrows(() => plan({ userns: "keep-id" }, { ...BARE, subuids: parseIdRanges("db:100000:65536") }));
  assertEquals(
    (error as UsageError).hint,
    "sudo usermod --add-subuids 165536-231071 --add-subgids 165536-231071 web",
  );
});

Deno.test("checkUserNamespace() refuses what can't be, with a sentence", () => {
  const line = (containerID: number, hostID: number, size: number): IdMapping => ({ containerID, hostID, size });
  const cases: readonly [Partial<RunOptions>, string][] = [
    [{ userns: "other" }, 'not "other"'],
    [{ userns: "" }, 'not ""'],
    [{ userns: "host:x" }, "no setting of --userns host"],
    [{ userns: "1:2" }, 'not "1:2"'],
    [{ userns: "auto:uid=4" }, "no setting of --userns auto"],
    [{ userns: "keep-id:uid=4294967295" }, "no setting of --userns keep-id"],
    [{ userns: "auto", uidMap: [line(0, 1, 1)] }, "given twice"],
    [{ uidMap: [line(1, 1, 1)] }, "has no 0"],
    [{ uidMap: [line(0, 1, 0)] }, "its size is 0"],
    [{ uidMap: [line(0, 4294967294, 2)] }, "above 4294967294"],
    [{ uidMap: [line(0, -1, 2)] }, "maps no user ids"],
    [{ gidMap: [line(0, 10, 5), line(4, 100, 5)] }, "the same ids of the container"],
    [{ gidMap: [line(0, 10, 5), line(5, 14, 5)] }, "the same ids of the host"],
    [{ uidMap: Array.from({ length: 341 }, (_, index) => line(index, index, 1)) }, "at most 340 lines"],
    [{ groupAdd: ["keep-groups", "web"] }, "either kept or added"],
  ];
  for (const [more, sentence] of cases) {
    assertThrows(() => checkUserNamespace(options(more)), UsageError, sentence);
  }
  checkUserNamespace(options({ uidMap: [line(0, 10, 5), line(5, 15, 5)], groupAdd: ["a", "b"] }));
  assertThrows(() => planIds(options({ userns: "0:0:0" }), ROOT), UsageError, "its size is 0");
});

Deno.test("parseIdMapping() reads podman's form", () => {
  assertEquals(parseIdMapping("0:100000:65536"), { containerID: 0, hostID: 100000, size: 65536 });
  assertEquals(parseIdMapping("0:@1000:1").hostID, 1000);
  for (const text of ["", "0:1", "a:1:2", "0:1:-1", "0:1:2:3", "0x1:1:1"]) {
    assertThrows(() => parseIdMapping(text), UsageError, "maps no ids");
  }
});

Deno.test("hostId() tells what an id inside is outside", () => {
  const lines = [{ containerID: 0, hostID: 1000, size: 1 }, { containerID: 1, hostID: 100000, size: 10 }];
  assertEquals([0, 1, 10, 11].map((id) => hostId(lines, id)), [1000, 100000, 100009, undefined]);
});

Deno.test("hasUserNamespace() is true for all of an ordinary user's containers", () => {
  assertEquals([1000, 0].map((uid) => hasUserNamespace(options(), uid)), [true, false]);
  assertEquals(hasUserNamespace(options({ userns: "auto" }), 0), true);
  assertEquals(hasUserNamespace(options({ gidMap: [] }), 0), true);
  assertEquals(hasUserNamespace(options({ userns: "host" }), 1000), true);
});
