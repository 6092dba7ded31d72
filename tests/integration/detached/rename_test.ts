import { assertEquals, assertStringIncludes } from "@std/assert";
import { hostTest, libflux } from "../support.ts";
import { detached, eventually, script } from "./support.ts";

hostTest("rename gives a running container another name, by which everything finds it", async () => {
  await using container = await script("echo before; sleep 0.5; echo after; sleep 60");
  const to = `${container.name}-new`;
  const { code, stderr } = await libflux(["rename", container.name, to]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(container.state, undefined);
  const { stdout } = await libflux(["ps", "--format", "{{.Name}} {{.State}}", "--filter", `name=${to}`]);
  assertEquals(stdout, `${to} running\n`);
  // Its monitor has held the name all the time.
  assertStringIncludes((await libflux(["run", to, "-d", "--", "true"])).stderr, "is in use by the container");
  await using renamed = new (container.constructor as typeof import("./support.ts").Detached)(to, container.started);
  await eventually(() => renamed.output() === "before\nafter\n", "it goes on with its log");
  assertEquals((await libflux(["stop", "-t", "0", to])).code, 0);
  assertEquals([renamed.state, renamed.record?.name, renamed.record?.code], [undefined, to, 137]);
});

hostTest(
  "a container that ends by itself under another name is cleaned up, and started again where that was asked for",
  async () => {
    await using container = await script("sleep 0.6; echo end; exit 3", ["--restart", "on-failure:1"]);
    const to = `${container.name}-new`;
    await libflux(["rename", container.name, to]);
    await using renamed = new (container.constructor as typeof import("./support.ts").Detached)(to, container.started);
    await eventually(
      () => renamed.record?.restarts === 1 && renamed.record.finished !== undefined,
      "it has ended twice",
    );
    await renamed.gone();
    assertEquals([renamed.output(), renamed.record?.code], ["end\nend\n", 3]);
  },
);

hostTest("rename refuses names that are taken, wrong or nobody's, and moves records of ended ones", async () => {
  await using a = await detached([], ["sleep", "60"]);
  await using b = await detached([], ["true"]);
  await b.gone();
  const refusal = async (...names: string[]): Promise<string> => (await libflux(["rename", ...names])).stderr;
  assertStringIncludes(await refusal("nobody-at-all", "x"), "there is no container nobody-at-all");
  assertStringIncludes(await refusal(b.name, "../x"), "can't be a container's name");
  assertStringIncludes(await refusal(b.name, a.name), "is in use");
  assertStringIncludes(await refusal(a.name, b.name), "is in use");
  assertStringIncludes(await refusal(a.name, a.name), "has this name already");
  assertStringIncludes(await refusal(a.name), "takes two names");
  const to = `${b.name}-old`;
  assertEquals(await refusal(b.name, to), "");
  await using old = new (b.constructor as typeof import("./support.ts").Detached)(to, b.started);
  assertEquals([b.record, old.record?.code], [undefined, 0]);
});
