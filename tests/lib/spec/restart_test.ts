import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { checkRestart, nextStart } from "../../../lib/spec/restart.ts";

Deno.test("checkRestart() takes docker's policies, and no others", () => {
  for (const policy of ["no", "always", "on-failure", "on-failure:3"]) assertEquals(checkRestart(policy), policy);
  assertEquals(checkRestart("unless-stopped"), "always");
  for (const text of ["", "On-failure", "on-failure:0", "on-failure:-1", "on-failure:x", "always:3", "sometimes"]) {
    assertThrows(() => checkRestart(text), UsageError, "no restart policy", text);
  }
});

Deno.test("nextStart() starts what its policy says, and no more often", () => {
  assertEquals(nextStart("no", 1, 0, 0), undefined);
  assertEquals(nextStart("on-failure", 0, 0, 0), undefined);
  assertEquals(nextStart("on-failure", 1, 0, 0), { attempt: 1, delay: 100 });
  assertEquals(nextStart("always", 0, 0, 0), { attempt: 1, delay: 100 });
  assertEquals(nextStart("on-failure:2", 1, 0, 1), { attempt: 2, delay: 200 });
  assertEquals(nextStart("on-failure:2", 1, 0, 2), undefined);
});

Deno.test("nextStart() waits twice as long each time, a minute at most, and begins anew after one that has worked", () => {
  const delays = [0, 1, 2, 3, 9, 10, 50].map((attempts) => nextStart("always", 1, 9_999, attempts)?.delay);
  assertEquals(delays, [100, 200, 400, 800, 51_200, 60_000, 60_000]);
  assertEquals(nextStart("on-failure:2", 1, 10_000, 2), { attempt: 1, delay: 100 });
});
