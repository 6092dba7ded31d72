/**
 * `libflux attach`: this terminal, connected with a container in the background.
 *
 * @module
 */
import { attachTo } from "../attach_to.ts";
import { UsageError } from "../errors.ts";
import { SIGNALS } from "../signals.ts";
import { DETACH_KEYS } from "../spec/detach_keys.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { print } from "./output.ts";
import { tellUser } from "./tell.ts";

const FLAGS: readonly Flag[] = [
  {
    name: "detach-keys",
    value: "KEYS",
    help: `the keys that end it and leave the container alone; ${DETACH_KEYS} by default, on a terminal`,
  },
  { name: "stdin", help: "pass standard input on (default); --no-stdin: don't" },
  { name: "sig-proxy", help: "pass signals on (default, without a terminal); --no-sig-proxy: don't" },
];

const ABOUT =
  `Connects this terminal with a container that was started with 'libflux run --detach': what it writes from now
on is shown, and what is typed goes to it, where it was started with --interactive or --tty. It ends when the
container's command does, started again or not.

Exit code: the container's own; 0 when the detach keys were typed; 128+n when signal n has ended it, and not the
container.`;

/** `libflux attach`. */
export const ATTACH: Command = {
  name: "attach",
  usage: ["attach [FLAG…] NAME"],
  about: ABOUT,
  flags: FLAGS,
  operands: { names: "running" },
  maxOperands: 1,
  examples: [
    { line: "libflux attach web" },
    { line: "libflux attach --detach-keys ctrl-a,d web", about: "leave it by other keys" },
  ],
  run: attachCommand,
};

/** Runs the command; answers its exit code. */
export async function attachCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("attach", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(ATTACH));
    return 0;
  }
  const [name, ...more] = [...flags.positional, ...flags.rest ?? []];
  if (name === undefined || more.length > 0) {
    throw new UsageError("'libflux attach' takes one name", { hint: "write libflux attach NAME" });
  }
  const [root, detachKeys] = [flags.value("root"), flags.value("detach-keys")];
  const { code, detached, signal } = await attachTo(name, {
    input: flags.on("stdin") ?? true,
    signals: flags.on("sig-proxy") ?? true,
    ...(root === undefined ? {} : { root }),
    ...(detachKeys === undefined ? {} : { detachKeys }),
  });
  if (detached) tellUser(`detached; 'libflux attach ${name}' comes back`);
  return code ?? (signal === undefined ? 0 : 128 + SIGNALS[signal]);
}
