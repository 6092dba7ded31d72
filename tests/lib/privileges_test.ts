import { assertEquals } from "@std/assert";
import { ownLimit, parseLimits } from "../../lib/privileges.ts";
import { RLIMITS } from "../../lib/spec/limits.ts";

Deno.test("parseLimits() reads of a process what the kernel says of this one", () => {
  const read = parseLimits(Deno.readTextFileSync("/proc/self/limits"));
  assertEquals(read, RLIMITS.map(ownLimit));
  assertEquals(parseLimits(""), []);
});
