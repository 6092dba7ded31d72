/**
 * The script for zsh, which lets `_arguments` do the work.
 *
 * @module
 */
import type { CommandHelp } from "../command.ts";
import type { CompletionTable } from "../completion.ts";
import { COMMON_FLAGS, type Flag } from "../flags.ts";
import { actions, firstSentence, isNegatable, type Kind, kindOf, listing, quote } from "./words.ts";

/** A text in the brackets of a specification of `_arguments`. */
const inBrackets = (text: string): string => text.replaceAll(/[\\[\]:]/g, "\\$&");

/** What completes a kind, as the action of a specification. */
function action({ choices, names, files }: Kind): string {
  const parts = [
    ...choices.length === 0 ? [] : [`_libflux_choices ${choices.join(" ")}`],
    ...names === undefined ? [] : [`_libflux_names ${names}`],
    ...files === undefined ? [] : [files === "directories" ? "_path_files -/" : "_files"],
  ];
  if (parts.length === 0) return " ";
  const [one, ...more] = parts;
  const whole = more.length === 0 ? `{${one}}` : `{_libflux_any ${parts.map((part) => `"${part}"`).join(" ")}}`;
  // A colon would end it.
  return whole.replaceAll(":", "\\:");
}

/** The specifications of a flag. */
function specs(flag: Flag): string[] {
  const { name, short, aliases = [], value, repeated = false, help } = flag;
  const forms = [...short === undefined ? [] : [`-${short}`], ...[name, ...aliases].map((one) => `--${one}`)];
  const both = isNegatable(flag) ? [...forms, `--no-${name}`] : forms;
  const spec = (form: string, others: readonly string[]): string => {
    const excluded = repeated || others.length < 2 && value === undefined ? "" : `(${others.join(" ")})`;
    // -n5 and -n 5, --name=5 and --name 5
    const sign = value === undefined ? "" : form.startsWith("--") ? "=" : "+";
    const tail = value === undefined ? "" : `:${inBrackets(value)}:${action(kindOf(flag))}`;
    return quote(`${repeated ? "*" : excluded}${form}${sign}[${inBrackets(help)}]${tail}`);
  };
  return both.map((form) => spec(form, both));
}

/** The function of a command without actions, or of an action. */
function plainFunction(help: CommandHelp): string {
  const { choices = [], names, files } = help.operands ?? {};
  const kind = { choices, names, files };
  const most = help.maxOperands;
  const operand = action(kind);
  const what = names ?? (files === undefined ? "argument" : "file");
  const operands = most === 0
    ? []
    : most === undefined
    ? [quote(`*:${what}:${operand}`)]
    : [quote(`1:${what}:${operand}`)];
  const hasCommand = help.usage.some((form) => form.includes(" -- "));
  const lines = [...[...help.flags, ...COMMON_FLAGS].flatMap(specs), ...operands];
  const own = hasCommand
    ? `  local at=\${words[(i)--]}
  # A command line of the container's own.
  if (( at < CURRENT )); then
    shift $at words
    (( CURRENT -= at ))
    _normal
    return
  fi
`
    : "";
  return `${functionName(help.name)}() {
${own}  _arguments -s ${lines.join(" \\\n    ")}
}
`;
}

const functionName = (name: string): string => `_libflux_${name.replaceAll(/[^a-z]/g, "_")}`;

/** A list of words with what they are for, as `_describe` takes it. */
const described = (words: readonly (readonly [string, string])[]): string =>
  words.map(([word, about]) => quote(`${word.replaceAll(":", "\\:")}:${about}`)).join(" ");

/** The function of a command with actions. */
function actionsFunction(help: CommandHelp): string {
  const cases = (help.subcommands ?? []).map((one) => {
    const [, word = ""] = one.name.split(" ");
    return `    ${[word, ...one.aliases ?? []].join("|")}) ${functionName(one.name)} ;;\n`;
  });
  return `${functionName(help.name)}() {
  local -a actions=(${described(actions(help))})
  if (( CURRENT == 2 )); then
    if [[ $PREFIX == -* ]]; then _arguments ${COMMON_FLAGS.flatMap(specs).join(" ")}; else _describe action actions; fi
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${cases.join("")}  esac
}
`;
}

/** The function of `help`: a command, and an action of that. */
function helpFunction(table: CompletionTable): string {
  const cases = table.help.filter(({ subcommands }) => subcommands !== undefined).map((help) =>
    `      ${help.name}) actions=(${described(actions(help))}) ;;\n`
  );
  return `_libflux_help() {
  local -a actions
  if (( CURRENT == 2 )); then
    _libflux_names commands
  elif (( CURRENT == 3 )); then
    case $words[2] in
${cases.join("")}    esac
    _describe action actions
  fi
}
`;
}

/** Makes the script. */
export function zshScript(table: CompletionTable): string {
  const functions = table.help.filter(({ name }) => name !== "help").flatMap((help) =>
    help.subcommands === undefined
      ? [plainFunction(help)]
      : [actionsFunction(help), ...help.subcommands.map(plainFunction)]
  );
  const told = table.commands.map(([name, help]) => [name, firstSentence(help)] as const);
  const run = table.help.map(({ name }) => `    ${name}) ${functionName(name)} ;;\n`);
  return `#compdef libflux
# Completion of libflux for zsh; made by 'libflux completion zsh'.

_libflux_names() {
  local -a root=() names=()
  local at=\${words[(i)--root]} joined=\${words[(r)--root=*]}
  if (( at < \${#words} )); then root=(--root "$words[at+1]"); elif [[ -n $joined ]]; then root=("$joined"); fi
  case $1 in
    containers) names=(\${(f)"$(libflux ${listing("containers", table)} $root 2>/dev/null)"}) ;;
    running) names=(\${(f)"$(libflux ${listing("running", table)} $root 2>/dev/null)"}) ;;
    networks) names=(\${(f)"$(libflux ${listing("networks", table)} $root 2>/dev/null)"}) ;;
    commands) names=(${table.commands.map(([name]) => name).join(" ")}) ;;
  esac
  compadd -a names
}

# Words; those that end in = or : go on.
_libflux_choices() {
  local -a whole=(\${@:#*[=:]}) begun=(\${(M)@:#*[=:]})
  compadd -a whole
  compadd -S '' -a begun
}

_libflux_any() {
  local one
  for one; do \${=one}; done
}

${functions.join("\n")}
${helpFunction(table)}
_libflux() {
  local -a commands=(${described(told)})
  if (( CURRENT == 2 )); then
    if [[ $PREFIX == -* ]]; then compadd -- --help --version; else _describe command commands; fi
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${run.join("")}  esac
}

# Loaded by compinit as a function, or sourced.
if [[ $funcstack[1] == _libflux ]]; then _libflux "$@"; else compdef _libflux libflux; fi
`;
}
