/**
 * `libflux prune` and `libflux rm`: forgetting containers that have ended.
 *
 * @module
 */
import { FluxError, printable, UsageError } from "../errors.ts";
import { prune, remove } from "../prune.ts";
import { parseMoment } from "../spec/moments.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags, refuseArguments } from "./flags.ts";
import { complain, print } from "./output.ts";
import { bytes } from "./stats.ts";
import { tellError, tellUser } from "./tell.ts";

const PRUNE_FLAGS: readonly Flag[] = [
  {
    name: "filter",
    value: "K=V",
    repeated: true,
    help: "only those that ended before until=TIME, or have label=K[=V], or label!=K[=V]",
  },
  { name: "force", short: "f", help: "don't ask" },
];
const RM_FLAGS: readonly Flag[] = [{ name: "force", short: "f", help: "kill those that run" }];

/** `libflux prune`. */
export const PRUNE: Command = {
  name: "prune",
  usage: ["prune [FLAG…]"],
  about: "Removes records and logs of containers that have ended.",
  flags: PRUNE_FLAGS,
  maxOperands: 0,
  examples: [{ line: "libflux prune --force --filter until=24h" }],
  run: pruneCommand,
};

/** `libflux rm`. */
export const RM: Command = {
  name: "rm",
  usage: ["rm [FLAG…] NAME…"],
  about: "Removes records and logs of containers that have ended.",
  flags: RM_FLAGS,
  operands: { names: "containers" },
  run: rmCommand,
};

/** What filters ask for. */
interface Filters {
  until?: string;
  readonly labels: string[];
  readonly withoutLabels: string[];
}

function readFilters(texts: readonly string[]): Filters {
  const filters: Filters = { labels: [], withoutLabels: [] };
  for (const text of texts) {
    const [, key, value = ""] = /^(until|label|label!)=(.+)$/.exec(text) ?? [];
    if (key === "label") filters.labels.push(value);
    else if (key === "label!") filters.withoutLabels.push(value);
    else if (key === "until" && filters.until === undefined) {
      parseMoment(value, "--filter until=");
      filters.until = value;
    } else {
      throw new UsageError(`"${printable(text)}" is no filter`, {
        hint: "write until=TIME, once, label=K[=V] or label!=K[=V]",
      });
    }
  }
  return filters;
}

/** Asks somebody at a terminal; answers whether they agree. */
function agrees(question: string): boolean {
  complain(`${question} [y/N] `);
  const answer = new Uint8Array(64);
  const length = Deno.stdin.readSync(answer) ?? 0;
  return /^y(es)?\s*$/i.test(new TextDecoder().decode(answer.subarray(0, length)));
}

/** Runs `prune`; answers the exit code. */
export async function pruneCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("prune", PRUNE_FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(PRUNE));
    return 0;
  }
  refuseArguments("prune", flags);
  const filters = readFilters(flags.values("filter"));
  if (flags.on("force") !== true) {
    // docker takes whatever comes by standard input for an answer. In a script nobody is asked, so that one says that it
    // means it.
    if (!Deno.stdin.isTerminal()) {
      throw new UsageError("'libflux prune' asks before it removes anything, and there is no terminal to ask at", {
        hint: "give --force",
      });
    }
    const which = flags.values("filter").length === 0 ? "all containers" : "these containers";
    if (!agrees(`This removes the records and logs of ${which} that have ended. Go on?`)) {
      tellUser("nothing was removed");
      return 1;
    }
  }
  const root = flags.value("root");
  const removed = await prune({ ...filters, ...(root === undefined ? {} : { root }) });
  print(removed.names.map((name) => `${name}\n`).join(""));
  tellUser(`${removed.names.length} removed, ${bytes(removed.bytes)} freed`);
  return 0;
}

/** Runs `rm`; answers the exit code. */
export async function rmCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("rm", RM_FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(RM));
    return 0;
  }
  const names = [...new Set([...flags.positional, ...(flags.rest ?? [])])];
  if (names.length === 0) throw new UsageError("'libflux rm' needs a name", { hint: "write libflux rm NAME" });
  const root = flags.value("root");
  const options = { force: flags.on("force") === true, ...(root === undefined ? {} : { root }) };
  let code = 0;
  for (const name of names) {
    try {
      await remove(name, options);
      print(`${name}\n`);
    } catch (error) {
      // One that can't be removed keeps nobody from the others.
      await tellError(error);
      code = error instanceof FluxError ? error.exitCode : 125;
    }
  }
  return code;
}
