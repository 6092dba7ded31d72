/**
 * The script for fish.
 *
 * @module
 */
import type { CompletionTable } from "../completion.ts";
import type { Flag } from "../flags.ts";
import { actions, isNegatable, type Kind, kindOf, listing, places } from "./words.ts";

/** A text for fish, in single quotes, where only `\` and `'` mean something. */
const quote = (text: string): string => `'${text.replaceAll(/[\\']/g, "\\$&")}'`;

/** What completes a kind, as an argument of `-a`. */
function candidates({ choices, names, files }: Kind): string {
  const parts = [
    ...choices,
    ...names === undefined ? [] : [`(__libflux_names ${names})`],
    ...files === "directories" ? ["(__fish_complete_directories (commandline -ct))"] : [],
  ];
  return parts.join(" ");
}

/** Makes the script. */
export function fishScript(table: CompletionTable): string {
  const lines: string[] = [];
  const add = (condition: string, ...args: readonly string[]): void => {
    lines.push(["complete -c libflux", ...condition === "" ? [] : ["-n", quote(condition)], ...args].join(" "));
  };
  for (const [name, help] of table.commands) add("__libflux_at", "-f", "-a", quote(name), "-d", quote(help));
  add("__libflux_at", "-f", "-l version", "-d", quote("show the version"));
  add("__libflux_at", "-f", "-l help -s h", "-d", quote("show this help"));
  for (const { help, paths, flags } of places(table)) {
    for (const path of paths) {
      const here = `__libflux_at ${path}`;
      for (const [action, about] of actions(help)) add(`${here} 0`, "-f", "-a", quote(action), "-d", quote(about));
      for (const flag of flags) addFlag(here, flag, add);
      const { choices = [], names, files } = help.operands ?? {};
      const most = help.maxOperands ?? Infinity;
      const kind = { choices, names, files };
      for (let count = 0; count < Math.min(most, 1); count++) {
        const where = most === Infinity ? here : `${here} 0`;
        if (candidates(kind) !== "") add(where, "-f", "-a", quote(candidates(kind)));
      }
      if (files === "files") add(here, "-F");
    }
    if (help.subcommands !== undefined) {
      for (const [action, about] of actions(help)) {
        add(`__libflux_at help; and __libflux_helps ${help.name}`, "-f", "-a", quote(action), "-d", quote(about));
      }
    }
  }
  const known = places(table).flatMap(({ paths }) => paths.filter((path) => path.includes(" ")));
  const valued = [
    ...new Set(places(table).flatMap(({ flags }) => flags.filter(({ value }) => value !== undefined).flatMap(forms))),
  ];
  return `# Completion of libflux for fish; made by 'libflux completion fish'.

# The words before the cursor that are neither flags nor their values, and nothing after a '--'.
function __libflux_words
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if test "$word" = --
            printf '%s\\n' --
            return
        else if contains -- $word ${valued.join(" ")}
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# Whether the cursor is at this command and, with a number at the end, behind so many of its arguments.
function __libflux_at
    set -l path $argv
    set -l count -1
    if test (count $path) -gt 0; and string match -qr '^\\d+$' -- $path[-1]
        set count $path[-1]
        set -e path[-1]
    end
    set -l words (__libflux_words)
    contains -- -- $words; and return 1
    test (count $words) -ge (count $path); or return 1
    for i in (seq (count $path))
        test $words[$i] = $path[$i]; or return 1
    end
    set -l left (math (count $words) - (count $path))
    # Not at a command whose action is there as well.
    if test (count $path) -lt 2
        if test (count $path) -eq 0
            test $left -eq 0; or return 1
        else if test $left -gt 0; and contains -- "$path[1] $words[2]" ${known.map(quote).join(" ")}
            return 1
        end
    end
    test $count -lt 0; or test $left -eq $count
end

# Whether the help of this command is asked for.
function __libflux_helps
    set -l words (__libflux_words)
    test (count $words) -eq 2; and test $words[2] = $argv[1]
end

function __libflux_names
    set -l root
    set -l line (commandline -opc)
    if set -l at (contains -i -- --root $line)
        set root --root $line[(math $at + 1)]
    else
        set root (string match -- '--root=*' $line)
    end
    switch $argv[1]
        case containers
            libflux ${listing("containers", table)} $root 2>/dev/null
        case running
            libflux ${listing("running", table)} $root 2>/dev/null
        case networks
            libflux ${listing("networks", table)} $root 2>/dev/null
        case commands
            string split ' ' ${quote(table.commands.map(([name]) => name).join(" "))}
    end
end

# A command line of a container's own is completed as any other; all else is completed by what is below.
complete -c libflux -n 'not contains -- -- (__libflux_words)' -f
${lines.join("\n")}
`;
}

/** A flag as it is typed. */
function forms({ name, short, aliases = [] }: Flag): string[] {
  return [...[name, ...aliases].map((one) => `--${one}`), ...short === undefined ? [] : [`-${short}`]];
}

function addFlag(here: string, flag: Flag, add: (condition: string, ...args: readonly string[]) => void): void {
  const { name, short, aliases = [], help, value } = flag;
  const kind = kindOf(flag);
  const words = candidates(kind);
  const names = [
    ...[name, ...aliases].map((one) => `-l ${one}`),
    ...short === undefined ? [] : [`-s ${short}`],
    "-d",
    quote(help),
  ];
  if (value === undefined) {
    add(here, "-f", ...names);
    if (isNegatable(flag)) add(here, "-f", "-l", `no-${name}`, "-d", quote(help));
  } else if (kind.files === "files") add(here, "-r -F", ...names, ...words === "" ? [] : ["-a", quote(words)]);
  else add(here, "-x", ...names, ...words === "" ? [] : ["-a", quote(words)]);
}
