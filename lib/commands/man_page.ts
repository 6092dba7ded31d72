/**
 * Manual pages as text for roff, in the macros of man(7). Pure.
 *
 * @module
 */
import { type CommandEntry, type CommandHelp, GROUPS } from "./command.ts";
import { COMMON_FLAGS, type Flag } from "./flags.ts";

/** A text with nothing in it that roff takes for its own. */
export function escapeRoff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/gm, "\\&")
    .replaceAll("'", "\\(aq").replaceAll("`", "\\(ga").replaceAll("^", "\\(ha").replaceAll("~", "\\(ti")
    .replace(/\P{ASCII}/gu, (one) => `\\[u${one.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`);
}

/** A text as an argument of a macro. */
const argument = (text: string): string => `"${escapeRoff(text).replaceAll('"', "\\(dq")}"`;

/** The name of the page about a command. */
export const pageName = (name: string): string => ["libflux", ...name === "" ? [] : name.split(" ")].join("-");

const heading = (page: string, version: string): string =>
  `.TH ${argument(page.toUpperCase())} 1 "" ${argument(`libflux ${version}`)} "libflux"\n`;

const section = (title: string, body: string): string => body === "" ? "" : `.SH ${argument(title)}\n${body}`;

const paragraphs = (text: string): string =>
  text.split(/\n{2,}/).map((one) => `${escapeRoff(one.replaceAll(/\s+/g, " "))}\n`).join(".PP\n");

/** A command line: words that are typed bold, those that stand for others in italics. */
function usage(form: string): string {
  const words = escapeRoff(`libflux ${form}`).replaceAll(
    /[A-Z]{2,}|(?<![\w\\(])[a-z]+(?![\w(])/g,
    (word) => `\\f${/[A-Z]/.test(word) ? "I" : "B"}${word}\\fR`,
  );
  return `${words}\n`;
}

function option({ name, short, aliases = [], value, help }: Flag): string {
  const forms = [...short === undefined ? [] : [`-${short}`], ...[name, ...aliases].map((one) => `--${one}`)];
  const what = value === undefined ? "" : ` \\fI${escapeRoff(value)}\\fR`;
  return `.TP\n${forms.map((form) => `\\fB${escapeRoff(form)}\\fR`).join(", ")}${what}\n${escapeRoff(help)}\n`;
}

const seeAlso = (names: readonly string[]): string =>
  section("SEE ALSO", `${names.map((name) => `\\fB${escapeRoff(pageName(name))}\\fR(1)`).join(",\n")}\n`);

/** The first sentence, as an infinitive's line would be. */
const summaryOf = ({ about }: CommandHelp): string => {
  const sentence = (/^[^]*?(?=\.(?:\s|$))/.exec(about)?.[0] ?? about).replaceAll(/\s+/g, " ");
  return sentence.replace(/^[A-Z](?![A-Z])/, (first) => first.toLowerCase());
};

/** The page of a command, or of one of its actions. @param summary One line; its first sentence if left out. */
export function manPage(help: CommandHelp, version: string, summary = summaryOf(help)): string {
  const { name, about, flags, aliases = [], examples = [], subcommands = [] } = help;
  const page = pageName(name);
  const actions = subcommands.map((one) =>
    `.TP\n\\fB${escapeRoff(pageName(one.name))}\\fR(1)\n${escapeRoff(summaryOf(one))}\n`
  );
  const lines = examples.map(({ line, about }) =>
    `${about === undefined ? "" : `.PP\n${escapeRoff(about)}:\n`}.PP\n.RS 4\n.nf\n${escapeRoff(line)}\n.fi\n.RE\n`
  );
  const above = name.split(" ").slice(0, -1).join(" ");
  return [
    heading(page, version),
    section("NAME", `${escapeRoff(page)} \\- ${escapeRoff(summary)}\n`),
    section("SYNOPSIS", help.usage.map(usage).join(".br\n")),
    section(
      "DESCRIPTION",
      paragraphs(about) + (aliases.length === 0 ? "" : `.PP\nAlso: ${escapeRoff(aliases.join(", "))}\n`),
    ),
    section("ACTIONS", actions.join("")),
    section("OPTIONS", [...flags, ...COMMON_FLAGS].map(option).join("")),
    section("EXAMPLES", lines.join("").replace(/^\.PP\n/, "")),
    seeAlso(["", ...above === "" ? [] : [above], ...subcommands.map((one) => one.name)]),
  ].join("");
}

/** The page of libflux itself. */
export function mainPage(commands: readonly (readonly [name: string, entry: CommandEntry])[], version: string): string {
  const groups = Object.entries(GROUPS).map(([group, title]) => {
    const rows = commands.filter(([, entry]) => entry.group === group).map(([name, { help }]) =>
      `.TP\n\\fB${escapeRoff(pageName(name))}\\fR(1)\n${escapeRoff(help)}\n`
    );
    return rows.length === 0 ? "" : `.SS ${argument(title)}\n${rows.join("")}`;
  });
  const terms = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([term, about]) => `.TP\n\\fB${escapeRoff(term)}\\fR\n${escapeRoff(about)}\n`).join("");
  return [
    heading("libflux", version),
    section("NAME", "libflux \\- run containers\n"),
    section("SYNOPSIS", usage("COMMAND [FLAG…]")),
    section(
      "DESCRIPTION",
      paragraphs(
        "libflux runs commands in containers: namespaces, a root filesystem, a network and limits of their own. There is no " +
          "daemon; what a container has on the host goes with it.\n\nEach command has a page of its own.",
      ),
    ),
    section("COMMANDS", groups.join("")),
    section(
      "OPTIONS",
      COMMON_FLAGS.map(option).join("") + option({ name: "version", short: "v", help: "show the version" }),
    ),
    section(
      "EXIT STATUS",
      terms([
        ["0", "all went well; for run and exec: the command's own"],
        ["125", "libflux failed, and said why"],
        ["126", "the command of a container can't be executed"],
        ["127", "the command of a container isn't there"],
        ["128+n", "signal n killed the command of a container"],
      ]),
    ),
    section(
      "ENVIRONMENT",
      terms([
        ["NO_COLOR", "no colours, where it isn't empty"],
        ["TERM", "no colours on a terminal that is dumb"],
        ["XDG_RUNTIME_DIR, XDG_STATE_HOME", "where an ordinary user's containers, and what is kept of them, are"],
      ]),
    ),
    section(
      "FILES",
      terms([
        ["/run/libflux", "containers and networks of root's; of others' in $XDG_RUNTIME_DIR/libflux"],
        [
          "/var/lib/libflux/history",
          "logs, and what is known of containers that have ended, of root's; of others' in $XDG_STATE_HOME/libflux/history",
        ],
      ]),
    ),
    seeAlso(commands.map(([name]) => name)),
  ].join("");
}
