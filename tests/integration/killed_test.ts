import { assert, assertEquals } from "@std/assert";
import {
  assertHost,
  BUSYBOX,
  host,
  IS_USER,
  libflux,
  patience,
  startLibflux,
  temporaryDirectory,
  uniqueName,
} from "./support.ts";

/** A generator whose numbers can be had again: mulberry32. */
function generator(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

const VARIANTS: readonly (readonly string[])[] = [
  [],
  ["--no-init"],
  // An ordinary user may set no limits where no cgroup is delegated.
  ["--pid", "host", ...IS_USER ? [] : ["--memory", "64M", "--cgroup-parent", "/libflux-killed/below"]],
  ["--no-init", "--pid", "host", "--network", "host"],
];

/** Fewer where each takes three seconds. */
const ROUNDS = patience(1) > 1 ? 24 : 100;

Deno.test(`run: libflux killed at ${ROUNDS} random moments leaves nothing that the next command doesn't clean up`, async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const random = generator(seed);
  using directory = temporaryDirectory();
  const root = `${directory.path}/state`;
  const before = host(root);
  // How long a whole run takes here: moments are spread over it, so that each part of it is hit.
  const begin = performance.now();
  assertEquals((await libflux(["run", "whole", "--root", root, "--image", BUSYBOX, "--", "true"])).code, 0);
  const whole = performance.now() - begin;
  let running = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const name = uniqueName();
    const flags = VARIANTS[i % VARIANTS.length] ?? [];
    const child = startLibflux(["run", name, "--root", root, "--image", BUSYBOX, ...flags, "--", "sleep", "1000"]);
    await child.stdin.close();
    await new Promise((resolve) => setTimeout(resolve, random() * whole * 1.2));
    if (host(root).state.includes(name)) running++;
    child.kill("SIGKILL");
    // Not until the streams end: without init the command goes on until the next libflux cleans up.
    await child.status;
    const { code, stdout, stderr } = await libflux(["ps", "--quiet", "--root", root]);
    assertEquals([code, stdout, stderr], [0, "", ""], `seed ${seed}, round ${i}`);
    await assertHost(before, root);
    await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  }
  assert(running > ROUNDS / 20, `seed ${seed}: only ${running} of ${ROUNDS} were hit while there was a container`);
});

Deno.test("run: a name is free again after libflux was killed", async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/state`;
  const before = host(root);
  const flags = ["--root", root, "--image", BUSYBOX, "--no-init"];
  const child = startLibflux(["run", "again", ...flags, "--", "sh", "-c", "echo up; sleep 1000"]);
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await Promise.all([child.stdin.close(), reader.cancel(), child.stderr.cancel(), child.status]);
  const { code, stdout } = await libflux(["run", "again", ...flags, "--", "echo", "hello"]);
  assertEquals([code, stdout], [0, "hello\n"]);
  await assertHost(before, root);
});
