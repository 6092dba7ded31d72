/**
 * Flags of the commands: declared as data, parsed by `@std/cli`, refused with the nearest known one.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { printable, UsageError } from "../errors.ts";
import { nearest } from "../render.ts";
import type { Completion } from "./command.ts";
export { helpText } from "./help_text.ts";

/** One flag. */
export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** Other long names. */
  readonly aliases?: readonly string[];
  /** What its value looks like; a flag without one is a switch, which `--no-NAME` turns off. */
  readonly value?: string;
  /** Whether it may be given more than once. */
  readonly repeated?: boolean;
  /** What its value may be, where the value's form doesn't say that. */
  readonly complete?: Completion;
  /** One line. */
  readonly help: string;
}

/** Flags that every command has. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: "root", value: "DIR", help: "keep state in DIR" },
  {
    name: "log-level",
    value: "error|warn|info|debug",
    help: "error: no warnings; warn (default), info; debug: also where an error comes from",
  },
  { name: "log-format", value: "text|json", help: "json: errors and warnings as one JSON object a line" },
  { name: "log-file", value: "FILE", help: "write them to FILE too; journald: or syslog: for the host's own log" },
  { name: "help", short: "h", help: "show this help" },
];

/** What was given. */
export interface Parsed {
  /** A switch; nothing where it wasn't given. */
  readonly on: (name: string) => boolean | undefined;
  /** A value; nothing where it wasn't given. */
  readonly value: (name: string) => string | undefined;
  /** The values of a repeated flag, in their order. */
  readonly values: (name: string) => readonly string[];
  readonly positional: readonly string[];
  /** What came after `--`; nothing where there was no `--`. */
  readonly rest: readonly string[] | undefined;
}

/** Flags that people know from other runtimes, and what they need to know here. */
const FOREIGN: Readonly<Record<string, string>> = {
  name: "the name comes first: libflux run NAME --image ROOTFS -- COMMAND",
};

/** Parses a command's arguments. Throws a `UsageError` on anything that isn't declared. */
export function parseFlags(command: string, declared: readonly Flag[], args: readonly string[]): Parsed {
  const flags = [...declared, ...COMMON_FLAGS];
  const names = (flag: Flag): string[] => [...(flag.short === undefined ? [] : [flag.short]), ...(flag.aliases ?? [])];
  const switches = flags.filter(({ value }) => value === undefined);
  const valued = flags.filter(({ value }) => value !== undefined);
  const end = args.indexOf("--");
  const own = normalize(end < 0 ? args : args.slice(0, end), flags);
  const parsed: Record<string, unknown> = parseArgs([...own], {
    boolean: switches.map(({ name }) => name),
    negatable: switches.map(({ name }) => name),
    string: [...valued.map(({ name }) => name), "_"],
    collect: valued.map(({ name }) => name),
    alias: Object.fromEntries(flags.map((flag) => [flag.name, names(flag)])),
    // A switch that wasn't given is told from one that was turned off.
    default: Object.fromEntries(switches.map(({ name }) => [name, undefined])),
    unknown: (_arg: string, key?: string) => {
      if (key !== undefined) throw unknownFlag(command, key, flags);
      return true;
    },
  });
  const values = (name: string): string[] => (parsed[name] as string[] | undefined) ?? [];
  for (const flag of valued) {
    const given = values(flag.name);
    if (given.includes("")) {
      throw new UsageError(`--${flag.name} needs a value`, { hint: `write --${flag.name} ${flag.value}` });
    }
    if (flag.repeated !== true && given.length > 1) {
      throw new UsageError(`--${flag.name} is given ${given.length} times`, { hint: "give it once" });
    }
  }
  return {
    on: (name) => parsed[name] as boolean | undefined,
    value: (name) => values(name)[0],
    values,
    positional: (parsed._ as (string | number)[]).map(String),
    rest: end < 0 ? undefined : args.slice(end + 1),
  };
}

/**
 * Writes what people write in other ways as `@std/cli` reads it: `--name value` as `--name=value` where the value begins
 * with a dash, such as a negative number, and is no flag; `-nVALUE` as `--name=VALUE`; `--switch=false` as `--no-switch`.
 */
function normalize(args: readonly string[], flags: readonly Flag[]): string[] {
  const byDashed = new Map<string, Flag>(flags.flatMap((flag) => {
    const longs = [flag.name, ...(flag.aliases ?? [])].map((name) => [`--${name}`, flag] as const);
    return flag.short === undefined ? longs : [...longs, [`-${flag.short}`, flag] as const];
  }));
  const normal: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [arg = "", next] = [args[i], args[i + 1]];
    const at = arg.indexOf("=");
    const flag = byDashed.get(at < 0 || !arg.startsWith("--") ? arg : arg.slice(0, at));
    const attached = arg.startsWith("--") || arg.length < 3 ? undefined : byDashed.get(arg.slice(0, 2));
    if (attached?.value !== undefined) normal.push(`--${attached.name}=${arg.slice(2).replace(/^=/, "")}`);
    else if (
      flag?.value !== undefined && at < 0 && next?.startsWith("-") === true && !byDashed.has(next.split("=")[0] ?? "")
    ) {
      normal.push(`--${flag.name}=${next}`);
      i++;
    } else normal.push(arg.startsWith("--") && at >= 0 ? switched(arg, at, flags) : arg);
  }
  return normal;
}

/** A switch with a value; any other argument as it is. */
function switched(arg: string, at: number, flags: readonly Flag[]): string {
  const name = arg.slice(2, at).replace(/^no-/, "");
  if (!flags.some((flag) => flag.value === undefined && flag.name === name)) return arg;
  const value = arg.slice(at + 1);
  const isNegated = arg.startsWith("--no-");
  if (!["true", "false"].includes(value) || isNegated) {
    throw new UsageError(`--${isNegated ? "no-" : ""}${name} takes no value, and got "${printable(value)}"`, {
      hint: `write --${name} or --no-${name}`,
    });
  }
  return value === "true" ? `--${name}` : `--no-${name}`;
}

function unknownFlag(command: string, key: string, flags: readonly Flag[]): UsageError {
  const dashed = (name: string): string => name.length === 1 ? `-${name}` : `--${name}`;
  const foreign = Object.hasOwn(FOREIGN, key) ? FOREIGN[key] : undefined;
  if (foreign !== undefined) {
    return new UsageError(`'libflux ${command}' has no flag ${dashed(key)}`, { hint: foreign });
  }
  const known = flags.flatMap((
    { name, aliases = [], value },
  ) => [name, ...aliases, ...(value === undefined ? [`no-${name}`] : [])]);
  const near = key.length === 1 ? undefined : nearest(key, known);
  return new UsageError(`'libflux ${command}' has no flag ${dashed(printable(key))}`, {
    hint: near === undefined ? `'libflux ${command} --help' shows those it has` : `did you mean --${near}?`,
  });
}

/** Throws where arguments came that a command doesn't take. */
export function refuseArguments(command: string, { positional, rest }: Parsed): void {
  const extra = [...positional, ...(rest ?? [])][0];
  if (extra !== undefined) {
    throw new UsageError(`'libflux ${command}' takes no argument, and got "${printable(extra)}"`);
  }
}
