import { assert, assertEquals } from "@std/assert";
import { defaultRoot } from "../../../lib/store/directory.ts";
import { BUSYBOX, host, libflux, patience, startLibflux, uniqueName } from "../support.ts";
import { command, createNetwork, serve, who } from "./container.ts";
import { both } from "./echo.ts";
import { backendTest, labTest } from "./lab.ts";
import { assertNetwork, network } from "./state.ts";
import { holdCommands } from "./xtables.ts";

/** A generator whose numbers can be had again: mulberry32. */
function generator(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Fewer where each takes seconds. */
const ROUNDS = patience(1) > 1 ? 12 : 50;

const BRIDGE = ["--image", BUSYBOX, "--network", "bridge", "--ipv6", "-p", "8080:80", "-p", "8080:80/udp"];

/** Runs libflux and kills it after so many milliseconds; `look` sees the host just before. */
async function killAfter(milliseconds: number, args: readonly string[], look = () => {}): Promise<void> {
  const child = startLibflux(args);
  await child.stdin.close();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  look();
  try {
    child.kill("SIGKILL");
  } catch {
    // ended already
  }
  await child.status;
  // Not until the streams end: without init the command has them until the next libflux cleans up.
  await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
}

/** Kills a libflux that runs a container; answers whether there was one by then. */
async function killRun(milliseconds: number, flags: readonly string[]): Promise<boolean> {
  const name = uniqueName();
  let hit = false;
  await killAfter(milliseconds, ["run", name, ...BRIDGE, ...flags, "--", "sleep", "1000"], () => {
    hit = host().state.includes(name);
  });
  return hit;
}

/** How long a whole run takes here: moments are spread over it, so that each part of it is hit. */
async function wholeRun(): Promise<number> {
  const begin = performance.now();
  const { code, stderr } = await libflux(["run", uniqueName(), ...BRIDGE, "--", "true"]);
  assertEquals([code, stderr], [0, ""]);
  return performance.now() - begin;
}

labTest("network: a killed libflux with thousands of ports leaves nothing after the next command", async () => {
  const before = await network();
  const name = uniqueName();
  const flags = ["--image", BUSYBOX, "--network", "bridge", "-p", "127.0.0.1:20000-29999:20000-29999"];
  const child = startLibflux(["run", name, ...flags, "--", "sh", "-c", "echo ready; sleep 1000"]);
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  assert(!done, done ? await new Response(child.stderr).text() : "");
  // Longer than any other.
  assert(Deno.statSync(`${defaultRoot()}/containers/${name}/ledger`).size > 1 << 20);
  child.kill("SIGKILL");
  await child.status;
  await command("ps");
  await Promise.all([reader.cancel(), child.stderr.cancel(), child.stdin.close()]);
  await assertNetwork(before);
});

labTest("network: two state roots keep apart, and the last sets back what both need", async () => {
  const before = await network();
  const root = Deno.makeTempDirSync({ prefix: "libflux-test-root-" });
  try {
    for (let round = 0; round < 6; round++) {
      const run = (...flags: readonly string[]) =>
        libflux(["run", uniqueName(), "--image", BUSYBOX, "--cap-add", "NET_RAW", ...flags, "--", "sh", "-c", ASK]);
      const ASK = "sleep 0.3; ping -c1 -W2 $(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p') >/dev/null";
      const ends = await Promise.all([run(), run("--root", root)]);
      assertEquals(ends.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""]]);
    }
    // Whichever was the first to end: it had to leave settings to a later command of its own.
    await command("ps");
    await command("ps", "--root", root);
    await assertNetwork(before);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

labTest("network: what needs no network waits for no other's tools", async () => {
  await using held = await holdCommands("*-restore");
  const child = startLibflux(["run", uniqueName(), "--image", BUSYBOX, "--network", "bridge", "--", "true"]);
  await child.stdin.close();
  await held.called();
  await command("ps");
  await command("run", uniqueName(), "--image", BUSYBOX, "--network", "none", "--", "true");
  held.release();
  const { code } = await child.status;
  await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  assertEquals(code, 0);
});

backendTest(`network: libflux killed at ${ROUNDS} random moments leaves nothing after the next command`, async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const random = generator(seed);
  const before = await network();
  const whole = await wholeRun();
  let hits = 0;
  for (let i = 0; i < ROUNDS; i++) {
    if (await killRun(random() * whole * 1.2, i % 2 === 0 ? [] : ["--no-init"])) hits++;
  }
  assertEquals(await command("ps", "--quiet"), "", `seed ${seed}`);
  await assertNetwork(before);
  assert(hits > ROUNDS / 10, `seed ${seed}: only ${hits} of ${ROUNDS} were hit while there was a container`);
});

labTest("network: each libflux killed at a random moment is cleaned up after by the next command", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const random = generator(seed);
  const before = await network();
  const whole = await wholeRun();
  for (let i = 0; i < ROUNDS / 3; i++) {
    await killRun(random() * whole * 1.2, []);
    assertEquals(await command("ps", "--quiet"), "");
    try {
      await assertNetwork(before);
    } catch (error) {
      throw new Error(`seed ${seed}, round ${i}`, { cause: error });
    }
  }
});

labTest("network: libflux killed beside a running container takes nothing from that one", async ({ left }) => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const random = generator(seed);
  await using web = await serve(["--ipv6", "-p", "8081:80", "-p", "8081:80/udp"]);
  const before = await network();
  const whole = await wholeRun();
  for (let i = 0; i < ROUNDS / 3; i++) {
    await killRun(random() * whole * 1.2, i % 2 === 0 ? [] : ["--no-init"]);
    if (i % 4 !== 3) continue;
    assertEquals(await command("ps", "--quiet"), `${web.name}\n`);
    assertEquals(who(await left.ask(both(left.gateways, 8081))), Array(4).fill(web.name), `seed ${seed}, round ${i}`);
  }
  await command("ps");
  await assertNetwork(before);
  const named = (await web.file("/etc/hosts")).flat().filter((word) => word.startsWith("test-"));
  assertEquals([...new Set(named)], [web.name]);
});

labTest("network: 'network create' and 'rm' killed at random moments leave a whole network or none", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const random = generator(seed);
  const names: string[] = [];
  for (let i = 0; i < ROUNDS / 3; i++) {
    const name = uniqueName();
    names.push(name);
    for (const verb of ["create", "rm"]) {
      await killAfter(random() * patience(80), ["network", verb, name]);
    }
  }
  const left = (await command("network", "ls", "--quiet")).split("\n").filter((name) => names.includes(name));
  for (const name of left) {
    await using web = await serve(["--network", name]);
    assertEquals(who(await web.ask(both(web.addresses, 80))), [web.name, web.name], `seed ${seed}`);
  }
  await using _other = await createNetwork();
  if (left.length > 0) await command("network", "rm", ...left);
});
