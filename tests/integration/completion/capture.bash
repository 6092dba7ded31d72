# capture.bash SCRIPT LINE…: what bash offers at the end of each line, a candidate a line after "> LINE".
source "$1"
shift
# Nothing of bash's own is being completed here.
compopt() { :; }
for line; do
  COMP_LINE="$line" COMP_POINT=${#line} COMPREPLY=()
  # As bash takes a line apart: at blanks, and at = and :, which are words of their own.
  mapfile -t COMP_WORDS < <(grep -oE '[=:]+|[^=: ]+' <<<"$line")
  [[ $line == *[\ =:] ]] && COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  $(complete -p libflux | sed 's/.*-F \([^ ]*\).*/\1/')
  printf '> %s\n' "$line"
  [[ ${#COMPREPLY[@]} -gt 0 ]] && printf '%s\n' "${COMPREPLY[@]}"
done
exit 0
