import { assert, assertEquals } from "@std/assert";
import { table } from "../../../lib/render.ts";
import { CAPABILITIES } from "../../../lib/spec/capabilities.ts";
import { HAS_USERS, hostTest, IS_USER, rootTest } from "../support.ts";
import { DANGEROUS, type Dangerous } from "./dangerous.ts";
import { attempts, lament, podmanObstacle, prepareProgram, removeProgram } from "./lists.ts";
import { below, opened, outside, type Place, podman } from "./places.ts";

Deno.test.beforeAll(prepareProgram);
Deno.test.afterAll(removeProgram);

/** What a runtime that answers otherwise than libflux means by a refusal. */
const REFUSALS = ["EPERM", "EACCES", "EROFS", "ENOSYS"];

const isRefused = ({ refused = ["EPERM"] }: Dangerous, answer: string | undefined): boolean =>
  answer !== undefined && refused.includes(answer) ||
  // What is read-only for root belongs to nobody that an ordinary user's containers know.
  IS_USER && answer === "EACCES" && refused.includes("EROFS");

/** Whether an operation is done to another user's process, or by one: without ranges of ids there are no others. */
const takesUsers = ({ attempt }: Dangerous): boolean => /\b(other|run_set_id)\(\)/.test(attempt);

async function answers(name: string, place: Place): Promise<string[]> {
  return (await attempts("dangerous", name, place)).map(({ answer }) => answer);
}

/** The fields of `/proc/self/status` that tell of privileges. */
async function privileges(place: Place): Promise<Record<string, string>> {
  const text = await place("/usr/share", ["grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"]);
  return Object.fromEntries(text.trim().split("\n").map((line) => line.split(/:\s+/)));
}

const names = (bits = "0"): string[] =>
  CAPABILITIES.filter((_, number) => (BigInt(`0x${bits}`) >> BigInt(number) & 1n) === 1n);

const SETS = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] as const;

Deno.test("the list of dangerous operations is long enough, and names each once", () => {
  assert(DANGEROUS.length >= 60, `${DANGEROUS.length}`);
  assertEquals(new Set(DANGEROUS.map(({ name }) => name)).size, DANGEROUS.length);
});

hostTest("rules 13, 15, 16 and 19: a default container refuses every dangerous operation", async () => {
  const inside = await answers("libflux", below());
  const through = DANGEROUS.flatMap((one, at) =>
    isRefused(one, inside[at]) || !HAS_USERS && takesUsers(one) ? [] : [`${one.name}: ${inside[at]}`]
  );
  assertEquals(through, []);
});

rootTest("every dangerous operation is let through where nothing is refused, and would be noticed", async () => {
  const [without, alone] = [await answers("opened", opened), await answers("outside", outside)];
  const own = names(/^CapPrm:\t(.*)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]);
  const unseen: string[] = [];
  const excused: string[] = [];
  DANGEROUS.forEach((one, at) => {
    const answer = [without[at], alone[at]];
    if (answer.some((each) => !isRefused(one, each))) return;
    const { takes, without: unknown } = one;
    if (takes !== undefined && !own.includes(takes)) excused.push(`${one.name}: ${takes} isn't there to be given`);
    else if (unknown !== undefined && answer.includes(unknown)) excused.push(`${one.name}: this kernel hasn't got it`);
    else unseen.push(`${one.name}: ${answer}`);
  });
  if (excused.length > 0) console.log(`\nnot seen to be let through, anywhere:\n${excused.join("\n")}`);
  assertEquals(unseen, []);
  // Otherwise it isn't the operations that were seen.
  assert(excused.length < DANGEROUS.length / 4, excused.join("\n"));
});

const obstacle = IS_USER ? undefined : await podmanObstacle();
if (obstacle !== undefined) lament(obstacle);

hostTest("a default container has seccomp, no_new_privs, and no capability beyond the eleven", async () => {
  const { NoNewPrivs, Seccomp, ...sets } = await privileges(below());
  assertEquals([NoNewPrivs, Seccomp], ["1", "2"]);
  assertEquals(Object.keys(sets), [...SETS]);
  assertEquals(SETS.map((set) => names(sets[set]).length), [0, 11, 11, 11, 0]);
});

rootTest(
  "beside podman: no capability that podman's container hasn't got, and nothing refused by it alone",
  async () => {
    const [inside, other] = [await answers("libflux", below()), await answers("podman", podman)];
    const [own, its] = [await privileges(below()), await privileges(podman)];
    const row = (set: string): string[] => [set, own[set] ?? "", its[set] ?? ""];
    console.log("\n" + table(["privilege", "libflux", "podman"], [...SETS, "NoNewPrivs", "Seccomp"].map(row)));
    const tell = (one: Dangerous, answer = ""): string =>
      `${isRefused(one, answer) || REFUSALS.includes(answer) ? "refused" : "let through"} (${answer})`;
    const rows = DANGEROUS.map((one, at) => [one.name, tell(one, inside[at]), tell(one, other[at])]);
    console.log(table(["dangerous operation", "libflux", "podman"], rows));
    const through = rows.filter(([, , answer]) => answer?.startsWith("let")).length;
    console.log(`podman refuses ${rows.length - through} of ${rows.length}`);
    for (const set of SETS) {
      assertEquals(names(own[set]).filter((name) => !names(its[set]).includes(name)), [], set);
    }
    assertEquals(DANGEROUS.filter((one, at) => !isRefused(one, inside[at])).map(({ name }) => name), []);
    // Else it was no container of podman's that was asked.
    assert(through < rows.length / 2);
  },
  obstacle !== undefined,
);
