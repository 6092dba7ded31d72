# capture.zsh SCRIPT LINE…: what zsh offers at the end of each line, a candidate a line after "> LINE".
zmodload zsh/zpty
zpty shell zsh -f -i
integer patience=300

# Reads until a mark; fails rather than wait for ever.
await() {
  local chunk text=
  repeat $patience; do
    if zpty -rt shell chunk; then
      text+=$chunk
      [[ $text == *$1* ]] && { REPLY=$text; return }
    else
      zselect -t 10
    fi
  done
  print -u2 -r -- "never showed $1: $text"
  exit 1
}
zmodload zsh/zselect

() {
  setup=$(mktemp)
  cat >$setup <<'END'
PROMPT= RPROMPT= LISTMAX=10000
autoload -Uz compinit && compinit -u -D
END
  print -r -- "source ${(q)1}" >>$setup
  cat >>$setup <<'END'
zstyle ':completion:*' group-name ''
zstyle ':completion:*' format ''
compadd() {
  # What is only asked for is answered.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits suffix=("${(@)@[1,(i)(-|--)]}")
  builtin compadd -A hits "$@"
  local hit
  for hit in $hits; do print -r -- "HIT<$hit>"; done
  (( $#hits ))
}
complete-and-say() { zle complete-word; print -r -- "DO""NE"; }
zle -N complete-and-say
bindkey '^M' undefined
bindkey '^J' undefined
bindkey '^I' complete-and-say
bindkey '^X' kill-whole-line
print RE""ADY
END
} "$1"
zpty -w shell "source $setup"
await READY
rm -f $setup
shift
for line; do
  print -r -- "> $line"
  zpty -n -w shell "$line"$'\t'
  await DONE
  print -r -- "$REPLY" | tr -d '\r' | grep -o 'HIT<[^>]*>' | sed 's/^HIT<\(.*\)>$/\1/'
  zpty -n -w shell $'\x18'
done
zpty -d shell
