/**
 * The script for bash. It needs no other: words are put together again that bash has taken apart at `=` and `:`.
 *
 * @module
 */
import type { CompletionTable } from "../completion.ts";
import { actions, isNegatable, type Kind, kindOf, listing, places, quote } from "./words.ts";

/** A kind, as the script's data have it. */
function data({ choices, names, files }: Kind): string {
  return `choices=${quote(choices.join(" "))} names=${names ?? ""} files=${files ?? ""}`;
}

/** One branch of a `case`. */
const branch = (patterns: readonly string[], body: string): string =>
  `    ${patterns.map(quote).join("|")}) ${body} ;;\n`;

/** Makes the script. */
export function bashScript(table: CompletionTable): string {
  const all = places(table);
  const flags = all.map(({ paths, flags, help }) => {
    const words = flags.flatMap((flag) => [
      `--${flag.name}`,
      ...(flag.aliases ?? []).map((alias) => `--${alias}`),
      ...flag.short === undefined ? [] : [`-${flag.short}`],
      ...isNegatable(flag) ? [`--no-${flag.name}`] : [],
    ]);
    const valued = flags.filter(({ value }) => value !== undefined).flatMap(({ name, short, aliases = [] }) => [
      ...[name, ...aliases].map((one) => `--${one}`),
      ...short === undefined ? [] : [`-${short}`],
    ]);
    const { choices = [], names, files } = help.operands ?? {};
    const own = actions(help).map(([action]) => action);
    return branch(
      paths,
      `flags=${quote(words.join(" "))} valued=${quote(` ${valued.join(" ")} `)} most=${
        help.maxOperands ?? -1
      } actions=${quote(own.join(" "))} ${data({ choices, names, files })}`,
    );
  });
  const values = all.flatMap(({ paths, flags }) =>
    flags.flatMap((flag) => {
      const kind = kindOf(flag);
      if (flag.value === undefined) return [];
      const names = [flag.name, ...flag.aliases ?? []].map((one) => `--${one}`);
      if (flag.short !== undefined) names.push(`-${flag.short}`);
      return [branch(paths.flatMap((path) => names.map((name) => `${path} ${name}`)), data(kind))];
    })
  );
  const commands = table.commands.map(([name]) => name);
  return `# Completion of libflux for bash; made by 'libflux completion bash'.

__libflux_place() {
  flags='--help --version' valued=' ' most=0 actions=${quote(commands.join(" "))} choices='' names='' files=''
  case "$1" in
${flags.join("")}  esac
}

__libflux_value() {
  choices='' names='' files=''
  case "$1" in
${values.join("")}  esac
}

__libflux_names() {
  case "$1" in
    containers) libflux ${listing("containers", table)} "\${root[@]}" 2>/dev/null ;;
    running) libflux ${listing("running", table)} "\${root[@]}" 2>/dev/null ;;
    networks) libflux ${listing("networks", table)} "\${root[@]}" 2>/dev/null ;;
    commands) echo ${quote(commands.join(" "))} ;;
  esac
}

# Offers what of choices, names and files begins with $1; $2 is put before each.
__libflux_offer() {
  local word list
  list="$choices"
  [[ -n $names ]] && list+=" $(__libflux_names "$names")"
  # Names and choices have nothing in them that a shell would expand.
  for word in $list; do
    [[ $word == "$1"* ]] || continue
    # There already, and what comes next isn't known.
    [[ $word == "$1" && $word == *[=:] ]] && continue
    [[ $word == *[=:] ]] && compopt -o nospace
    COMPREPLY+=("$2$word")
  done
  [[ -z $files ]] && return
  local kind=-f
  [[ $files == directories ]] && kind=-d
  compopt -o filenames
  # Line by line: names may have in them what a shell would expand.
  while IFS= read -r word; do COMPREPLY+=("$2$word"); done < <(compgen $kind -- "$1")
}

_libflux() {
  local flags valued most actions choices names files
  local cur='' path='' place='' count=0 i word skip='' after=''
  local -a words=() root=()
  # Words as they were typed: bash takes them apart at = and :.
  local line="\${COMP_LINE:0:COMP_POINT}" last=''
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ $line == [[:space:]]* || \${#words[@]} -eq 0 ]]; then
      line="\${line#"\${line%%[![:space:]]*}"}"
      words+=('')
    fi
    [[ $line == "$word"* ]] || word="$line"
    words[\${#words[@]}-1]+="$word"
    line="\${line:\${#word}}"
  done
  cur="\${words[\${#words[@]}-1]}"
  COMPREPLY=()
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    word="\${words[i]}"
    __libflux_place "$path"
    if [[ -n $skip ]]; then
      [[ $skip == --root ]] && root=(--root "$word")
      skip=''
    elif [[ $word == -- ]]; then
      after=1
      break
    elif [[ $word == --root=* ]]; then
      root=("$word")
    elif [[ $valued == *" $word "* ]]; then
      skip="$word"
    elif [[ $word == -* ]]; then
      :
    elif [[ " $actions " == *" $word "* && ( -z $path || $count -eq 0 ) ]]; then
      path="\${path:+$path }$word"
      count=0
    else
      # What an action is also called.
      __libflux_place "$path $word"
      if [[ -n $path && $count -eq 0 && $flags != '--help --version' ]]; then path="$path $word"; else ((count++)); fi
    fi
  done
  if [[ -n $after ]]; then
    # A command line of the container's own.
    compopt -o default
    return
  fi
  if [[ -n $skip ]]; then
    __libflux_value "$path $skip"
    __libflux_offer "$cur" ''
  elif [[ $cur == --*=* ]]; then
    __libflux_value "$path \${cur%%=*}"
    __libflux_offer "\${cur#*=}" "\${cur%%=*}="
  else
    __libflux_place "$path"
    if [[ $cur == -* ]]; then
      choices="$flags" names='' files=''
    elif [[ $path == help && $count -gt 0 ]]; then
      __libflux_place "\${words[2]}"
      choices="$actions" names='' files=''
    else
      ((count == 0)) && choices="$choices $actions"
      ((most >= 0 && count >= most)) && [[ -z $actions ]] && choices='' names='' files=''
    fi
    __libflux_offer "$cur" ''
  fi
  # bash puts a candidate in place of what is after the last of these.
  local breaks="\${cur%"\${cur##*[=:]}"}"
  if [[ -n $breaks ]]; then
    for ((i = 0; i < \${#COMPREPLY[@]}; i++)); do
      COMPREPLY[i]="\${COMPREPLY[i]#"$breaks"}"
    done
  fi
}

complete -F _libflux libflux
`;
}
