import { assert, assertEquals, assertRejects } from "@std/assert";
import { LaunchError } from "../../../lib/errors.ts";
import { exclusively, isCurrent, isFree, lockFile } from "../../../lib/store/lock.ts";

function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-lock-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const moment = (milliseconds = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const MODULE = new URL("../../../lib/store/lock.ts", import.meta.url).href;
const code = (body: string): string => `import { exclusively, lockFile } from ${JSON.stringify(MODULE)};\n${body}`;

/** A process of its own that runs some code. */
function other(body: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--quiet", code(body)],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
}

Deno.test("exclusively() lets one at a time in, in the order they came", async () => {
  using directory = temporary();
  const path = `${directory.path}/lock`;
  const order: string[] = [];
  const results = await Promise.all([3, 1, 2].map((number) =>
    exclusively(path, async () => {
      order.push(`in ${number}`);
      await moment(number);
      order.push(`out ${number}`);
      return number;
    })
  ));
  assertEquals(results, [3, 1, 2]);
  assertEquals(order, ["in 3", "out 3", "in 1", "out 1", "in 2", "out 2"]);
});

Deno.test("exclusively() lets no one wait for another lock", async () => {
  using directory = temporary();
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = exclusively(`${directory.path}/one`, () => promise);
  assertEquals(await exclusively(`${directory.path}/two`, () => 2), 2);
  resolve();
  await first;
});

Deno.test("exclusively() passes errors through, and lets the next in", async () => {
  using directory = temporary();
  const path = `${directory.path}/lock`;
  const fail = (): Promise<never> => exclusively(path, () => Promise.reject(new TypeError("bad")));
  const results = await Promise.allSettled([
    fail(),
    exclusively(path, () => {
      throw new RangeError("worse");
    }),
    exclusively(path, () => 3),
    fail(),
  ]);
  assertEquals(results.map((one) => one.status === "fulfilled" ? one.value : String(one.reason)), [
    "TypeError: bad",
    "RangeError: worse",
    3,
    "TypeError: bad",
  ]);
  assertEquals(await exclusively(path, () => 4), 4);
});

Deno.test("isFree() tells whether somebody has a lock", async () => {
  using directory = temporary();
  const path = `${directory.path}/lock`;
  assertEquals(isFree(path), true);
  await exclusively(path, () => assertEquals(isFree(path), false));
  assertEquals(isFree(path), true);
});

Deno.test("exclusively() says at once that the lock's directory isn't there", async () => {
  using directory = temporary();
  const { hint } = await assertRejects(() => exclusively(`${directory.path}/nowhere/lock`, () => 1), LaunchError);
  assertEquals(hint, "its directory has been removed");
});

Deno.test("exclusively() lets one process at a time in", async () => {
  using directory = temporary();
  const [path, file] = [`${directory.path}/lock`, `${directory.path}/count`];
  Deno.writeTextFileSync(file, "0");
  // Whoever reads the same number as another loses a turn.
  const count = `
    for (let i = 0; i < 40; i++) {
      await exclusively(${JSON.stringify(path)}, async () => {
        const number = Number(Deno.readTextFileSync(${JSON.stringify(file)}));
        await new Promise((resolve) => setTimeout(resolve, 0));
        Deno.writeTextFileSync(${JSON.stringify(file)}, String(number + 1));
      });
    }`;
  const processes = [other(count), other(count)];
  for (let i = 0; i < 40; i++) {
    await exclusively(path, async () => {
      const number = Number(Deno.readTextFileSync(file));
      await moment(0);
      Deno.writeTextFileSync(file, String(number + 1));
    });
  }
  for (const { success } of await Promise.all(processes.map((one) => one.output()))) assert(success);
  assertEquals(Deno.readTextFileSync(file), "120");
});

Deno.test("a lock is busy as long as its process lives, and free when that was killed", async () => {
  using directory = temporary();
  const path = `${directory.path}/lock`;
  const holder = other(`
    globalThis.kept = lockFile(${JSON.stringify(path)});
    console.log(typeof kept);
    await new Promise((resolve) => setTimeout(resolve, 60_000));`);
  const reader = holder.stdout.getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "object\n");
  assertEquals(lockFile(path), "busy");
  let isIn = false;
  const entered = exclusively(path, () => void (isIn = true));
  await moment(20);
  assertEquals(isIn, false);
  holder.kill("SIGKILL");
  await entered;
  reader.releaseLock();
  await holder.stdout.cancel();
  await holder.stdin.close();
  await holder.status;
});

Deno.test("lockFile() and isCurrent() tell a file from the one that has its name by now", () => {
  using directory = temporary();
  const path = `${directory.path}/lock`;
  const file = lockFile(path);
  assert(typeof file === "object");
  using _file = file;
  assert(isCurrent(file, path));
  Deno.removeSync(path);
  assert(!isCurrent(file, path));
  const next = lockFile(path);
  assert(typeof next === "object");
  using _next = next;
  assertEquals([isCurrent(file, path), isCurrent(next, path)], [false, true]);
  assertEquals([lockFile(`${path}/x`), lockFile(`${directory.path}/nowhere/x`)], ["gone", "gone"]);
});
