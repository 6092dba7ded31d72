import { assertEquals, assertRejects } from "@std/assert";
import { allEnded, inTurn, inTurnOrWarn } from "../../lib/settle.ts";
import { onWarning } from "../../lib/warnings.ts";

/** Steps of which the second and the third fail, and what was done. */
function steps(): { readonly done: string[]; readonly all: readonly (() => unknown)[] } {
  const done: string[] = [];
  const all = [
    () => done.push("one"),
    () => {
      done.push("two");
      throw new TypeError("two");
    },
    () => Promise.reject(new RangeError("three")),
    async () => {
      await Promise.resolve();
      done.push("four");
    },
  ];
  return { done, all };
}

Deno.test("inTurn() does all, one after the other, and throws what the first that failed threw", async () => {
  const { done, all } = steps();
  await assertRejects(() => inTurn(...all), TypeError, "two");
  assertEquals(done, ["one", "two", "four"]);
  await inTurn(() => done.push("five"), () => undefined);
  assertEquals(done.at(-1), "five");
});

Deno.test("inTurnOrWarn() tells of it by a warning", async () => {
  const { done, all } = steps();
  const told: string[] = [];
  onWarning((sentence) => told.push(sentence));
  await inTurnOrWarn(...all);
  await inTurnOrWarn(() => {});
  onWarning(undefined);
  assertEquals(done, ["one", "two", "four"]);
  assertEquals(told, ["not everything of a failed container could be given back: two"]);
});

Deno.test("allEnded() waits for all, whatever becomes of one", async () => {
  let isDone = false;
  const late = new Promise<void>((resolve) => setTimeout(() => (isDone = true, resolve()), 10));
  await assertRejects(() => allEnded([Promise.reject(new TypeError("a")), undefined, late]), TypeError, "a");
  assertEquals(isDone, true);
});
