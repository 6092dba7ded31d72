/**
 * Changing the rules of the host's firewall: in chains of libflux's own, and jumps to them.
 *
 * Nothing else is touched, and no policy. What a network or a container has added is taken away by the same words; where
 * somebody else has taken a part of it away already, `iptables-save` tells what is left.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { execute, type Executed, executeLines, type Execution, type Reader } from "../../ffi/execute.ts";
import type { Descriptor } from "../../ffi/libc.ts";
import { errnoText, NetworkError, printable } from "../errors.ts";
import { chainsOf, type Family, type Lines, removalFrom, removalOf, renewal, tables } from "./chains.ts";
import { readIfThere } from "./directory.ts";
import { forgetFlows } from "./flows.ts";
import { nftablesChains } from "./nftables.ts";
import { DIRECTORIES, findProgram } from "./programs.ts";

/** Starts `iptables-restore` or its like, by name. */
function start<T extends Execution>(name: string, how: (path: string) => T | number): T {
  for (const directory of DIRECTORIES) {
    const execution = how(`${directory}/${name}`);
    if (typeof execution !== "number") return execution;
    if (execution !== E.ENOENT) throw new NetworkError(`${directory}/${name} can't be used: ${errnoText(execution)}`);
  }
  throw missing(name);
}

/** How a tool went. */
interface Outcome {
  readonly code: number;
  /** What it wrote, errors too. */
  readonly output: string;
}

/** Throws a {@link NetworkError} where a tool that sets rules isn't there. */
export function checkTool(family: Family): void {
  const name = `${prefix(family)}-restore`;
  if (findProgram(name) === undefined) throw missing(name);
}

const missing = (name: string): NetworkError =>
  new NetworkError(`there is no ${name} on this host`, {
    hint: "install what Debian calls iptables, or use --network none or host",
  });

/** Runs a tool by its name, with a text for it to read. */
export type RunTool = (name: string, args: readonly string[], input: string) => Promise<Outcome>;

let otherWay: RunTool | undefined;

/** Has tools run in another way while something is done: slower perhaps, where nobody waits for a container. */
export async function runToolsBy<T>(way: RunTool, body: () => Promise<T>): Promise<T> {
  otherWay = way;
  try {
    return await body();
  } finally {
    otherWay = undefined;
  }
}

async function run(name: string, args: readonly string[], input = "", lock?: Descriptor): Promise<Outcome> {
  if (otherWay !== undefined) return await otherWay(name, args, input);
  return outcome(name, await start(name, (path) => execute(path, args, input, lock)).ended);
}

function outcome(name: string, { code, output, errno }: Executed): Outcome {
  if (code === undefined) throw new NetworkError(`${name} can't be executed: ${errnoText(errno)}`, { errno });
  return { code, output };
}

const prefix = (family: Family): string => family === 4 ? "iptables" : "ip6tables";

const ARGUMENTS = ["--noflush", "--wait=30"] as const;

/**
 * Changes rules, all of a table's or none.
 *
 * @param text What `iptables-restore --noflush` reads.
 * @param step What it is for, as an infinitive without "to".
 * @param lock What those wait for who clean up: held until the tool has ended, even if libflux is killed before.
 * @throws {NetworkError} It was refused, and with which words.
 */
export async function restore(family: Family, text: string, step: string, lock?: Descriptor): Promise<void> {
  const name = `${prefix(family)}-restore`;
  check(name, await run(name, ARGUMENTS, text, lock), step);
}

const startReader = (family: Family): Reader =>
  start(`${prefix(family)}-restore`, (path) => executeLines(path, ARGUMENTS));

/** Tools that wait for something to take away. */
const waiting: Readonly<Record<Family, Reader[]>> = { 4: [], 6: [] };

/**
 * Starts tools that will soon have something to take away, beside all that has to be done first: to start takes them longer
 * than their work. Those that nobody has taken end with what this answers.
 */
export function standBy(families: readonly Family[]): Disposable {
  using tools = new DisposableStack();
  for (const family of otherWay === undefined ? families : []) {
    try {
      const tool = startReader(family);
      tool.ended.catch(() => {});
      waiting[family].push(tool);
      tools.defer(() => {
        const at = waiting[family].indexOf(tool);
        // Otherwise somebody has it, perhaps for another container.
        if (at >= 0) waiting[family].splice(at, 1)[0]?.[Symbol.dispose]();
      });
    } catch (error) {
      // Whoever needs it says so.
      if (!(error instanceof NetworkError)) throw error;
    }
  }
  return tools.move();
}

