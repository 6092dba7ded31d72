# capture.fish SCRIPT LINE…: what fish offers at the end of each line, a candidate a line after "> LINE".
source $argv[1]
for line in $argv[2..-1]
    printf '> %s\n' $line
    complete -C $line | cut -f 1
end
