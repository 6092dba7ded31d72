import { assert, assertEquals } from "@std/assert";
import { table } from "../../../lib/render.ts";
import { IS_USER, rootTest, usersTest } from "../support.ts";
import { EVERYDAY } from "./everyday.ts";
import { attempts, lament, podmanObstacle, prepareProgram, removeProgram } from "./lists.ts";
import { below, type Place, podman } from "./places.ts";

Deno.test.beforeAll(prepareProgram);
Deno.test.afterAll(removeProgram);

const unprivileged = below("--cap-drop", "ALL", "--user", "65534:65534");

const failures = async (name: string, place: Place): Promise<string[]> =>
  (await attempts("everyday", name, place)).flatMap(({ number, answer, said }) =>
    answer === "done" ? [] : [`${EVERYDAY[number]?.name}: ${answer}: ${said.trim().split("\n").slice(-3).join("; ")}`]
  );

Deno.test("the list of everyday operations is long enough, and names each once", () => {
  assert(EVERYDAY.length >= 60, `${EVERYDAY.length}`);
  assertEquals(new Set(EVERYDAY.map(({ name }) => name)).size, EVERYDAY.length);
});

usersTest("every everyday operation works in a default container", async () => {
  assertEquals(await failures("libflux", below()), []);
});

usersTest("an everyday operation that doesn't work would be noticed", async () => {
  const failed = await failures("unprivileged", unprivileged);
  for (const name of ["dpkg -i of a package built here", "tar with owners", "su to a user", "a port below 1024"]) {
    assert(failed.some((text) => text.startsWith(name)), name);
  }
});

const obstacle = IS_USER ? undefined : await podmanObstacle();
if (obstacle !== undefined) lament(obstacle);

rootTest("beside podman: what works there works in libflux", async () => {
  const [inside, other] = [
    await attempts("everyday", "libflux", below()),
    await attempts("everyday", "podman", podman),
  ];
  const tell = (answer = ""): string => answer === "done" ? "works" : `fails (${answer})`;
  const rows = EVERYDAY.map(({ name }, at) => [name, tell(inside[at]?.answer), tell(other[at]?.answer)]);
  console.log("\n" + table(["everyday operation", "libflux", "podman"], rows));
  const working = rows.filter(([, , answer]) => answer === "works").length;
  console.log(`podman does ${working} of ${rows.length}`);
  assertEquals(rows.filter(([, own, its]) => its === "works" && own !== "works"), []);
  assert(working > rows.length / 2);
}, obstacle !== undefined);
