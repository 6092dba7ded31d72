import { assertEquals, assertStringIncludes } from "@std/assert";
import { AT } from "../../../ffi/abi/constants.ts";
import { checked, type Descriptor } from "../../../ffi/libc.ts";
import { holdDirectory, RENAMING_FILE } from "../../../lib/store/naming.ts";
import { hostTest, isThere, libflux } from "../support.ts";
import { type Detached, detached, eventually, script, signal } from "./support.ts";

/** Ends a container whose libflux can't clean up yet: it waits for what is in hand here. */
async function ending(container: Detached): Promise<Descriptor> {
  const hold = await holdDirectory(container.directory);
  const { pid = 0, monitor = 0 } = container.state ?? {};
  signal(pid, "SIGKILL");
  await eventually(() => isFinishing(monitor), "its libflux is there");
  if (hold === undefined) throw new Error("it has ended before");
  return hold;
}

const isFinishing = (pid: number): boolean => Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("finish");

/** The first step of a rename alone. */
function exchange(container: Detached, to: Detached): void {
  const EXCHANGE = 2;
  Deno.mkdirSync(to.directory, { mode: 0o700 });
  Deno.writeTextFileSync(`${to.directory}/lock`, "");
  Deno.writeTextFileSync(`${to.directory}/${RENAMING_FILE}`, to.name);
  checked("renameat2", AT.AT_FDCWD, container.directory, AT.AT_FDCWD, to.directory, EXCHANGE);
}

function renamed(container: Detached): Detached {
  const constructor = container.constructor as typeof Detached;
  return new constructor(`${container.name}-new`, container.started);
}

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

hostTest(
  "a rename that meets the container's end loses neither its code nor anything else, whoever is first",
  async () => {
    for (const isFirst of [true, false]) {
      await using container = await script("sleep 60");
      await using to = renamed(container);
      using hold = isFirst ? await holdDirectory(container.directory) : await ending(container);
      const rename = libflux(["rename", container.name, to.name]);
      if (isFirst) signal(container.state?.pid ?? 0, "SIGKILL");
      hold?.close();
      const { code, stderr } = await rename;
      await container.gone();
      await to.gone();
      const ends = [container, to].map(({ record }) => record?.code);
      // Whoever of the two comes second while the other cleans up may find it gone, and renames what is kept of it.
      assertEquals([code, stderr, ends], [0, "", [undefined, 137]]);
      assertEquals(to.record?.name, to.name);
      for (const { directory } of [container, to]) assertEquals(isThere(directory), false);
    }
  },
);

hostTest("a container whose rename was killed in the middle ends under its new name, with its code", async () => {
  await using container = await script("sleep 60");
  await using to = renamed(container);
  using hold = await ending(container);
  exchange(container, to);
  hold.close();
  await to.gone();
  assertEquals((await libflux(["ps", "-q"])).code, 0);
  assertEquals([container.record, to.record?.code, to.record?.name], [undefined, 137, to.name]);
  for (const { directory } of [container, to]) assertEquals(isThere(directory), false);
});

hostTest("the next command completes a rename that was killed in the middle", async () => {
  await using container = await script("sleep 60");
  await using to = renamed(container);
  const hold = await holdDirectory(container.directory);
  exchange(container, to);
  hold?.close();
  const { stdout } = await libflux(["ps", "--format", "{{.Name}} {{.State}}", "--filter", `name=${container.name}`]);
  assertEquals(stdout, `${to.name} running\n`);
  assertEquals([container.record, to.record?.name, to.state?.name], [undefined, to.name, to.name]);
  assertEquals(isThere(container.directory), false);
});

hostTest("stop ends a container that somebody is just renaming", async () => {
  await using container = await script("sleep 60");
  await using to = renamed(container);
  const { monitor = 0 } = container.state ?? {};
  const hold = await holdDirectory(container.directory);
  exchange(container, to);
  const stop = libflux(["stop", "-t", "0", container.name]);
  // What is in hand here keeps it from being cleaned up.
  await eventually(() => !isThere(`/proc/${monitor}`), "its monitor has left that to stop");
  hold?.close();
  assertEquals((await stop).code, 0);
  await to.gone();
  assertEquals(to.state, undefined);
});
