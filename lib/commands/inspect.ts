/**
 * `libflux inspect`: all that is known of containers.
 *
 * @module
 */
import { FluxError, printable, UsageError } from "../errors.ts";
import { type ContainerDetails, inspect } from "../inspect.ts";
import { readTemplate, typed } from "../template.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags } from "./flags.ts";
import { print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  {
    name: "format",
    short: "f",
    value: "FORMAT",
    complete: { choices: ["json"] },
    help: "json (default), or a template such as '{{.State}} {{.Spec.process.cwd}}', as that of 'libflux ps'",
  },
];

/** What a template may begin with: every field that there is. */
const ALL: Readonly<Record<keyof ContainerDetails, true>> = {
  ...{ name: true, id: true, state: true, health: true, pid: true, image: true, command: true, created: true },
  ...{ started: true, finished: true, code: true, signal: true, outOfMemory: true, error: true, labels: true },
  ...{ network: true, address: true, ipv6Address: true, ports: true, limits: true, log: true, restart: true },
  ...{ restarts: true, detached: true, terminal: true, stopSignal: true, stopTimeout: true, monitor: true },
  ...{ cgroups: true, spec: true },
};
const FIELDS = Object.keys(ALL);

/** `libflux inspect`. */
export const INSPECT: Command = {
  name: "inspect",
  usage: ["inspect NAME… [FLAG…]"],
  about:
    `Shows all that is known of containers, as a JSON array: of those that run their OCI specification, network, ports,
limits as they are now, and log; of those that have ended how.

Fields of a template: ${FIELDS.map((name) => `.${name}`).join(", ")}; .Name is .name.`,
  flags: FLAGS,
  operands: { names: "containers" },
  examples: [
    { line: "libflux inspect web" },
    { line: "libflux inspect --format '{{.state}} {{json .limits}}' web db" },
    { line: "libflux inspect --format '{{range .spec.mounts}}{{.destination}}{{println}}{{end}}' web" },
  ],
  run: inspectCommand,
};

/** A container as JSON has it: numbers of 64 bits, which some profiles have, as numbers or, where they are longer, as text. */
function plain(details: ContainerDetails): object {
  const digits = (_: string, value: unknown): unknown =>
    typeof value !== "bigint" ? value : value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
  return JSON.parse(JSON.stringify(details, digits));
}

/** Prints what is known; answers the exit code. */
export async function inspectCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("inspect", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(INSPECT));
    return 0;
  }
  const names = [...flags.positional, ...(flags.rest ?? [])];
  if (names.length === 0) {
    throw new UsageError("'libflux inspect' needs a name", { hint: "write libflux inspect NAME" });
  }
  const format = flags.value("format") ?? "json";
  if (format !== "json" && !format.includes("{{")) {
    throw new UsageError(`--format is json or a template, not "${printable(format)}"`, {
      hint: "a template looks like '{{.state}} {{.pid}}'",
    });
  }
  const template = format === "json" ? undefined : readTemplate(typed(format), { fields: FIELDS });
  const root = flags.value("root");
  const found: object[] = [];
  const failures: FluxError[] = [];
  for (const name of names) {
    try {
      found.push(plain(await inspect(name, root === undefined ? {} : { root })));
    } catch (error) {
      // One that isn't there keeps nobody from the others.
      if (!(error instanceof FluxError)) throw error;
      failures.push(error);
    }
  }
  if (template === undefined) print(`${JSON.stringify(found, null, 2)}\n`);
  else for (const one of found) print(`${template(one)}\n`);
  const [first, ...more] = failures;
  if (first === undefined) return 0;
  if (more.length === 0) throw first;
  throw new FluxError(
    failures.map(({ message }) => message).join("; "),
    first.hint === undefined ? {} : { hint: first.hint },
  );
}
