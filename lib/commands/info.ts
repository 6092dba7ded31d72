/**
 * `libflux info`: can this host run containers?
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { type Feature, type HostInfo, info } from "../info.ts";
import { table } from "../render.ts";
import { type Colour, isColourful, paint } from "./colour.ts";
import type { Command } from "./command.ts";
import { type Flag, helpText, parseFlags, refuseArguments } from "./flags.ts";
import { columns, print } from "./output.ts";

const FLAGS: readonly Flag[] = [
  { name: "format", value: "table|json", help: "table by default" },
];

/** `libflux info`. */
export const INFO: Command = {
  name: "info",
  usage: ["info [FLAG…]"],
  about: `Tries every feature of the kernel that libflux uses, and tells what stops working without it.

Exit code: 0 when 'libflux run' can work here, 1 when it can't.`,
  flags: FLAGS,
  maxOperands: 0,
  run: infoCommand,
};

function state({ ok, required }: Feature): string {
  return ok ? "ok" : required ? "MISSING" : "missing";
}

const STATE = 1;

function colourOf(feature: Feature | undefined): Colour | undefined {
  return feature === undefined ? undefined : feature.ok ? "green" : feature.required ? "red" : "yellow";
}

/** The table, what is missing, and the verdict. */
export function showInfo(
  { version, kernel, architecture, canRun, features }: HostInfo,
  { width, colourful = false }: { readonly width?: number | undefined; readonly colourful?: boolean } = {},
): string {
  const missing = features.filter(({ ok }) => !ok).map(({ name, required, effect, remedy }) =>
    `${name}${required ? " (required)" : ""}\n  without it: ${effect}\n  to get it:  ${remedy}\n`
  );
  const verdict = canRun ? "This host can run containers." : "This host can't run containers, or not as this user.";
  return [
    `libflux ${version} on Linux ${kernel}, ${architecture}\n\n`,
    table(["FEATURE", "STATE", "FOUND"], features.map((feature) => [feature.name, state(feature), feature.value]), {
      width,
      whole: [0],
      paint: (text, column, row) => paint(text, column === STATE ? colourOf(features[row]) : undefined, colourful),
    }),
    ...(missing.length === 0 ? [] : ["\n", missing.join("\n")]),
    `\n${verdict}\n`,
  ].join("");
}

/** Tries and prints; answers the exit code. */
export async function infoCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("info", FLAGS, args);
  if (flags.on("help") === true) {
    print(helpText(INFO));
    return 0;
  }
  refuseArguments("info", flags);
  const format = flags.value("format") ?? "table";
  if (format !== "table" && format !== "json") {
    throw new UsageError(`--format is table or json, not "${printable(format)}"`);
  }
  const { withProgress } = await import("./progress.ts");
  const host = await withProgress(() => "looking at this host", info);
  print(
    format === "json"
      ? `${JSON.stringify(host, null, 2)}\n`
      : showInfo(host, { width: columns(), colourful: isColourful(Deno.stdout) }),
  );
  return host.canRun ? 0 : 1;
}
