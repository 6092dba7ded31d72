import { assertEquals, assertRejects } from "@std/assert";
import { assertSnapshot } from "../../compat/testing/snapshot.ts";

/** A test's context that remembers what it is asked, and answers as it is told. */
function contextOf(answer: () => Promise<void>): { readonly context: Deno.TestContext; readonly asked: unknown[][] } {
  const asked: unknown[][] = [];
  const context = {
    assertSnapshot: (...args: unknown[]) => {
      asked.push(args);
      return answer();
    },
  };
  return { context: context as unknown as Deno.TestContext, asked };
}

Deno.test("assertSnapshot() hands the value, and a message or options, to the running test", async () => {
  const { context, asked } = contextOf(() => Promise.resolve());
  const options = { name: "other", serializer: String };
  await assertSnapshot(context, { a: 1 });
  await assertSnapshot(context, "text", "why");
  await assertSnapshot(context, 5, options);
  assertEquals(asked, [[{ a: 1 }, {}], ["text", "why"], [5, options]]);
});

Deno.test("assertSnapshot() fails where the snapshot is another", async () => {
  const { context } = contextOf(() => Promise.reject(new Error("another snapshot")));
  await assertRejects(() => assertSnapshot(context, 1), Error, "another snapshot");
});
