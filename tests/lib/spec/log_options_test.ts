import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { checkLog, parseLog } from "../../../lib/spec/log_options.ts";

Deno.test("parseLog() reads driver and options as docker does, and has its defaults", () => {
  assertEquals(parseLog(undefined, []), { driver: "file", maxSize: 10_000_000, maxFile: 3 });
  assertEquals(parseLog("journald", ["max-size=2k", "max-file=9"]), { driver: "journald", maxSize: 2000, maxFile: 9 });
  assertEquals(parseLog("none", ["max-size=1.5GB"]).maxSize, 1_500_000_000);
  assertEquals(parseLog("file", ["max-size=-1"]).maxSize, -1);
});

Deno.test("parseLog() and checkLog() refuse what no log can be", () => {
  for (const text of ["max-size", "max-size=", "max-size=ten", "max-size=1", "max-file=0", "max-file=x", "tag=web"]) {
    assertThrows(() => parseLog(undefined, [text]), UsageError, undefined, text);
  }
  assertThrows(() => parseLog("splunk", []), UsageError, "no log driver");
  assertThrows(() => checkLog({ maxFile: 1.5 }), UsageError, "1.5 files");
});
