/**
 * What the tests of both lists share: the program, what it has found where, and whether there is a podman.
 *
 * @module
 */
import { DANGEROUS } from "./dangerous.ts";
import { EVERYDAY } from "./everyday.ts";
import { type Place, podman } from "./places.ts";
import { type Attempt, compileProgram, parseAttempts } from "./program.ts";
import { patience } from "../support.ts";

const LISTS = { dangerous: DANGEROUS, everyday: EVERYDAY } as const;

/** Seconds that one operation may take. */
const LIMIT = String(patience(20_000) / 1000);

let directory: string | undefined;
const found = new Map<string, Promise<Attempt[]>>();

/** Compiles the program. */
export async function prepareProgram(): Promise<void> {
  directory = Deno.makeTempDirSync({ prefix: "operations-" });
  Deno.chmodSync(directory, 0o755);
  await compileProgram(`${directory}/attempt`);
}

/** Removes it. */
export function removeProgram(): void {
  if (directory !== undefined) Deno.removeSync(directory, { recursive: true });
}

/** How the operations of a list went somewhere: tried once, however often it is asked. */
export function attempts(list: keyof typeof LISTS, name: string, place: Place): Promise<Attempt[]> {
  if (directory === undefined) throw new Error("the program isn't there yet");
  const known = found.get(`${list} ${name}`);
  if (known !== undefined) return known;
  const command = [`${directory}/attempt`, list, LIMIT];
  const now = place(directory, command).then((text) => parseAttempts(text, LISTS[list].length));
  found.set(`${list} ${name}`, now);
  return now;
}

/** Why podman can't run a container here; nothing where it can. */
export async function podmanObstacle(): Promise<string | undefined> {
  try {
    await podman("/usr/share", ["/bin/true"]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Says, so that nobody overlooks it, that nothing is compared with podman. */
export function lament(reason: string): void {
  console.error(`\n!!! podman can't run containers here: NOTHING IS COMPARED WITH IT. ${reason}\n`);
}