/** {@linkcode restore}, for what deletes: the tool's end isn't waited for. */
async function restoreSoon(family: Family, text: string, step: string): Promise<void> {
  const name = `${prefix(family)}-restore`;
  if (otherWay !== undefined) return check(name, await otherWay(name, ARGUMENTS, text), step);
  const tool = waiting[family].pop() ?? startReader(family);
  tool.ended.catch(() => {});
  const end = await Promise.race([tool.ended, tool.work(text)]);
  if (end !== undefined) check(name, outcome(name, end), step);
}

function check(name: string, { code, output }: Outcome, step: string): void {
  if (code === 0) return;
  // nft's tool says why on a line of its own, after its name and version.
  const lines = output.trim().split("\n");
  const says = printable(lines.find((line) => !/ v[\d.]+ \(\w+\): *$/.test(line)) ?? lines[0] ?? "").slice(0, 300);
  throw new NetworkError(`could not ${step}: ${name} ended with ${code}${says === "" ? "" : `: ${says}`}`, { step });
}

/** What `iptables-save` tells; nothing where there is none, or it doesn't work. */
async function save(family: Family): Promise<string | undefined> {
  try {
    const { code, output } = await run(`${prefix(family)}-save`, []);
    return code === 0 ? output : undefined;
  } catch (error) {
    if (error instanceof NetworkError) return undefined;
    throw error;
  }
}

/** How often rules are looked at anew that somebody else has changed meanwhile. */
const TRIES = 3;

/** Sets a network's rules anew, as {@linkcode renewal} tells. @param step What it is for, as for {@linkcode restore}. */
export async function renew(
  family: Family,
  index: number,
  lines: Lines,
  rules: readonly string[],
  step: string,
  lock?: Descriptor,
): Promise<void> {
  for (let tries = 1;; tries++) {
    const saved = await save(family);
    if (saved === undefined) {
      throw new NetworkError(`could not ${step}: ${prefix(family)}-save doesn't tell which there are`, { step });
    }
    const text = renewal(saved, index, lines, rules);
    try {
      return await restore(family, text, step, lock);
    } catch (error) {
      if (!(error instanceof NetworkError) || tries === TRIES) throw error;
    }
  }
}

/** Whether the kernel has tables of `iptables-legacy` in this network namespace. */
function hasLegacyTables(family: Family): boolean {
  return (readIfThere(`/proc/net/ip${family === 4 ? "" : "6"}_tables_names`) ?? "").includes("nat");
}

/** Whether a network's chain of published ports is there. */
export async function hasPorts(family: Family, index: number): Promise<boolean> {
  return (await save(family))?.includes(`\n:${chainsOf(index).ports} `) ?? false;
}

/** Takes away by the short way, and by looking where that fails. */
async function remove(family: Family, short: string, isMine: (chain: string) => boolean, id?: string): Promise<void> {
  const step = "take rules away";
  try {
    return await restoreSoon(family, short, step);
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    const saved = await save(family);
    if (saved === undefined) {
      // Where nothing can be seen, nothing of libflux's was made: unless it is libflux that may not look, or the kernel
      // itself tells of it; of what came before nf_tables it tells only whether there are tables.
      const isThere = nftablesChains().some(({ name }) => isMine(name)) || hasLegacyTables(family);
      if (/permi/i.test(error.message) || isThere) throw error;
      return;
    }
    const rest = removalFrom(saved, isMine, id);
    if (rest !== "") await restoreSoon(family, rest, step);
  }
}

/** Takes a network's chains away, and the jumps to them. Can be done again. */
export async function removeChains(family: Family, index: number): Promise<void> {
  const mine = new Set(Object.values(chainsOf(index)));
  await remove(family, removalOf(index, family), (chain) => mine.has(chain));
}

/** Takes rules of a container's away. Can be done again. @param id What the comment of each says. */
export async function removePorts(family: Family, index: number, rules: readonly string[], id: string): Promise<void> {
  const { ports } = chainsOf(index);
  const lines = rules.map((rule) => `-D ${ports} ${rule}`);
  await remove(family, tables({ nat: lines }), (chain) => chain === ports, id);
  forgetFlows(family, rules, false);
}
