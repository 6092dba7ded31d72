import { assertEquals } from "@std/assert";
import { parseIdMap, toContainer, toHost } from "../../../lib/files/root.ts";

const MAP = "         0     100000       1000\n      1000       1000          1\n";

Deno.test("parseIdMap() reads what the kernel writes", () => {
  assertEquals(parseIdMap(MAP), [
    { containerID: 0, hostID: 100000, size: 1000 },
    { containerID: 1000, hostID: 1000, size: 1 },
  ]);
  assertEquals(parseIdMap(""), []);
  assertEquals(parseIdMap("         0          0 4294967295\n"), [{ containerID: 0, hostID: 0, size: 4294967295 }]);
});

Deno.test("toHost() and toContainer() are each other's opposite, and know no id outside of the map", () => {
  const map = parseIdMap(MAP);
  for (const [inside, outside] of [[0, 100000], [999, 100999], [1000, 1000]] as const) {
    assertEquals([toHost(map, inside), toContainer(map, outside)], [outside, inside]);
  }
  assertEquals([toHost(map, 1001), toContainer(map, 0), toContainer(map, 101000)], [undefined, undefined, undefined]);
});
