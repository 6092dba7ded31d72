/**
 * Help as text, from the table of commands and a width. Pure, but for the terminal's width where none is given.
 *
 * @module
 */
import { displayWidth, wrap } from "../render.ts";
import { type CommandHelp, type Commands, GROUPS, visible } from "./command.ts";
import { COMMON_FLAGS, type Flag } from "./flags.ts";
import { columns } from "./output.ts";

/** Columns of a text that goes to no terminal. */
const USUAL_WIDTH = 80;
/** Columns that names of flags take at most, before what they are for begins a line of its own. */
const WIDEST_LEFT = 30;

/** `-v, --bind SRC:DST` */
export function flagForm({ name, short, value }: Flag): string {
  return `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}

/** Two columns, the right one wrapped. */
function pairs(rows: readonly (readonly [left: string, right: string])[], width: number): string {
  const fit = Math.max(8, Math.min(WIDEST_LEFT, Math.floor(width / 2)));
  const left = Math.min(fit, Math.max(...rows.map(([text]) => displayWidth(text))));
  return rows.map(([text, about]) => {
    const lines = wrap(about, Math.max(16, width - left - 4));
    const space = " ".repeat(left + 4);
    const own = displayWidth(text) > left;
    const indent = `  ${/^ */.exec(text)?.[0] ?? ""}`;
    const first = own
      ? `${indent}${wrap(text, width - indent.length - 4).join(`\n${indent}    `)}\n${space}`
      : `  ${text}${" ".repeat(left + 2 - displayWidth(text))}`;
    return `${(first + lines.join(`\n${space}`)).trimEnd()}\n`;
  }).join("");
}

const paragraphs = (text: string, width: number): string =>
  text.split(/\n{2,}/).map((paragraph) => wrap(paragraph, width).join("\n")).join("\n\n");

/** The forms of a command, each below the other. */
function usages(usage: readonly string[], width: number): string {
  return usage.map((form, index) => {
    const [first = "", ...more] = wrap(`libflux ${form}`, Math.max(20, width - 7));
    return [`${index === 0 ? "Usage: " : "       "}${first}`, ...more.map((line) => `         ${line}`)].join("\n");
  }).join("\n");
}

/** The text of `--help`, as wide as the terminal: from the table, or from a usage, what it is for, and flags. */
export function helpText(help: CommandHelp, width?: number): string;
export function helpText(usage: string, about: string, flags: readonly Flag[]): string;
export function helpText(first: CommandHelp | string, second?: number | string, flags: readonly Flag[] = []): string {
  const help: CommandHelp = typeof first === "string"
    ? { name: first.split(" ")[0] ?? "", usage: [first], about: String(second ?? ""), flags }
    : first;
  const width = typeof second === "number" ? second : columns() ?? USUAL_WIDTH;
  const { usage, about, subcommands = [], examples = [], aliases = [] } = help;
  const parts = [`${usages(usage, width)}\n`, `${paragraphs(about, width)}\n`];
  if (aliases.length > 0) parts.push(`${wrap(`Also: ${aliases.join(", ")}`, width).join("\n")}\n`);
  if (subcommands.length > 0) {
    const first = (text: string): string => /^[^]*?\.(?=\s|$)/.exec(text)?.[0] ?? text;
    parts.push(
      pairs(subcommands.map((one) => [one.usage[0]?.slice(help.name.length + 1) ?? one.name, first(one.about)]), width),
    );
    parts.push(
      `'libflux help ${help.name} ${
        subcommands.length > 1 ? "ACTION" : subcommands[0]?.name.split(" ")[1]
      }' tells more.\n`,
    );
  }
  parts.push(pairs([...help.flags, ...COMMON_FLAGS].map((flag) => [flagForm(flag), flag.help]), width));
  if (examples.length > 0) {
    const lines = examples.map(({ line, about }) => `${about === undefined ? "" : `  # ${about}\n`}  ${line}\n`);
    parts.push(`Examples:\n${lines.join("")}`);
  }
  return parts.join("\n");
}

/** The text of `libflux help`. */
export function overview(commands: Commands, width: number = columns() ?? USUAL_WIDTH): string {
  const entries = visible(commands);
  const section = (title: string, group: keyof typeof GROUPS | undefined): string => {
    const rows = entries.filter(([, entry]) => entry.group === group).map(([name, { help }]) =>
      [name.padEnd(Math.max(...entries.map(([one]) => one.length))), help] as const
    );
    return rows.length === 0 ? "" : `\n${title}:\n${pairs(rows, width)}`;
  };
  const groups = Object.entries(GROUPS) as [keyof typeof GROUPS, string][];
  const end = "'libflux help COMMAND' tells more; 'libflux --version' shows the version.";
  return [
    "Usage: libflux COMMAND [FLAG…]\n\n",
    `${wrap("libflux runs containers: sudo libflux run NAME --image ROOTFS -- COMMAND", width).join("\n")}\n`,
    ...groups.map(([group, title]) => section(title, group)),
    section("Others", undefined),
    `\n${wrap(end, width).join("\n")}\n`,
  ].join("");
}
